"""The steps of the finite-sum solvers against NumPy; bounds checks and sanitizers run it too."""

import numpy as np
import pytest
from helpers import EPSILON, SEEDS, STORAGES, loss_pull, loss_value
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import expit, log_softmax, softmax, xlogy
from sklearn.linear_model.tests.test_sag import log_dloss, sag, squared_dloss

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland._rows.rows import as_rows, repeats_entries
from sklearn_optland.linear_model import finite_sum
from sklearn_optland.linear_model._finite_sum import softmax_steps_fast as softmax_kernels
from sklearn_optland.linear_model._finite_sum import steps_fast as kernels

MARGIN_LOSSES = ["log_loss", "squared_hinge", "smooth_hinge", "hinge"]


def conjugate(loss, y, theta):
    """l*(-theta) in its domain."""
    a = y * theta
    return {
        "log_loss": lambda: xlogy(a, a) + xlogy(1 - a, 1 - a),
        "squared_hinge": lambda: -a + a**2 / 4,
        "smooth_hinge": lambda: -a + a**2 / 2,
        "hinge": lambda: -a,
        "squared_error": lambda: 0.5 * theta**2 - theta * y,
        "huber": lambda: 0.5 * theta**2 - theta * y,
        "epsilon_insensitive": lambda: EPSILON * np.abs(theta) - theta * y,
    }[loss]()


def domain(loss, y, rng):
    """Random dual variables."""
    share = rng.uniform(size=len(y))
    if loss == "squared_hinge":
        return 5 * y * share
    if loss in MARGIN_LOSSES:
        return y * share
    return {"squared_error": 3.0, "huber": EPSILON, "epsilon_insensitive": 1.0}[loss] * (
        2 * share - 1
    )


def targets(loss, n, rng):
    return rng.choice([-1.0, 1.0], n) if loss in MARGIN_LOSSES else rng.normal(size=n)


by_loss = pytest.mark.parametrize("loss", kernels.LOSSES)


@by_loss
@given(seed=SEEDS, scale=st.floats(-3, 2))
def test_losses(loss, seed, scale):
    rng = np.random.default_rng(seed)
    n = 20
    y, c = targets(loss, n, rng), rng.random(n)
    f, theta = 10**scale * rng.normal(size=n), domain(loss, y, rng)
    kind = kernels.LOSSES[loss]
    pulls = np.empty(n)
    total = kernels.pulls(kind, EPSILON, y, c, f, pulls)
    assert total == pytest.approx(c @ loss_value(loss, y, f), rel=1e-12)
    assert_allclose(pulls, loss_pull(loss, y, f), atol=1e-12)
    expected = c @ (loss_value(loss, y, f) + conjugate(loss, y, theta) + theta * f)
    scale = c @ (np.abs(theta * f) + np.abs(loss_value(loss, y, f)) + 1)
    gap = kernels.fenchel_gap(kind, EPSILON, y, c, f, theta)
    assert gap == pytest.approx(expected, abs=1e-12 * scale)
    assert gap >= 0
    assert kernels.fenchel_gap(kind, EPSILON, y, c, f, pulls) <= 1e-14 * scale


@by_loss
@given(seed=SEEDS, scale=st.floats(-3, 3), size=st.floats(-12, 12))
def test_implicit_pulls_maximise_the_dual_in_one_coordinate(loss, seed, scale, size):
    rng = np.random.default_rng(seed)
    n = 20
    y, q = targets(loss, n, rng), 10**size * rng.random(n)
    q[0] = 0.0
    f, old = 10**scale * rng.normal(size=n), domain(loss, y, rng)
    new = old.copy()
    kernels.implicit_pulls(kernels.LOSSES[loss], EPSILON, y, f, q, new)
    assert np.isfinite(new).all()
    assert np.isfinite(conjugate(loss, y, new)).all()  # in the domain

    def gain(theta):
        moved = theta - old
        return -conjugate(loss, y, theta) - f * moved - 0.5 * q * moved**2

    rounding = 1e-9 * (1 + np.abs(f) + np.abs(conjugate(loss, y, old)) + q)
    for other in (old, domain(loss, y, rng), domain(loss, y, rng), 0.999 * new + 0.001 * old):
        assert (gain(new) >= gain(other) - rounding).all()


@pytest.mark.parametrize("q", [0.0, 1e-8, 1.0, 1e3, 1e8, 1e15])
@pytest.mark.parametrize("margin", [-1e8, -30.0, -1.0, 0.0, 2.0, 40.0, 700.0, 1e8])
@pytest.mark.parametrize("old", [0.0, 1e-30, 0.3, 1.0])
def test_log_loss_implicit_solves_its_equation(q, margin, old):
    theta = np.array([old])
    one, m = np.ones(1), np.array([margin])
    kernels.implicit_pulls(kernels.LOSSES["log_loss"], 0.0, one, m, np.array([q]), theta)
    start = margin - q * old
    if start + q == start:
        expected = expit(-start)
    else:
        expected = expit(
            -brentq(lambda u: u - start - q * expit(-u), start - 1, start + q + 1, xtol=1e-14)
        )
    size = max(1.0, q, abs(margin))
    assert_allclose(theta[0], expected, rtol=1e-6, atol=1e-300 + 4e-16 * size / max(q, 1.0))


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


# Orders


@given(seed=st.integers(0, 2**64 - 1), n=st.integers(1, 50))
def test_shuffle_is_a_permutation_and_a_function_of_its_seed(seed, n):
    one, two = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32)
    orders.shuffle(one, seed)
    orders.shuffle(two, seed)
    assert_array_equal(one, two)
    assert_array_equal(np.sort(one), np.arange(n))


def test_shuffles_are_uniform():
    counts = np.zeros((4, 4))
    for seed in range(4000):
        order = np.arange(4, dtype=np.int32)
        orders.shuffle(order, seed)
        counts[order, np.arange(4)] += 1
    assert np.abs(counts - 1000).max() < 150  # 5 standard deviations


@given(seed=SEEDS, n=st.integers(1, 30), spread=st.floats(0, 8))
def test_alias_table_has_the_chances(seed, n, spread):
    rng = np.random.default_rng(seed)
    chances = 10 ** (-spread * rng.random(n))
    chances /= chances.sum()
    keep, alias = orders.alias_table(chances)
    assert ((keep >= 0) & (keep <= 1 + 1e-12)).all()
    recovered = keep.copy()
    np.add.at(recovered, alias, 1 - keep)
    assert_allclose(recovered / n, chances, atol=1e-14)


def test_draws_follow_the_table():
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    order = np.empty(100_000, dtype=np.int32)
    orders.draw(order, *orders.alias_table(chances), 1)
    assert_allclose(np.bincount(order) / len(order), chances, atol=0.008)


# Steps


def problem(seed, loss="log_loss", n=12, d=5, density=0.6):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) * (rng.random((n, d)) < density)).astype(np.float32).astype(float)
    X[n // 2], X[:, d - 1] = 0.0, 0.0
    y, c = targets(loss, n, rng), rng.random(n) + 0.1
    return X, y, c / c.sum(), rng


def soft(v, threshold, positive=False):
    return (
        np.maximum(v - threshold, 0)
        if positive
        else np.sign(v) * np.maximum(np.abs(v) - threshold, 0)
    )


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
        new = expected[i : i + 1].copy()
        one = np.array([f])
        kernels.implicit_pulls(kernels.LOSSES[loss], EPSILON, y[i : i + 1], one, q[i : i + 1], new)
        e_v += c[i] * (new - expected[i]) * X[i]
        e_b += c[i] * (new - expected[i]) / rho
        expected[i] = new[0]
    kernels.sdca(
        as_rows(STORAGES[storage](X)),
        kernels.LOSSES[loss],
        EPSILON,
        order,
        y,
        c,
        q,
        np.empty(0),
        l1,
        l2,
        positive,
        rho,
        theta,
        v,
        b,
    )
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

    def dual():
        return -c @ conjugate(loss, y, theta) - np.sum(soft(v, l1) ** 2) / (2 * l2)

    for _ in range(3):
        for i in rng.permutation(30).astype(np.int32):
            before = dual()
            order = np.array([i], np.int32)
            kernels.sdca(
                as_rows(X), kernels.LOSSES[loss], EPSILON, order, y, c, q, np.empty(0), l1, l2,
                False, 0.0, theta, v, b,
            )  # fmt: skip
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
    rows, theta, state, bias = (
        as_rows(STORAGES[storage](X)),
        np.zeros(n),
        np.zeros((d, 4)),
        np.zeros(2),
    )
    state[:, 2:] = step, 1.0
    oracle_rng, seen = np.random.RandomState(77), set()
    for _ in range(3 * n):
        i = int(oracle_rng.rand() * n)
        before = len(seen)
        seen.add(i)
        state[:, 1] *= before / len(seen)
        bias[1] *= before / len(seen)
        c = weights / len(seen)
        kernels.saga(
            rows,
            kernels.LOSSES[loss],
            0.0,
            np.array([i], np.int32),
            y,
            c,
            weights if is_saga else c,
            step,
            0.0,
            False,
            float(fit_intercept),
            False,
            theta,
            state,
            bias,
        )
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
    kernels.saga(
        as_rows(STORAGES[storage](X)),
        kernels.LOSSES[loss],
        EPSILON,
        order,
        y,
        c,
        c / chances,
        gamma,
        l1,
        positive,
        unit,
        frozen,
        theta,
        state,
        bias,
    )
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
    kernels.katyusha(
        as_rows(STORAGES[storage](X)), kernels.LOSSES["log_loss"], 0.0, order, y, c, correction,
        theta1, theta2, step, l1, l2, False, unit, theta, G, base, here, v, z,
    )  # fmt: skip
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
        new = np.zeros(1)
        kernels.implicit_pulls(
            kernels.LOSSES[loss], EPSILON, y[i : i + 1], np.array([f]), q[i : i + 1], new
        )
        e_w = shrink * (z + gamma * n * c[i] * new * A[i])
        e_G = e_G - c[i] * (new - e_theta[i]) * A[i]
        e_theta[i] = new[0]
    kernels.point_saga(
        as_rows(STORAGES[storage](X)), kernels.LOSSES[loss], EPSILON, order, y, c, q, gamma, l2,
        unit, theta, w, G,
    )  # fmt: skip
    tolerance = 1e-5 if loss == "log_loss" else 1e-10
    assert_allclose(theta, e_theta, atol=tolerance)
    assert_allclose(w, e_w, atol=10 * tolerance)
    assert_allclose(G, -A.T @ (c * theta), atol=1e-11)


# Several classes


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
    rows = as_rows(STORAGES[storage](X))
    for i in np.tile(rng.permutation(n), 3).astype(np.int32):
        before = entropy_dual(theta, y, c, v, l1, l2)
        softmax_kernels.sdca_softmax(
            rows, 0, 0.0, np.array([i], np.int32), y, c, q, np.empty(0), l1, l2, False, 0.0,
            theta, v, b,
        )  # fmt: skip
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
    softmax_kernels.saga_softmax(
        as_rows(STORAGES[storage](X)), 0, 0.0, order, y, c, correction, gamma, l1, False, unit,
        frozen, theta, state, bias,
    )  # fmt: skip
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
