"""Entry points in any order: fits, partial fits, parameters, copies, pickles, threads that predict.

A state machine calls them on every estimator, on small data. What must hold:

- what cannot be learned is refused by a ValueError that names a parameter or an array;
- the classes are those of the last fit, and partial fits only add to them;
- predictions are finite, and of known classes; before a fit there is a NotFittedError;
- they move where the model learns, and nowhere else: not if it refuses to, not by set_params, and
  not when a copy, or the original of a copy, learns, in another thread too.
"""

import copy
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import numpy as np
import pytest
from helpers import SEEDS, fit_quietly
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval, StrOptions, make_constraint
from sklearn.utils._testing import set_random_state

from sklearn_optland.utils.discovery import all_estimators

LABELS = st.sampled_from([list("abcdef"), list(range(6)), [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]])
PREDICTIONS = "predict", "predict_proba", "decision_function", "predict_top_k"
DUPLICATES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}
NAMED = "X", "y", "classes", "sample_weight", "n_splits"  # the last is scikit-learn's for cv
MOST_STEPS = 3
N_OTHERS = 3

# Instead of what their constraints allow.
VALUES = {
    "beam_width": [2],  # predictions read it
    "alphas": [1, 3, [0.1, 1.0]],
    "Cs": [1, 3],
    "class_weight": [None, "balanced"],
    "hidden_layer_sizes": [(), (3,), (2, 2)],
    "max_iter": range(1, MOST_STEPS + 1),
    "l1_ratios": [(0.0,), (0.5, 1.0)],
    "n_jobs": [None],
    "scoring": [None, "accuracy"],
    "random_state": [0],
}
NUMBERS = [0, 1, 2, 3, 0.0, 1e-3, 0.1, 0.5, 1.0, 2.5, np.inf]


def values_of(name, constraints):
    """Some values of a parameter that its constraints allow."""
    if name in VALUES:
        return VALUES[name]
    allowed = []
    for constraint in map(make_constraint, constraints):
        if isinstance(constraint, StrOptions):
            allowed += sorted(constraint.options)
        else:
            some = NUMBERS if isinstance(constraint, Interval) else [None, False, True]
            allowed += [value for value in some if constraint.is_satisfied_by(value)]
    return allowed


def parameters_of(model):
    constraints = type(model)._parameter_constraints
    found = {name: values_of(name, constraints[name]) for name in model.get_params()}
    if "scoring" in found and not is_classifier(model):
        found["scoring"] = [None, "neg_mean_absolute_error"]
    return found


def small(Estimator):
    model = Estimator(max_iter=MOST_STEPS)
    if hasattr(model, "alphas"):
        model.set_params(alphas=3)
    set_random_state(model)
    return model


def predictions(model, X):
    found = {name: getattr(model, name)(X) for name in PREDICTIONS if hasattr(model, name)}
    return {name: y.toarray() if sparse.issparse(y) else y for name, y in found.items()}


def assert_predicts(model, X, expected):
    found = predictions(model, X)
    for name in found.keys() & expected.keys():  # predict_proba may need a loss
        assert_array_equal(found[name], expected[name], err_msg=name)


@contextmanager
def meanwhile(function, *arguments):
    """Another thread calls the function, again and again, while this one does something else."""
    begun, ended, interval = Event(), Event(), sys.getswitchinterval()

    def calls():
        while not ended.is_set():
            function(*arguments)
            begun.set()

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(calls)
            future.add_done_callback(lambda _: begun.set())
            begun.wait()
            try:
                yield
            finally:
                ended.set()
            future.result()
    finally:
        sys.setswitchinterval(interval)


class EntryPoints(RuleBasedStateMachine):
    def __init__(self, Estimator):
        super().__init__()
        self.model = small(Estimator)
        self.is_classifier = is_classifier(self.model)
        self.learns_online = hasattr(Estimator, "partial_fit")
        self.parameters = parameters_of(self.model)
        self.learned = None  # rows to predict for, and what is predicted
        self.classes = set()
        self.others = []  # models that learn no more, their rows and predictions

    @initialize(labels=LABELS)
    def choose_labels(self, labels):
        self.labels = np.array(labels)

    # What learns

    def rows(self, draws):
        """Rows to learn from, with targets, or labels of some of the classes."""
        rng = np.random.default_rng(draws.draw(SEEDS, label="seed"))
        shape = draws.draw(st.tuples(st.integers(1, 12), st.integers(1, 3)), label="shape")
        X = rng.normal(size=shape).astype(draws.draw(st.sampled_from(["f4", "f8"]), label="dtype"))
        if not self.is_classifier:
            return X, rng.normal(size=len(X))
        codes = draws.draw(st.sets(st.integers(0, 5), min_size=1), label="classes")
        return X, self.labels[rng.choice(sorted(codes), len(X))]

    def learn(self, method, X, *data, **arguments):
        """Call a method; whether it has learned, and not refused to, which must change nothing."""
        try:
            with meanwhile(self.others_predict):
                method(X, *data, **arguments)
        except ValueError as error:
            names = "|".join([*NAMED, *self.model.get_params()])
            assert re.search(rf"\b({names})\b", str(error)), error  # noqa: PT017
            return False
        self.learned = X[:3], predictions(self.model, X[:3])
        return True

    @rule(draws=st.data(), is_weighted=st.booleans(), is_sparse=st.booleans())
    def fit(self, draws, is_weighted, is_sparse):
        X, y = self.rows(draws)
        weight = np.arange(1, len(y) + 1) % 3 if is_weighted else None
        if is_sparse and get_tags(self.model).input_tags.sparse:
            X = sparse.csr_array(X)
        if self.learn(self.model.fit, X, y, sample_weight=weight) and self.is_classifier:
            goes_on = self.learns_online and getattr(self.model, "warm_start", False)
            known = self.classes if goes_on else set()
            self.classes = set(self.model.classes_)
            assert known | set(y if weight is None else y[weight > 0]) <= self.classes
            assert self.classes <= known | set(y)

    @precondition(lambda self: self.learns_online)
    @rule(draws=st.data(), are_named=st.booleans())
    def partial_fit(self, draws, are_named):
        X, y = self.rows(draws)
        named = {"classes": self.labels} if are_named and self.is_classifier else {}
        if not hasattr(self.model, "partial_fit"):
            return
        if self.learn(self.model.partial_fit, X, y, **named) and self.is_classifier:
            self.classes |= set(y).union(*named.values())

    @rule(draws=st.data())
    def set_params(self, draws):
        name = draws.draw(st.sampled_from(sorted(self.parameters)))
        self.model.set_params(**{name: draws.draw(st.sampled_from(self.parameters[name]))})

    # What copies

    @rule(how=st.sampled_from(list(DUPLICATES)), goes_on=st.booleans())
    def duplicate(self, how, goes_on):
        other = DUPLICATES[how](self.model)
        if goes_on:
            self.model, other = other, self.model
        if self.learned:
            self.others = [(other, *self.learned), *self.others][:N_OTHERS]

    @rule()
    def clone(self):
        other = clone(self.model)
        assert other.get_params() == self.model.get_params()
        with pytest.raises(NotFittedError):
            other.predict(np.zeros((1, 1)))

    # What predicts

    @invariant()
    def others_predict(self):
        for other, X, expected in self.others:
            assert_predicts(other, X, expected)

    @invariant()
    def predicts(self):
        if not self.learned:
            with pytest.raises(NotFittedError):
                self.model.predict(np.zeros((1, 1)))
            return
        X, expected = self.learned
        assert_predicts(self.model, X, expected)
        y, *scores = expected.values()
        assert all(np.isfinite(values).all() for values in scores)
        if not self.is_classifier:
            assert np.isfinite(y).all()
            return
        assert set(self.model.classes_) == self.classes
        assert set(y) <= self.classes
        if (P := expected.get("predict_proba")) is not None:
            assert P.shape == (X.shape[0], len(self.classes))
            assert_allclose(P.sum(axis=1), 1, rtol=1e-5)


every_estimator = pytest.mark.parametrize(
    "Estimator", [cls for _, cls in all_estimators(["classifier", "regressor"])]
)
X, Y = np.random.default_rng(0).normal(size=(18, 2)), np.arange(18) % 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:The least populated class:UserWarning")
@pytest.mark.filterwarnings("error")
@every_estimator
def test_entry_points_mix(Estimator):
    profile = settings.get_profile("machines")
    run_state_machine_as_test(lambda: EntryPoints(Estimator), settings=profile)


@every_estimator
def test_a_refused_fit_changes_nothing(Estimator):
    model = small(Estimator)
    for expected in (None, predictions(fit_quietly(small(Estimator), X, Y), X)):
        if expected:
            fit_quietly(model, X, Y)
        with pytest.raises(ValueError, match=r"(?i)sample.weight"):
            model.fit(X[:, :1], Y, sample_weight=np.zeros(len(Y)))
        if expected:
            assert_predicts(model, X, expected)
        else:
            assert not hasattr(model, "n_features_in_")


@every_estimator
def test_parameters_move_no_prediction_of_a_fitted_model(Estimator):
    model = fit_quietly(small(Estimator), X, Y)
    expected = predictions(model, X)
    for name, values in parameters_of(model).items():
        for value in values:
            model.set_params(**{name: value})
            assert_predicts(model, X, expected)
