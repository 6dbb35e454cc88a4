"""The log-loss objective on samples of rows, in float32 and with preconditioners."""

import numpy as np
import pytest
from linear_model.logistic_problems import (
    array_problem,
    dense_curvature,
    make_problem,
    newton_classes,
    random_W,
)
from numpy.testing import assert_allclose
from scipy import sparse

from sklearn_optland.linear_model._logistic import preconditioners
from sklearn_optland.linear_model._logistic.curvatures import DiagonalCurvature
from sklearn_optland.linear_model._logistic.samples import importance_sample

pytestmark = pytest.mark.kernels

# Samples and single precision


def rows_of(problem):
    return problem.source.X.toarray() if sparse.issparse(problem.source.X) else problem.source.X


@pytest.mark.parametrize("csr", [False, True])
def test_importance_samples(csr, global_random_seed):
    # Rows that alone hold a column come with certainty; all others in proportion; weights undo it.
    case = make_problem(global_random_seed, n=4000, d=3, csr=csr)
    problem = case.problem
    small, large = (importance_sample(problem, size, global_random_seed) for size in (400, 2000))
    # a row is drawn with at least half its share of the weights
    assert small.source.c.max() <= max(case.c.max(), case.c.sum() / (0.5 * 400)) * (1 + 1e-12)
    assert small.n_samples == pytest.approx(400, abs=100)
    assert {row.tobytes() for row in rows_of(small)} <= {row.tobytes() for row in rows_of(large)}
    assert large.source.c.sum() == pytest.approx(case.c.sum(), rel=0.2)
    whole = importance_sample(problem, 1e9, global_random_seed)
    assert_allclose(whole.source.c, case.c)
    gram = large.gram(large.source.c)
    assert_allclose(np.diag(gram)[:-1], problem.column_squares[:-1], rtol=0.2)


# Float32


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("spread", [0.0, 20.0])
@pytest.mark.parametrize(("n_classes", "n", "d"), [(3, 33, 5), (4, 300, 20), (7, 3000, 130)])
def test_float32(n_classes, n, d, spread, fit_intercept, global_random_seed):
    case = make_problem(
        global_random_seed, n_classes, fit_intercept, spread=spread, n=n, d=d, weights=-1.0
    )
    scale = np.sqrt(case.problem.column_squares)[:, None]
    W, V = random_W(case) / scale, random_W(case) / scale
    rounded, point = case.problem.in_float32.evaluate(W), case.problem.evaluate(W)
    assert rounded.objective == pytest.approx(point.objective, rel=1e-6)
    assert_allclose(rounded.Z, point.Z, atol=1e-5 * np.abs(point.Z).max())
    in_units = np.abs(point.gradient / scale).max()
    assert np.abs((rounded.gradient - point.gradient) / scale).max() <= 1e-5 * in_units
    exact = case.problem.hessian(point.Z)[0](V) / scale
    product = case.problem.in_float32.hessian(point.Z)[0](V) / scale
    assert np.abs(product - exact).max() <= 1e-5 * np.abs(exact).max()
    h = np.random.default_rng(0).uniform(size=n)
    gram = case.problem.in_float32.gram(h) / scale / scale.T
    exact = case.problem.gram(h) / scale / scale.T
    assert_allclose(np.tril(gram), np.tril(exact), atol=1e-5 * np.abs(exact).max())


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n_classes", "n", "d"), [(3, 20, 45), (9, 40, 90)])
def test_float32_of_sparse_rows(n_classes, n, d, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, n_classes, fit_intercept, csr=True, n=n, d=d)
    problem = case.problem
    W = random_W(case, 0.1)
    rounded, point = problem.in_float32.evaluate(W), problem.evaluate(W)
    assert rounded.objective == pytest.approx(point.objective, rel=1e-6)
    assert_allclose(rounded.Z, point.Z, atol=1e-5 * np.abs(point.Z).max())
    assert_allclose(rounded.gradient, point.gradient, atol=1e-5 * np.abs(point.gradient).max())
    H = dense_curvature(case, newton_classes(case, W))

    def residual(V):
        return H @ V.ravel() + point.gradient.ravel()

    V = problem.in_float32.newton_direction(point, None, tolerance=1e-3)
    assert_allclose(V.sum(axis=1), 0.0, atol=1e-14)
    assert_allclose(V[-1] * (not fit_intercept), 0.0)
    assert np.linalg.norm(residual(V)) <= 0.05 * np.linalg.norm(point.gradient)
    V = problem.in_float32.newton_direction(point, None)
    assert np.sum(residual(V) ** 2) <= -0.11 * np.vdot(point.gradient, V)


def test_float32_keeps_small_losses_and_takes_ties():
    X = np.array([[0.0], [20.0], [-20.0]])
    problem = array_problem(
        X, np.array([0, 1, 0], np.int32), np.ones(3), n_classes=3, l2=0.0, fit_intercept=False
    )
    W = np.array([[-1.0, 2.0, -1.0], [0.0, 0.0, 0.0]])
    exact, rounded = problem.evaluate(W), problem.in_float32.evaluate(W)
    assert rounded.objective == pytest.approx(exact.objective, rel=1e-6)
    part = problem.restrict(slice(1, 2))
    exact, rounded = part.evaluate(W), part.in_float32.evaluate(W)
    assert 0 < exact.objective < 1e-20
    assert rounded.objective == pytest.approx(exact.objective, rel=1e-4)
    assert_allclose(rounded.gradient, exact.gradient, rtol=1e-4)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("name", ["diagonal", "Hessian", "class blocks", "pairs"])
def test_preconditioners(name, fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, 3, fit_intercept, n=300, d=6, weights=-1.0)
    point = case.problem.evaluate(random_W(case))
    curvature = {
        "diagonal": DiagonalCurvature,
        "Hessian": preconditioners.HessianCurvature,
        "class blocks": preconditioners.ClassBlocksCurvature,
        "pairs": preconditioners.PairCurvature,
    }[name](case.problem.in_float32)
    curvature.refresh(point)
    G = centred(random_W(case), fit_intercept)
    V = curvature.solve(G)
    assert V.flags.c_contiguous
    assert_allclose(V.sum(axis=1), 0.0, atol=1e-12 * np.abs(V).max())
    assert_allclose(V[-1] * (not fit_intercept), 0.0)
    # symmetric, positive, and close to the Hessian: conjugate gradients take a few steps
    U = centred(random_W(case), fit_intercept)
    assert np.vdot(U, V) == pytest.approx(np.vdot(curvature.solve(U), G), rel=1e-3)
    assert np.vdot(G, V) > 0
    H = dense_curvature(case, newton_classes(case, point.W))
    ratio = np.vdot(V, H @ V.ravel()) / np.vdot(G, V)
    tolerance = {"diagonal": 1.0, "Hessian": 0.2, "class blocks": 0.5, "pairs": 0.1}[name]
    assert ratio == pytest.approx(1.0, abs=tolerance)


def centred(W, fit_intercept):
    W = W - W.mean(axis=1, keepdims=True)
    W[-1] *= fit_intercept
    return W
