"""The log-loss objective: values, derivatives, Newton directions, steps."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear_model.logistic_problems import (
    PROBLEMS,
    array_problem,
    dense_curvature,
    make_problem,
    newton_classes,
    objective,
    random_W,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax

from sklearn_optland.linear_model._logistic import curvatures as _curvature
from sklearn_optland.linear_model._logistic.dual_bound import lower_bound
from sklearn_optland.linear_model._logistic.samples import uniform_sample


def gradient(case, W):
    Z = case.A @ W
    P, Y = (
        (softmax(Z, axis=1), np.eye(case.k)[case.y]) if case.k > 1 else (expit(Z), case.y[:, None])
    )
    return case.A.T @ (case.c[:, None] * (P - Y)) + case.penalty * W


# Values and derivatives


@given(settings=PROBLEMS, scale=st.sampled_from([0.0, 1e-3, 1.0, 10.0]))
def test_evaluate(settings, scale):
    case = make_problem(**settings)
    W = random_W(case, scale)
    point = case.problem.evaluate(W)
    assert_allclose(point.Z, case.A @ W, rtol=1e-12, atol=1e-13 * np.abs(case.A).max() * scale)
    assert point.objective == pytest.approx(objective(case, W), rel=1e-12)
    expected = gradient(case, W)
    terms = np.abs(case.A).T @ case.c + np.abs(case.penalty * W).max(axis=1)
    assert_allclose(point.gradient, expected, rtol=0, atol=1e-13 * terms.max())
    assert case.problem.passes == 1
    assert case.problem.evaluate(case.problem.zeros()).W.shape == W.shape


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("length", [1e-6, 1e-2, 1.0, 100.0])
def test_largest_rise(length, n_classes, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept)
    W, change = random_W(case), length * random_W(case)
    point, _ = case.problem.evaluate(W), case.problem.column_squares  # which fits know
    passes = case.problem.passes
    most = case.problem.largest_rise(point, change)
    assert case.problem.passes == passes
    rise = objective(case, W + change) - objective(case, W)
    terms = point.objective + abs(rise) + np.abs(point.gradient * change).sum()
    assert rise <= most + 1e-13 * terms
    slope = np.vdot(point.gradient, change)
    if length <= 1:  # of long changes the loss is linear, the bound quadratic
        assert most - slope <= 100 * (rise - slope) + 1e-13 * terms


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gradient_is_the_slope_of_the_objective(n_classes, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept)
    W, V, step = random_W(case), random_W(case), 1e-5
    evaluate = case.problem.evaluate
    slope = (evaluate(W + step * V).objective - evaluate(W - step * V).objective) / (2 * step)
    assert np.vdot(evaluate(W).gradient, V) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_float32_rows_are_taken_as_they_are(csr, n_classes, global_random_seed):
    case = make_problem(global_random_seed, n_classes, csr=csr, dtype=np.float32)
    W = random_W(case)
    point = case.problem.evaluate(W)
    assert point.objective == pytest.approx(objective(case, W), rel=1e-13)
    assert_allclose(point.gradient, gradient(case, W), rtol=1e-11, atol=1e-12)
    assert_allclose(case.problem.column_squares, case.c @ case.A**2, rtol=1e-6)


def test_memory_map(tmp_path, global_random_seed):
    case = make_problem(global_random_seed)
    np.save(tmp_path / "X.npy", case.problem.source.X)
    mapped = array_problem(
        np.load(tmp_path / "X.npy", mmap_mode="r"),
        case.y,
        case.c,
        n_classes=2,
        l2=1.0,
        fit_intercept=True,
    )
    W = random_W(case)
    assert mapped.evaluate(W).objective == case.problem.evaluate(W).objective
    assert_array_equal(mapped.column_squares, case.problem.column_squares)


@given(settings=PROBLEMS)
def test_sums_of_columns(settings):
    case = make_problem(**settings)
    h = case.rng.normal(size=len(case.y))
    squares = case.c @ case.A**2
    squares[-1] = case.c.sum()
    assert_allclose(case.problem.column_squares, squares, rtol=1e-12)
    expected = case.A.T @ (h[:, None] * case.A)
    if not settings["fit_intercept"]:
        expected[-1, -1] = 1.0
    tolerance = 1e-13 * np.abs(case.A).T @ (np.abs(h)[:, None] * np.abs(case.A))
    assert (np.abs(case.problem.gram(h) - np.tril(expected)) <= tolerance).all()


@pytest.mark.parametrize("csr", [False, True])
def test_sums_that_overflow_are_refused(csr):
    X = np.full((6, 1), 1e200)
    case = make_problem(0, csr=csr, n=6, d=1)
    case.problem = array_problem(
        sparse.csr_array(X) if csr else X, case.y, case.c, n_classes=2, l2=1.0, fit_intercept=True
    )
    with np.errstate(over="ignore"):
        with pytest.raises(ValueError, match="X: its products overflow"):
            case.problem.gram(case.c)
        with pytest.raises(ValueError, match="X: its products overflow"):
            _ = case.problem.column_squares


@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("index", [slice(3, 11), np.array([1, 5, 6, 30])])
def test_some_of_the_rows(csr, index, global_random_seed):
    case = make_problem(global_random_seed, 3, csr=csr)
    W = random_W(case)
    part = SimpleNamespace(
        A=case.A[index], y=case.y[index], c=case.c[index], penalty=case.penalty, k=3
    )
    restricted, sample = case.problem.restrict(index), uniform_sample(case.problem, index)
    assert restricted.evaluate(W).objective == pytest.approx(objective(part, W), rel=1e-13)
    part.c = part.c * case.c.sum() / part.c.sum()
    assert sample.evaluate(W).objective == pytest.approx(objective(part, W), rel=1e-13)
    assert sample.source.c.sum() == pytest.approx(case.c.sum())


@given(settings=PROBLEMS)
def test_hessian_product(settings):
    case = make_problem(**settings)
    W, V = random_W(case), random_W(case)
    product = case.problem.hessian(case.problem.evaluate(W).Z)[0](V)
    H = dense_curvature(case, newton_classes(case, W))
    A = np.abs(case.A)
    tolerance = 1e-13 * np.max(A.T @ (case.c[:, None] * (A @ np.abs(V))) + case.penalty)
    assert_allclose(product.ravel(), H @ V.ravel(), rtol=0, atol=tolerance)


# Newton directions


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("metric", ["identity", "Kronecker", "diagonal"])
def test_newton_direction(n_classes, fit_intercept, metric, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept, weights=-1.0)
    point = case.problem.evaluate(random_W(case, 0.3))

    def solve(G):
        return G

    if metric != "identity":
        curvature = {
            "Kronecker": _curvature.KroneckerCurvature,
            "diagonal": _curvature.DiagonalCurvature,
        }[metric](case.problem)
        curvature.refresh(point)
        solve = curvature.solve
    H = dense_curvature(case, newton_classes(case, point.W))

    def residual(V):
        return H @ V.ravel() + point.gradient.ravel()

    V = case.problem.newton_direction(point, solve, tolerance=0.1)
    assert np.vdot(point.gradient, V) < 0
    R = residual(V).reshape(V.shape)
    start = np.vdot(point.gradient, solve(point.gradient))
    assert np.vdot(R, solve(R)) <= 1.001e-2 * start

    V = case.problem.newton_direction(point, solve)
    assert np.sum(residual(V) ** 2) <= -0.1001 * np.vdot(point.gradient, V)


def test_newton_direction_at_a_stationary_point():
    # every row with both labels, and no penalty: 0 is the optimum, its gradient is exactly 0
    X = np.repeat(np.random.default_rng(0).normal(size=(4, 2)), 2, axis=0)
    problem = array_problem(
        X, np.array([0, 1] * 4, np.int32), np.ones(8), n_classes=2, l2=1.0, fit_intercept=True
    )
    point = problem.evaluate(problem.zeros())
    V = problem.newton_direction(point, lambda G: G, tolerance=0.1)
    assert_allclose(V, 0.0, atol=1e-15)
    assert lower_bound(problem, point, V) == pytest.approx(8 * np.log(2), rel=1e-13)


# Steps


@given(
    settings=PROBLEMS,
    start=st.sampled_from([0.0, 1.0, 30.0]),
    kind=st.sampled_from(["newton", "gradient", "random"]),
    scale=st.sampled_from([1e-6, 0.1, 1.0, 10.0, 1e3, 1e8]),
)
def test_search_never_returns_a_higher_point(settings, start, kind, scale):
    case = make_problem(**settings)
    problem = case.problem
    point = problem.evaluate(random_W(case, start))
    direction = {
        "newton": lambda: problem.newton_direction(point, lambda G: G, tolerance=0.1),
        "gradient": lambda: -point.gradient,
        "random": lambda: random_W(case),
    }[kind]()
    new, t = problem.search(point, scale * direction)
    if new is None:
        assert t == 0
        return
    assert t > 0
    rounding = 1e-15 * np.abs(point.W).max()
    assert_allclose(new.W, point.W + t * scale * direction, rtol=1e-12, atol=rounding)
    assert new.objective <= point.objective * (1 + 1e-15)
    rounding = 1e-14 * case.c.sum() * (1 + np.abs(new.Z).max())
    assert new.objective == pytest.approx(objective(case, new.W), rel=1e-11, abs=rounding)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weights", [0.0, 290.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6, 1e12])
def test_search_finds_a_step_on_a_line_of_descent(n_classes, weights, scale, global_random_seed):
    # however far the whole step overshoots
    case = make_problem(global_random_seed, n_classes, weights=weights, l2=0.0)
    point = case.problem.evaluate(case.problem.zeros())
    direction = -scale * point.gradient / np.abs(point.gradient).max()
    new, t = case.problem.search(point, direction)
    assert new.objective < point.objective
    assert_allclose(new.W, t * direction, rtol=1e-12)


@pytest.mark.parametrize("size", [1e200, 1e308, np.inf, np.nan])
def test_search_far_out_gives_a_lower_point_or_none(size, global_random_seed):
    case = make_problem(global_random_seed)
    point = case.problem.evaluate(case.problem.zeros())
    with np.errstate(all="ignore"):
        new, t = case.problem.search(point, np.full_like(point.W, size))
    assert (new is None and t == 0) or new.objective < point.objective
