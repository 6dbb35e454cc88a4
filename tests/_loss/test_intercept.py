"""The best shift of all scores."""

import numpy as np
from helpers import SEEDS
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax

from sklearn_optland._loss.intercept import best_shift, solve_semidefinite


@given(seed=SEEDS, k=st.integers(2, 5), size=st.floats(-2, 1.5))
def test_residuals_balance_at_the_best_shift(seed, k, size):
    rng = np.random.default_rng(seed)
    n = 4 * k
    Z, c = 10**size * rng.normal(size=(n, k)), rng.dirichlet(np.ones(n))
    Y = np.eye(k)[np.append(np.arange(k), rng.integers(k, size=n - k))]

    def loss(shift):
        return -c @ np.sum(Y * log_softmax(Z + shift, axis=1), axis=1)

    def balance(shift):
        P = softmax(Z + shift, axis=1)
        return c @ (Y - P), np.diag(c @ P) - (P * c[:, None]).T @ P, 1e-10

    shift = best_shift(loss, balance, np.zeros(k))
    assert loss(shift) <= loss(np.zeros(k))
    assert_allclose(balance(shift)[0], 0, atol=1e-9)
    for other in rng.normal(size=(5, k)):
        assert loss(shift) <= loss(shift + other) * (1 + 1e-12)


def test_singular_hessians_of_any_scale_are_solved(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    p = np.array([1e-12, 0.3, 0.7 - 1e-12])
    A = np.diag(p) - np.outer(p, p)
    u = rng.normal(size=3)
    assert_allclose(A @ solve_semidefinite(A, A @ u), A @ u, rtol=1e-6)
