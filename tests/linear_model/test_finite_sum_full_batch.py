"""Solvers of finite sums that visit all rows at once, against scikit-learn and each other."""

from copy import copy

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model.finite_sum_helpers import EPSILON, data, estimator, objective
from scipy import sparse
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_optland._loss.penalties import ElasticNet as ElasticNetPenalty
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
    alpha_max,
    regularization_path,
)
from sklearn_optland.linear_model._finite_sum import coordinate_models, newton
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum
from sklearn_optland.linear_model._finite_sum.working_set_models import WorkingSetModels


def wide(n=60, d=900, seed=0):
    """Rows that are fewer than the columns, of which three matter, and targets with an offset."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d) * (rng.rand(n, d) < 0.3)
    return X, X[:, :3] @ [3.0, -2.0, 1.0] + 5.0 + 0.1 * rng.randn(n)


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_coordinate_descent_arrives_where_classes_hardly_overlap(loss):
    X, y = load_breast_cancer(return_X_y=True)
    X, y, C = StandardScaler().fit_transform(X)[:300], y[:300], 20_000.0
    liblinear = {"C": C, "fit_intercept": False, "max_iter": 10_000, "random_state": 0}
    theirs = {
        "log_loss": LogisticRegression(l1_ratio=1.0, solver="liblinear", **liblinear),
        "squared_hinge": LinearSVC(penalty="l1", dual=False, **liblinear),
    }[loss]
    settings = {"alpha": 1 / (C * len(y)), "l1_ratio": 1.0, "fit_intercept": False}
    ours = FiniteSumClassifier(loss, solver="cd", max_iter=250, **settings).fit(X, y)
    assert ours.certificate_.reached
    value, other = objective(ours, X, y), copy(ours)
    other.coef_ = fit_quietly(theirs, X, y).coef_
    level = objective(other, X, y)
    assert value - ours.certificate_.value <= level
    assert value <= level * (1 + 1e-6)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize(("n", "d"), [(60, 900), (60, 40), (400, 90)])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.6])
def test_coordinate_descent_finds_what_scikit_learn_does(
    l1_ratio, n, d, positive, fit_intercept, storage
):
    X, y = wide(n, d)
    s = np.random.RandomState(1).randint(0, 3, n).astype(float)
    settings = {"l1_ratio": l1_ratio, "positive": positive, "fit_intercept": fit_intercept}
    alpha = 0.05
    ours = FiniteSumRegressor(solver="cd", alpha=alpha, tol=1e-12, **settings)
    ours.fit(storage(X), y, sample_weight=s)
    theirs = ElasticNet(alpha=alpha, tol=1e-12, max_iter=100_000, **settings)
    theirs.fit(X, y, sample_weight=s)
    assert ours.certificate_.reached
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    assert objective(ours, X, y, s) <= objective_of(theirs, ours, X, y, s) * (1 + 1e-12)


def objective_of(theirs, ours, X, y, s):
    """The objective at another fit's coefficients."""
    model = FiniteSumRegressor(alpha=ours.alpha, l1_ratio=ours.l1_ratio)
    model.coef_, model.intercept_ = theirs.coef_, theirs.intercept_
    return objective(model, X, y, s)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ridge_is_exact(fit_intercept, storage):
    X, y = data("squared_error", 0, n=80)
    ours = FiniteSumRegressor(solver="newton", alpha=0.1, fit_intercept=fit_intercept)
    theirs = Ridge(alpha=0.1 * len(y), solver="svd" if storage is np.asarray else "auto")
    theirs.set_params(fit_intercept=fit_intercept, tol=1e-14)
    ours.fit(storage(X), y)
    np.testing.assert_allclose(ours.coef_, theirs.fit(X, y).coef_, rtol=1e-10)
    assert ours.certificate_.relative < 1e-13


def test_nothing_is_chosen_above_alpha_max():
    X, y = wide()
    for storage in (np.asarray, sparse.csr_array):
        model = FiniteSumRegressor(l1_ratio=1.0)
        model.set_params(alpha=1.01 * alpha_max(model, storage(X), y)).fit(storage(X), y)
        assert model.solver_ == "cd"
        assert not model.coef_.any()
        assert model.intercept_ == pytest.approx(y.mean())
        assert model.certificate_.reached


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_entries_in_parts_are_as_good_as_their_sums(loss):
    X, y = wide()
    y = (y > np.median(y)).astype(int) if loss == "log_loss" else y
    whole = sparse.csr_array(X)
    parts = np.repeat(whole.data / 4, 4), np.repeat(whole.indices, 4), 4 * whole.indptr
    in_parts = sparse.csr_array(parts, shape=X.shape)
    model = estimator(loss, solver="cd", alpha=0.02, l1_ratio=1.0, tol=1e-9)
    expected = model.fit(whole, y).coef_
    assert model.fit(in_parts, y).certificate_.reached
    np.testing.assert_allclose(model.coef_, expected, atol=1e-5)
    assert in_parts.nnz == 4 * whole.nnz  # the caller's matrix stays as it is


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "huber"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_working_sets_reach_the_optimum_of_all_columns(storage, loss):
    X, y = wide()
    y = (y > np.median(y)).astype(int) if loss != "huber" else y
    settings = {"alpha": 0.02, "l1_ratio": 1.0, "max_iter": 5000}
    ours = estimator(loss, solver="cd", tol=1e-9, **settings).fit(storage(X), y)
    other = fit_quietly(estimator(loss, solver="catalyst", tol=1e-9, **settings), X, y)
    assert ours.certificate_.reached
    gap = objective(ours, X, y) - objective(other, X, y)
    assert gap <= ours.certificate_.value
    assert -gap <= other.certificate_.value


def classes_problem(X, y, l1):
    source = ArraySource(X, c=np.full(len(y), 1 / len(y)))
    settings = {"loss": LOSSES["log_loss"], "penalty": ElasticNetPenalty(l1, 0.0)}
    return FiniteSum(source, y, fit_intercept=False, **settings)


def test_a_coefficient_that_comes_to_zero_does_not_shorten_the_step():
    X, y = np.ones((4, 1)), np.array([1.0, -1.0, 1.0, -1.0])
    problem, direction = classes_problem(X, y, l1=0.1), np.array([-1e-3, 0.0])
    point = newton.start_of(problem, -direction)
    added = X[:, 0] * direction[0]
    gain = problem.gain(point, direction, added)
    slope = problem.penalty.rise(point.W[:-1], direction[:-1]) - gain
    assert newton.step_length(problem, point, direction, added, slope, rounding=0.0) == 1


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_the_end_of_a_model_bounds_the_optimum_better_than_the_pulls_there(storage):
    X, y = wide()
    y, tol = np.where(y > np.median(y), 1.0, -1.0), 1e-6
    problem = classes_problem(storage(X), y, l1=0.02)
    models, ends = WorkingSetModels(problem, tol), []

    def minimize(point, h):
        direction, added, dual = models(point, h)
        if dual is not None:
            ends.append((point.W + direction, dual, point.scores + added))
        return direction, added, None

    list(newton.proximal_newton(problem, newton.start_of(problem, problem.zeros()), minimize))
    W, dual, scores = ends[0]
    points = []
    for theta in (None, dual):
        problem.lower_bound = 0.0
        points.append(problem.evaluate(W, theta, scores))
    assert points[1].certificate <= tol * points[1].objective
    assert points[1].certificate < points[0].certificate


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_interior_point_method_solves_support_vector_machines(fit_intercept):
    X, y = data("hinge", 0, n=100)
    X = X + 0.5
    ours = FiniteSumClassifier(
        "hinge", solver="interior-point", alpha=0.01, tol=1e-10, fit_intercept=fit_intercept
    ).fit(X, y)
    assert ours.certificate_.reached
    if fit_intercept:
        theirs = SVC(kernel="linear", C=1 / (0.01 * len(y)), tol=1e-10).fit(X, y)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    sdca = fit_quietly(ours.__class__("hinge", solver="sdca", alpha=0.01, tol=1e-8), X, y)
    if fit_intercept:
        assert objective(ours, X, y) <= objective(sdca, X, y) * (1 + 1e-9)


def linear_program(loss, X, y, c, alpha, epsilon, *, fit_intercept, positive):
    """The least mean of a loss with a kink and L1, by SciPy's solver of linear programs."""
    n, d = X.shape
    # variables: positive and negative parts of w and b, and of each row what is above its lines
    lines = [(y, np.ones(n))] if loss == "hinge" else [(1.0, y - epsilon), (-1.0, -y - epsilon)]
    columns = np.column_stack([X, np.ones(n)])
    A = [np.hstack([(s * columns.T).T, (-s * columns.T).T, np.eye(n)]) for s, _ in lines]
    of_b = (0, None if fit_intercept else 0)
    bounds = [(0, None)] * d + [of_b] + [(0, 0 if positive else None)] * d + [of_b]
    cost = np.concatenate([np.tile(np.append(np.full(d, alpha), 0.0), 2), c])
    above = np.concatenate([p for _, p in lines])
    return linprog(cost, -np.vstack(A), -above, bounds=bounds + [(0, None)] * n).fun


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("positive", [False, True])
@given(
    seed=st.integers(0, 2**32 - 1),
    log_alpha=st.floats(-4, 0),
    loss=st.sampled_from(["hinge", "epsilon_insensitive"]),
    fit_intercept=st.booleans(),
)
@settings(max_examples=10)
def test_interior_points_with_l1_are_a_linear_program_s(
    positive, storage, seed, log_alpha, loss, fit_intercept
):
    X, y = data(loss, seed % 1000, n=30, d=6)
    rng = np.random.default_rng(seed)
    X, weights = X + rng.normal(size=6), rng.integers(1, 4, len(y)).astype(float)
    parameters = {"positive": positive, "fit_intercept": fit_intercept, "l1_ratio": 1.0}
    model = estimator(loss, solver="interior-point", alpha=10**log_alpha, tol=1e-8, **parameters)
    model.fit(storage(X), y, weights)
    least = linear_program(
        *(loss, X, np.where(y == y.max(), 1.0, -1.0) if loss == "hinge" else y),
        *(weights / weights.sum(), 10**log_alpha, EPSILON),
        fit_intercept=fit_intercept,
        positive=positive,
    )
    value = model.history_["objective"].min()
    assert objective(model, X, y, weights) == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert least <= value * (1 + 1e-9) + 1e-12
    assert value - least <= model.certificate_.value + 1e-9 * abs(least)
    assert model.certificate_.reached
    assert (model.coef_ >= 0).all() or not positive


@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
@pytest.mark.parametrize(
    "parameters", [{"l1_ratio": 0.5}, {"l1_ratio": 1.0}, {"positive": True, "alpha": 1e-3}]
)
def test_hard_kinks_arrive_at_the_defaults(parameters, loss):
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = estimator(loss, **parameters).fit(X[:, 1:], 1 - y if loss == "hinge" else X[:, 0])
    assert model.solver_ == "interior-point"
    assert model.certificate_.reached
    assert 0 < np.count_nonzero(model.coef_) < model.coef_.size  # zeros are zeros


def test_several_classes_by_newton_are_logistic_regression():
    X, y = data("log_loss", 0, n=150, n_classes=3)
    alpha = 0.02
    ours = FiniteSumClassifier(solver="newton", alpha=alpha, tol=1e-10).fit(X, y)
    theirs = BoundMajorizationLogisticRegression(C=1 / (alpha * len(y)), tol=1e-12).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    assert ours.certificate_.reached


@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_a_path_is_the_fits_along_it(l1_ratio, loss):
    X, y = data(loss, 0, n=80)
    model = estimator(loss, l1_ratio=l1_ratio, tol=1e-10)
    values = np.logspace(-3, 0, 8)
    path = regularization_path(model, X, y, values)
    for value, coef, certificate in zip(values, path.coefs, path.certificates, strict=True):
        one = model.set_params(alpha=value).fit(X, y)
        assert certificate.reached
        assert certificate.scope == "global"
        np.testing.assert_allclose(coef, one.coef_, atol=1e-4)


def test_auto_goes_on_where_coordinate_descent_ends_early(monkeypatch):
    monkeypatch.setattr(coordinate_models, "MAX_SPENT", -1)
    X, y = data("huber", 0, n=80)
    model = FiniteSumRegressor("huber", alpha=0.01, l1_ratio=0.5).fit(X, y)
    assert model.solver_ in ("sdca", "catalyst")
    assert model.certificate_.reached
    model.set_params(solver="cd")
    assert fit_quietly(model, X, y).certificate_.reached is False


def test_rows_that_a_huber_fit_starts_far_from_do_not_mislead_it():
    rng = np.random.RandomState(0)
    X = rng.randn(200, 5)
    y = 1e3 * X @ np.arange(1.0, 6.0) + rng.randn(200)
    y[:20] += 1e6
    model = FiniteSumRegressor("huber", alpha=1e-6).fit(X, y)
    assert model.certificate_.reached
    exact = LinearRegression().fit(X[20:], y[20:])
    np.testing.assert_allclose(model.coef_, exact.coef_, rtol=0.01)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n", "d"), [(150, 8), (60, 300)])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_l1_of_several_classes_is_what_scikit_learn_finds(l1_ratio, n, d, fit_intercept, storage):
    rng = np.random.RandomState(0)
    X = rng.randn(n, d) * (rng.rand(n, d) < 0.5)
    y = (X[:, :3] + 0.5 * rng.randn(n, 3)).argmax(axis=1)
    s = rng.randint(1, 3, n).astype(float)
    alpha = 0.02
    settings = {"l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    ours = FiniteSumClassifier(alpha=alpha, tol=1e-10, **settings)
    ours.fit(storage(X), y, sample_weight=s)
    assert ours.solver_ == "cd"
    assert ours.certificate_.reached
    theirs = LogisticRegression(solver="saga", C=1 / (alpha * s.sum()), **settings)
    theirs.set_params(tol=1e-9, max_iter=20_000, random_state=0)
    theirs.fit(X, y, sample_weight=s)
    value = objective(ours, X, y, s)
    ours_there = clone(ours).fit(X, y)
    ours_there.coef_, ours_there.intercept_ = theirs.coef_, theirs.intercept_
    assert value <= objective(ours_there, X, y, s) + ours.certificate_.value
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4)
