"""Kernels of the two-layer nets against plain NumPy."""

import numpy as np
import pytest

from sklearn_optland.neural_network._mean_field import relu_fast as fast

pytestmark = pytest.mark.kernels

RTOL = {"float64": 1e-12, "float32": 1e-4}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (5, 7), (9, 16), (4, 37), (3, 0)])
def test_relu_kernels(dtype, n, m, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    Z, b, a, r = (rng.randn(*shape).astype(dtype) for shape in ((n, m), (m,), (m,), (n,)))
    expected = np.maximum(Z + b, 0)
    H, f = Z.copy(), np.full(n, np.nan, dtype)
    fast.relu_scores(H, b, a, f)
    np.testing.assert_array_equal(H, expected)
    np.testing.assert_allclose(f, expected @ a, rtol=RTOL[dtype], atol=RTOL[dtype])
    ga, gb = np.ones(m, dtype), np.ones(m, dtype)
    fast.relu_pull(H, a, r, ga, gb)
    pull = np.outer(r, a) * (expected > 0)
    np.testing.assert_allclose(H, pull, rtol=RTOL[dtype])
    np.testing.assert_allclose(ga, 1 + expected.T @ r, rtol=RTOL[dtype], atol=RTOL[dtype])
    np.testing.assert_allclose(gb, 1 + pull.sum(axis=0), rtol=RTOL[dtype], atol=RTOL[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [0.0, 0.7])
@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 1), (9, 16), (4, 37), (3, 0)])
def test_rounded_kinks(dtype, width, n, m, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    Z, r = rng.randn(n, m).astype(dtype), rng.randn(n).astype(dtype)
    Z[:, ::3] = 0
    slopes = np.clip(Z / width + 0.5, 0, 1) if width else (Z > 0).astype(dtype)
    values = np.where(slopes < 1, 0.5 * width * slopes**2, Z)
    tolerance = {"rtol": RTOL[dtype], "atol": RTOL[dtype]}
    for want_slopes, expected in ((False, values), (True, slopes)):
        out = Z.copy()
        fast.rounded_relu(out, width, want_slopes)
        np.testing.assert_allclose(out, expected, **tolerance)
    out, f = Z.copy(), np.ones(m, dtype)
    fast.rounded_sums(out, r, width, f)
    np.testing.assert_allclose(out, r[:, None] * slopes, **tolerance)
    np.testing.assert_allclose(f, 1 + r @ values, **tolerance)
