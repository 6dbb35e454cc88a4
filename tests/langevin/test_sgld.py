"""Langevin dynamics on functions whose Gibbs distribution is known, R-hat, ESS, and the rates."""

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given
from hypothesis import strategies as st

from sklearn_optland.langevin import (
    effective_sample_size,
    pac_bayes_rate,
    r_hat,
    sgld,
    stability_rate,
)

BETA, STEP = 3.0, 0.4


def quadratic(seed):
    Q = np.linalg.qr(np.random.RandomState(seed).randn(3, 3))[0]
    return (Q * [0.5, 1.0, 3.0]) @ Q.T


def covariance_of(A, **settings):
    chains = sgld(lambda w: w @ A, np.zeros((300, 3)), beta=BETA, **settings)
    flat = chains.samples.reshape(-1, 3)
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=0.03)
    return np.cov(flat.T)


def assert_same(found, expected):
    """To 5 % of the size."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * np.abs(expected).max())


SETTINGS = {"step_size": STEP, "n_steps": 500, "burn_in": 50, "random_state": 0}


def test_the_covariance_on_a_quadratic_is_that_of_theory(global_random_seed):
    A = quadratic(global_random_seed)
    expected = np.linalg.inv(BETA * A) @ np.linalg.inv(np.eye(3) - 0.5 * STEP * A)
    assert_same(covariance_of(A, **SETTINGS), expected)


def test_a_matrix_as_preconditioner_serves_all_directions_alike(global_random_seed):
    A = quadratic(global_random_seed)
    expected = np.linalg.inv(BETA * A) / (1 - 0.5 * STEP)
    found = covariance_of(A, preconditioner=np.linalg.inv(A), **SETTINGS)
    assert_same(found, expected)


def test_psgld_has_the_law_for_small_steps():
    A = np.diag([0.5, 1.0, 3.0])
    settings = SETTINGS | {"step_size": 0.05, "n_steps": 1500, "burn_in": 300}
    found = covariance_of(A, preconditioner="rmsprop", **settings)
    np.testing.assert_allclose(np.diag(found), 1 / (BETA * np.diag(A)), rtol=0.12)


def test_steps_that_decay_have_weights_and_less_bias():
    A, settings = np.diag([2.0, 2.0, 2.0]), SETTINGS | {"n_steps": 2000, "step_size": 0.6}
    chains = sgld(lambda w: w @ A, np.zeros((100, 3)), beta=1.0, decay=0.55, **settings)
    np.testing.assert_allclose(
        chains.step_sizes[[0, -1]], 0.6 * (1 + np.array([50, 1999]) / 100) ** -0.55
    )
    variance = np.average((chains.samples**2).mean(axis=(0, 2)), weights=chains.step_sizes)
    # Of each step that of theory, 0.5 / (1 - step); with constant ones it would be 1.25.
    expected = np.average(0.5 / (1 - chains.step_sizes), weights=chains.step_sizes)
    assert variance == pytest.approx(expected, rel=0.03)
    assert expected < 0.7


def test_draws_are_kept_after_the_burn_in_and_the_last_one_always():
    chains = sgld(np.zeros_like, [[0.0]], 0.5, n_steps=10, burn_in=3, thin=3, random_state=0)
    every = sgld(np.zeros_like, [[0.0]], 0.5, n_steps=10, random_state=0)
    np.testing.assert_array_equal(chains.samples, every.samples[:, [3, 6, 9]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"burn_in": 5}, "burn_in: found 5"),
        ({"gradient": lambda w: w[0]}, "gradient: found the shape"),
        ({"gradient": lambda w: w * np.nan}, "step_size should be smaller"),
        ({"preconditioner": np.eye(3)}, "preconditioner: found a matrix"),
        ({"preconditioner": -np.eye(2)}, "preconditioner: found a matrix"),
        ({"start": [[np.inf, 0.0]]}, "start contains infinity"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    sound = {"gradient": np.copy, "start": [[0.0, 0.0]], "step_size": 0.1, "n_steps": 5}
    with pytest.raises(ValueError, match=message):
        sgld(**sound | changes)


# R-hat and ESS


def ar1(rho, shape, seed):
    rng = np.random.RandomState(seed)
    draws = rng.randn(*shape)
    for t in range(1, shape[1]):
        draws[:, t] = rho * draws[:, t - 1] + np.sqrt(1 - rho**2) * draws[:, t]
    return draws


@given(seed=SEEDS, shape=st.tuples(st.integers(1, 4), st.integers(4, 30)))
def test_r_hat_is_that_of_the_book(seed, shape):
    draws = np.random.default_rng(seed).normal(size=shape)
    n = shape[1] // 2
    halves = [half for chain in draws for half in (chain[:n], chain[-n:])]
    W = np.mean([half.var(ddof=1) for half in halves])
    B = n * np.var([half.mean() for half in halves], ddof=1)
    expected = np.sqrt(((n - 1) / n * W + B / n) / W)
    assert r_hat(draws) == pytest.approx(expected)
    assert r_hat(7 - 3 * draws) == pytest.approx(expected)
    np.testing.assert_allclose(r_hat(draws[..., None] * [1.0, 2.0]), [expected] * 2)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.7, 0.9])
def test_the_effective_sample_size_of_an_autoregression(rho, global_random_seed):
    draws = ar1(rho, (8, 4000), global_random_seed)
    expected = draws.size * (1 - rho) / (1 + rho)
    assert effective_sample_size(draws) == pytest.approx(expected, rel=0.2)
    assert r_hat(draws) < 1.02
    apart = draws + 3.0 * np.arange(8)[:, None]
    assert effective_sample_size(apart) < 20
    assert r_hat(apart) > 3


def test_what_does_not_move():
    constant = np.ones((2, 10))
    assert r_hat(constant) == 1.0
    assert effective_sample_size(constant) == 20
    assert r_hat(np.vstack([constant, 2 * constant])) == np.inf


@pytest.mark.parametrize("function", [r_hat, effective_sample_size])
def test_draws_that_are_none(function):
    for few in (np.zeros(9), np.zeros((2, 3))):
        with pytest.raises(ValueError, match="draws: found the shape"):
            function(few)
    with pytest.raises(ValueError, match="draws contains NaN"):
        function(np.full((2, 8), np.nan))


# Rates


def test_the_stability_rate_is_that_of_the_seed():
    eta = 1.0 / np.arange(1, 51)
    k0 = next(k for k in range(1, 51) if eta[k - 1] * 2.0 * 3.0**2 < 1)
    expected = 5.0 / 100 * (k0 + 3.0 * np.sqrt(2.0 * eta[k0:].sum()))
    found = stability_rate(eta, beta=2.0, lipschitz=3.0, n_samples=100, constant=5.0)
    assert found == pytest.approx(expected)
    assert k0 == 19
    assert stability_rate([1.0] * 4, beta=1.0, lipschitz=2.0, n_samples=1) == 4.0


def test_the_pac_bayes_rate_is_that_of_the_seed():
    rng = np.random.RandomState(0)
    eta, squares = rng.rand(20), rng.rand(20)
    T = np.cumsum(eta)
    total = sum(e * np.exp(-0.3 * (T[-1] - t) / 2) * g for e, t, g in zip(eta, T, squares))  # noqa: B905
    settings = {"beta": 2.0, "alpha": 0.3, "n_samples": 50, "constant": 4.0}
    found = pac_bayes_rate(eta, squares, **settings)
    assert found == pytest.approx(4.0 * np.sqrt(2.0 / 50 * total))
    # Early steps are forgotten.
    early, late = squares.copy(), squares.copy()
    early[0] += 1.0
    late[-1] += eta[0] / eta[-1]
    assert pac_bayes_rate(eta, early, **settings) < pac_bayes_rate(eta, late, **settings)


def test_rates_refuse_what_is_no_step():
    with pytest.raises(ValueError, match=r"step_sizes: found .* allowed is one row of positive"):
        stability_rate([0.1, 0.0], beta=1.0, lipschitz=1.0, n_samples=1)
    with pytest.raises(ValueError, match="squared_gradients: found 1 entries; allowed are 2"):
        pac_bayes_rate([0.1, 0.1], [1.0], beta=1.0, alpha=0.0, n_samples=1)
