"""Two-layer nets as measures: what users count on."""

import warnings
from copy import copy

import numpy as np
import pytest
from helpers import fit_quietly
from neural_network.mean_field_helpers import SOLVERS, curve, plain_objective
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_optland._rows import source
from sklearn_optland.neural_network import MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem


@pytest.mark.parametrize("solver", SOLVERS)
def test_units_of_the_data_change_nothing(solver, global_random_seed):
    X, y = curve(d=2, seed=global_random_seed)
    settings = {"fit_intercept": False, "scale_inputs": False, "random_state": 0}
    model = MeanFieldTwoLayerNet(solver=solver, alpha=0.01, **settings)
    expected = model.fit(X, y).predict(X)
    scaled = model.set_params(alpha=0.01 * 2.0**40).fit(2.0**30 * X, 2.0**10 * y)
    np.testing.assert_allclose(scaled.predict(2.0**30 * X), 2.0**10 * expected, rtol=1e-10)


def test_scale_inputs_is_a_scaler_before():
    X, y = curve(d=3)
    X = X * [1.0, 10.0, 0.1] + [5.0, 0.0, 1.0]
    w = np.random.RandomState(0).rand(len(y))
    mean = np.average(X, weights=w, axis=0)
    Z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, weights=w, axis=0))
    settings = {"alpha": 0.01, "max_iter": 20, "tol": 0, "random_state": 0, "warm_start": True}
    y_mean = w @ y / w.sum()
    y_size = np.sqrt(w @ (y - y_mean) ** 2 / w.sum())
    outside = MeanFieldTwoLayerNet(scale_inputs=False, **settings)
    inside = MeanFieldTwoLayerNet(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(2):  # also from where the first fit ended
            outside.fit(Z, (y - y_mean) / y_size, w)
            inside.fit(X, y, w)
            expected = y_mean + y_size * outside.predict(Z)
            np.testing.assert_allclose(inside.predict(X), expected, rtol=1e-7)
    # Both certificates are in the user's units.
    np.testing.assert_allclose(inside.variation_norm_, y_size * outside.variation_norm_, rtol=1e-6)
    np.testing.assert_allclose(inside.first_variation_max_, outside.first_variation_max_, rtol=1e-6)
    ends = [y_size**2 * outside.history_["objective"][-1], y_size**2 * outside.certificate_.value]
    np.testing.assert_allclose(inside.history_["objective"][-1], ends[0], rtol=1e-6)
    np.testing.assert_allclose(inside.certificate_.value, ends[1], rtol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_is_kept(solver):
    X, y = curve(d=2)
    single = MeanFieldTwoLayerNet(solver=solver, alpha=0.01, random_state=0)
    single.fit(X.astype(np.float32), y)
    double = MeanFieldTwoLayerNet(solver=solver, alpha=0.01, random_state=0).fit(X, y)
    for part in (*single.coefs_, *single.intercepts_, single.predict(X.astype(np.float32))):
        assert part.dtype == np.float32
    np.testing.assert_allclose(
        single.history_["objective"][-1], double.history_["objective"][-1], rtol=0.02
    )


@pytest.mark.parametrize("scale", [1e-30, 1e3, 1e130])
@pytest.mark.parametrize("max_iter", [8, 1000])
def test_particles_begin_in_float32_and_are_judged_in_float64(max_iter, scale, monkeypatch):
    X, y = curve(d=2)
    X = X * scale
    copies, in_float32 = [], TwoLayerProblem.in_float32
    monkeypatch.setattr(source, "FLOAT32_PAYS", 0)
    monkeypatch.setattr(
        TwoLayerProblem, "in_float32", lambda problem: copies.append(1) or in_float32(problem)
    )
    alpha = 1e-3 * scale
    settings = {"scale_inputs": False, "max_iter": max_iter, "random_state": 0}
    model = MeanFieldTwoLayerNet(10, alpha=alpha, **settings)
    fit_quietly(model, X, y)
    assert copies == [1]
    assert model.coefs_[0].dtype == np.float64
    c, curve_ = np.full(len(y), 1 / len(y)), model.history_["objective"]
    value = plain_objective(X, y[:, None], c, model.coefs_, model.intercepts_, alpha, False)
    assert curve_[-1] == pytest.approx(value, rel=1e-12)
    assert (np.diff(curve_) <= 1e-6 * curve_[:-1]).all()
    if max_iter == 1000:
        assert model.n_iter_ < max_iter
        assert curve_[-1] < curve_[0]
    # float32 data stay what they are.
    model.set_params(alpha=1e-3, max_iter=8).fit((X / scale).astype(np.float32), y)
    assert copies == [1]


def test_layout_is_that_of_scikit_learn_s_mlp():
    X, y = curve(d=3)
    model = MeanFieldTwoLayerNet(7, scale_inputs=False, random_state=0).fit(X, y)
    mlp = fit_quietly(MLPRegressor(hidden_layer_sizes=(7,), max_iter=1), X, y)
    assert [W.shape for W in model.coefs_] == [W.shape for W in mlp.coefs_]
    assert [b.shape for b in model.intercepts_] == [b.shape for b in mlp.intercepts_]
    assert (model.n_layers_, model.n_outputs_) == (mlp.n_layers_, mlp.n_outputs_)
    assert model.out_activation_ == mlp.out_activation_
    mlp.coefs_, mlp.intercepts_ = model.coefs_, model.intercepts_
    np.testing.assert_allclose(mlp.predict(X), model.predict(X), rtol=1e-12)
    lengths = np.linalg.norm(np.vstack([model.coefs_[0], model.intercepts_[0]]), axis=0)
    np.testing.assert_allclose(lengths, np.linalg.norm(model.coefs_[1], axis=1))
    np.testing.assert_allclose(model.variation_norm_, lengths @ lengths)


@pytest.mark.parametrize("solver", SOLVERS)
def test_many_outputs(solver):
    X, y = curve(d=2)
    Y = np.column_stack([y, -y, np.abs(X[:, 1])])
    settings = {"scale_inputs": False, "random_state": 0}
    model = MeanFieldTwoLayerNet(60, solver=solver, alpha=1e-3, **settings).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.5
    assert model.certificate_.scope == "global"
    c = np.full(len(y), 1 / len(y))
    objective = plain_objective(X, Y, c, model.coefs_, model.intercepts_, 1e-3, False)
    np.testing.assert_allclose(model.history_["objective"][-1], objective, rtol=0.05)


@pytest.mark.parametrize("solver", [*SOLVERS, "margin-ascent"])
def test_string_labels(solver):
    X, y = make_moons(60, noise=0.1, random_state=0)
    labels = np.array(["no", "yes"])[y]
    tol = 0.05 if solver == "margin-ascent" else 1e-3
    model = MeanFieldTwoLayerNetClassifier(solver=solver, tol=tol, random_state=0)
    model.fit(X, labels)
    assert model.score(X, labels) > 0.85
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "name", ["one row", "constant y", "equal rows", "wide column", "zeros", "one particle"]
)
def test_odd_data(solver, name, global_random_seed):
    X, y = curve(20, 3, global_random_seed)
    m = 10
    if name == "one row":
        X, y = X[:1], y[:1]
    elif name == "constant y":
        y = np.full(20, 3.0)
    elif name == "equal rows":
        X = np.repeat(X[:1], 20, axis=0)
    elif name == "wide column":
        X = X * [1e8, 1.0, 1e-150]
    elif name == "zeros":
        X = np.zeros_like(X)
    else:
        m = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MeanFieldTwoLayerNet(m, solver=solver, max_iter=50, random_state=0).fit(X, y)
        predictions = model.predict(X)
    assert np.isfinite(predictions).all()
    assert np.isfinite(model.certificate_.value)
    if name in ("one row", "constant y"):
        # A gradient method has its start to forget.
        exact = solver in ("particles", "sliding-frank-wolfe")
        np.testing.assert_allclose(predictions, y, rtol=1e-9 if exact else 1e-3)
        assert model.certificate_.value <= (1e-9 if exact else 1e-3)
    elif name in ("equal rows", "zeros"):
        np.testing.assert_allclose(predictions, y.mean(), rtol=1e-3)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-30, 1e-100, 1e-160, 1e-310])
def test_targets_of_any_small_scale_in_float32(scale, solver):
    X, y = curve(20, 3)
    settings = {"scale_inputs": False, "max_iter": 5, "random_state": 0}
    model = MeanFieldTwoLayerNet(8, solver=solver, **settings)
    predictions = model.fit(X.astype(np.float32), y * scale).predict(X.astype(np.float32))
    # The penalty is of another scale: what is left is the mean.
    np.testing.assert_allclose(predictions, y.mean() * scale, rtol=1e-3, atol=1e-45)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_row_of_next_to_no_weight_harms_no_other():
    X, y = curve(20, 3)
    y[0], weights = 1e15, np.append(1e-300, np.ones(19))
    model = MeanFieldTwoLayerNet(8, max_iter=20, random_state=0)
    assert np.abs(model.fit(X.astype(np.float32), y, weights).predict(X[1:])).max() < 100


def test_units_whose_product_overflows_leave_no_warning():
    X, y = np.zeros((3, 4)), np.zeros(3)
    X[2, 3], y[2] = 1e300, 1e150
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = fit_quietly(MeanFieldTwoLayerNet(8, random_state=0), X, y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e130, 1e300])
@pytest.mark.parametrize("Estimator", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_any_scale_of_columns_gives_numbers(Estimator, solver, scale, global_random_seed):
    X, y = curve(20, 3, global_random_seed)
    X[:, 0] *= scale
    y = y if Estimator is MeanFieldTwoLayerNet else y > y.mean()
    model = Estimator(8, solver=solver, max_iter=20, random_state=0)
    fit_quietly(model, X, y)
    for part in (
        *model.coefs_,
        *model.intercepts_,
        model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X),
    ):
        assert np.isfinite(part).all()
    assert np.isfinite(model.certificate_.value)


def test_early_stopping_keeps_the_best_net():
    X, y = curve(200, 6, noise=2.0)
    model = MeanFieldTwoLayerNet(alpha=1e-6, early_stopping=True, tol=0, random_state=0)
    model.fit(X, y)
    loss = model.history_["validation_loss"]
    assert model.n_iter_ < 500
    best = np.nanargmin(loss)
    assert np.isfinite(loss[best + 1 :]).sum() == model.n_iter_no_change
    plain = MeanFieldTwoLayerNet(alpha=1e-6, random_state=0).fit(X, y)
    rng = np.random.RandomState(1)
    X_new = rng.randn(500, 6)
    y_new = np.sin(3 * X_new[:, 0]) + 2
    assert model.score(X_new, y_new) > plain.score(X_new, y_new)


@pytest.mark.parametrize("regime", ["feature", "kernel"])
def test_warm_start_goes_on(regime):
    X, y = curve(d=4)
    model = MeanFieldTwoLayerNet(regime=regime, warm_start=True, max_iter=15, tol=1e-9)
    model.set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        first = model.fit(X, y).history_["objective"]
        second = model.fit(X, y).history_["objective"]
        assert second[0] <= first[-1] * (1 + 1e-9)
        model.set_params(n_particles=5).fit(X, y)
    assert model.coefs_[0].shape == (4, 5)


def test_read_only_and_memory_mapped_data(tmp_path):
    X, y = curve(d=3)
    model = MeanFieldTwoLayerNet(20, alpha=0.01, random_state=0)
    expected = model.fit(X, y).predict(X)
    mapped = np.memmap(tmp_path / "X", dtype=float, mode="w+", shape=X.shape)
    mapped[:] = X
    mapped.flush()
    mapped = np.memmap(tmp_path / "X", dtype=float, mode="r", shape=X.shape)
    np.testing.assert_array_equal(model.fit(mapped, y).predict(mapped), expected)


@pytest.mark.parametrize("Estimator", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_partial_fit_learns_from_batches(Estimator):
    rng = np.random.RandomState(0)
    X = rng.randn(2000, 2)
    y = np.abs(X[:, 0])
    is_classifier = Estimator is MeanFieldTwoLayerNetClassifier
    y = np.where(y > 0.7, "far", "near") if is_classifier else y
    model = Estimator(50, solver="flow", alpha=1e-4, random_state=0)
    for start in range(0, 2000, 500):
        for _ in range(10):
            rows = slice(start, start + 500)
            arguments = {"classes": ["near", "far"]} if is_classifier else {}
            model.partial_fit(X[rows], y[rows], **arguments)
    assert model.n_iter_ == 4 * 10 * 3
    assert model.score(X, y) > 0.9
    assert not hasattr(model, "certificate_")
    before = model.score(X, y)
    assert model.partial_fit(X, y).score(X, y) > 0.9 * before
    model.fit(X, y)
    assert model.certificate_.quantity == "duality gap"


@pytest.mark.parametrize(
    "settings",
    [
        *({"solver": solver} for solver in SOLVERS),
        {"regime": "kernel"},
        {"scale_inputs": True},
        {"fit_intercept": False},
        {"solver": "margin-ascent"},
    ],
    ids=str,
)
def test_partial_fit_goes_on_from_any_fit(settings):
    rng = np.random.RandomState(0)
    X, is_classifier = 1 + rng.randn(60, 2), settings.get("solver") == "margin-ascent"
    y = np.abs(X[:, 0])
    Net = MeanFieldTwoLayerNetClassifier if is_classifier else MeanFieldTwoLayerNet
    y = (y > 0.7).astype(int) if is_classifier else y
    model = fit_quietly(Net(20, max_iter=100, random_state=0, **settings), X, y)
    model.set_params(solver="flow", regime="feature", scale_inputs=False, alpha=1e-3)

    def objective():
        c = np.full(len(y), 1 / len(y))
        net = model.coefs_, model.intercepts_
        return plain_objective(X, y[:, None], c, *net, model.alpha, is_classifier)

    before, twin = objective(), copy(model)
    model.partial_fit(X, y)
    assert model.n_iter_ == 1
    assert objective() <= before * (1 + 1e-12)
    # A copy has its own way from here.
    coefs = model.partial_fit(X, y).coefs_
    for _ in range(2):
        twin.partial_fit(X, y)
    np.testing.assert_array_equal(twin.coefs_[0], coefs[0])


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_class_weights_are_sample_weights(class_weight):
    X, y = load_iris(return_X_y=True)
    X, y = X[:120] - X.mean(axis=0), y[:120]  # the last class has 20 rows
    weights = compute_sample_weight(class_weight, y)
    model = MeanFieldTwoLayerNetClassifier(6, solver="flow", max_iter=20, random_state=0)
    weighted = clone(model).set_params(class_weight=class_weight)
    expected = fit_quietly(model, X, y, sample_weight=weights).predict_proba(X)
    fit_quietly(weighted, X, y)
    np.testing.assert_allclose(weighted.predict_proba(X), expected, rtol=1e-9)
    if class_weight == "balanced":
        with pytest.raises(ValueError, match="class_weight: found 'balanced'; partial_fit allows"):
            weighted.partial_fit(X, y)
        return
    expected = model.partial_fit(X, y, sample_weight=weights).predict_proba(X)
    np.testing.assert_allclose(weighted.partial_fit(X, y).predict_proba(X), expected, rtol=1e-9)


def test_partial_fit_refuses_what_does_not_fit():
    X, y = curve(d=2)
    model = MeanFieldTwoLayerNetClassifier(solver="flow")
    with pytest.raises(ValueError, match="classes: found None"):
        model.partial_fit(X, y > 2)
    with pytest.raises(ValueError, match=r"classes: found \[1\]"):
        model.partial_fit(X, y > 2, classes=[1])
    with pytest.raises(ValueError, match=r"y: found labels \[5\]"):
        model.partial_fit(X, np.full(len(X), 5), classes=[1, 2])
    model.partial_fit(X, y > 2, classes=[False, True])
    with pytest.raises(ValueError, match=r"classes: found \[0, 1, 2\]"):
        model.partial_fit(X, y > 2, classes=[0, 1, 2])
    regressor = MeanFieldTwoLayerNet(solver="flow").partial_fit(X, y)
    with pytest.raises(ValueError, match="y: found 2 outputs"):
        regressor.partial_fit(X, np.column_stack([y, y]))
    assert not hasattr(MeanFieldTwoLayerNet(), "partial_fit")


def test_impossible_choices_are_refused():
    X, y = curve()
    with pytest.raises(ValueError, match=r"solver: found 'flow'; allowed for .* are \['particles'"):
        MeanFieldTwoLayerNet(solver="flow", regime="kernel").fit(X, y)
    with pytest.raises(ValueError, match="solver: found 'margin-ascent'"):
        MeanFieldTwoLayerNet(solver="margin-ascent").fit(X, y)
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="y: found 3 classes"):
        MeanFieldTwoLayerNetClassifier(solver="margin-ascent").fit(X, y)


def test_callbacks_and_grid_search(callbacks):
    X, y = curve()
    MeanFieldTwoLayerNet(10, max_iter=2000).set_callbacks(callbacks.ProgressBar()).fit(X, y)
    search = GridSearchCV(MeanFieldTwoLayerNet(20, random_state=0), {"alpha": [1e-3, 10.0]}, cv=2)
    assert search.fit(X, y).best_params_ == {"alpha": 1e-3}


class CtrlC:
    """What a user's Ctrl-C does after some steps."""

    def __init__(self, after):
        self.left = after

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **data):
        pass

    def on_fit_task_end(self, estimator, context, **data):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def teardown(self, estimator, context):
        pass


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.usefixtures("callbacks")
def test_ctrl_c_ends_a_fit_with_a_message(solver):
    X, y = curve()
    model = MeanFieldTwoLayerNet(solver=solver, random_state=0).set_callbacks(CtrlC(after=3))
    with pytest.raises(KeyboardInterrupt, match="fit was interrupted after 3 iterations"):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")
