"""Finite-sum estimators: what their certificates say, and when a fit ends."""

import warnings
from functools import cache

import numpy as np
import pytest
from helpers import fit_quietly
from linear_model.finite_sum_helpers import (
    CLASSIFIES,
    FULL_BATCH,
    PENALTIES,
    SMOOTH,
    allowed,
    data,
    estimator,
    objective,
)
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import FiniteSumClassifier, SDCARegressor
from sklearn_optland.linear_model._finite_sum.descent import Descent
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum, SoftmaxSum
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS


@cache
def tight_fit(loss, penalty, seed):
    """Data, the parameters of a problem, its best objective, and the certificate of that."""
    X, y = data(loss, seed, n=80)
    X = X + 1.0  # an intercept that matters
    parameters = {"alpha": 0.01, "l1_ratio": PENALTIES[penalty][0]}
    tight = estimator(loss, solver="catalyst", tol=1e-11, max_iter=5000, **parameters)
    optimum = objective(fit_quietly(tight, X, y), X, y)
    return X, y, parameters, optimum, tight.certificate_.value


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 4, 20])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", ["l2", "elastic net", "l1"])
def test_the_certificate_is_true_wherever_the_fit_stops(
    loss, penalty, max_iter, solver, global_random_seed
):
    if not allowed(solver, loss, penalty):
        pytest.skip("refused")
    X, y, parameters, optimum, tight = tight_fit(loss, penalty, global_random_seed)
    model = fit_quietly(
        estimator(loss, solver=solver, tol=1e-12, max_iter=max_iter, **parameters), X, y
    )
    assert model.certificate_.scope == "global"
    gap = objective(model, X, y) - optimum
    assert gap <= model.certificate_.value
    slack = 1e-12 + tight
    gaps = model.history_["objective"] - optimum
    assert np.all(gaps <= model.history_["certificate"] + slack)
    assert model.n_iter_ <= max_iter + 9  # SVRG and Katyusha end with a snapshot
    if solver not in FULL_BATCH:  # which arrive
        assert max_iter <= model.n_iter_


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", CLASSIFIES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_where_losses_are_flat_a_fit_does_not_stop_early(
    solver, loss, fit_intercept, global_random_seed
):
    """Beyond the margin pulls are 0 and stay so, while the penalty still moves the coefficients."""
    if not allowed(solver, loss, "l2"):
        pytest.skip("refused, by another test")
    rng = np.random.RandomState(global_random_seed)
    y = np.repeat([0, 1], 15)
    X = rng.randn(30, 2) * 0.1 + 4.0 * y[:, None] - 2.0
    model = estimator(loss, alpha=1e-3, solver=solver, fit_intercept=fit_intercept, max_iter=2000)
    fit_quietly(model, X, y)
    assert model.certificate_.reached or model.n_iter_ >= 2000
    if solver == "point-saga" or (solver == "catalyst" and loss in SMOOTH):
        assert model.certificate_.reached


def test_certificates_cost_less_than_a_tenth_of_the_passes():
    X, y = data("log_loss", 0, n=500, d=20)
    for solver in ("saga", "sdca", "miso", "catalyst", "point-saga"):
        model = FiniteSumClassifier(solver=solver, alpha=1e-4, tol=1e-9, random_state=0)
        fit_quietly(model, X, y)
        assert model.n_iter_ > 30
        assert len(model.history_["passes"]) - 2 <= model.n_iter_ / 10


def test_warning_says_value_tolerance_and_what_to_change():
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.warns(
        ConvergenceWarning, match=r"2 iterations with duality gap .* of the .*max_iter"
    ):
        FiniteSumClassifier(solver="catalyst", max_iter=2).fit(X, y)


def test_zero_tolerance_goes_as_far_as_float64_and_does_not_warn(global_random_seed):
    X, y = data("log_loss", global_random_seed, n=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = FiniteSumClassifier(alpha=0.1, tol=0.0, random_state=0).fit(X, y)
    assert model.n_iter_ < model.max_iter
    assert model.certificate_.value < 1e-13


def test_descent_keeps_the_best_point():
    X, y = data("log_loss", 0, n=100)
    problem = FiniteSum(
        ArraySource(X, c=np.full(100, 0.01)), np.where(y, 1.0, -1.0), loss=LOSSES["log_loss"],
        penalty=ElasticNet(0.0, 0.01), fit_intercept=True,
    )  # fmt: skip
    solver = SOLVERS["sdca"].solver(problem, problem.zeros(), rng=np.random.RandomState(0))
    descent = Descent(problem, solver, 1e-10, 100)
    objectives, certificates = [], []
    while not descent.done:
        descent.advance()
        objectives.append(descent.point.objective)
        certificates.append(descent.best.certificate)
        assert descent.best.objective == min(objectives)
    assert np.all(np.diff(certificates) <= 0)


@pytest.mark.parametrize("last_weight", [1.0, 1e-12])
@pytest.mark.filterwarnings("error", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_gap_that_is_infinitely_larger_than_the_move(last_weight):
    X, y = np.array([[0.0], [0.0], [1e150]]), np.array([0.0, 0.0, 1e150])
    model = SDCARegressor(max_iter=5, random_state=0)
    model.fit(X, y, sample_weight=[1.0, 1.0, last_weight])
    assert np.isfinite(model.predict(X)).all()


def test_no_probability_is_below_zero(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    n, k = 400, 5
    X, y = rng.randn(n, 2), rng.randint(k, size=n).astype(np.int32)
    source = ArraySource(X, y=y, c=np.full(n, 1 / n))
    penalty = ElasticNet(0.1, 0.0)
    problem = SoftmaxSum(source, y, n_classes=k, penalty=penalty, fit_intercept=True)
    scores = 30 * rng.randn(n, k)
    scores[np.arange(n), y] -= 60  # next to nothing is left for the own class
    _, pulls = problem.losses(scores)
    assert (problem.probabilities(pulls) >= 0).all()
    assert np.isfinite(problem.balanced(pulls)).all()
