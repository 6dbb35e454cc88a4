"""Newton's method in compiled code against an independent one, and its bounds."""

from functools import partial

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import clone

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._logistic import plan
from sklearn_optland.linear_model._logistic.curvatures import (
    KroneckerCurvature,
    NewtonCurvature,
)
from sklearn_optland.linear_model._logistic.exact_newton_fast import exact_newton
from sklearn_optland.linear_model._logistic.newton import (
    newton_cg_from_sample,
    quasi_newton_then_newton_cg,
)
from sklearn_optland.linear_model._logistic.preconditioners import ClassBlocksCurvature
from sklearn_optland.linear_model._logistic.problem import log_loss_problem
from sklearn_optland.linear_model._logistic.truncated_newton_fast import truncated_newton

pytestmark = pytest.mark.kernels


def problem(n, d, k, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * rng.uniform(0.1, 10, size=d) + rng.normal(size=d)
    y = (X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    y[:k] = np.arange(k)
    return X, y.astype(np.int32), rng.uniform(0.1, 2, size=n)


def objective(W, X, y, c, l2, n_penalised):
    Z = X @ W.T
    others = np.exp(Z - Z[np.arange(len(y)), y][:, None]) * (np.arange(len(W)) != y[:, None])
    loss = c @ np.log1p(others.sum(axis=1))  # a small loss keeps its digits
    return loss + 0.5 * l2 * (W[:, :n_penalised] ** 2).sum()


def newton(X, y, c, k, l2, n_penalised):
    """Damped Newton steps to the last bits."""
    W, penalty = np.zeros((k, X.shape[1])), np.zeros(X.shape[1])
    penalty[:n_penalised] = l2
    for _ in range(100):
        P = softmax(X @ W.T, axis=1)
        G = (c[:, None] * (P - np.eye(k)[y])).T @ X + penalty * W
        V = c[:, None, None] * (P[:, :, None] * np.eye(k) - P[:, :, None] * P[:, None, :])
        H = np.einsum("iab,ij,il->ajbl", V, X, X).reshape(W.size, W.size)
        H += np.diag(np.tile(penalty, k))
        H += np.kron(np.ones((k, k)), np.diag(np.diag(H).reshape(k, -1).mean(axis=0)))
        step = -np.linalg.solve(H, G.ravel()).reshape(W.shape)
        t = 1.0
        here = objective(W, X, y, c, l2, n_penalised)
        while objective(W + t * step, X, y, c, l2, n_penalised) > here and t > 1e-10:
            t /= 2
        W = W + t * step
    return W


def run(X, y, c, k, l2, fit_intercept, tol, start=None, kernel=exact_newton):
    W = np.zeros((k, X.shape[1])) if start is None else start.copy()
    path, curves = np.full((50, *W.shape), np.nan), np.full((50, 3), np.nan)
    n_steps, ended_well = kernel(
        X, np.ascontiguousarray(X.T), y, c, W, l2, fit_intercept, tol, path, curves
    )
    return path[:n_steps], curves[:n_steps, :2], ended_well


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l2", [1e-6, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d", "k"), [(30, 1, 2), (70, 4, 3), (65, 9, 5), (3, 12, 3)])
def test_steps_reach_the_optimum_and_bounds_stay_below_it(
    n, d, k, l2, fit_intercept, global_random_seed
):
    X, y, c = problem(n, d, k, global_random_seed)
    X = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    best = newton(X, y, c, k, l2, d)
    lowest = objective(best, X, y, c, l2, d)
    path, curves, ended_well = run(X, y, c, k, l2, fit_intercept, 1e-6)
    assert ended_well
    for W, (value, bound) in zip(path, curves, strict=True):
        assert value == pytest.approx(objective(W, X, y, c, l2, d), rel=1e-12)
        assert bound <= lowest * (1 + 1e-12)
    assert value - bound <= 1e-6 * value
    np.testing.assert_allclose(path[-1], best, rtol=0, atol=1e-8 * np.abs(best).max())
    np.testing.assert_allclose(path[-1].sum(axis=0), 0, atol=1e-9 * np.abs(best).max())


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l2", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d", "k"), [(70, 4, 3), (700, 9, 5), (40, 33, 3), (150, 5, 17)])
def test_truncated_steps_come_within_the_tolerance(n, d, k, l2, fit_intercept, global_random_seed):
    X, y, c = problem(n, d, k, global_random_seed)
    X = np.column_stack([X, np.ones(n)]) if fit_intercept else X
    lowest = objective(newton(X, y, c, k, l2, d), X, y, c, l2, d)
    for tol in (1e-3, 1e-6, 1e-10):
        data = X, y, c, k, l2, fit_intercept, tol
        path, curves, ended_well = run(*data, kernel=truncated_newton)
        assert ended_well
        assert (np.diff(curves[:, 0]) <= 1e-14 * lowest).all()
        for W, (value, bound) in zip(path, curves, strict=True):
            assert value == pytest.approx(objective(W, X, y, c, l2, d), rel=1e-12)
            assert bound <= lowest * (1 + 1e-12)
        assert value - bound <= tol * value
        np.testing.assert_allclose(W.sum(axis=0), 0, atol=1e-9 * np.abs(W).max())
        # from there on it is done
        path, curves, ended_well = run(*data, start=W, kernel=truncated_newton)
        assert ended_well
        assert len(path) == 1
        assert curves[0, 0] - curves[0, 1] <= tol * value


def test_truncated_steps_end_at_the_end_of_the_arithmetic(global_random_seed):
    X, y, c = problem(200, 6, 4, global_random_seed)
    lowest = objective(newton(X, y, c, 4, 1.0, 6), X, y, c, 1.0, 6)
    _, curves, ended_well = run(X, y, c, 4, 1.0, False, 0.0, kernel=truncated_newton)
    assert ended_well
    assert curves[-1, 0] == pytest.approx(lowest, rel=1e-14)


def test_a_column_of_subnormal_numbers_is_next_to_none(global_random_seed):
    X, y, _ = problem(300, 6, 4, global_random_seed)
    X[:, 0] = np.round(X[:, 0]) * 5e-324
    tiny = BoundMajorizationLogisticRegression().fit(X, y)
    X[:, 0] = 0.0
    none = BoundMajorizationLogisticRegression().fit(X, y)
    assert tiny.certificate_.reached
    np.testing.assert_allclose(tiny.coef_, none.coef_, atol=1e-12)


def test_an_end_without_a_proof_is_no_good_end():
    X, y = np.array([[0.0], [0.0], [0.0], [1e150], [0.0]]), [0, 0, 0, 0, 1]
    model = BoundMajorizationLogisticRegression().fit(X, y)
    assert model.certificate_.reached


def test_truncated_steps_on_columns_of_any_size(global_random_seed):
    """Rows without weight, constant columns, and columns far apart in size."""
    X, y, c = problem(300, 6, 3, global_random_seed)
    c[::7] = 0.0
    X[:, 0], X[:, 1] = 0.0, 3.0
    X[:, 2:] *= [1e-150, 1e-3, 1e3, 1e5]
    X = np.column_stack([X, np.ones(300)])
    lowest = objective(newton(X, y, c, 3, 1.0, 6), X, y, c, 1.0, 6)
    path, curves, ended_well = run(X, y, c, 3, 1.0, True, 1e-6, kernel=truncated_newton)
    if ended_well:  # else another method takes over
        assert curves[-1, 0] <= lowest * (1 + 1e-6)
    assert (curves[:, 1] <= lowest * (1 + 1e-12)).all()
    assert np.isfinite(path).all()


@pytest.mark.parametrize("kernel", [exact_newton, truncated_newton])
def test_bounds_are_true_wherever_it_starts(kernel, global_random_seed):
    X, y, c = problem(50, 3, 3, global_random_seed)
    lowest = objective(newton(X, y, c, 3, 0.1, 3), X, y, c, 0.1, 3)
    rng = np.random.default_rng(global_random_seed)
    for size in (1.0, 30.0, 1000.0, 1e6):
        start = rng.normal(size=(3, 3)) * size
        start -= start.mean(axis=0)
        _, curves, _ = run(X, y, c, 3, 0.1, False, 1e-6, start, kernel)
        assert (curves[:, 1] <= lowest * (1 + 1e-12)).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("metric", [NewtonCurvature, ClassBlocksCurvature])
@pytest.mark.parametrize("d", [4, 60])
def test_steps_from_a_sample_reach_the_optimum(metric, d, fit_intercept, global_random_seed):
    n, k = 500 * (d + 1), 5
    X, y, c = problem(n, d, k, global_random_seed)
    of_rows = log_loss_problem(
        ArraySource(X, y=y, c=c), n_classes=k, l2=1.0, fit_intercept=fit_intercept
    )
    rng = partial(np.random.RandomState, global_random_seed)

    def otherwise(W):
        return quasi_newton_then_newton_cg(of_rows, W, KroneckerCurvature, rng)

    *_, last = newton_cg_from_sample(of_rows, of_rows.zeros(), metric, rng, otherwise)
    scale = np.abs(of_rows.evaluate(of_rows.zeros()).gradient).max()
    assert np.abs(of_rows.evaluate(last.point.W).gradient).max() <= 1e-8 * scale
    again = next(newton_cg_from_sample(of_rows, last.point.W, metric, rng, otherwise), last)
    assert again.point.objective <= last.point.objective * (1 + 1e-14)


def test_the_fit_of_many_rows_is_that_of_every_other_method(global_random_seed, monkeypatch):
    monkeypatch.setattr(plan, "WORK", 0.0)
    X, y, c = problem(30_000, 3, 3, global_random_seed)
    fits = [
        BoundMajorizationLogisticRegression(tol=1e-10, curvature=curvature)
        for curvature in ("auto", "bohning-nesterov")
    ]
    fits = [fit.fit(X, y, sample_weight=c) for fit in fits]
    assert fits[0].plan_ == ("newton-cg from a sample", "hessian")
    assert all(fit.certificate_.reached for fit in fits)
    assert (np.diff(fits[0].history_["objective"]) <= 0).all()
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-4)
    sorted_rows = np.argsort(y, kind="stable")  # a sample sees all classes
    fit = clone(fits[0]).fit(X[sorted_rows], y[sorted_rows], sample_weight=c[sorted_rows])
    np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=1e-5)


def test_data_that_no_newton_step_helps_go_on_otherwise():
    # The intercept has hundreds of Newton steps to go.
    X, y = np.array([[0.0], [0.0], [1.0]]), [2, 0, 1]
    model = BoundMajorizationLogisticRegression().fit(X, y, sample_weight=[1.0, 1e-100, 1e-100])
    assert model.plan_ == ("exact newton", "hessian")
    assert model.certificate_.reached


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [2, 3])
def test_tolerances_of_the_estimator_are_met_with_the_last_bits(k, dtype, global_random_seed):
    X, y, c = problem(80, 4, k, global_random_seed)
    fits = [
        BoundMajorizationLogisticRegression(tol=tol).fit(X.astype(dtype), y, sample_weight=c)
        for tol in (1e-2, 1e-10)
    ]
    assert {fit.plan_ for fit in fits} == {("exact newton", "hessian")}
    assert fits[0].n_iter_ < fits[1].n_iter_
    eps = 1e-6 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, rtol=0, atol=eps * 100)
    assert all(fit.certificate_.reached for fit in fits)
