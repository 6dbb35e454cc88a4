"""Curvatures that majorize the log-loss."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from helpers import SEEDS, read_only
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logsumexp, softmax

from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland._loss import partition_bound_fast as partition_kernels

pytestmark = pytest.mark.kernels


def test_binary_curvature(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    z = np.concatenate([[0.0, 1e-300], rng.normal(size=500) * np.geomspace(1e-6, 100, 500)])
    c, radius, h = rng.random(z.size), rng.exponential(size=z.size), np.empty(z.size)
    read_only(z, c, radius)

    def newton(z):
        return expit(z) * expit(-z)

    with np.errstate(invalid="ignore"):
        jc12 = np.where(np.abs(z) > 1e-8, np.tanh(z / 2) / (2 * z), 0.25)
    reached = newton(np.maximum(np.abs(z) - radius, 0.0))
    for r, expected in (
        (np.zeros(z.size), newton(z)),
        (np.full(z.size, np.inf), jc12),
        (radius, np.minimum(jc12, reached)),
    ):
        log_loss.binary_curvature(z[:, None], c, r, h)
        assert_allclose(h, c * expected, rtol=2e-12)


@given(
    z=st.floats(-50, 50) | st.floats(-1e-3, 1e-3),
    radius=st.floats(0, 100) | st.just(np.inf),
    part=st.floats(-1, 1) | st.sampled_from([-1.0, 1.0]),
)
def test_binary_curvature_majorizes_within_its_radius(z, radius, part):
    h = np.empty(1)
    log_loss.binary_curvature(np.array([[z]]), np.ones(1), np.array([radius]), h)
    moves = [part * radius] if radius < np.inf else [part, 1e3 * part, -2 * z]
    with localcontext() as context:
        context.prec = 60
        z, h = Decimal(z), Decimal(float(h[0]))
        for move in map(Decimal, moves):  # at -2 z, the bound of JC12 touches once more
            model = (1 + z.exp()).ln() + move / (1 + (-z).exp()) + h * move * move / 2
            rounding = Decimal("2e-12") * h * move * move / 2
            assert (1 + (z + move).exp()).ln() <= model + rounding + Decimal("1e-50")


@given(seed=SEEDS, k=st.integers(2, 8), scale=st.floats(-3, 2), descending=st.booleans())
def test_jc12_curvature_is_partition_bound_with_unit_features(seed, k, scale, descending):
    rng = np.random.default_rng(seed)
    n = 3
    Z = 10**scale * rng.normal(size=(n, k))
    Z[0] = np.round(Z[0])  # ties
    order = np.argsort(-Z if descending else rng.random((n, k)), axis=1)
    S = np.full((n, k, k), np.nan)
    partition_kernels.jc12_curvature(*read_only(Z, order), S)
    for i in range(n):
        mu, sigma = np.zeros(k), np.zeros((k, k))
        log_z = partition_kernels.partition_bound(np.eye(k), Z[i], order[i], mu, sigma)
        assert log_z == pytest.approx(logsumexp(Z[i]), rel=1e-14, abs=1e-14)
        assert_allclose(mu, softmax(Z[i]), atol=1e-14)
        assert_allclose(S[i], sigma, atol=1e-14)


@given(
    seed=SEEDS,
    k=st.integers(2, 8),
    scale=st.floats(-3, 2),
    move=st.floats(-2, 4),
    descending=st.booleans(),
)
def test_jc12_curvature_majorizes(seed, k, scale, move, descending):
    rng = np.random.default_rng(seed)
    z, dz = 10**scale * rng.normal(size=k), 10**move * rng.normal(size=k)
    S = np.full((1, k, k), np.nan)
    order = np.argsort(-z if descending else rng.random(k))
    partition_kernels.jc12_curvature(z[None], order[None], S)
    S = S[0]
    assert_allclose(S, S.T, rtol=0, atol=1e-16)
    assert np.linalg.eigvalsh(S)[0] >= -1e-15 * k
    assert_allclose(S.sum(axis=1), 0, atol=1e-15 * k)
    p = softmax(z)
    assert np.linalg.eigvalsh(S - np.diag(p) + np.outer(p, p))[0] >= -1e-14  # for small moves
    change, model = logsumexp(z + dz) - logsumexp(z) - p @ dz, dz @ S @ dz / 2
    scale = np.abs(z).max() + np.abs(dz).max() + np.abs(dz) @ np.abs(S) @ np.abs(dz)
    assert change <= model + 1e-14 * (1 + scale)


def test_partition_bound_skips_what_has_no_weight(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    features, log_alpha = read_only(rng.normal(size=(6, 2)), rng.normal(size=6))
    weightless = np.array([-np.inf, *log_alpha, -np.inf])
    padded = np.vstack([np.full(2, 9.0), features, np.full(2, 9.0)])
    results = []
    for f, a in ((features, log_alpha), (padded, weightless)):
        mu, sigma = np.zeros(2), np.zeros((2, 2))
        order = np.argsort(-a)
        results.append(
            (partition_kernels.partition_bound(f, a, *read_only(order), mu, sigma), mu, sigma)
        )
    for some, all_of_them in zip(*results, strict=True):
        assert_array_equal(some, all_of_them)
