"""Two-layer nets on rows that live in other processes: every solver, and its certificate."""

from itertools import islice

import numpy as np
import pytest
from neural_network.mean_field_helpers import problem_of
from process_source import ProcessSource

from sklearn_optland._rows import source as sources
from sklearn_optland.neural_network._mean_field.conic import conic
from sklearn_optland.neural_network._mean_field.flow import flow
from sklearn_optland.neural_network._mean_field.kernel_regime import KernelProblem
from sklearn_optland.neural_network._mean_field.margin import certified_margin, margin_ascent
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem
from sklearn_optland.neural_network._mean_field.sliding_frank_wolfe import sliding_frank_wolfe
from sklearn_optland.neural_network._mean_field.solvers import kernel, particles

SOLVERS = {"particles": particles, "flow": flow, "conic": conic, "kernel": kernel}
# Sums in another order take a method that is not convex another way: few steps.
N_STEPS = 4


def rows(d, k, is_log_loss, seed):
    rng = np.random.RandomState(seed)
    X, c = rng.randn(41, d), rng.rand(41) + 0.1
    Y = np.column_stack([np.abs(X[:, 0])] * k) + rng.randn(41, k)
    if is_log_loss:
        Y = (Y > 0.5) * 1.0 if k == 1 else np.eye(k)[Y.argmax(axis=1)]
    return X, Y, c / c.sum()


@pytest.fixture
def pair(request, global_random_seed):
    """The same problem on arrays and on rows in two other processes."""
    Problem, d, k, is_log_loss = request.param
    X, Y, c = rows(d, k, is_log_loss, global_random_seed)
    settings = {"is_log_loss": is_log_loss, "alpha": 1e-2, "fit_intercept": True}
    remote = ProcessSource(X, Y=Y, c=c)
    yield problem_of(X, Y, c, Problem, **settings), Problem(remote, k, X.dtype, **settings)
    remote.close()


def same_bound(local, remote, **tolerance):
    for name in ("objective", "gap", "first_variation_max", "proven"):
        np.testing.assert_allclose(getattr(remote, name), getattr(local, name), **tolerance)


LOSSES = [(1, False), (2, False), (1, True), (3, True)]


@pytest.mark.parametrize("solver", ["particles", "flow", "conic"])
@pytest.mark.parametrize("pair", [(TwoLayerProblem, 2, *loss) for loss in LOSSES], indirect=True)
def test_solvers_of_particles(pair, solver):
    theta = pair[0].layout.spread_start(6, 0.5, np.random.RandomState(0))
    ends = []
    for problem in pair:
        *_, step = islice(SOLVERS[solver](problem, theta, 1e-6), N_STEPS)
        ends.append(problem.with_best_intercept(step.parameters))
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "pair", [(TwoLayerProblem, d, *loss) for d in (1, 2, 5) for loss in LOSSES], indirect=True
)
def test_certificates(pair):
    layout = pair[0].layout
    theta = layout.spread_start(6, 0.5, np.random.RandomState(0))
    bounds = [
        problem.bound(theta, inputs=problem.inputs(), n_starts=8, random_state=0)
        for problem in pair
    ]
    same_bound(*bounds, rtol=1e-6)
    assert pair[1].null_loss() == pytest.approx(pair[0].null_loss(), rel=1e-12)


@pytest.mark.parametrize("pair", [(KernelProblem, 3, *loss) for loss in LOSSES], indirect=True)
def test_kernel_regime(pair):
    theta = pair[0].layout.spread_start(6, 1.0, np.random.RandomState(0))
    steps = [list(islice(kernel(problem, theta, 1e-3), N_STEPS))[-1] for problem in pair]
    np.testing.assert_allclose(steps[1].parameters, steps[0].parameters, rtol=1e-6, atol=1e-8)
    same_bound(*(step.bound for step in steps), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("pair", [(TwoLayerProblem, 2, *loss) for loss in LOSSES], indirect=True)
def test_sliding_frank_wolfe(pair):
    theta = pair[0].layout.spread_start(0, 1.0, np.random.RandomState(0))
    seed = {"random_state": 0}
    bounds = [
        [step.bound for step in islice(sliding_frank_wolfe(problem, theta, 1e-3, **seed), N_STEPS)]
        for problem in pair
    ]
    same_bound(*(found[0] for found in bounds), rtol=1e-10)
    # Then rounding decides where particles slide to; what is proven of the optimum holds for both.
    least = min(bound.objective for found in bounds for bound in found)
    assert max(bound.objective - bound.gap for found in bounds for bound in found) <= least
    assert bounds[1][-1].objective < bounds[1][0].objective


@pytest.mark.parametrize("is_kernel", [False, True])
@pytest.mark.parametrize(
    "pair", [(Problem, 2, 1, True) for Problem in (TwoLayerProblem, KernelProblem)], indirect=True
)
def test_margin_ascent(pair, is_kernel):
    theta = pair[0].layout.spread_start(10, 1.0, np.random.RandomState(0))
    settings = {"n_starts": 4, "random_state": 0, "is_kernel": is_kernel}
    ends = []
    for problem in pair:
        *_, step = islice(margin_ascent(problem, theta, 1e-3, **settings), 20)
        ends.append(certified_margin(problem, step, 1e-3)[1])
    assert ends[1] == pytest.approx(ends[0], rel=1e-6)


@pytest.mark.parametrize("pair", [(TwoLayerProblem, 3, 2, False)], indirect=True)
def test_a_start_in_float32(pair, monkeypatch):
    monkeypatch.setattr(sources, "FLOAT32_PAYS", 0)
    theta = pair[0].layout.spread_start(6, 0.5, np.random.RandomState(0))
    ends = []
    for problem in pair:
        assert sources.float32_pays(problem.source, problem.dtype, theta.size)
        *_, step = islice(particles(problem, theta, 1e-6), N_STEPS)
        ends.append(step.parameters)
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-3, atol=1e-4)
