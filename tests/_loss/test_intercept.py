"""The best shift of all scores."""

import numpy as np
from helpers import SEEDS
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax

from sklearn_optland._loss.intercept import best_shift, solve_semidefinite


def problem(seed, k, size, spread):
    """Scores of some size, weights that spread over decades, one-hot labels; the balance."""
    rng = np.random.default_rng(seed)
    n = 4 * k
    Z, c = 10**size * rng.normal(size=(n, k)), 10 ** -rng.uniform(0, spread, n)
    Y = np.eye(k)[np.append(np.arange(k), rng.integers(k, size=n - k))]
    c /= c.sum()
    least = 1e-10 * (c @ Y).min()

    def balance(shift):
        P = softmax(Z + shift, axis=1)
        return c @ (Y - P), np.diag(c @ P) - (P * c[:, None]).T @ P, least

    return Z, Y, c, balance


SIZES, SPREADS = st.floats(-2, 4), st.floats(0, 12)


@given(seed=SEEDS, k=st.integers(2, 6), size=SIZES, spread=SPREADS)
def test_residuals_balance_at_the_best_shift(seed, k, size, spread):
    Z, Y, c, balance = problem(seed, k, size, spread)
    shift = best_shift(balance, np.zeros(k))
    # shifts and scores are rounded, and with them the residuals
    rounding = np.finfo(float).eps * np.abs(Z).max()
    assert_allclose(balance(shift)[0], 0, atol=1e-11 + 10 * rounding)

    def loss(shift):
        return -c @ np.sum(Y * log_softmax(Z + shift, axis=1), axis=1)

    for other in np.random.default_rng(seed).normal(size=(5, k)):
        assert loss(shift) <= loss(shift + other) * (1 + 1e-12) + 1e-15


@given(seed=SEEDS, size=SIZES, spread=SPREADS)
def test_the_loss_at_the_best_shift_is_that_of_a_solution_in_many_digits(seed, size, spread):
    Z, Y, c, balance = problem(seed, 2, size, spread)
    found = best_shift(balance, np.zeros(2))
    # of two classes, by the margins: sum of c log(1 + exp(-y (f + shift))), in 19 digits
    long = np.longdouble
    y, c = np.where(Y[:, 1] > 0, long(1), long(-1)), c.astype(long)
    margins = y * (Z[:, 1].astype(long) - Z[:, 0])

    def loss(shift):
        return c @ np.logaddexp(long(0), -(margins + y * shift))

    def slope(shift):
        with np.errstate(over="ignore"):
            return (c * y) @ (1 / (1 + np.exp(margins + y * shift)))

    high = 2 * np.abs(margins).max() + 1000
    low = -high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    least = loss(low)
    assert abs(loss(long(found[1]) - found[0]) - least) <= 1e-13 * least + 1e-15


def test_singular_hessians_of_any_scale_are_solved(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    p = np.array([1e-12, 0.3, 0.7 - 1e-12])
    A = np.diag(p) - np.outer(p, p)
    u = rng.normal(size=3)
    assert_allclose(A @ solve_semidefinite(A, A @ u), A @ u, rtol=1e-6)
