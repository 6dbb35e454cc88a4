"""Two-layer nets as measures: the objective."""

import numpy as np
import pytest
from neural_network.mean_field_helpers import (
    make_problem,
    plain_loss,
    plain_objective,
    problem_of,
)
from scipy.optimize import check_grad

from sklearn_optland.neural_network._mean_field import passes
from sklearn_optland.neural_network._mean_field.kernel_regime import KernelProblem
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("is_log_loss", "k"), [(False, 1), (False, 3), (True, 1), (True, 3)])
def test_value_is_the_plain_objective_and_gradient_its_slope(
    is_log_loss, k, fit_intercept, global_random_seed
):
    problem = make_problem(
        global_random_seed, k=k, is_log_loss=is_log_loss, fit_intercept=fit_intercept
    )
    theta = problem.layout.spread_start(5, 1.0, np.random.RandomState(global_random_seed + 1))
    theta += 0.1 * np.random.RandomState(global_random_seed + 2).randn(theta.size)
    if not fit_intercept:
        problem.layout.parts(theta)[1][:], problem.layout.parts(theta)[3][:] = 0, 0
    value, gradient = problem.value_and_gradient(theta)
    B, A = problem.layout.particles(theta)
    ridge = 0.5 * problem.alpha * ((B**2).sum() + (A**2).sum())
    rest = problem.alpha * problem.layout.variation_norm(theta) - ridge
    Y = problem.source.Y
    plain = plain_objective(
        problem.source.X, Y, problem.source.c, *problem.layout.to_user(theta), 0.1, is_log_loss
    )
    np.testing.assert_allclose(problem.units * (value + rest), plain, rtol=1e-12)
    free = np.ones(theta.size, bool)
    if not fit_intercept:
        problem.layout.parts(free)[1][:], problem.layout.parts(free)[3][:] = False, False
    trial = theta.copy()

    def at(part, index):
        trial[free] = part
        return problem.value_and_gradient(trial)[index]

    error = check_grad(lambda p: at(p, 0), lambda p: at(p, 1)[free], theta[free].copy())
    assert error < 1e-6
    np.testing.assert_array_equal(gradient[~free], 0)


@pytest.mark.parametrize("k", [1, 2])
def test_blocks_and_float32_change_only_rounding(k, monkeypatch, global_random_seed):
    problem, single = (
        make_problem(global_random_seed, n=200, k=k),
        make_problem(global_random_seed, n=200, k=k, dtype=np.float32),
    )
    theta = problem.layout.spread_start(6, 1.0, np.random.RandomState(global_random_seed + 1))
    value, gradient = problem.value_and_gradient(theta)
    value_32, gradient_32 = single.value_and_gradient(theta.astype(np.float32))
    assert gradient_32.dtype == np.float32
    np.testing.assert_allclose(value_32, value, rtol=1e-5)
    np.testing.assert_allclose(gradient_32, gradient, rtol=1e-3, atol=1e-5)
    monkeypatch.setattr(passes, "HIDDEN_VALUES", 1)
    for_blocks = make_problem(global_random_seed, n=200, k=k)
    np.testing.assert_allclose(for_blocks.value_and_gradient(theta)[0], value, rtol=1e-12)
    np.testing.assert_allclose(for_blocks.value_and_gradient(theta)[1], gradient, atol=1e-13)


@pytest.mark.parametrize("k", [1, 3])
def test_threads_share_large_passes(k, monkeypatch, global_random_seed):
    problem = make_problem(global_random_seed, n=20_000, d=8, k=k)
    theta = problem.layout.spread_start(60, 1.0, np.random.RandomState(global_random_seed + 1))
    F = problem.scores(theta) + problem.layout.parts(theta)[3]
    value, gradient = problem.value_and_gradient(theta)
    expected = (
        plain_loss(F, problem.Y, problem.source.c, False) + 0.5 * problem.alpha * theta @ theta
    )
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    again, gradient_again = problem.value_and_gradient(theta)
    assert value == again
    np.testing.assert_array_equal(gradient, gradient_again)


@pytest.mark.parametrize("Problem", [TwoLayerProblem, KernelProblem])
def test_to_inside_inverts_to_user(Problem, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X, Y = 1e3 * rng.randn(20, 2), 1e-3 * rng.randn(20, 2)
    settings = {"is_log_loss": False, "alpha": 0.1, "fit_intercept": True}
    problem = problem_of(X, Y, np.full(20, 0.05), Problem, **settings)
    B, A = rng.randn(4, 3), rng.randn(4, 2)
    if Problem is TwoLayerProblem:  # it balances both layers
        B /= np.linalg.norm(B, axis=1)[:, None]
        A /= np.linalg.norm(A, axis=1)[:, None]
    theta = problem.layout.join(B, A, rng.randn(2))
    np.testing.assert_allclose(
        problem.layout.to_inside(*problem.layout.to_user(theta)), theta, rtol=1e-10
    )
