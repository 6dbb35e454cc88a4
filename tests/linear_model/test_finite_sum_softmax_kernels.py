"""The steps of the finite-sum solvers for several classes against NumPy."""

import numpy as np
import pytest
from helpers import STORAGES
from linear_model.finite_sum_steps import problem, soft, terms
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax, xlogy

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland.linear_model._finite_sum.saga_fast import SagaSteps
from sklearn_optland.linear_model._finite_sum.sdca_fast import SdcaSteps

pytestmark = pytest.mark.kernels


def softmax_problem(seed, n=10, d=4, k=3):
    X, _, c, rng = problem(seed, n=n, d=d)
    y = np.append(np.arange(k), rng.integers(0, k, n - k)).astype(np.int32)
    P = softmax(rng.normal(size=(n, k)), axis=1)
    return X, y, c, np.eye(k)[y] - P, rng


def entropy_dual(theta, y, c, v, l1, l2):
    P = np.eye(theta.shape[1])[y] - theta
    return -c @ np.sum(xlogy(P, P), axis=1) - np.sum(soft(v, l1) ** 2) / (2 * l2)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("l2", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("from_corner", [False, True])
def test_sdca_softmax_raises_the_dual_and_keeps_its_books(
    from_corner, l2, k, storage, global_random_seed
):
    X, y, c, theta, rng = softmax_problem(global_random_seed, k=k)
    if from_corner:
        theta = np.zeros_like(theta)
    l1, n = 0.01, len(y)
    q = c * np.sum(X**2, axis=1) / l2
    v, b = X.T @ (c[:, None] * theta), np.zeros(k)
    rows = terms(STORAGES[storage](X), y, c, k=k, penalty=ElasticNet(l1, l2))
    steps = SdcaSteps(rows, q, np.empty(0), l2, 0.0)
    for i in np.tile(rng.permutation(n), 3).astype(np.int32):
        before = entropy_dual(theta, y, c, v, l1, l2)
        steps.take(np.array([i], np.int32), theta.reshape(-1), v.reshape(-1), b)
        assert entropy_dual(theta, y, c, v, l1, l2) >= before - 1e-12 * (1 + abs(before))
        P = np.eye(k)[y] - theta
        assert P.min() >= 0
        assert_allclose(P.sum(axis=1), 1)
    assert_allclose(v, X.T @ (c[:, None] * theta), atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("frozen", [False, True])
def test_saga_softmax(frozen, storage, global_random_seed):
    X, y, c, theta, rng = softmax_problem(global_random_seed)
    (n, d), k = X.shape, 3
    l1, l2, gamma, unit = 0.01, 0.2, 0.1, 1.5
    W, B = rng.normal(size=(d, k)), rng.normal(size=k)
    G, GB = -X.T @ (c[:, None] * theta), -unit * c @ theta
    state = np.column_stack([W, G, np.full(d, gamma), np.full(d, 1 / (1 + gamma * l2))])
    bias = np.concatenate([B, GB])
    support = np.ones_like(X) if storage.startswith("dense") else (X != 0).astype(float)
    order = rng.integers(0, n, 20).astype(np.int32)
    correction = rng.random(n) + 0.5
    e_theta = theta.copy()
    for i in order:
        change = np.eye(k)[y[i]] - softmax(X[i] @ W + unit * B) - e_theta[i]
        step = gamma * correction[i] * change
        moved = soft(W + np.outer(X[i], step) - gamma * G, gamma * l1) / (1 + gamma * l2)
        W = np.where(support[i][:, None] > 0, moved, W)
        B = B + unit * step - gamma * GB
        if not frozen:
            e_theta[i] += change
            G = G - c[i] * np.outer(X[i], change)
            GB = GB - c[i] * unit * change
    rows = terms(STORAGES[storage](X), y, c, k=k, penalty=ElasticNet(l1, l2), unit=unit)
    SagaSteps(rows, correction, gamma, frozen).take(
        order, theta.reshape(-1), state.reshape(-1), bias
    )
    assert_allclose(state[:, :k], W, atol=1e-12)
    assert_allclose(state[:, k : 2 * k], G, atol=1e-12)
    assert_allclose(bias, np.concatenate([B, GB]), atol=1e-12)
    assert_allclose(theta, e_theta, atol=1e-12)


def test_log_softmax_is_what_the_duals_are_of(global_random_seed):
    # the conjugate of logsumexp(z) - z_y at -theta is the negative entropy of e_y - theta
    rng = np.random.default_rng(global_random_seed)
    z, p = rng.normal(size=5), softmax(rng.normal(size=5))
    theta = np.eye(5)[2] - p
    gap = -log_softmax(z)[2] + xlogy(p, p).sum() + theta @ z
    assert gap == pytest.approx(np.sum(p * (np.log(p) - log_softmax(z))))
