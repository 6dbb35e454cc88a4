"""Logistic regression with hidden components: its objective, its steps, its certificates."""

import numpy as np
import pytest
from helpers import SEEDS, STORAGES, assert_close, fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import logsumexp, softmax
from sklearn.datasets import load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    LatentLogisticRegression,
)
from sklearn_optland.linear_model._latent.descent import groups_told_apart, k_means, noise
from sklearn_optland.linear_model._latent.problem import LatentProblem, losses_and_residuals

SOLVERS = ["lbfgs", "bohning", "jc12"]
by_solver = pytest.mark.parametrize("solver", SOLVERS)


def wine():
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def xor(n=200):
    """Two classes of two clouds each, at the corners of a square."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    corner = rng.choice([-1.0, 1.0], n)
    return np.c_[corner, np.where(y, -corner, corner)] + 0.2 * rng.normal(size=(n, 2)), y


def objective(model, X, y, weights=None):
    """The formula of the class docstring."""
    Z = np.einsum("ij,kmj->ikm", X, model.coef_) + model.intercept_
    log_p = logsumexp(Z, axis=2) - logsumexp(Z, axis=(1, 2))[:, None]
    losses = -log_p[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return 0.5 * np.sum(model.coef_**2) + model.C * np.average(losses, weights=weights) * (
        len(y) if weights is None else np.sum(weights)
    )


def problem_of(X, y, n_components, c=None, fit_intercept=True):
    c = np.ones(len(y)) if c is None else c
    source = ArraySource(X, y=y.astype(np.int32), c=c)
    return LatentProblem(source, y.max() + 1, n_components, fit_intercept)


# The problem


@given(
    seed=SEEDS, sizes=st.tuples(*[st.integers(1, 4)] * 3), scale=st.sampled_from([1.0, 30.0, 1e3])
)
def test_losses_and_residuals(seed, sizes, scale):
    n, n_classes, n_components = sizes
    rng = np.random.default_rng(seed)
    Z = scale * rng.normal(size=(n, n_classes * n_components))
    y = rng.integers(n_classes, size=n)
    losses, residuals = losses_and_residuals(Z.copy(), y, n_components)
    own = np.zeros_like(Z, dtype=bool)
    own.reshape(n, n_classes, -1)[np.arange(n), y] = True
    within = np.where(own, Z, -np.inf)
    assert_allclose(
        losses, logsumexp(Z, axis=1) - logsumexp(within, axis=1), rtol=1e-9, atol=1e-12 * scale
    )
    assert_allclose(residuals, softmax(Z, axis=1) - softmax(within, axis=1), atol=1e-12)


def test_a_loss_near_zero_keeps_its_digits():
    losses, _ = losses_and_residuals(np.array([[50.0, 49.0, 0.0, -1.0]]), np.array([0]), 2)
    expected = np.exp(logsumexp([0.0, -1.0]) - logsumexp([50.0, 49.0]))
    assert_allclose(losses, expected, rtol=1e-10)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_gradient_is_that_of_the_objective(storage, fit_intercept):
    X, y = wine()
    c = np.random.default_rng(0).uniform(0.1, 2.0, len(y))
    problem = problem_of(STORAGES[storage](X), y, 2, c, fit_intercept)
    rng = np.random.default_rng(1)
    W = problem.project(rng.normal(size=(X.shape[1] + 1, 6)))
    direction = problem.project(rng.normal(size=W.shape))
    h = 1e-5
    up, down = (problem.evaluate(W + t * direction).objective for t in (h, -h))
    slope = np.vdot(problem.evaluate(W).gradient, direction)
    assert_allclose((up - down) / (2 * h), slope, rtol=1e-6)


# One component is logistic regression


@by_solver
def test_one_component_is_multinomial_logistic_regression(solver):
    X, y = wine()
    model = LatentLogisticRegression(1, solver=solver, tol=1e-6, max_iter=5000).fit(X, y)
    expected = BoundMajorizationLogisticRegression(tol=1e-14).fit(X, y)
    certificate, optimum = model.certificate_, expected.history_["objective"][-1]
    assert (certificate.scope, certificate.reached) == ("global", True)
    assert objective(model, X, y) - optimum <= certificate.value + 1e-12 * optimum
    # The penalty is strongly convex.
    distance = np.linalg.norm(model.coef_[:, 0] - expected.coef_)
    assert distance**2 / 2 <= certificate.value + 1e-12 * optimum


def test_two_classes_with_one_component_have_twice_the_penalty_to_share():
    X, y = wine()
    X, y = X[y < 2], y[y < 2]
    model = LatentLogisticRegression(1, C=0.5, tol=1e-10).fit(X, y)
    expected = BoundMajorizationLogisticRegression(C=1.0, tol=1e-10).fit(X, y)
    assert_close(model.coef_[1] - model.coef_[0], expected.coef_, 1e-6)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X), atol=1e-7)


# More components


@by_solver
@pytest.mark.parametrize("init", ["k-means", "noise"])
def test_xor_is_learned_without_errors(solver, init):
    X, y = xor()
    model = LatentLogisticRegression(2, C=10.0, solver=solver, init=init, max_iter=200)
    assert fit_quietly(model, X, y).score(X, y) == 1.0
    assert LatentLogisticRegression(1).fit(X, y).score(X, y) < 0.8


@by_solver
@settings.get_profile("fits")
@given(seed=SEEDS, n_components=st.integers(2, 3), init=st.sampled_from(["k-means", "noise"]))
def test_no_step_raises_the_objective(solver, seed, n_components, init):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 3)) * 10 ** rng.uniform(-1, 1, 3), np.arange(30) % 3
    settings = {"solver": solver, "init": init, "max_iter": 15, "random_state": 0}
    model = LatentLogisticRegression(n_components, C=10 ** rng.uniform(-2, 2), **settings)
    fit_quietly(model, X, y)
    values = model.history_["objective"]
    assert (values[1:] <= values[:-1] * (1 + 1e-12)).all()
    assert_allclose(objective(model, X, y), values[-1], rtol=1e-9)


@by_solver
def test_the_certificate_is_the_norm_of_the_gradient(solver):
    X, y = wine()
    model = fit_quietly(LatentLogisticRegression(2, solver=solver, max_iter=40), X, y)
    problem = problem_of(X, y, 2)
    W = np.c_[model.coef_.reshape(6, -1), model.intercept_.ravel()].T.copy()
    first = groups_told_apart(problem, np.random.RandomState(0))
    norms = [np.linalg.norm(problem.evaluate(V).gradient) for V in (W, first, problem.zeros())]
    certificate = model.certificate_
    assert (certificate.quantity, certificate.scope) == ("gradient norm", "stationary")
    assert_allclose(certificate.value, norms[0], rtol=1e-6)
    assert_allclose(certificate.relative, norms[0] / max(norms[1:]), rtol=1e-6)
    assert certificate.reached == (certificate.relative <= 1e-4)


def test_more_starts_are_never_worse_and_the_history_is_of_one():
    X, y = load_iris(return_X_y=True)
    first, best = (
        LatentLogisticRegression(3, C=10.0, init="noise", n_init=n, random_state=1).fit(X, y)
        for n in (1, 4)
    )
    assert best.history_["objective"][-1] <= first.history_["objective"][-1]
    assert (np.diff(best.history_["objective"]) <= 0).all()
    assert best.n_iter_ == len(best.history_["objective"])
    assert set(best.history_) == {"objective", "certificate", "passes", "seconds"}


@pytest.mark.parametrize("start", [noise, groups_told_apart])
def test_starts_know_no_order_of_the_rows(start):
    X, y = wine()
    order = np.random.default_rng(0).permutation(len(y))
    W, V = (
        start(problem_of(X[rows], y[rows], 2), np.random.RandomState(0))
        for rows in (slice(None), order)
    )
    assert_close(W, V, 1e-6)


def test_k_means_leaves_no_row_nearer_to_another_centre():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(20, 2)) - 5, rng.normal(size=(30, 2)) + 5]
    c = rng.uniform(0.5, 2.0, 50)
    groups = k_means(X, c, rng.normal(size=(2, 2)))
    centres = np.array([np.average(X[groups == g], axis=0, weights=c[groups == g]) for g in (0, 1)])
    distances = ((X[:, None] - centres) ** 2).sum(axis=2)
    np.testing.assert_array_equal(groups, distances.argmin(axis=1))
    assert k_means(X[:1], c[:1], rng.normal(size=(3, 2))).shape == (1,)


# Predictions


def test_probabilities_of_components_add_up():
    X, y = load_iris(return_X_y=True)
    model = LatentLogisticRegression(2).fit(X, y)
    P = model.component_proba(X)
    assert P.shape == (150, 3, 2)
    assert_allclose(P.sum(axis=2), model.predict_proba(X), rtol=1e-9, atol=1e-15)
    assert_allclose(P.sum(axis=(1, 2)), 1.0)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-9)


def test_permuted_components_are_the_same_model():
    X, y = load_iris(return_X_y=True)
    model = LatentLogisticRegression(3).fit(X, y)
    expected, value = model.predict_proba(X), objective(model, X, y)
    model.coef_, model.intercept_ = model.coef_[:, [2, 0, 1]], model.intercept_[:, [2, 0, 1]]
    assert_allclose(model.predict_proba(X), expected)
    assert_allclose(objective(model, X, y), value)


def test_a_warm_start_goes_on_where_the_last_fit_ended():
    X, y = wine()
    model = fit_quietly(LatentLogisticRegression(2, max_iter=20, warm_start=True), X, y)
    before = model.history_["objective"][-1]
    after = fit_quietly(model, X, y).history_["objective"]
    assert after[0] <= before * (1 + 1e-12)
    model.set_params(n_components=3)
    assert fit_quietly(model, X, y).coef_.shape == (3, 3, 13)


@pytest.mark.parametrize("n_components", [1, 2])
def test_a_class_without_weight_has_the_probability_0(n_components):
    X, y = wine()
    model = LatentLogisticRegression(n_components).fit(X, y, sample_weight=(y != 1).astype(float))
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.predict_proba(X)[:, 1] == 0).all()
    alone = LatentLogisticRegression(n_components).fit(X, y, sample_weight=(y == 1).astype(float))
    assert (alone.predict(X) == 1).all()
    assert alone.certificate_.reached


def test_far_columns_do_not_matter():
    X, y = wine()
    model, moved = (LatentLogisticRegression(2).fit(A, y) for A in (X, X + 1e4))
    assert_allclose(moved.predict_proba(X + 1e4), model.predict_proba(X), atol=1e-3)


def test_many_columns_take_a_diagonal_metric(monkeypatch):
    X, y = wine()
    monkeypatch.setattr("sklearn_optland.linear_model._latent.descent.MOST_COLUMNS", 3)
    for solver in ("lbfgs", "bohning"):
        model = fit_quietly(LatentLogisticRegression(2, solver=solver, max_iter=100), X, y)
        assert (np.diff(model.history_["objective"]) <= 0).all()
        assert model.score(X, y) > 0.95


def test_a_matrix_that_is_too_large_is_refused():
    X = np.random.default_rng(0).normal(size=(4, 1300))
    with pytest.raises(ValueError, match="allowed is at most 5000"):
        LatentLogisticRegression(2, solver="jc12").fit(X, [0, 1, 0, 1])
