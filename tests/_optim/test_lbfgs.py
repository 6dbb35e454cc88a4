"""The memory of L-BFGS in one array."""

import numpy as np
import pytest

from sklearn_optland._optim.lbfgs import remember, solve
from sklearn_optland.neural_network._mean_field import solvers

pytestmark = pytest.mark.kernels


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
