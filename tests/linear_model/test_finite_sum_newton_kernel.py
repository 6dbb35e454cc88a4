"""Newton's method of few columns in one call: its points, bounds and optimum."""

import numpy as np
import pytest
from helpers import STORAGES, loss_pull, loss_value, scalar_loss
from hypothesis import given
from hypothesis import strategies as st
from linear_model.finite_sum_steps import problem as drawn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import FiniteSumRegressor
from sklearn_optland.linear_model._finite_sum.newton import start_of
from sklearn_optland.linear_model._finite_sum.newton_fast import newton
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum

pytestmark = pytest.mark.kernels

LOSSES = ["squared_hinge", "smooth_hinge", "huber", "smooth_quantile", "poisson", "gamma"]
settings = given(
    loss=st.sampled_from([*LOSSES, "squared_error"]),
    storage=st.sampled_from(list(STORAGES)),
    seed=st.integers(0, 10**6),
    l2=st.sampled_from([1e-3, 0.1, 3.0]),
    fit_intercept=st.booleans(),
    is_warm=st.booleans(),
)


def steps(problem, W, tol=1e-9, max_steps=30):
    """Parameters, objectives and lower bounds of all steps; W goes to the end."""
    path, curves = np.full((max_steps, len(W)), np.nan), np.full((max_steps, 2), np.nan)
    n_steps = newton(
        *(problem.rows, problem.loss, problem.y, problem.c, problem.curvature),
        *(problem.penalty.l2, problem.fit_intercept, problem.unit_of_scores, tol),
        *(W, path, curves),
    )
    assert np.isnan(path[n_steps:]).all()
    assert np.isnan(curves[n_steps:]).all()
    return path[:n_steps], *curves[:n_steps].T


def make(loss, storage, seed, l2, fit_intercept, is_warm):
    X, y, c, rng = drawn(seed, loss, n=40)
    source = ArraySource(STORAGES[storage](X), c=c)
    settings = {"penalty": ElasticNet(0.0, l2), "fit_intercept": fit_intercept}
    W = np.zeros((X.shape[1] + 1, 1))
    if is_warm:
        W[:] = 0.5 * rng.normal(size=W.shape)
        W[-1] *= fit_intercept
    return X, FiniteSum(source, y, loss=scalar_loss(loss), **settings), W


def optimum(X, problem, name):
    """The least objective, by SciPy."""
    y, c, l2 = problem.y, problem.c, problem.penalty.l2

    def objective(W):
        f = X @ W[:-1] + W[-1]
        slope = -c * loss_pull(name, y, f)
        gradient = np.append(X.T @ slope + l2 * W[:-1], slope.sum() * problem.fit_intercept)
        return c @ loss_value(name, y, f) + 0.5 * l2 * W[:-1] @ W[:-1], gradient

    start = np.zeros(X.shape[1] + 1)
    options = {"ftol": 0.0, "gtol": 1e-12, "maxiter": 10_000}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).fun


@settings
def test_points_and_bounds_are_those_of_evaluate(loss, **case):
    X, problem, W = make(loss, **case)
    path, objectives, bounds = steps(problem, W)
    of_float32 = 1e-6 if "32" in str(problem.source.X.dtype) else 0.0
    best = optimum(X, problem, loss)
    for at, objective, bound in zip(path, objectives, bounds, strict=True):
        point = problem.evaluate(at)
        assert objective == pytest.approx(point.objective, rel=1e-12)
        assert bound <= best + (1e-12 + of_float32) * (1 + best)
        # each is the best bound so far, of pulls whose intercept balances to rounding
        assert problem.lower_bound == pytest.approx(bound, abs=1e-7 * objective)
    if len(path):
        assert_array_equal(path[-1], W[:, 0])
        assert (np.diff(objectives) <= 1e-12 * objectives[:-1]).all()
        assert (np.diff(bounds) >= 0).all()


@settings
def test_the_end_is_the_optimum_or_where_newton_py_goes_on(loss, **case):
    X, problem, W = make(loss, **case)
    start = start_of(problem, W[:, 0])
    path, objectives, bounds = steps(problem, W)
    assert np.isfinite(W).all()
    assert problem.evaluate(W[:, 0]).objective <= start.objective * (1 + 1e-12) or not len(path)
    if len(path) and objectives[-1] - bounds[-1] <= 1e-9 * objectives[-1]:
        best = optimum(X, problem, loss)
        assert objectives[-1] - best <= 2e-9 * (1 + best)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_well_posed_fits_end_in_the_kernel(loss, fit_intercept):
    for seed in range(5):
        _, problem, W = make(loss, "dense", seed, 0.1, fit_intercept, is_warm=False)
        _, objectives, bounds = steps(problem, W)
        assert objectives[-1] - bounds[-1] <= 1e-9 * objectives[-1]


def test_a_hessian_without_a_factor_and_rows_without_a_balance_end_it():
    _, problem, W = make("huber", "dense", 0, 0.1, True, is_warm=False)
    problem.penalty = ElasticNet(0.0, -1e3)
    path, _, _ = steps(problem, W)
    assert not len(path)
    # all of one class: no intercept balances the pulls of a hinge short of its flat part
    _, problem, W = make("squared_hinge", "dense", 0, 0.1, True, is_warm=False)
    problem.y = np.ones_like(problem.y)
    path, _, _ = steps(problem, W)
    assert np.isfinite(W).all()


def test_estimators_take_what_the_kernel_leaves():
    X, y, _, _ = drawn(3, "huber", n=60)
    tight = FiniteSumRegressor("huber", alpha=1e-2, tol=1e-12).fit(X, y)
    loose = FiniteSumRegressor("huber", alpha=1e-2).fit(X, y)
    assert loose.solver_ == tight.solver_ == "newton"
    assert_allclose(loose.coef_, tight.coef_, atol=1e-2)
    n = len(loose.history_["objective"])
    assert n == len(loose.history_["passes"]) > 1
    assert loose.history_["objective"][-1] - tight.history_["objective"][-1] <= (
        loose.certificate_.value + 1e-15
    )
