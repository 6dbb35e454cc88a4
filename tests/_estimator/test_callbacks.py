"""The iteration loop under callbacks and Ctrl-C, and its warnings."""

import re
import signal
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from sklearn_optland import Certificate
from sklearn_optland._estimator.advice import advise, warn_unless_reached
from sklearn_optland._estimator.run import run
from sklearn_optland._optim.step import Step
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression, SAGAClassifier
from sklearn_optland.neural_network import ADMMNetClassifier, MeanFieldTwoLayerNetClassifier

callback = pytest.importorskip("sklearn.callback")
CallbackContext = pytest.importorskip("sklearn.callback._callback_context").CallbackContext

X, Y = np.zeros((3, 2)), np.ones(3)


class Halving(callback.CallbackSupportMixin, BaseEstimator):
    """Halves a number until it is small; `before` is called before each halving."""

    _parameter_constraints = {}

    def __init__(self, max_iter=100, small=2.0**-5, before=None):
        self.max_iter, self.small, self.before = max_iter, small, before

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        self.asked, self.reconstructed = 0, []
        rows = SimpleNamespace(callback_data={"X": X, "y": y, "metadata": {"key": 1}})
        steps, attributes = self.halve(), self.reconstruct
        _, self.history_ = run(self, steps, attributes, rows=rows, max_iter=self.max_iter)
        self.value_ = self.history_["objective"][-1]
        return self

    def halve(self):
        value = 1.0
        while True:
            self.asked += 1
            if self.before:
                self.before(self.asked)
            value /= 2
            curves = {"objective": value, "passes": 2 * self.asked}
            yield Step(value, curves, done=value <= self.small)

    def reconstruct(self, value):
        self.reconstructed.append(value)
        return {"value_": value}

    def predict(self, X):
        return np.full(len(X), self.value_)


class Listener:
    """Records every call, and asks to stop after some iterations."""

    def __init__(self, stop_after=None, error=None):
        self.calls, self.stop_after, self.error = [], stop_after, error

    def setup(self, estimator, context):
        self.calls.append(SimpleNamespace(hook="setup", task=context.task_name))

    def teardown(self, estimator, context):
        self.calls.append(SimpleNamespace(hook="teardown", task=context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.record("begin", context, X=X, y=y, metadata=metadata)

    def record(self, hook, context, **data):
        self.calls.append(
            SimpleNamespace(hook=hook, task=context.task_name, number=context.task_id, **data)
        )

    def on_fit_task_end(self, estimator, context, *, X, y, metadata):
        self.record("end", context, X=X, y=y, metadata=metadata)
        return context.task_name == "iteration" and context.task_id + 1 == self.stop_after


class Predictor(Listener):
    """Predicts with the estimator as it would be if the fit stopped here."""

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.record("end", context, predicted=fitted_estimator.predict(X))
        assert fitted_estimator is not estimator


# The loop


def test_history_is_one_array_a_curve():
    history = Halving().fit(X).history_
    assert list(history) == ["objective", "passes", "seconds"]
    np.testing.assert_array_equal(history["objective"], 0.5 ** np.arange(1, 6))
    np.testing.assert_array_equal(history["passes"], 2 * np.arange(1, 6))
    assert history["seconds"].shape == (5,)
    assert (np.diff(history["seconds"], prepend=0.0) >= 0).all()


@pytest.mark.parametrize(("max_iter", "iterations"), [(1, 1), (4, 4), (5, 5), (6, 5)])
def test_it_stops_when_done_or_at_max_iter(max_iter, iterations):
    halving = Halving(max_iter).fit(X)
    assert len(halving.history_["objective"]) == halving.asked == iterations


def test_callbacks_see_the_fit_and_each_iteration():
    listener = Listener()
    Halving(max_iter=2).set_callbacks(listener).fit(X, Y)
    calls = [(call.hook, call.task) for call in listener.calls]
    one = [("begin", "iteration"), ("end", "iteration")]
    expected = [("begin", "fit"), *one, *one, ("end", "fit")]
    assert calls == [("setup", "fit"), *expected, ("teardown", "fit")]
    numbers = [call.number for call in listener.calls if call.task == "iteration"]
    assert numbers == [0, 0, 1, 1]
    for call in listener.calls[1:-1]:
        assert call.X is X
        assert call.y is Y
        assert call.metadata == {"key": 1}


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_callback_stops_the_fit(stop_after):
    listener = Listener(stop_after)
    halving = Halving().set_callbacks(listener, Listener()).fit(X)
    assert len(halving.history_["objective"]) == halving.asked == stop_after
    assert (listener.calls[-2].hook, listener.calls[-2].task) == ("end", "fit")


def test_a_callback_gets_an_estimator_that_predicts():
    predictor = Predictor()
    halving = Halving(max_iter=3).set_callbacks(predictor).fit(X)
    predicted = [call.predicted for call in predictor.calls if call.hook == "end"]
    np.testing.assert_array_equal(predicted, np.repeat([[0.5], [0.25], [0.125], [0.125]], 3, 1))
    np.testing.assert_array_equal(halving.predict(X), predicted[-1])


def test_an_iteration_begins_with_the_estimator_of_the_one_before():
    class Beginner(Listener):
        def on_fit_task_begin(self, estimator, context, *, X, fitted_estimator=None):
            if context.task_name == "iteration":
                values.append(fitted_estimator and fitted_estimator.value_)

    values = []
    Halving(max_iter=3).set_callbacks(Beginner()).fit(X)
    assert values == [None, 0.5, 0.25]


@pytest.mark.parametrize("callbacks", [[], [Listener()]])
def test_attributes_are_built_only_if_a_callback_asks(callbacks):
    assert Halving().set_callbacks(*callbacks).fit(X).reconstructed == []


def test_no_context_for_an_iteration_that_nobody_watches(monkeypatch):
    made = []
    original = CallbackContext.subcontext
    monkeypatch.setattr(
        CallbackContext,
        "subcontext",
        lambda self, **options: made.append(1) or original(self, **options),
    )
    Halving().fit(X)
    assert len(made) == 0
    Halving().set_callbacks(Listener()).fit(X)
    assert len(made) == 5


def test_progress_bar(capsys):
    Halving(max_iter=4, small=0.0).set_callbacks(callback.ProgressBar()).fit(X)
    assert re.search(r"Halving - fit .*100%", capsys.readouterr().out)


# Ctrl-C


def interrupt(at, by):
    def before(iteration):
        if iteration == at:
            by()

    return before


def raise_it():
    raise KeyboardInterrupt


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("by", [raise_it, press_ctrl_c])
@pytest.mark.parametrize("listening", [True, False])
def test_ctrl_c_says_how_far_the_fit_had_come(listening, by):
    listener = Listener()
    halving = Halving(before=interrupt(4, by)).set_callbacks(*[listener] * listening)
    message = (
        r"Halving\.fit was interrupted after 3 iterations "
        r"\(objective 0\.125, passes 6, seconds \S+\); the estimator keeps what it had before"
    )
    with pytest.raises(KeyboardInterrupt, match=message):
        halving.fit(X)
    assert not hasattr(halving, "history_")
    if listening:
        assert listener.calls[-1].hook == "teardown"


def test_ctrl_c_in_the_first_iteration():
    with pytest.raises(KeyboardInterrupt, match="interrupted after 0 iterations; the estimator"):
        Halving(before=interrupt(1, raise_it)).fit(X)


def test_ctrl_c_keeps_the_previous_fit():
    halving = Halving().fit(X)
    history, value = halving.history_, halving.value_
    with pytest.raises(KeyboardInterrupt):
        halving.set_params(small=0.0, before=interrupt(9, raise_it)).fit(X)
    assert halving.history_ is history
    assert halving.value_ == value
    assert halving.set_params(before=None, max_iter=7).fit(X).value_ == 2.0**-7


def test_ctrl_c_in_a_callback():
    class Interrupter(Listener):
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="after 1 iterations"):
        Halving().set_callbacks(Interrupter()).fit(X)


def test_other_errors_pass_through():
    listener = Listener()
    with pytest.raises(ZeroDivisionError):
        Halving(before=interrupt(2, lambda: 1 / 0)).set_callbacks(listener).fit(X)
    assert listener.calls[-1].hook == "teardown"


def test_warning_says_what_is_left_what_was_asked_for_and_what_to_change():
    missed = Certificate("duality gap", 0.25, 1e-6, "global", 0.125)
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unless_reached(Halving(), missed, 17, "Set max_iter to about 60.")
    assert [str(warning.message) for warning in caught] == [
        "Halving stopped after 17 iterations with duality gap 1.2e-01 of the objective (global); "
        "tol asks for 5.0e-07. Set max_iter to about 60."
    ]


@pytest.mark.parametrize("tolerance", [None, 0.25])
def test_there_is_no_warning_where_nothing_was_asked_or_it_was_reached(tolerance):
    certificate = Certificate("duality gap", 0.25, tolerance, "global", 0.125)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unless_reached(Halving(), certificate, 17, "")


class Advised:
    max_iter = 100


def test_advice_names_the_iterations_that_the_rate_predicts():
    # a factor of ten in ten iterations, and 1e-2 after 100: 1e-6 takes 140, and a fifth to spare
    counts = np.arange(1, 101)
    values = 1e-2 * 10 ** ((100 - counts) / 10)
    missed = Certificate("duality gap", 1e-2, 1e-6, "global", 1e-2)
    assert "Set max_iter to about 170, or tol to 0.02" in advise(
        Advised(), 100, np.float64, missed, counts, values
    )
    far = Certificate("duality gap", 0.5, 1e-6, "global", 0.5)
    slow = 0.5 * 10 ** ((100 - counts) / 1000)
    expected = "Set max_iter to about 7000, or set a larger alpha."
    assert advise(Advised(), 100, float, far, counts, slow, "set a larger alpha") == expected
    stuck = advise(Advised(), 100, np.float64, missed, counts, np.full(100, 1e-2))
    assert "hardly falls" in stuck
    ended = advise(Advised(), 50, np.dtype(np.float32), missed, counts, values)
    assert ended == "That is as far as float32 goes: set tol to 0.02, or to 0."


@pytest.mark.parametrize(
    "model",
    [
        BoundMajorizationLogisticRegression(max_iter=1, tol=1e-12),
        SAGAClassifier(max_iter=1, tol=1e-12),
        ADMMNetClassifier((3,), max_iter=1, random_state=0),
        MeanFieldTwoLayerNetClassifier(3, max_iter=1, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline], ids=["alone", "pipeline"])
def test_warning_is_at_the_user_s_line(model, wrap):
    data = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning) as records:
        wrap(clone(model)).fit(*data)
    assert {record.filename for record in records} == {__file__}


def test_no_warning_if_reached():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unless_reached(
            Halving(), Certificate("duality gap", 0.0, 1e-6, "global", 0.0), 17, "?"
        )
