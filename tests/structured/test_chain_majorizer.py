"""Bound majorization of chains: the bound, its curvature, and fits that never rise."""

import numpy as np
import pytest
from helpers import SEEDS, STORAGES, assert_close, fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import eigvalsh
from scipy.special import logsumexp
from structured.brute import brute_objective, optimum, random_sequences

from sklearn_optland._loss.log_loss import diagonal_bound
from sklearn_optland.linear_model import partition_function_bound
from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.structured._chain import majorizer
from sklearn_optland.structured._chain.majorizer import ChainCurvature, Point
from sklearn_optland.structured._chain.problem import ChainProblem

LABELS = np.array(list("abcdefgh"))


def make_problem(seed, k=3, *, has_ends=True, only_observed=False, scale=1.0, longest=7):
    """A problem, parameters, and 1 where there are any."""
    rng = np.random.default_rng(seed)
    sizes = {"n_sequences": 9, "longest": longest, "k": k, "d": 3}
    X, starts, codes, values = random_sequences(rng, scale=scale, **sizes)
    c = rng.uniform(0.2, 3.0, size=len(starts) - 1)
    kinds = {"has_ends": has_ends, "only_observed": only_observed}
    problem = ChainProblem(X, starts, codes, c, k, **kinds)
    mask = problem.zeros()
    mask[:, :k] = 1.0
    if not has_ends:
        mask[-2:] = 0.0
    if only_observed:
        mask *= problem.has
    theta = problem.zeros()
    theta[:, :k] = values
    theta *= mask
    return problem, theta, mask


def curvature_at(problem, theta):
    curvature = ChainCurvature(problem)
    curvature.refresh(Point(theta, *problem.evaluate(theta)))
    return curvature


@settings.get_profile("fits")
@given(SEEDS, st.integers(2, 6), st.booleans(), st.booleans(), st.sampled_from([0.1, 1.0, 4.0]))
def test_the_bound_is_above_the_objective(seed, k, has_ends, only_observed, scale):
    kinds = {"has_ends": has_ends, "only_observed": only_observed}
    problem, theta, mask = make_problem(seed, k, scale=scale, **kinds)
    value, gradient = problem.evaluate(theta)
    curvature = curvature_at(problem, theta)
    rng = np.random.default_rng(seed)
    for size in (1e-2, 0.1, 1.0, 5.0, 30.0) * 4:
        step = size * mask * rng.normal(size=theta.shape)
        bound = value + np.vdot(gradient, step) + 0.5 * np.vdot(step, curvature.product(step))
        assert problem.objective(theta + step) <= bound + 1e-10 * (abs(bound) + value)


def dense_curvature(problem, theta):
    """The same in a matrix: a sequence after the other, a feature vector a label."""
    d, k, shape = problem.n_columns, problem.k, (problem.n_columns + problem.k + 2, problem.k)

    def unit(row, column):
        vector = np.zeros(shape)
        vector[row, column] = 1.0
        return vector.ravel()

    A = theta[d : d + k, :k]
    edges = np.array([[unit(d + u, v) for v in range(k)] for u in range(k)])
    deviation = edges - edges.mean(axis=1, keepdims=True)

    def of_weights(D):
        return np.diag(D) - np.outer(D, D) / D.sum()

    total = np.eye(np.prod(shape))
    for i, c in enumerate(problem.c):
        x = problem.X[problem.starts[i] : problem.starts[i + 1]]
        nodes = np.zeros((len(x), k, *shape))
        for v in range(k):
            nodes[:, v, :d, v] = x
            nodes[0, v, -2, v] += problem.has_ends
            nodes[-1, v, -1, v] += problem.has_ends
        nodes = nodes.reshape(len(x), k, -1)
        scores = nodes @ theta[:, :k].ravel()
        log_z, mu = scores[0], nodes[0]
        for t in range(1, len(x)):
            log_alpha = log_z[:, None] + A
            D_v = [diagonal_bound(column)[1] for column in log_alpha.T]
            F = mu + edges.mean(axis=1)
            total += 2 * c * F.T @ of_weights(np.max(D_v, axis=0)) @ F
            for v in range(k):
                total += 2 * c * deviation[:, v].T @ of_weights(D_v[v]) @ deviation[:, v]
            p = np.exp(log_alpha - logsumexp(log_alpha, axis=0))
            mu = np.einsum("uv,uvn->vn", p, mu[:, None] + edges) + nodes[t]
            log_z = logsumexp(log_alpha, axis=0) + scores[t]
        total += c * mu.T @ of_weights(diagonal_bound(log_z)[1]) @ mu
    return total


@pytest.mark.parametrize("has_ends", [True, False])
@pytest.mark.parametrize(("block", "widest"), [(1 << 18, 600.0), (1, 600.0), (20, 0.0)])
def test_products_are_those_of_the_matrix(monkeypatch, has_ends, block, widest):
    monkeypatch.setattr(majorizer, "BLOCK", block)
    monkeypatch.setattr(majorizer, "WIDEST", widest)
    problem, theta, mask = make_problem(3, 4, has_ends=has_ends)
    curvature, k = curvature_at(problem, theta), problem.k
    V = mask * np.random.default_rng(0).normal(size=theta.shape)
    expected = dense_curvature(problem, theta) @ V[:, :k].ravel()
    found = curvature.product(V)
    assert_allclose(found[:, :k].ravel(), expected, rtol=1e-10, atol=1e-10)
    assert not found[:, k:].any()
    solution = curvature.solve(found)  # to the tolerance of conjugate gradients
    assert np.vdot(found, solution) >= 0.9 * np.vdot(found, V)


@settings.get_profile("fits")
@given(SEEDS, st.integers(2, 9), st.sampled_from([0.0, 0.3, 3.0, 30.0, 900.0]))
def test_the_weights_bound_algorithm_1(seed, k, scale):
    log_alpha = scale * np.random.default_rng(seed).normal(size=k)
    log_z, D = diagonal_bound(log_alpha)
    # weights that exp can hold: those of Algorithm 1's Z at theta~ = log_alpha
    expected, _, sigma = partition_function_bound(np.eye(k), np.ones(k), log_alpha)
    assert_allclose(log_z, expected, rtol=1e-12)
    above = np.diag(D) - np.outer(D, D) / D.sum() - sigma
    assert eigvalsh(above)[0] >= -1e-12
    if k == 2:
        assert_allclose(above, 0.0, atol=1e-12)


@settings.get_profile("fits")
@given(
    SEEDS,
    st.sampled_from([1e-3, 1.0, 100.0, 1e5]),
    st.booleans(),
    st.sampled_from(["all", "observed"]),
    st.sampled_from([None, "balanced"]),
)
def test_the_objective_never_rises(seed, C, boundary, states, class_weight):
    rng = np.random.default_rng(seed)
    X, starts, codes, _ = random_sequences(rng, n_sequences=8, longest=6, k=3, d=3)
    model = ChainCRFClassifier(
        C, solver="jc12", boundary=boundary, states=states, class_weight=class_weight, max_iter=40
    )
    fit_quietly(model, X, LABELS[codes], lengths=np.diff(starts))
    objective = model.history_["objective"]
    assert (np.diff(objective) <= 1e-12 * objective[:-1]).all()
    assert (np.diff(model.history_["lower_bound"]) >= 0).all()
    assert len(objective) == model.n_iter_
    assert model.solver_ == "jc12"


@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("storage", STORAGES)
def test_optimum_and_certificate(boundary, storage):
    X, starts, codes, _ = random_sequences(
        np.random.default_rng(1), n_sequences=8, longest=5, k=3, d=3
    )
    X = X.astype(np.float32).astype(float)
    c, y, lengths = np.full(8, 2.0), LABELS[codes], np.diff(starts)
    value, theta = optimum(X, starts, codes, c, 3, boundary)
    for max_iter in (3, 2000):
        model = ChainCRFClassifier(
            2.0, solver="jc12", boundary=boundary, tol=1e-11, max_iter=max_iter
        )
        fit_quietly(model, STORAGES[storage](X), y, lengths=lengths)
        found = np.vstack([model.coef_.T, model.transition_, model.start_, model.end_])
        objective = brute_objective(found.astype(float), X, starts, codes, c, 3, boundary)[0]
        assert objective - value <= model.certificate_.value + 1e-9 * value
        assert model.certificate_.scope == "global"
    assert_close(found, theta, rtol=1e-4)


def test_a_fit_that_float64_ends():
    problem, _, _ = make_problem(0)
    lengths = np.diff(problem.starts)
    model = ChainCRFClassifier(solver="jc12", tol=0, max_iter=5000)
    model.fit(problem.X, LABELS[problem.codes], lengths=lengths)
    assert model.n_iter_ < 5000
    assert model.certificate_.relative < 1e-12
    again = ChainCRFClassifier(solver="jc12", warm_start=True).fit(
        problem.X, LABELS[problem.codes], lengths=lengths
    )
    objective = again.history_["objective"][-1]
    again.fit(problem.X, LABELS[problem.codes], lengths=lengths)
    assert again.n_iter_ == 1
    assert_allclose(again.history_["objective"][-1], objective, rtol=1e-3)
