"""Losses of one prediction: values, pulls, conjugates, implicit steps."""

import numpy as np
import pytest
from helpers import (
    LOG_LINKS,
    SEEDS,
    conjugate,
    domain,
    loss_pull,
    loss_value,
    scalar_loss,
    targets,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from linear_model.finite_sum_steps import by_loss, implicit_pulls
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.special import expit, wrightomega

from sklearn_optland._loss import scalar_losses_fast as kernels
from sklearn_optland._loss.scalar_losses import LOSSES

pytestmark = pytest.mark.kernels


@by_loss
@given(seed=SEEDS, scale=st.floats(-3, 2))
def test_losses(loss, seed, scale):
    rng = np.random.default_rng(seed)
    n = 20
    y, c = targets(loss, n, rng), rng.random(n)
    f, theta = 10**scale * rng.normal(size=n), domain(loss, y, rng)
    ours = scalar_loss(loss)
    pulls = np.empty(n)
    total = kernels.pulls(ours, y, c, f, pulls)
    assert total == pytest.approx(c @ loss_value(loss, y, f), rel=1e-12)
    assert_allclose(pulls, loss_pull(loss, y, f), atol=1e-12)
    expected = c @ (loss_value(loss, y, f) + conjugate(loss, y, theta) + theta * f)
    scale = c @ (np.abs(theta * f) + np.abs(loss_value(loss, y, f)) + 1)
    gap = kernels.fenchel_gap(ours, y, c, f, theta)
    assert gap == pytest.approx(expected, abs=1e-12 * scale)
    assert gap >= 0
    assert kernels.fenchel_gap(ours, y, c, f, pulls) <= 1e-14 * scale


@pytest.mark.parametrize("loss", [name for name, one in LOSSES.items() if one.is_smooth])
@given(seed=SEEDS)
def test_curvatures(loss, seed):
    rng = np.random.default_rng(seed)
    y, f, step = targets(loss, 20, rng), rng.normal(size=20), 1e-6
    ours, pulls = scalar_loss(loss), loss_pull(loss, y, f)
    after, before = loss_pull(loss, y, f + step), loss_pull(loss, y, f - step)
    h = kernels.curvatures(ours, y, pulls)
    one_sided = np.stack([pulls - after, before - pulls]) / step
    low, high = one_sided.min(axis=0), one_sided.max(axis=0)
    assert (h >= low - 1e-4 * (1 + np.abs(low))).all()
    assert (h <= high + 1e-4 * (1 + np.abs(high))).all()


@pytest.mark.parametrize("loss", [name for name, one in LOSSES.items() if one.is_of_residuals])
@given(seed=SEEDS)
def test_secants_end_where_the_loss_is_least(loss, seed):
    rng = np.random.default_rng(seed)
    y, f = targets(loss, 20, rng), rng.normal(size=20)
    pulls = loss_pull(loss, y, f)
    h = kernels.secants(scalar_loss(loss), y, f, pulls)
    assert_allclose(f + pulls / np.where(h > 0, h, np.inf), np.where(h > 0, y, f))
    assert_array_equal(kernels.secants(scalar_loss(loss), y, y, pulls), 0.0)


@by_loss
@given(seed=SEEDS, scale=st.floats(-3, 3))
def test_in_domain(loss, seed, scale):
    rng = np.random.default_rng(seed)
    y = targets(loss, 20, rng)
    ours, theta = scalar_loss(loss), 10**scale * rng.normal(size=20)
    nearest = kernels.in_domain(ours, y, theta)
    f = rng.normal(size=20)
    assert np.isfinite(conjugate(loss, y, nearest)).all()
    assert kernels.fenchel_gap(ours, y, np.ones(20), f, nearest) >= 0
    assert_allclose(kernels.in_domain(ours, y, nearest), nearest, rtol=0)
    inside = domain(loss, y, rng)
    assert_allclose(kernels.in_domain(ours, y, inside), inside, rtol=0)
    assert (np.abs(theta - nearest) <= np.abs(theta - inside)).all()


@by_loss
@given(seed=SEEDS, scale=st.floats(-3, 3), size=st.floats(-12, 12))
def test_implicit_pulls_maximise_the_dual_in_one_coordinate(loss, seed, scale, size):
    rng = np.random.default_rng(seed)
    n = 20
    y, q = targets(loss, n, rng), 10**size * rng.random(n)
    q[0] = 0.0
    largest = 0.7 if loss in LOG_LINKS else 3.0  # exponentials of more swamp the gain
    f, old = 10 ** min(scale, largest) * rng.normal(size=n), domain(loss, y, rng)
    new = implicit_pulls(loss, y, f, q, old)
    assert np.isfinite(new).all()
    assert np.isfinite(conjugate(loss, y, new)).all()  # in the domain

    def gain(theta):
        moved = theta - old
        return -conjugate(loss, y, theta) - f * moved - 0.5 * q * moved**2

    rounding = 1e-9 * (1 + np.abs(f) + q)
    rounding += 1e-9 * (np.abs(conjugate(loss, y, old)) + np.abs(conjugate(loss, y, new)))
    for other in (old, domain(loss, y, rng), domain(loss, y, rng), 0.999 * new + 0.001 * old):
        assert (gain(new) >= gain(other) - rounding).all()


@pytest.mark.parametrize("q", [0.0, 1e-8, 1.0, 1e3, 1e8, 1e15])
@pytest.mark.parametrize("margin", [-1e8, -30.0, -1.0, 0.0, 2.0, 40.0, 700.0, 1e8])
@pytest.mark.parametrize("old", [0.0, 1e-30, 0.3, 1.0])
def test_log_loss_implicit_solves_its_equation(q, margin, old):
    m = np.array([margin])
    theta = implicit_pulls("log_loss", np.ones(1), m, np.array([q]), np.array([old]))
    start = margin - q * old
    if start + q == start:
        expected = expit(-start)
    else:
        expected = expit(
            -brentq(lambda u: u - start - q * expit(-u), start - 1, start + q + 1, xtol=1e-14)
        )
    size = max(1.0, q, abs(margin))
    assert_allclose(theta[0], expected, rtol=1e-6, atol=1e-300 + 4e-16 * size / max(q, 1.0))


@pytest.mark.parametrize("loss", LOG_LINKS)
@given(m=st.floats(-600, 600), log_q=st.floats(-300, 300), old=st.floats(0, 5))
def test_exponential_implicit_is_wrights_omega_function(loss, m, log_q, old):
    """log a + q a = m at x = q a, x + log x = m + log q."""
    q, f = np.exp(log_q), m - np.exp(log_q) * old
    assume(np.isclose(f + q * old, m, rtol=1e-12, atol=1e-12))
    sign = 1 if loss == "poisson" else -1  # with y = 1 one is the other's mirror image
    given = np.array([[1.0], [sign * f], [q], [sign * (1 - old)]])
    a = 1 - sign * implicit_pulls(loss, *given)
    x = wrightomega(m + log_q)
    expected = x / q if x > 1 else np.exp(m - x)
    assert_allclose(a[0], expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("loss", LOG_LINKS)
@given(log_r=st.floats(-6, 1), sign=st.sampled_from([-1, 1]))
def test_deviances_keep_their_digits(loss, log_r, sign):
    """With f = -r and y = 1 Poisson's is r + exp(-r) - 1, an integral of exp."""
    r = sign * 10**log_r
    nodes, weights = np.polynomial.legendre.leggauss(40)
    t = 0.5 * (nodes + 1)
    expected = 0.5 * weights @ ((1 - t) * r * r * np.exp(-t * r))
    f = np.array([-r if loss == "poisson" else r])  # y = 1: no rounding of log y
    value = kernels.pulls(scalar_loss(loss), np.ones(1), np.ones(1), f, np.empty(1))
    assert value == pytest.approx(expected, rel=1e-10)
