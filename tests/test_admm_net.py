"""ADMM nets: kernels, gradients, the feasible form, refusals, odd data, memory maps."""

import tracemalloc

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from sklearn_optland._net.entrywise_fast import (
    KINDS,
    activate,
    output_residuals,
    times_slope,
)
from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import choose_units
from sklearn_optland._rows import source
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor

ACTIVATIONS = {
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "identity": lambda z: z,
}
LOSSES = {"squared error": (False, 2), "binary": (True, 1), "softmax": (True, 4)}


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def scores_of(model, X):
    """The net's output, in plain NumPy and float64."""
    V = np.asarray(X, dtype=np.float64)
    for level, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        V = V @ W.astype(np.float64) + b
        if level < len(model.coefs_) - 1:
            V = ACTIVATIONS[model.activation](V)
    return V


def objective_of(model, X, y, sample_weight=None):
    """The objective of the class docstring."""
    s = np.ones(len(X)) if sample_weight is None else sample_weight
    F = scores_of(model, X)
    if not hasattr(model, "classes_"):
        rows = 0.5 * np.sum((np.reshape(y, F.shape) - F) ** 2, axis=1)
    elif len(model.classes_) == 2:
        rows = np.logaddexp(0, np.where(y == model.classes_[1], -1, 1) * F[:, 0])
    else:
        codes = np.searchsorted(model.classes_, y)
        rows = -log_softmax(F, axis=1)[np.arange(len(F)), codes]
    penalty = sum(np.sum(W.astype(np.float64) ** 2) for W in model.coefs_)
    return s @ rows / np.sum(s) + 0.5 * model.alpha * penalty


def problem(loss, activation, seed, *, n=90, far=False, dtype=np.float64, sizes=(6, 5)):
    """A net, passes over random data and a start."""
    is_log_loss, k = LOSSES[loss]
    rng = np.random.RandomState(seed)
    X = rng.randn(n, 4)
    if far:
        X = X * [1, 300, 1, 0.1] + [0, 0, 70, 0]
    if not is_log_loss:
        Y = rng.randn(n, k) * 30 + 7
    elif k == 1:
        Y = rng.randint(0, 2, (n, 1))
    else:
        Y = np.eye(k)[rng.randint(0, k, n)]
    c = rng.rand(n)
    c /= c.sum()
    network = Network((4, *sizes, k), activation, is_log_loss)
    units = choose_units(X, Y, c, is_log_loss)
    passes = Passes(network, X.astype(dtype), Y, c, units)
    return network, units, passes, network.glorot(rng, dtype)


# Entrywise kernels

finite = st.floats(-1e300, 1e300) | st.floats(-40, 40) | st.floats(-1e-3, 1e-3)


@given(arrays(np.float64, (5, 3), elements=finite), st.sampled_from(sorted(ACTIVATIONS)))
def test_activations(Z, name):
    bias = np.array([0.0, 0.5, -0.25])
    V = Z.copy()
    activate(V, bias, KINDS[name])
    expected = ACTIVATIONS[name](Z + bias)
    np.testing.assert_allclose(V, expected, rtol=1e-14, atol=1e-300)
    small = np.clip(Z, -1e30, 1e30).astype(np.float32)
    expected = ACTIVATIONS[name]((small + bias.astype(np.float32)).astype(np.float64))
    activate(small, bias.astype(np.float32), KINDS[name])
    np.testing.assert_allclose(small, expected, rtol=1e-6, atol=1e-37)


@given(
    arrays(np.float64, (4, 3), elements=st.floats(-30, 30)), st.sampled_from(["logistic", "tanh"])
)
def test_slopes_are_derivatives(Z, name):
    V, D = Z.copy(), np.full_like(Z, 2.0)
    activate(V, np.zeros(3), KINDS[name])
    times_slope(D, V, KINDS[name])
    step = 1e-6
    sigma = ACTIVATIONS[name]
    numeric = (sigma(Z + step) - sigma(Z - step)) / step
    np.testing.assert_allclose(D, numeric, atol=1e-8)


@given(
    arrays(np.float64, (6, 4), elements=st.floats(-1e300, 1e300) | st.floats(-60, 60)),
    st.integers(0, 2**31 - 1),
)
def test_softmax_loss_and_residuals(F, seed):
    rng = np.random.RandomState(seed)
    codes, c = rng.randint(0, 4, 6), rng.rand(6)
    Y, R = np.eye(4)[codes], F.copy()
    loss = output_residuals(R, Y, c, True)
    rows = logsumexp(F - F[np.arange(6), codes][:, None], axis=1)
    np.testing.assert_allclose(loss, c @ rows, rtol=1e-12)
    np.testing.assert_allclose(R, c[:, None] * (softmax(F, axis=1) - Y), atol=1e-14)
    assert np.isfinite(R).all()


def test_small_residuals_keep_their_digits():
    R = np.array([[60.0, 0.0, 1.0]])
    loss = output_residuals(R, np.array([[1.0, 0.0, 0.0]]), np.ones(1), True)
    rest = np.exp(-60.0) + np.exp(-59.0)
    np.testing.assert_allclose([loss, R[0, 0]], [rest, -rest], rtol=1e-12)
    R = np.array([[60.0]])
    loss = output_residuals(R, np.ones((1, 1)), np.ones(1), True)
    np.testing.assert_allclose([loss, R[0, 0]], [np.exp(-60.0), -np.exp(-60.0)], rtol=1e-12)


def test_kernels_refuse_shapes_that_do_not_fit():
    A = np.zeros((3, 2))
    with pytest.raises(ValueError, match="same number of columns"):
        activate(A, np.zeros(3), 0)
    with pytest.raises(ValueError, match="same shape"):
        times_slope(A, np.zeros((2, 3)), 0)
    with pytest.raises(ValueError, match="same number of rows"):
        output_residuals(A, A, np.zeros(2), False)


# Passes


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
@pytest.mark.parametrize("far", [False, True])
def test_gradient_is_the_slope_of_the_loss(loss, activation, far, global_random_seed):
    _, _, passes, theta = problem(loss, activation, global_random_seed, far=far)
    value, gradient = passes.gradient(theta)
    assert value == pytest.approx(passes.value(theta), rel=1e-14)
    directions = np.random.RandomState(global_random_seed).randn(5, len(theta))
    step = 1e-6
    slopes = [
        (passes.value(theta + step * d) - passes.value(theta - step * d)) / (2 * step)
        for d in directions
    ]
    np.testing.assert_allclose(directions @ gradient, slopes, rtol=1e-5, atol=1e-7)


def test_gradient_is_that_of_scikit_learns_net(global_random_seed):
    X, y = scaled(load_diabetes)
    y = (y - y.mean()) / y.std()
    rate = 1e-3
    mlp = MLPRegressor(
        hidden_layer_sizes=(7, 5),
        activation="tanh",
        solver="sgd",
        alpha=len(X) * 0.01,  # which it divides by n
        momentum=0.0,
        learning_rate_init=rate,
        batch_size=len(X),
        max_iter=1,
        warm_start=True,
        random_state=global_random_seed,
    )
    fit_quietly(mlp, X, y)
    before = [W.copy() for W in mlp.coefs_], [b.copy() for b in mlp.intercepts_]
    fit_quietly(mlp, X, y)  # one full step of gradient descent
    c = np.full(len(X), 1 / len(X))
    network = Network((10, 7, 5, 1), "tanh", False)
    units = choose_units(X, y[:, None], c, False)
    theta = units.to_inside(network, *before, np.float64)
    gradient = Passes(network, X, y[:, None], c, units).gradient(theta)[1]
    gradient += 0.01 * units.penalty_factors(network, np.float64) * theta
    moved = units.to_inside(network, mlp.coefs_, mlp.intercepts_, np.float64)
    np.testing.assert_allclose((theta - moved) / rate, gradient, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_units_are_an_exact_change_of_parameters(loss, global_random_seed):
    network, units, _, theta = problem(loss, "tanh", global_random_seed, far=True)
    assert units.shift is not None
    there_and_back = units.to_inside(network, *units.to_user(network, theta), np.float64)
    np.testing.assert_allclose(there_and_back, theta, rtol=1e-10, atol=1e-10)
    coefs, _ = units.to_user(network, theta)
    penalty = np.sum(units.penalty_factors(network, np.float64) * theta**2)
    np.testing.assert_allclose(
        sum(np.sum(W**2) for W in coefs), units.size**2 * penalty, rtol=1e-12
    )


def test_sums_over_blocks_do_not_depend_on_the_blocks(global_random_seed):
    network, _, passes, theta = problem("softmax", "relu", global_random_seed, far=True)
    whole = passes.gradient(theta), passes.grams(theta, [0, 1, 2])
    passes.block_rows, passes._buffers = 7, {}
    value, gradient = passes.gradient(theta)
    assert value == pytest.approx(whole[0][0], rel=1e-13)
    np.testing.assert_allclose(gradient, whole[0][1], atol=1e-14)
    V = passes.activations(theta, 0, len(passes.X))
    for gram, other, below in zip(passes.grams(theta, [0, 1, 2]), whole[1], V, strict=False):
        H = np.column_stack([below, np.ones(len(below))])
        np.testing.assert_allclose(gram, other, atol=1e-13)
        np.testing.assert_allclose(gram, H.T @ (passes.c[:, None] * H), atol=1e-13)
    assert len(gram) == network.sizes[2] + 1


def test_float32_passes_are_close(global_random_seed):
    exact = problem("softmax", "logistic", global_random_seed, far=True)
    coarse = problem("softmax", "logistic", global_random_seed, far=True, dtype=np.float32)
    (value, gradient), (value32, gradient32) = (p[2].gradient(p[3]) for p in (exact, coarse))
    assert gradient32.dtype == np.float32
    assert value32 == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradient32, gradient, atol=1e-6)


# The feasible form


@pytest.mark.parametrize("metric", ["auto", "gram", "identity"])
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_objective_falls_and_is_that_of_the_docstring(metric, activation, global_random_seed):
    X, y = scaled(load_iris)
    s = np.random.RandomState(global_random_seed).rand(len(y))
    model = ADMMNetClassifier((8, 6), activation, metric=metric, random_state=0)
    model = fit_quietly(model, X, y, sample_weight=s)
    curve = model.loss_curve_
    assert (np.diff(curve) <= 1e-12 * curve[:-1]).all()
    assert model.loss_ == curve[-1] == pytest.approx(objective_of(model, X, y, s), rel=1e-12)
    assert model.certificate_.scope == "stationary"
    assert model.certificate_.reached
    for line in ("V_i", "V_l-1", "V_l", "constraint_i", "constraint_l"):
        assert not model.kkt_residuals_[line].any()
    assert model.kkt_residuals_["W_i"][-1] < 0.2 * model.kkt_residuals_["W_i"][0]


@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_certificate_is_the_relative_w_line(alpha, global_random_seed):
    X, y = scaled(load_diabetes)
    y = (y - y.mean()) / y.std()
    s = np.random.RandomState(global_random_seed).rand(len(y))
    model = ADMMNetRegressor((4, 3), "tanh", alpha=alpha, max_iter=7, random_state=0)
    fit_quietly(model, X, y, sample_weight=s)
    c = s / s.sum()
    V = [X]
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        V.append(np.tanh(V[-1] @ W + b))
    D = scores_of(model, X) - y[:, None]
    norm = lambda A: np.sqrt(c @ np.sum(A**2, axis=1))  # noqa: E731
    size, ratios = norm(D) / norm((y - c @ y)[:, None]), []
    for level in (2, 1, 0):
        H, W = np.column_stack([V[level], np.ones(len(y))]), model.coefs_[level]
        pull = alpha * np.vstack([W, np.zeros(W.shape[1])])
        # the inside units differ by y's weighted deviation, which changes the last layer's norms
        line = np.linalg.norm(H.T @ (c[:, None] * D) + pull)
        ratios.append(line / (norm(H) * norm(D) + np.linalg.norm(pull)))
        D = (D @ W.T) * (1 - V[level] ** 2)
    certificate = model.certificate_
    assert (certificate.quantity, certificate.tolerance) == ("KKT residual", 1e-3)
    assert certificate.value == pytest.approx(max(ratios) * size, rel=0.02 if alpha else 1e-10)
    assert certificate.value == model.history_["certificate"][-1]


@pytest.fixture(params=["float64", "float32 first"])
def precision(request, monkeypatch):
    """How the feasible form begins with float64 data: small ones, or as large ones."""
    if request.param == "float32 first":
        monkeypatch.setattr(source, "FLOAT32_PAYS", 0)


def count_copies(monkeypatch):
    copies, in_float32 = [], Passes.in_float32
    monkeypatch.setattr(source, "FLOAT32_PAYS", 0)
    monkeypatch.setattr(Passes, "in_float32", lambda passes: copies.append(1) or in_float32(passes))
    return copies


@pytest.mark.parametrize(
    ("far", "max_iter", "reached"), [(False, 5, False), (False, 500, True), (True, 50, False)]
)
def test_fits_that_begin_in_float32_are_judged_in_float64(far, max_iter, reached, monkeypatch):
    X, y = scaled(load_iris)
    X = 1e3 * X + 1e6 if far else X
    copies = count_copies(monkeypatch)
    model = ADMMNetClassifier(
        (8, 6), "tanh", alpha=0.01, tol=1e-6, max_iter=max_iter, random_state=0
    )
    fit_quietly(model, X, y)
    assert copies == [1]
    assert {W.dtype for W in model.coefs_ + model.intercepts_} == {np.dtype(np.float64)}
    assert model.loss_ == pytest.approx(objective_of(model, X, y, np.ones(len(y))), rel=1e-9)
    assert model.certificate_.reached == reached
    assert model.history_["certificate"][-1] == pytest.approx(model.certificate_.value, rel=0.1)
    assert (np.diff(model.loss_curve_) <= 1e-6 * model.loss_curve_[:-1]).all()


def test_where_float32_does_not_pay(tmp_path, monkeypatch):
    X, y = scaled(load_iris)
    copies = count_copies(monkeypatch)
    np.save(tmp_path / "X.npy", X)
    model = ADMMNetClassifier((5,), max_iter=10, random_state=0)
    fit_quietly(model, X.astype(np.float32), y)
    fit_quietly(model, np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    fit_quietly(model.set_params(hidden_layer_sizes=()), X, y)
    fit_quietly(model.set_params(hidden_layer_sizes=(5, 5, 5)), X, y)
    assert not copies


def test_deep_sigmoids_train_from_the_plain_start(global_random_seed):
    X, y = scaled(load_digits)
    X = X.astype(np.float32)
    model = ADMMNetClassifier((40,) * 8, "logistic", random_state=global_random_seed)
    fit_quietly(model.set_params(max_iter=300), X[:1000], y[:1000])
    assert model.score(X[1000:], y[1000:]) > 0.75  # a plateau has 0.1
    assert model.coefs_[0].dtype == np.float32


def test_same_start_as_scikit_learn():
    # Draws in the order of MLPRegressor, whose first fit with max_iter=1 moves by the rate.
    X, y = scaled(load_diabetes)
    mlp = MLPRegressor(
        hidden_layer_sizes=(7, 5),
        activation="logistic",
        solver="sgd",
        learning_rate_init=1e-12,
        max_iter=1,
        random_state=3,
    )
    fit_quietly(mlp, X, (y - y.mean()) / y.std())
    network = Network((10, 7, 5, 1), "logistic", False)
    theta = network.glorot(np.random.RandomState(3), np.float64)
    start = network.join(mlp.coefs_, mlp.intercepts_, np.float64)
    np.testing.assert_allclose(theta, start, atol=1e-9)


# Convex special cases


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_no_hidden_layer_is_ridge_regression(alpha, global_random_seed):
    X, y = scaled(load_diabetes)
    Y = np.column_stack([y, X[:, 0] * 50 + y**0.5])
    s = np.random.RandomState(global_random_seed).rand(len(y))
    model = ADMMNetRegressor((), alpha=alpha).fit(X, Y, sample_weight=s)
    ridge = Ridge(alpha=alpha * s.sum()).fit(X, Y, sample_weight=s)
    np.testing.assert_allclose(model.coefs_[0], ridge.coef_.T, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], ridge.intercept_, rtol=1e-9)
    assert model.n_iter_ <= 2
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached


def test_gap_of_an_unfinished_ridge_regression_is_global():
    X, y = scaled(load_diabetes)
    ridge = Ridge(alpha=0.1 * len(y)).fit(X, y)
    model = ADMMNetRegressor((), alpha=0.1, metric="identity", max_iter=2, random_state=0)
    fit_quietly(model, X, y)
    optimum = 0.5 * np.mean((y - ridge.predict(X)) ** 2) + 0.05 * np.sum(ridge.coef_**2)
    assert model.certificate_.scope == "global"
    assert model.certificate_.value == pytest.approx(objective_of(model, X, y) - optimum, rel=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_hidden_layer_is_logistic_regression(n_classes):
    X, y = scaled(load_iris)
    X, y = X[y < n_classes], y[y < n_classes]
    model = ADMMNetClassifier((), alpha=0.01, tol=1e-9, random_state=0).fit(X, y)
    other = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-12, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-6)
    assert model.certificate_.reached


# Odd data


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["feasible", "admm", "taylor", "bcd"])
def test_columns_of_any_scale(solver, dtype):
    X, y = scaled(load_iris)
    activation = "relu" if solver in ("taylor", "bcd") else "logistic"
    scales = [1e8, 1e-150, 1e130, 1.0] if dtype == np.float64 else [1e8, 1e-30, 1e30, 1.0]
    X = (X * scales + [1e9, 0, 0, 0]).astype(dtype)
    model = ADMMNetClassifier((6,), activation, solver=solver, max_iter=30, random_state=0)
    fit_quietly(model, X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert all(np.isfinite(W).all() for W in model.coefs_)
    if solver == "feasible":
        assert model.score(X, y) > 0.9
    regressor = ADMMNetRegressor((6,), activation, solver=solver, max_iter=30, random_state=0)
    fit_quietly(regressor, X, y * 1e6 + 1e8)
    assert regressor.score(X, y * 1e6 + 1e8) > 0.7


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_values_are_fitted_or_refused(dtype):
    top = float(np.finfo(dtype).max)
    X = np.array([[top], [-top], [top / 3], [0.0]] * 5, dtype=dtype)
    y = np.array([1.0, 0.0, 1.0, 0.0] * 5)
    model = fit_quietly(ADMMNetClassifier((3,), max_iter=20, random_state=0), X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    with pytest.raises(ValueError, match="y: found magnitudes up to"):
        ADMMNetRegressor().fit(X, y * 1e300)


@pytest.mark.usefixtures("precision")
@pytest.mark.parametrize("solver", ["feasible", "admm", "taylor", "bcd"])
def test_constant_targets_one_unit_and_singular_grams(solver):
    activation = "relu" if solver in ("taylor", "bcd") else "logistic"
    X, y = scaled(load_diabetes)
    X = np.column_stack([X[:, :3], X[:, :3], np.zeros(len(X))])
    model = ADMMNetRegressor((1,), activation, solver=solver, max_iter=50, alpha=0, random_state=0)
    fit_quietly(model, X, y)
    assert np.isfinite(model.predict(X)).all()
    constant = fit_quietly(model, X, np.full(len(X), 1e9 / 3))
    np.testing.assert_allclose(constant.predict(X), 1e9 / 3, rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weight", [1e-30, 1e-160, 2e-311])
def test_a_row_of_next_to_no_weight_harms_no_other(weight, dtype):
    X, y = np.array([[0.0], [1.0], [2.0]], dtype=dtype), np.array([0.0, 0.0, 1.0])
    model = ADMMNetRegressor((3,), max_iter=20, random_state=0)
    fit_quietly(model, X, y, sample_weight=[1.0, 1.0, weight])
    np.testing.assert_allclose(model.predict(X[:2]), 0, atol=1e-3)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.usefixtures("precision")
def test_rows_without_weight_are_as_if_not_there():
    X, y = scaled(load_diabetes)
    s = np.arange(len(y)) % 3
    model = ADMMNetRegressor((5,), "tanh", max_iter=30, random_state=0)
    kept = fit_quietly(model, X[s > 0], y[s > 0], sample_weight=s[s > 0]).predict(X)
    np.testing.assert_allclose(fit_quietly(model, X, y, sample_weight=s).predict(X), kept)


@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_weight_whose_inverse_overflows():
    X, y = scaled(load_diabetes)
    weights = np.append(1e-310, np.ones(len(y) - 1))
    model = ADMMNetRegressor((5,), "tanh", max_iter=5, random_state=0).fit(X, y, weights)
    assert np.isfinite(model.predict(X)).all()


# What users count on


def test_multi_output_keeps_the_shape_of_the_targets():
    X, y = scaled(load_diabetes)
    Y = np.column_stack([y, -3 * y, X[:, 2]])
    model = fit_quietly(ADMMNetRegressor((10,), max_iter=50, random_state=0), X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.n_outputs_ == 3
    assert fit_quietly(model, X, y).predict(X).shape == y.shape
    assert fit_quietly(model, X, y[:, None]).predict(X).shape == (len(y), 1)


def test_early_stopping_returns_the_best_net():
    X, y = scaled(load_diabetes)
    model = ADMMNetRegressor(
        (50,), "tanh", early_stopping=True, n_iter_no_change=20, random_state=0
    ).fit(X, y)
    losses = model.history_["validation_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == model.n_iter_ == best + 21
    assert model.loss_ == model.loss_curve_[best]
    stopped = model.predict(X)
    # The rows that are held out are drawn after the start, so that fewer iterations end there too.
    np.testing.assert_array_equal(model.set_params(max_iter=best + 1).fit(X, y).predict(X), stopped)
    with pytest.raises(ValueError, match=r"validation_fraction: found 0\.99"):
        model.set_params(validation_fraction=0.99).fit(X[:3], y[:3])


def test_classifier_holds_out_rows_of_every_class():
    X, y = scaled(load_iris)
    names = np.array(["b", "a", "c"])[y]
    model = ADMMNetClassifier((5,), early_stopping=True, random_state=0).fit(X, names)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.score(X, names) > 0.9


def test_warm_start_continues():
    X, y = scaled(load_diabetes)
    model = ADMMNetRegressor((10,), "tanh", max_iter=20, warm_start=True, random_state=0)
    first = fit_quietly(model, X, y).loss_curve_
    second = fit_quietly(model, X, y).loss_curve_
    assert second[0] <= first[-1]
    fit_quietly(model.set_params(hidden_layer_sizes=(11,)), X, y)
    assert model.coefs_[0].shape == (10, 11)


def test_init_takes_a_factor_or_arrays():
    X, y = scaled(load_iris)
    model = ADMMNetClassifier((4,), "tanh", max_iter=5, random_state=0)
    plain = fit_quietly(model, X, y).loss_curve_
    np.testing.assert_array_equal(fit_quietly(model.set_params(init=1.0), X, y).loss_curve_, plain)
    assert fit_quietly(model.set_params(init=4.0), X, y).loss_curve_[0] != plain[0]
    rng = np.random.RandomState(0)
    arrays_ = [rng.randn(4, 4), rng.randn(4, 3)], [rng.randn(4), rng.randn(3)]
    fit_quietly(model.set_params(init=arrays_, random_state=1), X, y)
    first = model.loss_curve_
    np.testing.assert_array_equal(fit_quietly(model, X, y).loss_curve_, first)
    with pytest.raises(ValueError, match="coefs and intercepts: found"):
        model.set_params(init=(arrays_[0][:1], arrays_[1])).fit(X, y)
    with pytest.raises(ValueError, match="init: found 1 entries"):
        model.set_params(init=arrays_[:1]).fit(X, y)
    arrays_[0][0][0, 0] = np.nan
    with pytest.raises(ValueError, match="init: found values that are not finite"):
        model.set_params(init=arrays_).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "admm"}, "activation: found 'relu'; allowed with solver='admm' is 'logistic'"),
        ({"solver": "bcd", "activation": "tanh"}, "allowed with solver='bcd' is 'relu'"),
        ({"hidden_layer_sizes": (3, 0)}, r"hidden_layer_sizes: found \(3, 0\)"),
        ({"hidden_layer_sizes": (3.5,)}, "hidden_layer_sizes: found"),
        ({"solver": "taylor", "rho": (1.0, 2.0, 3.0)}, "rho: found .*one positive number, or 2"),
        ({"solver": "taylor", "rho": (1.0, -2.0)}, "rho: found"),
    ],
)
def test_refusals(parameters, message):
    X, y = scaled(load_iris)
    with pytest.raises(ValueError, match=message):
        ADMMNetClassifier(**parameters).fit(X, y)


def test_class_without_weight_is_refused():
    X, y = scaled(load_iris)
    with pytest.raises(
        ValueError, match="sample_weight: the weights of class 2, times class_weight, sum to 0 "
    ):
        ADMMNetClassifier().fit(X, y, sample_weight=(y < 2).astype(float))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}])
def test_class_weights_are_sample_weights(class_weight):
    X, y = scaled(load_iris)
    X, y = X[:120], y[:120]  # the last class has 20 rows
    weights = compute_sample_weight(class_weight, y)
    model = ADMMNetClassifier((5,), "tanh", max_iter=20, random_state=0)
    expected = fit_quietly(model, X, y, sample_weight=weights).predict_proba(X)
    model.set_params(class_weight=class_weight)
    np.testing.assert_allclose(fit_quietly(model, X, y).predict_proba(X), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="the weights of class 1, times class_weight, sum to 0 "):
        model.set_params(class_weight={0: 1.0, 1: 0.0, 2: 1.0}).fit(X, y)


def test_warning_says_what_to_change():
    X, y = scaled(load_diabetes)
    with pytest.warns(ConvergenceWarning, match="after 3 iterations with KKT residual .* max_iter"):
        ADMMNetRegressor(max_iter=3, random_state=0).fit(X, y)


@pytest.mark.usefixtures("precision")
def test_fixed_seed_gives_the_same_bits_and_any_number_of_threads(monkeypatch):
    X, y = scaled(load_digits)
    model = ADMMNetClassifier((100,), max_iter=5, random_state=0)
    one = fit_quietly(model, X, y).predict_proba(X)
    monkeypatch.setattr("sklearn_optland._rows.threads.n_threads", lambda: 3)
    np.testing.assert_array_equal(fit_quietly(model, X, y).predict_proba(X), one)


@pytest.mark.usefixtures("precision")
def test_interrupt_says_how_far_the_fit_had_come(monkeypatch):
    gradient, calls = Passes.gradient, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return gradient(*arguments)

    monkeypatch.setattr(Passes, "gradient", interrupted)
    X, y = scaled(load_iris)
    model = ADMMNetClassifier((20,), "tanh", random_state=0)
    with pytest.raises(
        KeyboardInterrupt, match=r"ADMMNetClassifier\.fit was interrupted after \d "
    ):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")


def test_memory_map_is_read_in_blocks(tmp_path):
    rng = np.random.RandomState(0)
    n, d = 100_000, 40
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, d))
    X[:] = rng.randn(n, d)
    X.flush()
    y = np.sin(X[:, 0]) + X[:, 1]
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = ADMMNetRegressor((5,), "tanh", max_iter=3, random_state=0)
    tracemalloc.start()
    fit_quietly(model, X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * X.nbytes  # most of it y, in float64, and its weights
    in_memory = fit_quietly(model, np.array(X), y)
    np.testing.assert_array_equal(in_memory.predict(X[:100]), model.predict(X[:100]))
