"""Weights of penalties, and penalties that are not convex, against other people's solvers."""

import numpy as np
import pytest
from helpers import STORAGES, fit_quietly
from hypothesis import given
from hypothesis import strategies as st
from linear_model.finite_sum_helpers import data, estimator, objective
from scipy.integrate import trapezoid
from scipy.optimize import minimize_scalar
from sklearn.linear_model import Lasso

from sklearn_optland.linear_model import (
    FiniteSumClassifier,
    FiniteSumRegressor,
    FiniteSumRegressorCV,
    alpha_max,
    finite_sum,
    regularization_path,
)
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS

NOT_CONVEX = ["mcp", "scad"]
seeds = st.integers(0, 2**32 - 1)


@given(
    seed=seeds,
    storage=st.sampled_from(list(STORAGES.values())),
    loss=st.sampled_from(["squared_error", "huber", "log_loss", "poisson", "hinge"]),
    l1_ratio=st.sampled_from([0.0, 0.5, 1.0]),
    fit_intercept=st.booleans(),
    is_weighted=st.booleans(),
)
def test_weights_of_penalties_are_units_of_columns(
    seed, storage, loss, l1_ratio, fit_intercept, is_weighted
):
    X, y = data(loss, seed % 1000)
    rng = np.random.default_rng(seed)
    X = X.astype(np.float32).astype(float)  # float32 storages hold the same numbers
    p, s = rng.uniform(0.2, 5, X.shape[1]), rng.uniform(0.5, 2, len(y))
    s = s if is_weighted else None
    settings = {"alpha": 0.05, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "tol": 1e-5}
    ours = estimator(loss, penalty_weights=p, max_iter=500, **settings)
    fit_quietly(ours, storage(X), y, sample_weight=s)
    other = estimator(loss, max_iter=500, **settings)
    fit_quietly(other, X / p, y, sample_weight=s)
    value = objective(other, X / p, y, s)
    other.coef_, other.intercept_ = ours.coef_ * p, ours.intercept_
    above = objective(other, X / p, y, s) - value
    rounding = (1e-6 if ours.coef_.dtype == np.float32 else 1e-12) * (1 + value)
    assert abs(above) <= ours.certificate_.value + other.certificate_.value + rounding


def test_the_adaptive_lasso_is_the_lasso_of_scaled_columns():
    X, y = data("squared_error", 0, n=80, d=9)
    p = 1 / np.abs(np.linalg.lstsq(X, y, rcond=None)[0])
    settings = {"alpha": 0.02, "l1_ratio": 1.0, "penalty_weights": p}
    ours = FiniteSumRegressor(tol=1e-12, **settings).fit(X, y)
    theirs = Lasso(alpha=0.02, tol=1e-12, max_iter=100_000).fit(X / p, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_ / p, atol=1e-9)
    assert ours.certificate_.scope == "global"
    largest = alpha_max(FiniteSumRegressor(**settings), X, y)
    for factor, is_zero in ((1.001, True), (0.99, False)):
        model = FiniteSumRegressor(tol=1e-10, **{**settings, "alpha": factor * largest}).fit(X, y)
        assert model.coef_.any() != is_zero
    loop = finite_sum(
        "squared_error", "l1", X, y, alpha=0.02, penalty_weights=p, fit_intercept=True, tol=1e-12
    )
    np.testing.assert_allclose(loop.coef, ours.coef_, atol=1e-9)


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 2.0, 0.0, 1.0], [1.0, -2.0, 1.0, 1.0]])
def test_weights_are_positive_and_one_for_each_column(weights):
    X, y = data("squared_error", 0)
    with pytest.raises(ValueError, match=r"penalty_weights: found .* allowed are 4 positive"):
        FiniteSumRegressor(penalty_weights=weights).fit(X, y)


def penalty_by_its_integral(sparsity, w, l1):
    """The integral of the slopes in the papers of Zhang (2010) and of Fan and Li (2001)."""
    t = np.linspace(0, np.abs(w[w != 0]), 20_001)
    slope = np.maximum(l1 - t / 3.0, 0.0)
    if sparsity == "scad":
        slope = np.where(t <= l1, l1, np.maximum(3.7 * l1 - t, 0.0) / 2.7)
    return trapezoid(slope, t, axis=0).sum()


@pytest.mark.parametrize("sparsity", NOT_CONVEX)
@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "log_loss"])
@pytest.mark.parametrize("storage", [STORAGES["dense"], STORAGES["csr"]])
@pytest.mark.parametrize(("n", "d"), [(150, 6), (60, 700)])
def test_no_coefficient_of_a_stationary_point_can_be_improved(n, d, storage, loss, sparsity):
    X, y = data(loss, 0, n=n, d=d)
    y = np.minimum(y, 20)  # of many columns counts would be astronomic
    model = estimator(loss, alpha=0.15, l1_ratio=1.0, sparsity=sparsity, tol=1e-8, max_iter=2000)
    model.fit(storage(X), y)
    assert model.solver_ == "cd"
    assert model.certificate_.scope == "stationary"
    assert model.certificate_.reached
    assert 0 < np.count_nonzero(model.coef_) < max(d, 7)
    w = np.ravel(model.coef_).astype(float)
    before = model.history_["objective"]
    assert (np.diff(before) <= 1e-12 * before[0]).all()
    convex = estimator(loss, alpha=0.15, l1_ratio=1.0)
    convex.classes_ = getattr(model, "classes_", None)

    def value(w):
        convex.coef_, convex.intercept_ = w.reshape(np.shape(model.coef_)), model.intercept_
        l1 = 0.15 * np.abs(w).sum()
        return objective(convex, X, y) - l1 + penalty_by_its_integral(sparsity, w, 0.15)

    here = value(w)
    assert here == pytest.approx(before.min(), rel=1e-6)
    for j in np.append(np.flatnonzero(w)[:3], np.flatnonzero(w == 0)[:3]):
        unit = np.eye(d)[j]
        found = minimize_scalar(
            lambda t, unit=unit: value(w + t * unit), bounds=(-0.02, 0.02), method="bounded"
        )
        assert found.fun >= here - 1e-6 * here


@pytest.mark.parametrize("sparsity", NOT_CONVEX)
def test_large_coefficients_are_those_of_no_penalty(sparsity):
    rng = np.random.RandomState(0)
    X = rng.randn(300, 12)
    y = X[:, :3] @ [3.0, -2.0, 1.5] + 0.1 * rng.randn(300)
    model = FiniteSumRegressor(alpha=0.1, l1_ratio=1.0, sparsity=sparsity, tol=1e-9).fit(X, y)
    chosen = np.flatnonzero(model.coef_)
    np.testing.assert_array_equal(chosen, [0, 1, 2])
    A = np.column_stack([X[:, :3], np.ones(300)])
    np.testing.assert_allclose(model.coef_[:3], np.linalg.lstsq(A, y, rcond=None)[0][:3], rtol=1e-7)


@pytest.mark.parametrize("sparsity", NOT_CONVEX)
def test_several_classes_end_at_a_stationary_point(sparsity):
    X, y = data("log_loss", 0, n=200, d=8, n_classes=3)
    model = FiniteSumClassifier(alpha=0.05, l1_ratio=1.0, sparsity=sparsity, tol=1e-8).fit(X, y)
    assert model.certificate_.reached
    P = model.predict_proba(X)
    pull = X.T @ (np.eye(3)[y] - P) / len(y)
    w = model.coef_.T
    size = np.abs(w)
    slope = np.maximum(0.05 - size / 3, 0)
    if sparsity == "scad":
        slope = np.where(size <= 0.05, 0.05, np.maximum(3.7 * 0.05 - size, 0) / 2.7)
    np.testing.assert_allclose(pull[w != 0], (slope * np.sign(w))[w != 0], atol=1e-7)
    assert (np.abs(pull[w == 0]) <= 0.05 + 1e-7).all()


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "cd"])
def test_other_solvers_refuse_them(solver):
    X, y = data("squared_error", 0)
    model = FiniteSumRegressor(solver=solver, alpha=0.1, l1_ratio=0.5, sparsity="mcp")
    with pytest.raises(ValueError, match=r"solvers that can: \['cd'\]"):
        model.fit(X, y)


def test_a_loss_with_a_kink_has_no_solver_for_them():
    X, y = data("hinge", 0)
    model = FiniteSumClassifier("hinge", alpha=0.1, l1_ratio=0.5, sparsity="mcp")
    with pytest.raises(ValueError, match=r"smooth loss.* solvers that can: \[\]"):
        model.fit(X, y)


def test_paths_and_cross_validation_take_them():
    X, y = data("squared_error", 0, n=80, d=9)
    p = np.linspace(0.5, 2, 9)
    settings = {"sparsity": "scad", "penalty_weights": p}
    model = FiniteSumRegressorCV(alphas=5, l1_ratios=(1.0,), cv=3, **settings).fit(X, y)
    one = FiniteSumRegressor(alpha=model.alpha_, l1_ratio=1.0, **settings).fit(X, y)
    np.testing.assert_allclose(model.coef_, one.coef_, atol=1e-6)
    path = regularization_path(one, X, y, [0.1, 0.3])
    assert all(certificate.scope == "stationary" for certificate in path.certificates)
