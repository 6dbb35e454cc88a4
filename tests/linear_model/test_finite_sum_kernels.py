"""The steps of the finite-sum solvers against NumPy."""

import numpy as np
import pytest
from helpers import STORAGES, conjugate, domain, loss_pull
from linear_model.finite_sum_steps import by_loss, implicit_pulls, problem, soft, terms
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model.tests.test_sag import log_dloss, sag, squared_dloss

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._rows.rows import repeats_entries
from sklearn_optland.linear_model import finite_sum
from sklearn_optland.linear_model._finite_sum.accelerated_fast import KatyushaSteps, PointSagaSteps
from sklearn_optland.linear_model._finite_sum.saga_fast import SagaSteps
from sklearn_optland.linear_model._finite_sum.sdca_fast import SdcaSteps

pytestmark = pytest.mark.kernels


def test_unsorted_rows_are_taken_as_they_are_and_repeated_entries_are_summed(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X = sparse.random_array((30, 8), density=0.4, format="csr", random_state=rng)
    unsorted = X[:, ::-1][:, ::-1]
    assert not repeats_entries(unsorted)
    repeated = sparse.csr_array(
        (
            np.append(X.data, 2.0),
            np.append(X.indices, X.indices[-1]),
            np.append(X.indptr[:-1], X.nnz + 1),
        ),
        shape=X.shape,
    )
    assert repeats_entries(repeated)
    summed = repeated.copy()
    summed.sum_duplicates()
    y = np.where(rng.random(30) < 0.5, -1.0, 1.0)
    for storage, same in ((unsorted, X), (repeated, summed)):
        fits = [
            finite_sum("log_loss", "elasticnet", A, y, alpha=0.05, random_state=0).coef
            for A in (storage, same)
        ]
        assert_allclose(*fits, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("l1", [0.0, 0.02])
@pytest.mark.parametrize("positive", [False, True])
@by_loss
def test_sdca(loss, positive, l1, storage, global_random_seed):
    X, y, c, rng = problem(global_random_seed, loss)
    l2, rho = 0.3, 0.5
    q = c * (np.sum(X**2, axis=1) / l2 + 1 / rho)
    theta = domain(loss, y, rng)
    v, b = X.T @ (c * theta), np.array([c @ theta / rho])
    expected, e_v, e_b = theta.copy(), v.copy(), b.copy()
    order = rng.integers(0, len(y), 40).astype(np.int32)
    for i in order:
        w = soft(e_v, l1, positive) / l2 if (l1 or positive) else e_v / l2
        f = X[i] @ w + e_b[0]
        row = slice(i, i + 1)
        new = implicit_pulls(loss, y[row], np.array([f]), q[row], expected[row])
        e_v += c[i] * (new - expected[i]) * X[i]
        e_b += c[i] * (new - expected[i]) / rho
        expected[i] = new[0]
    rows = terms(STORAGES[storage](X), y, c, loss, penalty=ElasticNet(l1, l2, positive))
    SdcaSteps(rows, q, np.empty(0), l2, rho).take(order, theta, v, b)
    # the log-loss is maximised only roughly in each step
    rtol = 0.05 if loss == "log_loss" else 1e-10
    assert_allclose(theta, expected, rtol=0, atol=rtol)
    assert_allclose(v, X.T @ (c * theta), atol=1e-12)
    assert_allclose(b, c @ theta / rho, atol=1e-12)
    assert_array_equal(v[-1], 0)


@by_loss
def test_every_step_of_sdca_raises_the_dual(loss, global_random_seed):
    X, y, c, rng = problem(global_random_seed, loss, n=30)
    l1, l2 = 0.01, 0.02
    q = c * np.sum(X**2, axis=1) / l2
    theta, v, b = np.zeros(30), np.zeros(5), np.zeros(1)
    steps = SdcaSteps(terms(X, y, c, loss, penalty=ElasticNet(l1, l2)), q, np.empty(0), l2, 0.0)

    def dual():
        return -c @ conjugate(loss, y, theta) - np.sum(soft(v, l1) ** 2) / (2 * l2)

    for _ in range(3):
        for i in rng.permutation(30).astype(np.int32):
            before = dual()
            steps.take(np.array([i], np.int32), theta, v, b)
            assert dual() >= before - 1e-14


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("is_saga", [False, True])
def test_saga_and_sag_iterate_as_scikit_learns_oracle(is_saga, fit_intercept, loss, storage):
    # The oracle's mean is over the rows seen so far: so are c and G here. Its L2 term is part of
    # the table, ours is not: none. Its sparse mode damps the intercept; rows here are dense.
    X, y, _, rng = problem(3, loss, n=20, density=1.0)
    X[10] = 0.1
    X[:, -1] = -0.3
    X = X.astype(np.float32).astype(float)
    step = 0.1
    dloss = {"log_loss": log_dloss, "squared_error": squared_dloss}[loss]
    weights = rng.random(20) + 0.5
    expected, intercept = sag(
        X,
        y,
        step,
        0.0,
        n_iter=3,
        dloss=dloss,
        sample_weight=weights,
        fit_intercept=fit_intercept,
        saga=is_saga,
    )
    n, d = X.shape
    X, theta, state, bias = STORAGES[storage](X), np.zeros(n), np.zeros((d, 4)), np.zeros(2)
    state[:, 2:] = step, 1.0
    oracle_rng, seen = np.random.RandomState(77), set()
    for _ in range(3 * n):
        i = int(oracle_rng.rand() * n)
        before = len(seen)
        seen.add(i)
        state[:, 1] *= before / len(seen)
        bias[1] *= before / len(seen)
        c = weights / len(seen)
        rows = terms(X, y, c, loss, unit=float(fit_intercept))
        steps = SagaSteps(rows, weights if is_saga else c, step, False)
        steps.take(np.array([i], np.int32), theta, state.reshape(-1), bias)
    assert_allclose(state[:, 0], expected, rtol=1e-6)
    assert_allclose(bias[0], intercept, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("loss", ["log_loss", "huber"])
def test_sparse_saga(loss, frozen, positive, storage, global_random_seed):
    # Leblond et al. (2017), their sparse SAGA update, in dense NumPy with a support mask
    X, y, c, rng = problem(global_random_seed, loss)
    n, d = X.shape
    l1, l2, gamma, unit = 0.01, 0.2, 0.1, 1.5
    chances = rng.random(n) + 0.2
    chances /= chances.sum()
    support = np.ones_like(X) if storage.startswith("dense") else (X != 0).astype(float)
    share = chances @ support
    D = 1 / np.where(share > 0, share, 1)
    w, theta = rng.normal(size=d), domain(loss, y, rng)
    w[-1] = 0.0
    G, bias = -X.T @ (c * theta), np.array([0.3, -unit * c @ theta])
    state = np.column_stack([w, G, gamma * D, 1 / (1 + gamma * D * l2)])
    order = rng.integers(0, n, 30).astype(np.int32)
    e_theta, e_bias = theta.copy(), bias.copy()
    for i in order:
        change = loss_pull(loss, y[i], X[i] @ w + e_bias[0] * unit) - e_theta[i]
        step = gamma * c[i] / chances[i] * change
        moved = soft(w + step * X[i] - gamma * D * G, gamma * D * l1, positive)
        w = np.where(support[i] > 0, moved / (1 + gamma * D * l2), w)
        e_bias[0] += step * unit - gamma * e_bias[1]
        if not frozen:
            e_theta[i] += change
            G -= c[i] * change * X[i]
            e_bias[1] -= c[i] * change * unit
    penalty = ElasticNet(l1, l2, positive)
    rows = terms(STORAGES[storage](X), y, c, loss, penalty=penalty, unit=unit)
    SagaSteps(rows, c / chances, gamma, frozen).take(order, theta, state.reshape(-1), bias)
    assert_allclose(state[:, 0], w, atol=1e-12)
    assert_allclose(state[:, 1], G, atol=1e-12)
    assert_allclose(theta, e_theta, atol=1e-12)
    assert_allclose(bias, e_bias, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_katyusha(l1, storage, global_random_seed):
    # Algorithm 2 of Kovalev et al. (2020) with the penalty in a prox
    X, y, c, rng = problem(global_random_seed)
    n, d = X.shape
    theta1, theta2, step, l2, unit = 0.2, 0.5, 0.3, 0.1, 0.8
    A = np.column_stack([X, np.full(n, unit)])
    base, z, v = rng.normal(size=(3, d + 1))
    theta = loss_pull("log_loss", y, A @ base)
    G = -A.T @ (c * theta)
    correction = rng.random(n) + 0.5
    order = rng.integers(0, n, 25).astype(np.int32)
    here = theta1 * z + theta2 * base + (1 - theta1 - theta2) * v
    e_here, e_z, e_v = here.copy(), z.copy(), v.copy()
    for i in order:
        g = G - correction[i] * (loss_pull("log_loss", y[i], A[i] @ e_here) - theta[i]) * A[i]
        new = e_z - step * g
        new[:-1] = soft(new[:-1], step * l1) / (1 + step * l2)
        e_v = e_here + theta1 * (new - e_z)
        e_z = new
        e_here = theta1 * e_z + theta2 * base + (1 - theta1 - theta2) * e_v
    rows = terms(STORAGES[storage](X), y, c, penalty=ElasticNet(l1, l2), unit=unit)
    steps = KatyushaSteps(rows, correction, theta1, theta2, step)
    steps.take(order, theta, G, base, here, v, z)
    for actual, expected in ((here, e_here), (v, e_v), (z, e_z)):
        assert_allclose(actual, expected, atol=1e-12)


@pytest.mark.parametrize("storage", STORAGES)
@by_loss
def test_point_saga(loss, storage, global_random_seed):
    # Defazio (2016), with the penalty in every prox; the prox solved by its optimality condition
    X, y, c, rng = problem(global_random_seed, loss)
    n, d = X.shape
    gamma, l2, unit = 0.7, 0.2, 1.3
    w, theta = rng.normal(size=d + 1), domain(loss, y, rng)
    A = np.column_stack([X, np.full(n, unit)])
    shrink = np.append(np.full(d, 1 / (1 + gamma * l2)), 1.0)
    q = gamma * n * c * (A**2 @ shrink)
    G = -A.T @ (c * theta)
    order = rng.integers(0, n, 25).astype(np.int32)
    e_w, e_theta, e_G = w.copy(), theta.copy(), G.copy()
    for i in order:
        z = e_w - gamma * n * c[i] * e_theta[i] * A[i] - gamma * e_G
        f = A[i] @ (shrink * z)  # with theta = 0
        row = slice(i, i + 1)
        new = implicit_pulls(loss, y[row], np.array([f]), q[row], np.zeros(1))
        e_w = shrink * (z + gamma * n * c[i] * new * A[i])
        e_G = e_G - c[i] * (new - e_theta[i]) * A[i]
        e_theta[i] = new[0]
    rows = terms(STORAGES[storage](X), y, c, loss, penalty=ElasticNet(0.0, l2), unit=unit)
    PointSagaSteps(rows, q, gamma).take(order, theta, w, G)
    tolerance = 1e-5 if loss == "log_loss" else 1e-10
    assert_allclose(theta, e_theta, atol=tolerance)
    assert_allclose(w, e_w, atol=10 * tolerance)
    assert_allclose(G, -A.T @ (c * theta), atol=1e-11)
