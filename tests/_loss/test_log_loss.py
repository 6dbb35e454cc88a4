"""Log-loss, softmax and dual points of given scores; their accuracy at extreme scores."""

from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import pytest
from helpers import read_only
from log_loss_targets import classes, loss, residuals, scores
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_expit, softmax, xlogy

from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland._loss import partition_bound_fast as partition_kernels
from sklearn_optland._rows import rows as _rows

pytestmark = pytest.mark.kernels

TINY = np.exp(-708.0) * (1 + 1e-12)  # the kernels hold exp at this, for smaller values


# Scores without data


@scores
@pytest.mark.parametrize("n", [1, 1023, 1024, 1025])
def test_loss_along(n, k, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    y, c = classes(rng, n, k)
    Z, dZ = read_only(*rng.normal(size=(2, n, k)))
    t = 0.37
    value, slope = log_loss.loss_along(y, c, Z, dZ, t)
    assert value == pytest.approx(loss(Z + t * dZ, y, c), rel=1e-13)
    expected = residuals(Z + t * dZ, y, c) * dZ
    assert slope == pytest.approx(expected.sum(), abs=1e-13 * np.abs(expected).sum())


@pytest.mark.parametrize("k", [2, 3, 50])
@pytest.mark.parametrize("n", [1, 1024, 1025])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_softmax(n, k, scale, global_random_seed):
    (Z,) = read_only(scale * np.random.default_rng(global_random_seed).normal(size=(n, k)))
    P = np.full((n, k), np.nan)
    log_loss.softmax(Z, P)
    assert_allclose(P, softmax(Z, axis=1), rtol=1e-13, atol=TINY)


def newton_dual(z, dz):
    """The largest cut <= 1 that keeps p + cut p (1 - p) dz in [0, 1], and the KL of each row."""
    p, q = expit(z), expit(-z)
    cut = 1 / max(1.0, np.max(-q * dz), np.max(p * dz))
    up, down = np.maximum(0.0, [1 + cut * q * dz, 1 - cut * p * dz])  # relative to p and q
    return cut, p * up, xlogy(p * up, up) + xlogy(q * down, down)


def cut_and_divergence(Z, dZ, y, c, R):
    """The longest step that stays in the simplex, and its divergence."""
    smallest = log_loss.smallest_change(Z, dZ)
    cut = -1 / smallest if smallest < -1 else 1.0
    return cut, log_loss.newton_dual(Z, dZ, y, c, R, cut)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 1025])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("move", [0.0, 0.3, 3.0, 1e3])
def test_logistic_dual(n, scale, move, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    y, c = classes(rng, n, 1)
    z, dz = read_only(scale * rng.normal(size=n), move * rng.normal(size=n))
    R = np.full((n, 1), np.nan)
    cut, divergence = cut_and_divergence(z[:, None], dz[:, None], y, c, R)
    expected_cut, p, terms = newton_dual(z, dz)
    assert cut == pytest.approx(expected_cut, rel=1e-13)
    assert_allclose(R[:, 0], c * (p - y), rtol=0, atol=1e-13)
    assert divergence == pytest.approx(c @ terms, rel=1e-11, abs=1e-15 * n)
    assert (np.abs(R[:, 0]) <= c * (1 + 1e-13)).all()  # p' in [0, 1]: the bound is proven by that
    assert (R[:, 0] * (0.5 - y) >= -1e-16).all()


@pytest.mark.parametrize("dz", [1e-8, 1e-4, 1e-3, 2e-3, 0.5, 1.0, -0.9, -1e-3])
@pytest.mark.parametrize("z", [-40.0, -1.0, 0.0, 2.0, 40.0])
def test_the_divergence_of_a_small_step_keeps_its_relative_accuracy(z, dz):
    R = np.empty((1, 1))
    column = np.array([[dz]])
    cut, divergence = cut_and_divergence(
        np.array([[z]]), column, np.ones(1, np.int32), np.ones(1), R
    )
    assert cut == 1.0
    with localcontext() as context:
        context.prec = 60
        p, dz = 1 / (1 + (-Decimal(z)).exp()), Decimal(dz)
        up, down = 1 + (1 - p) * dz, 1 - p * dz
        expected = float(
            p * up * up.ln() + (1 - p) * down * down.ln() if down else p * up * up.ln()
        )
    assert divergence == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("size", [500.0, 1e5, 1e300])
def test_logistic_dual_at_extreme_scores(size):
    z = np.array([size, -size, size, -size])[:, None]
    y, c = np.array([0, 1, 1, 0], np.int32), np.ones(4)
    for dz in (np.zeros(4), np.full(4, 1e-3), np.array([-1e3, 1e3, 1e3, -1e3]), np.full(4, 1e300)):
        R = np.full((4, 1), np.nan)
        cut, divergence = cut_and_divergence(z, dz[:, None], y, c, R)
        assert 0 < cut <= 1
        assert 0 <= divergence < np.inf
        assert (np.abs(R) <= 1).all()


# Accuracy and extreme scores


@cache
def exact():
    """Log-loss log(1 + exp(-m)) and residual exp(-m) / (1 + exp(-m)) of MARGINS, by 400 digits."""
    with localcontext() as context:
        context.prec = 400
        e = [(-Decimal(float(m))).exp() for m in MARGINS]
        return np.array([[float((1 + x).ln()) for x in e], [float(x / (1 + x)) for x in e]])


def row_losses(Z, y):
    """The loss of each row by itself, computed in the company of the others."""
    return np.array([log_loss.loss_along(y, one, Z, Z, 0.0)[0] for one in np.eye(len(y))])


def row_residuals(Z, y):
    """The residuals of each row: the gradient for X = I."""
    n, k = Z.shape
    G, scores = np.zeros((n + 1, k)), np.empty((n, k))
    rows = _rows.as_rows(sparse.csr_array(np.eye(n)))
    W = np.vstack([Z, np.zeros((1, k))])
    kernels.loss_gradient(rows, 0, n, y, np.ones(n), W, scores, G)
    assert_array_equal(scores, Z)
    return G[:-1]


def as_scores(margins, k):
    """Rows of scores with these margins: y = 1 or a class against one other, the rest far below."""
    n = len(margins)
    if k == 1:
        y = np.arange(n, dtype=np.int32) % 2
        return (np.where(y, 1.0, -1.0) * margins)[:, None], y
    Z, y = np.full((n, k), -2000.0), np.arange(n, dtype=np.int32) % k
    Z[np.arange(n), y], Z[np.arange(n), (y + 1) % k] = margins, 0.0
    return Z, y


POSITIVE = np.geomspace(1e-300, 670, 200)
MARGINS = np.concatenate([-POSITIVE, [0.0], POSITIVE, np.arange(-40, 40, 0.3)])


def test_binary_loss_is_log_expit_to_4_ulp():
    Z, y = as_scores(np.concatenate([MARGINS, np.linspace(-700, 700, 1001)]), 1)
    expected = -log_expit(np.where(y, 1, -1) * Z[:, 0])
    assert_array_equal(np.abs(row_losses(Z, y) - expected) <= 4 * np.spacing(expected), True)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_losses_and_residuals_keep_their_relative_accuracy(k):
    # also of rows that are classified perfectly, whose residual is exp(-margin)
    Z, y = as_scores(MARGINS, k)
    expected_loss, share = exact()
    assert_allclose(row_losses(Z, y), expected_loss, rtol=1e-15)
    R = row_residuals(Z, y)
    if k == 1:
        assert_allclose(R[:, 0], np.where(y, -share, share), rtol=1e-15)
    else:
        own, other = np.arange(len(y)), (y + 1) % k
        assert_allclose(R[own, y], -share, rtol=1e-15)
        assert_allclose(R[own, other], share, rtol=1e-15)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("size", [500.0, 709.0, 1e5, 1e300, 1.7e308])
def test_extreme_scores(k, size):
    margins = np.array([size, -size] * 3)
    Z, y = as_scores(margins, k)
    if size > 2000 and k > 2:
        Z[Z == -2000.0] = -size
    losses, R = row_losses(Z, y), row_residuals(Z, y)
    right = margins > 0
    assert_allclose(losses[~right], size, rtol=1e-15)
    # a right row: exp(-margin), or what stands for it where that underflows
    tiny = np.maximum(np.exp(-size), TINY)
    assert_allclose(losses[right], tiny, rtol=1e-12 if size == 500 else k)
    own = R[np.arange(len(y)), y if k > 1 else 0]
    assert_allclose(np.abs(own[~right]), 1.0, rtol=1e-15)
    assert_allclose(np.abs(own[right]), tiny, rtol=1e-12 if size == 500 else k)
    assert_array_equal(np.sign(own), -1 if k > 1 else np.where(y, -1, 1))
    if k > 1:
        P = np.empty_like(Z)
        log_loss.softmax(Z, P)
        assert_allclose(P.sum(axis=1), 1, rtol=1e-15)
        assert_array_equal(P.argmax(axis=1), Z.argmax(axis=1))
        assert (P > 0).all()


@pytest.mark.parametrize("size", [0.0, 1e-300, 500.0, 1e5, 1e300])
def test_curvatures_at_extreme_scores(size):
    Z = np.array([[size], [-size]])
    h = np.full(2, np.nan)
    for radius, limit in ((0.0, TINY), (1.0, TINY), (np.inf, 1.0 / max(size, 1.0))):
        log_loss.binary_curvature(Z, np.ones(2), np.full(2, radius), h)
        assert h[0] == h[1]
        assert 0 < h[0] <= 0.25
        if size >= 1e5:
            assert h[0] <= limit
    for row in ([size, -size, 0.0], [size, size, -size]):
        Z, S = np.array([row]), np.full((1, 3, 3), np.nan)
        partition_kernels.jc12_curvature(Z, np.argsort(-Z, axis=1), S)
        assert np.isfinite(S).all()
        assert_allclose(S.sum(axis=2), 0, atol=1e-15)
