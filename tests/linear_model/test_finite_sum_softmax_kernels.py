"""The steps of the finite-sum solvers for several classes against NumPy."""

import numpy as np
import pytest
from helpers import STORAGES
from hypothesis import given
from hypothesis import strategies as st
from linear_model.finite_sum_steps import problem, soft, terms
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax, wrightomega, xlogy

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland.linear_model._finite_sum.class_steps_fast import (
    SagaClassSteps,
    SdcaClassSteps,
)

pytestmark = pytest.mark.kernels


def softmax_problem(seed, n=10, d=4, k=3):
    X, _, c, rng = problem(seed, n=n, d=d)
    y = np.append(np.arange(k), rng.integers(0, k, n - k)).astype(np.int32)
    P = softmax(rng.normal(size=(n, k)), axis=1)
    return X, y, c, np.eye(k)[y] - P, rng


def entropy_dual(theta, y, c, v, l1, l2):
    P = np.eye(theta.shape[1])[y] - theta
    return -c @ np.sum(xlogy(P, P), axis=1) - np.sum(soft(v, l1) ** 2) / (2 * l2)


@pytest.mark.parametrize("in_float32", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("k", [3, 9, 20, 37])
@pytest.mark.parametrize("l2", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("from_corner", [False, True])
def test_sdca_softmax_raises_the_dual_and_keeps_its_books(
    from_corner, l2, k, storage, in_float32, global_random_seed
):
    X, y, c, theta, rng = softmax_problem(global_random_seed, n=k + 5, k=k)
    if from_corner:
        theta = np.zeros_like(theta)
    l1, n = 0.01, len(y)
    q = c * np.sum(X**2, axis=1) / l2
    v, b = X.T @ (c[:, None] * theta), np.zeros(k)
    rows = terms(STORAGES[storage](X), y, c, k=k, penalty=ElasticNet(l1, l2))
    steps = SdcaClassSteps(rows, q, np.empty(0), l2, 0.0)
    steps.in_float32 = in_float32
    slack = 2e-6 if in_float32 else 1e-12
    for i in np.tile(rng.permutation(n), 3).astype(np.int32):
        before = entropy_dual(theta, y, c, v, l1, l2)
        steps.take(np.array([i], np.int32), theta.reshape(-1), v.reshape(-1), b)
        assert entropy_dual(theta, y, c, v, l1, l2) >= before - slack * (1 + abs(before))
        P = np.eye(k)[y] - theta
        assert P.min() >= 0
        assert_allclose(P.sum(axis=1), 1)
    assert_allclose(v, X.T @ (c[:, None] * theta), atol=slack)


def implicit_softmax(z, q, old):
    """p = softmax(z + q (old - p)): s + q exp(s) = m - t by the Wright omega function."""
    m = z + q * old

    def probabilities(t):
        return wrightomega(m - t + np.log(q)).real / q

    t = brentq(lambda t: probabilities(t).sum() - 1, m.min() - q - 50, m.max() + 50, xtol=1e-14)
    return probabilities(t)


@pytest.mark.parametrize("in_float32", [False, True])
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([2, 5, 8, 10, 16, 17, 32, 33]),
    log_q=st.floats(-6, 8),
    spread=st.floats(0, 20),
    is_sparse=st.booleans(),
)
def test_steps_of_one_row_end_where_wright_s_omega_says(
    in_float32, seed, k, log_q, spread, is_sparse
):
    # a step is exact to second order of its last Newton step: repeated, it is exact
    rng = np.random.default_rng(seed)
    x, l2, c, y = rng.normal(size=(1, 3)), 0.5, np.ones(1), np.array([k // 2], np.int32)
    x *= np.sqrt(np.exp(log_q) * l2 / np.sum(x**2))
    q, rho = np.sum(x**2) / l2 + 1 / 4.0, 4.0
    z, old = spread * rng.normal(size=k), rng.dirichlet(np.ones(k))[None]
    theta = np.eye(k)[y] - old
    v, b = np.linalg.pinv(x) @ z[None] * l2, np.zeros(k)
    rows = terms(sparse.csr_array(x) if is_sparse else x, y, c, k=k, penalty=ElasticNet(0.0, l2))
    steps = SdcaClassSteps(rows, np.array([q]), np.empty(0), l2, rho)
    steps.in_float32 = in_float32
    for _ in range(8):
        steps.take(np.zeros(1, np.int32), theta.reshape(-1), v.reshape(-1), b)
    p = implicit_softmax(z, q, old[0])
    # float32 rounds scores of this size, and p follows them with at most 1 / (1 + q p)
    atol = 1e-6 * (1 + np.abs(z).max() / (1 + q)) if in_float32 else 1e-10
    assert_allclose(np.eye(k)[y[0]] - theta[0], p, rtol=0, atol=max(atol, 1e-10))
    assert_allclose(b, (theta[0] - (np.eye(k)[y[0]] - old[0])) / rho, atol=max(atol, 1e-10))


@pytest.mark.parametrize("in_float32", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("storage", STORAGES)
def test_miso_softmax(storage, positive, in_float32, global_random_seed):
    X, y, c, theta, rng = softmax_problem(global_random_seed, n=15, k=11)
    (n, _), k, l1, l2, rho = X.shape, 11, 0.02, 0.3, 0.7
    delta, v, b = rng.random(n), X.T @ (c[:, None] * theta), rng.normal(size=k)
    order = rng.integers(0, n, 40).astype(np.int32)
    e_theta, e_v, e_b = theta.copy(), v.copy(), b.copy()
    for i in order:
        z = X[i] @ soft(e_v, l1, positive) / l2 + e_b
        change = delta[i] * (np.eye(k)[y[i]] - softmax(z) - e_theta[i])
        e_theta[i] += change
        e_v += c[i] * np.outer(X[i], change)
        e_b += c[i] * change / rho
    penalty = ElasticNet(l1, l2, positive)
    rows = terms(STORAGES[storage](X), y, c, k=k, penalty=penalty)
    steps = SdcaClassSteps(rows, np.ones(n), delta, l2, rho)
    steps.in_float32 = in_float32
    steps.take(order, theta.reshape(-1), v.reshape(-1), b)
    atol = 1e-5 if in_float32 else 1e-12
    assert_allclose(theta, e_theta, atol=atol)
    assert_allclose(v, e_v, atol=atol)
    assert_allclose(b, e_b, atol=atol)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("k", [3, 8, 11, 37])
@pytest.mark.parametrize(
    ("frozen", "l1", "positive"),
    [(False, 0.01, False), (True, 0.0, False), (False, 0.0, False), (False, 0.02, True)],
)
def test_saga_softmax(frozen, l1, positive, k, storage, global_random_seed):
    X, y, c, theta, rng = softmax_problem(global_random_seed, n=k + 7, k=k)
    n, d = X.shape
    l2, gamma, unit = 0.2, 0.1, 1.5
    W, B = rng.normal(size=(d, k)), rng.normal(size=k)
    W = np.abs(W) if positive else W
    G, GB = -X.T @ (c[:, None] * theta), -unit * c @ theta
    state = np.column_stack([W, G, np.full(d, gamma), np.full(d, 1 / (1 + gamma * l2))])
    bias = np.concatenate([B, GB])
    support = np.ones_like(X) if storage.startswith("dense") else (X != 0).astype(float)
    order = rng.integers(0, n, 20).astype(np.int32)
    correction = rng.random(n) + 0.5
    e_theta, e_moved = theta.copy(), 0.0
    for i in order:
        change = np.eye(k)[y[i]] - softmax(X[i] @ W + unit * B) - e_theta[i]
        e_moved += c[i] * change @ change
        step = gamma * correction[i] * change
        moved = soft(W + np.outer(X[i], step) - gamma * G, gamma * l1, positive)
        W = np.where(support[i][:, None] > 0, moved / (1 + gamma * l2), W)
        B = B + unit * step - gamma * GB
        if not frozen:
            e_theta[i] += change
            G = G - c[i] * np.outer(X[i], change)
            GB = GB - c[i] * unit * change
    penalty = ElasticNet(l1, l2, positive)
    rows = terms(STORAGES[storage](X), y, c, k=k, penalty=penalty, unit=unit)
    steps = SagaClassSteps(rows, correction, gamma, frozen)
    moved = steps.take(order, theta.reshape(-1), state.reshape(-1), bias)
    assert_allclose(state[:, :k], W, atol=1e-12)
    assert_allclose(state[:, k : 2 * k], G, atol=1e-12)
    assert_allclose(state[:, 2 * k :], np.tile([gamma, 1 / (1 + gamma * l2)], (d, 1)))
    assert_allclose(bias, np.concatenate([B, GB]), atol=1e-12)
    assert_allclose(theta, e_theta, atol=1e-12)
    assert moved == pytest.approx(e_moved, rel=1e-12)


def test_log_softmax_is_what_the_duals_are_of(global_random_seed):
    # the conjugate of logsumexp(z) - z_y at -theta is the negative entropy of e_y - theta
    rng = np.random.default_rng(global_random_seed)
    z, p = rng.normal(size=5), softmax(rng.normal(size=5))
    theta = np.eye(5)[2] - p
    gap = -log_softmax(z)[2] + xlogy(p, p).sum() + theta @ z
    assert gap == pytest.approx(np.sum(p * (np.log(p) - log_softmax(z))))
