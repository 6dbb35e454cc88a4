"""Curvatures of the log-loss objective."""

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
    ratio,
)
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from sklearn_optland.linear_model._logistic import curvatures as _curvature
from sklearn_optland.linear_model._logistic.low_rank import LowRankCurvature


def bohning_classes(case):
    k = case.k
    S = np.eye(1) / 4 if k == 1 else (np.eye(k) - 1 / k) / 2
    return np.broadcast_to(S, (len(case.y), k, k))


CURVATURES = {
    "gram": (_curvature.GramCurvature, [2]),
    "jc12": (_curvature.JC12Curvature, [3, 4]),
    "kronecker": (_curvature.KroneckerCurvature, [2, 4]),
    "kronecker-mean": (_curvature.KroneckerCurvature, [2, 4]),
    "diagonal": (_curvature.DiagonalCurvature, [2, 4]),
    "diagonal-mean": (_curvature.DiagonalCurvature, [2]),
    "low-rank": (LowRankCurvature, [2, 4]),
}
MAJORIZERS = [name for name in CURVATURES if not name.endswith("mean")]
METRICS = [
    (name, k, ridge)
    for name, (_, ks) in CURVATURES.items()
    if name != "low-rank"
    for k in ks
    for ridge in ([0.0] if name.startswith("diagonal") else [0.0, 0.3])
]


def set_curvature(name, case, point, **options):
    """The curvature at a point, with what it needs to majorize."""
    curvature = CURVATURES[name][0](case.problem, **options)
    if name in ("kronecker", "diagonal"):
        curvature.bohning()
    else:
        curvature.refresh(point)
    return curvature


def expected_matrix(name, case, W):
    """The same as a dense matrix."""
    if name == "gram":
        return dense_curvature(case, ratio(case.A @ W)[:, :, None])
    if name == "jc12":
        S = np.array([jc12_classes(z) for z in case.A @ W])
        return dense_curvature(case, S)
    classes = bohning_classes(case)
    if name.endswith("mean"):
        mean = np.average(newton_classes(case, W), axis=0, weights=case.c)
        classes = np.broadcast_to(mean, classes.shape)
    if name.startswith("kronecker"):
        return dense_curvature(case, classes)
    weighted = case.c[:, None] * np.abs(case.A)
    columns = np.sum(weighted.T @ np.abs(case.A), axis=1)  # row sums: a majorizer
    centring = np.eye(len(columns))
    if name == "diagonal-mean":
        if case.problem.fit_intercept:  # of w and the intercept of centred columns
            centring[-1, :-1] = case.c @ case.A[:, :-1] / case.c.sum()
        columns = case.c @ (case.A @ np.linalg.inv(centring)) ** 2
    diagonal = np.kron(np.diag(columns), classes[0]) + np.diag(np.repeat(case.penalty, case.k))
    centring = np.kron(centring, np.eye(case.k))
    return centring.T @ diagonal @ centring


def jc12_classes(z):
    """Algorithm 1 for unit vectors, classes in descending order of their scores."""
    k = len(z)
    order = np.argsort(-z)
    mu, S, log_z = np.eye(k)[order[0]], np.zeros((k, k)), z[order[0]]
    for y in order[1:]:
        r = z[y] - log_z
        step = np.eye(k)[y] - mu
        S += ratio(r) * np.outer(step, step)
        mu = mu + expit(r) * step
        log_z = np.logaddexp(log_z, z[y])
    return S


@pytest.mark.parametrize(("name", "n_classes", "ridge"), METRICS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("l2", [1.0, 0.0])
def test_solve_is_the_inverse_of_the_dense_matrix(
    name, n_classes, ridge, fit_intercept, csr, l2, global_random_seed
):
    case = make_problem(global_random_seed, n_classes, fit_intercept, csr, l2=l2, weights=-1.0)
    W, G = random_W(case), random_W(case)
    M, options = expected_matrix(name, case, W), {}
    if ridge:  # of the columns, not of the intercept
        columns = np.append(np.full(case.A.shape[1] - 1, ridge), 0.0)
        M += np.diag(np.repeat(columns, case.k))
        options["ridge"] = ridge if name.startswith("kronecker") else columns
    out = set_curvature(name, case, case.problem.evaluate(W), **options).solve(G)
    assert_allclose(M @ out.ravel(), G.ravel(), rtol=0, atol=1e-11 * np.abs(G).max())
    if case.k > 1:
        assert_allclose(out.sum(axis=1), 0, atol=1e-13 * np.abs(out).max())
    if not fit_intercept:
        assert_array_equal(out[-1], 0)


def test_newton_gram_is_the_inverse_of_the_hessian(global_random_seed):
    case = make_problem(global_random_seed)
    W, G = random_W(case), random_W(case)
    curvature = _curvature.GramCurvature(case.problem)
    curvature.refresh(case.problem.evaluate(W), 0.0)
    H = dense_curvature(case, newton_classes(case, W))
    assert_allclose(curvature.solve(G), np.linalg.solve(H, G), rtol=1e-10)


def case_for(name, settings):
    """A problem with a number of classes that the curvature is for."""
    n_classes = CURVATURES[name][1]
    return make_problem(**{**settings, "n_classes": n_classes[settings["seed"] % len(n_classes)]})


@pytest.mark.parametrize("name", MAJORIZERS)
@given(settings=PROBLEMS, start=st.sampled_from([0.0, 0.1, 1.0, 10.0]))
def test_a_majorization_step_never_raises_the_objective(name, settings, start):
    case = case_for(name, settings)
    point = case.problem.evaluate(random_W(case, start))
    step = set_curvature(name, case, point).solve(point.gradient)
    assert np.vdot(point.gradient, step) >= 0
    assert objective(case, point.W - step) <= point.objective * (1 + 1e-12)


@pytest.mark.parametrize("name", MAJORIZERS)
@given(
    settings=PROBLEMS,
    start=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    move=st.sampled_from([1e-3, 1.0, -1.0, 10.0, 1e3]),
)
def test_majorizers_bound_the_objective_everywhere(name, settings, start, move):
    # F(W - S) <= F(W) - <gradient, S> + 1/2 <S, M S>, for S = M^-1 G with any G
    case = case_for(name, settings)
    point = case.problem.evaluate(random_W(case, start))
    G = np.abs(point.gradient).max() * move * random_W(case)
    S = set_curvature(name, case, point).solve(G)
    linear, quadratic = np.vdot(point.gradient, S), np.vdot(G, S) / 2
    assert quadratic >= 0
    rounding = 1e-11 * (point.objective + abs(linear) + quadratic)
    assert objective(case, point.W - S) <= point.objective - linear + quadratic + rounding


@given(settings=PROBLEMS, radius=st.sampled_from([1e-3, 0.1, 1.0, 5.0]))
def test_gram_curvature_majorizes_within_its_radius(settings, radius):
    case = make_problem(**{**settings, "n_classes": 2, "spread": 0.0})
    point = case.problem.evaluate(random_W(case))
    curvature = _curvature.GramCurvature(case.problem)
    curvature.refresh(point, radius)
    G = random_W(case)
    S = curvature.solve(G)
    shorter = radius / (np.abs(case.A @ S).max() + 1e-12)
    S, G = shorter * S, shorter * G
    linear, quadratic = np.vdot(point.gradient, S), np.vdot(G, S) / 2
    rounding = 1e-11 * (point.objective + abs(linear) + quadratic)
    assert objective(case, point.W - S) <= point.objective - linear + quadratic + rounding


@pytest.mark.parametrize("name", MAJORIZERS)
@pytest.mark.parametrize("columns", ["repeated", "constant", "zero"])
@pytest.mark.parametrize("l2", [1.0, 0.0])
def test_collinear_columns_still_give_a_descent_step(name, columns, l2, global_random_seed):
    case = make_problem(global_random_seed, CURVATURES[name][1][0], l2=l2)
    problem = case.problem
    case.A[:, 0] = {"repeated": case.A[:, 1], "constant": 2.0, "zero": 0.0}[columns]
    case.problem = array_problem(
        np.ascontiguousarray(case.A[:, :-1]),
        case.y,
        case.c,
        n_classes=problem.n_classes,
        l2=l2,
        fit_intercept=True,
    )
    point = case.problem.evaluate(case.problem.zeros())
    new = case.problem.evaluate(-set_curvature(name, case, point).solve(point.gradient))
    assert new.objective < point.objective


@pytest.mark.parametrize(
    ("name", "n_classes", "d", "side"),
    [("gram", 2, 5000, 5001), ("kronecker", 3, 5000, 5001), ("jc12", 5, 1000, 5005)],
)
def test_large_matrices_are_refused(name, n_classes, d, side):
    case = make_problem(0, n_classes, csr=True, n=5, d=d)
    with pytest.raises(ValueError, match=f"side {side}.* at most 5000"):
        CURVATURES[name][0](case.problem)
