"""Kernels of the two-layer nets against plain NumPy."""

import numpy as np
import pytest

from sklearn_optland._optim.lbfgs import remember, solve
from sklearn_optland.neural_network._mean_field import relu_fast as fast
from sklearn_optland.neural_network._mean_field import solvers

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
    H = Z.copy()
    fast.relu(H, b)
    np.testing.assert_array_equal(H, expected)
    P, gb = np.outer(r, a).astype(dtype), np.zeros(m, dtype)
    fast.relu_mask(H, P, gb)
    np.testing.assert_array_equal(P, np.outer(r, a) * (expected > 0))
    np.testing.assert_allclose(gb, P.sum(axis=0), rtol=RTOL[dtype], atol=RTOL[dtype])


@pytest.mark.parametrize("n_pairs", [0, 1, 3, solvers.MEMORY + 4])
def test_two_loops_are_the_package_s_lbfgs(n_pairs, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    ring, pairs = solvers._Ring(np.zeros(6)), []
    hessian = np.diag([1.0, 2, 3, 4, 5, 6])
    for _ in range(n_pairs):
        step = rng.randn(6)
        ring.remember(step, hessian @ step)
        pairs = remember(pairs, step, hessian @ step, solvers.MEMORY)
    gradient = rng.randn(6)
    scale = 1.0
    if pairs:
        step, change = pairs[-1]
        scale = step @ change / (change @ change)
    expected = solve(pairs, lambda g: g, gradient, scale)
    np.testing.assert_allclose(ring.solve(gradient), expected, rtol=1e-10)


def test_the_ring_refuses_pairs_without_curvature():
    ring = solvers._Ring(np.zeros(3))
    ring.remember(np.ones(3), -np.ones(3))
    ring.remember(np.zeros(3), np.zeros(3))
    assert ring.is_empty
