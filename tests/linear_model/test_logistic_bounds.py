"""Lower bounds on the log-loss objective."""

import warnings
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model.logistic_problems import SETTINGS, make_problem, objective, random_W
from sklearn.linear_model import LogisticRegression

from sklearn_optland._loss import log_loss_fast as kernels
from sklearn_optland.linear_model._logistic import curvatures as _curvature
from sklearn_optland.linear_model._logistic.dual_bound import dual_bound, lower_bound

PENALISED = st.fixed_dictionaries({**SETTINGS, "offset": st.sampled_from([0.0, 1.0, 1e4])})


def optimum(case):
    """The lowest objective that scikit-learn finds."""
    model = LogisticRegression(
        tol=1e-14,
        max_iter=500,
        solver="newton-cholesky",
        fit_intercept=case.problem.fit_intercept,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.problem.source.X, case.y, sample_weight=case.c)
    W = np.vstack([model.coef_.T, model.intercept_ * np.ones((1, case.k))])
    return objective(case, W), W


def check_bound(case, point, direction, best, W, prove=lower_bound):
    """A bound is at most the best objective, known to the rounding of its scores."""
    calls = iter(range(5000))

    def counted(*args, **settings):  # an endless loop becomes an error
        next(calls)
        return loss_along(*args, **settings)

    loss_along = kernels.loss_along
    with mock.patch.object(kernels, "loss_along", counted):
        bound = prove(case.problem, point, direction)
    rounding = 1e-15 * np.max(case.c @ (np.abs(case.A) @ np.abs(W)))
    assert 0 <= bound <= best * (1 + 1e-13) + rounding
    return bound


@settings.get_profile("fits")
@given(
    settings=PENALISED,
    start=st.sampled_from([0.0, 1e-3, 0.1, 1.0, 10.0, 1e3]),
    near=st.booleans(),
    kind=st.sampled_from(["newton", "kronecker", "none", "random", "huge"]),
)
def test_lower_bound_is_below_the_optimum(settings, start, near, kind):
    # from poor points (zero, random) and from close to the optimum, with good and bad directions
    case = make_problem(**settings)
    problem = case.problem
    best, W = optimum(case)
    if case.k > 1:
        W -= W.mean(axis=1, keepdims=True)
    point = problem.evaluate(W * near + random_W(case, start))
    if point.objective < best:
        best, W = point.objective, point.W
    solve = _curvature.KroneckerCurvature(problem).solve if kind == "kronecker" else lambda G: G
    direction = {
        "newton": lambda: problem.newton_direction(point, solve),
        "kronecker": lambda: problem.newton_direction(point, solve),
        "none": problem.zeros,
        "random": lambda: random_W(case),
        "huge": lambda: random_W(case, 1e6),
    }[kind]()
    check_bound(case, point, direction, best, W)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("signal", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("weights", [-3.0, 0.0, 3.0])
def test_lower_bound_is_tight(n_classes, fit_intercept, csr, signal, weights, global_random_seed):
    case = make_problem(
        global_random_seed, n_classes, fit_intercept, csr, signal=signal, weights=weights
    )
    problem = case.problem
    best, W = optimum(case)
    if case.k > 1:
        W -= W.mean(axis=1, keepdims=True)
    solve = _curvature.KroneckerCurvature(problem).solve
    for distance in (0.0, 1e-6, 1e-4):
        point = problem.evaluate(W + random_W(case, distance))
        direction = problem.newton_direction(point, solve)
        bound = check_bound(case, point, direction, best, W)
        true_gap = point.objective - best
        assert point.objective - bound <= 3 * true_gap + 1e-12 * best


@settings.get_profile("fits")
@given(
    settings=PENALISED.filter(lambda settings: settings["n_classes"] > 2),
    start=st.sampled_from([0.0, 1e-3, 1.0, 10.0]),
    noise=st.sampled_from([0.0, 1e-3, 1.0, 100.0]),
)
def test_dual_bound_is_below_the_optimum(settings, start, noise):
    case = make_problem(**settings)
    best, W = optimum(case)
    point = case.problem.evaluate(random_W(case, start))
    scores = point.Z + noise * case.rng.normal(size=point.Z.shape)
    check_bound(case, point, scores, min(best, point.objective), W, dual_bound)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_dual_bound_is_tight(fit_intercept, global_random_seed):
    case = make_problem(global_random_seed, 3, fit_intercept, True)
    best, W = optimum(case)
    point = case.problem.evaluate(W - W.mean(axis=1, keepdims=True))
    bound = check_bound(case, point, point.Z, best, W, dual_bound)
    assert bound == pytest.approx(best, rel=1e-11)
