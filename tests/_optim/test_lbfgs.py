"""L-BFGS: its memory, and steps with it."""

import numpy as np
import pytest

from sklearn_optland._optim.lbfgs import Memory, minimize

pytestmark = pytest.mark.kernels

HESSIAN = np.diag([1.0, 2, 3, 4, 5, 6])


def two_loops(pairs, metric, gradient, scale):
    """The two loops of Nocedal (1980), written plainly; the oldest pair is the first."""
    q, shares = gradient.copy(), []
    for step, change in reversed(pairs):
        shares.append(step @ q / (step @ change))
        q -= shares[-1] * change
    q = scale * metric @ q
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        q += (share - change @ q / (step @ change)) * step
    return q


@pytest.mark.parametrize("n_pairs", [0, 1, 3, 9])
@pytest.mark.parametrize("has_metric", [False, True])
def test_the_memory_is_the_two_loops(n_pairs, has_metric, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    memory, pairs = Memory(5), []
    metric = np.diag(rng.rand(6) + 0.5) if has_metric else np.eye(6)
    for _ in range(n_pairs):
        step = rng.randn(6)
        memory.remember(step, HESSIAN @ step)
        pairs = [*pairs, (step, HESSIAN @ step)][-5:]
    gradient = rng.randn(6)
    apply = metric.dot if has_metric else None
    scale = memory.scale(apply)
    if pairs:
        step, change = pairs[-1]
        assert scale == pytest.approx(step @ change / (change @ metric @ change), rel=1e-12)
    expected = two_loops(pairs, metric, gradient, scale)
    np.testing.assert_allclose(memory.solve(gradient, apply, scale), expected, rtol=1e-10)
    assert len(memory) == len(pairs)


def test_the_memory_refuses_pairs_without_curvature():
    memory = Memory(5)
    memory.remember(np.ones(3), -np.ones(3))
    memory.remember(np.zeros(3), np.zeros(3))
    assert not memory


def test_a_change_of_type_keeps_pairs_and_scale():
    memory = Memory(5)
    memory.remember(np.ones(3, np.float32), np.full(3, 3, np.float32))
    other = memory.astype(np.float64)
    assert other.scale() == memory.scale() == pytest.approx(1 / 3)
    assert other.solve(np.ones(3)).dtype == np.float64


@pytest.mark.parametrize("metric", [None, lambda g: np.linalg.solve(HESSIAN, g)])
def test_steps_go_to_the_minimum_and_end_there(metric, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    center = rng.randn(6)

    def function(theta):
        gradient = HESSIAN @ (theta - center)
        return 1 + 0.5 * gradient @ (theta - center), gradient

    values = [np.inf]
    for step in minimize(function, np.zeros(6), Memory(5), metric):
        assert step.loss <= values[-1]
        values.append(step.loss)
        if len(values) == 100:
            break
    assert step.done
    assert step.curves == {"objective": step.loss, "passes": step.curves["passes"]}
    np.testing.assert_allclose(step.parameters, center, atol=1e-12)  # the value's share: 1e-8
    if metric is not None:
        np.testing.assert_allclose(values[1], 1)
