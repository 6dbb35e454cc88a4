"""The feasible form of ADMM nets: objective, certificate, float32, convex special cases."""

import re

import numpy as np
import pytest
from _net.nets import ACTIVATIONS, scaled
from helpers import fit_quietly
from scipy.special import log_softmax
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor

from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._rows import source
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor

pytestmark = pytest.mark.kernels


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
    squares = [W.astype(np.float64) ** 2 for W in model.coefs_]
    if model.scale_inputs:  # those of the net for standard columns and targets
        c = s / np.sum(s)
        squares[0] = squares[0] * (c @ (X - c @ X) ** 2)[:, None]
        if not hasattr(model, "classes_"):
            Y = np.reshape(y, F.shape)
            variance = np.mean(c @ (Y - c @ Y) ** 2)
            squares = [variance * square for square in squares[:-1]] + squares[-1:]
    penalty = sum(map(np.sum, squares))
    return s @ rows / np.sum(s) + 0.5 * model.alpha_ * penalty


# The feasible form


@pytest.mark.parametrize("scale_inputs", [True, False])
@pytest.mark.parametrize("metric", ["auto", "gram", "identity"])
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_objective_falls_and_is_that_of_the_docstring(
    metric, activation, scale_inputs, global_random_seed
):
    X, y = scaled(load_iris)
    s = np.random.RandomState(global_random_seed).rand(len(y))
    model = ADMMNetClassifier(
        (8, 6), activation, metric=metric, scale_inputs=scale_inputs, random_state=0
    )
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
    model = ADMMNetClassifier((5,), alpha=1e-4, max_iter=10, random_state=0)
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


def test_a_fit_that_ends_at_kinks_says_what_helps():
    rng = np.random.RandomState(0)
    X, y = rng.randn(40, 1), rng.randn(40)
    net = ADMMNetRegressor((10,), alpha=1e-2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="At kinks of relu") as caught:
        net.fit(X, y)
    tol = float(re.search(r"set tol to ([\d.e-]+)", str(caught[0].message))[1])
    assert net.set_params(tol=tol).fit(X, y).certificate_.reached
    assert net.set_params(tol=1e-3, activation="tanh").fit(X, y).certificate_.reached


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
    model = ADMMNetRegressor((), alpha=alpha, scale_inputs=False).fit(X, Y, sample_weight=s)
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
    model = ADMMNetClassifier((), alpha=0.01, tol=1e-9, scale_inputs=False).fit(X, y)
    other = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-12, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-6)
    assert model.certificate_.reached
