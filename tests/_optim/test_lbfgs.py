"""The memory of L-BFGS."""

import numpy as np
import pytest

from sklearn_optland._optim.lbfgs import Memory

pytestmark = pytest.mark.kernels


def inverse(pairs, metric):
    """The BFGS formula, a pair at a time: H <- (I - r s y') H (I - r y s') + r s s'."""
    H = metric
    for s, y in pairs:
        r = 1 / (s @ y)
        left = np.eye(len(s)) - r * np.outer(s, y)
        H = left @ H @ left.T + r * np.outer(s, s)
    return H


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(6,), (3, 2)])
@pytest.mark.parametrize("n_pairs", [0, 1, 3, 9])
def test_the_two_loops_are_the_bfgs_formula(n_pairs, shape, dtype, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    memory, pairs = Memory(5), []
    hessian, metric = np.diag([1.0, 2, 3, 4, 5, 6]), np.diag(rng.uniform(0.5, 2, 6))
    for _ in range(n_pairs):
        step = rng.randn(6).astype(dtype)
        change = (hessian @ step).astype(dtype)
        memory.remember(step.reshape(shape), change.reshape(shape))
        pairs.append((step.astype(float), change.astype(float)))
    assert len(memory) == min(n_pairs, 5)
    gradient = rng.randn(6).astype(dtype)

    def apply(q):
        return (metric @ q.ravel()).astype(dtype).reshape(q.shape)

    found = memory.solve(gradient.reshape(shape), apply, 0.5)
    expected = inverse(pairs[-5:], 0.5 * metric) @ gradient
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(found.ravel(), expected, atol=tolerance * np.abs(expected).max())
    assert found.shape == shape
    assert found.dtype == dtype


def test_the_scale_is_the_newest_pair_s_curvature(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    memory, step = Memory(3), rng.randn(4)
    assert memory.scale() == 1.0
    memory.remember(rng.randn(4), rng.randn(4))
    memory.remember(step, 2 * step)
    assert memory.scale() == pytest.approx(0.5)
    assert memory.scale(lambda change: 4 * change) == pytest.approx(0.125)


def test_pairs_without_curvature_are_refused():
    memory = Memory(3)
    memory.remember(np.ones(3), -np.ones(3))
    memory.remember(np.zeros(3), np.zeros(3))
    memory.remember(np.full(3, 1e-160), np.full(3, 1e-160))
    assert len(memory) == 0


def test_a_memory_goes_on_in_another_precision(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    memory = Memory(3)
    step = rng.randn(5).astype(np.float32)
    memory.remember(step, 3 * step)
    exact = memory.astype(np.float64)
    gradient = rng.randn(5)
    np.testing.assert_allclose(
        exact.solve(gradient), memory.solve(gradient.astype(np.float32)), rtol=1e-4
    )
    exact.forget()
    assert len(exact) == 0
    assert len(memory) == 1
