"""Scores and best factors of rows with few observed entries, against NumPy and SciPy."""

import numpy as np
import pytest
from helpers import SEEDS, assert_close, loss_value, scalar_loss
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import minimize

from sklearn_optland._low_rank.observed import Observed, fit_offsets
from sklearn_optland._low_rank.observed_fast import row_factors, scores

pytestmark = pytest.mark.kernels

LOSSES = ["squared_error", "huber", "log_loss", "poisson"]


def random_observed(rng, n, d, loss, observed=0.5):
    mask = rng.random((n, d)) < observed
    mask[0] = False  # a row of which nothing is known
    y = {
        "log_loss": lambda: rng.choice([-1.0, 1.0], mask.sum()),
        "poisson": lambda: rng.poisson(1.5, mask.sum()).astype(float),
    }.get(loss, lambda: 2.0 * rng.normal(size=mask.sum()))()
    X = sparse.csr_array((y, np.nonzero(mask)), shape=mask.shape)
    return Observed(X, scalar_loss(loss), 0.3 * rng.normal(size=len(y)))


@given(SEEDS, st.integers(0, 4))
def test_scores(seed, rank):
    rng = np.random.default_rng(seed)
    observed = random_observed(rng, 5, 4, "squared_error")
    U, V = rng.normal(size=(5, rank)), rng.normal(size=(4, rank))
    f = np.full(len(observed.y), np.nan)
    scores(observed.indptr, observed.indices, U, V, f)
    assert_close(f, (U @ V.T)[observed.rows, observed.indices])


@settings(max_examples=30)
@given(SEEDS, st.sampled_from(LOSSES), st.integers(0, 3), st.floats(0.05, 5.0))
def test_rows_are_at_their_optimum(seed, loss, rank, alpha):
    rng = np.random.default_rng(seed)
    observed = random_observed(rng, 5, 6, loss)
    V, U = rng.normal(size=(6, rank)), np.full((5, rank), np.nan)
    data = observed.indptr, observed.indices, observed.y, observed.c, observed.offsets
    assert row_factors(*data, observed.loss, V, alpha, np.zeros(rank), False, U) == 0
    theta = observed.pulls(observed.scores(U, V))[1]
    gradient = alpha * U - observed.matrix(theta) @ V
    assert np.abs(gradient).max(initial=0.0) <= 1e-6
    assert (U[0] == 0).all()


@settings(max_examples=30)
@given(SEEDS, st.sampled_from(LOSSES), st.integers(1, 3), st.floats(0.0, 1.0), st.booleans())
def test_rows_with_l1_or_signs_are_at_their_optimum(seed, loss, rank, alpha, positive):
    """The subgradient of least size vanishes."""
    rng = np.random.default_rng(seed)
    observed = random_observed(rng, 5, 6, loss)
    V, l1 = rng.normal(size=(6, rank)), rng.uniform(0.1, 1.0, rank)
    U = observed.row_factors(V, alpha, l1, positive)
    theta = observed.pulls(observed.scores(U, V))[1]
    gradient = alpha * U - observed.matrix(theta) @ V + l1 * np.sign(U)
    at_zero = np.maximum(-gradient if positive else np.abs(gradient), l1) - l1
    assert np.abs(np.where(U == 0, at_zero, gradient)).max() <= 1e-5
    assert not positive or (U >= 0).all()


def test_a_system_that_is_not_definite_is_counted_and_refused():
    observed = random_observed(np.random.default_rng(0), 5, 6, "squared_error")
    U, V = np.zeros((5, 2)), np.ones((6, 2))
    data = observed.indptr, observed.indices, observed.y, observed.c, observed.offsets
    assert row_factors(*data, observed.loss, V, -1e3, np.zeros(2), False, U) == 5
    with pytest.raises(ValueError, match=r"^alpha: found -1e\+03"):
        observed.row_factors(V, -1e3)


@pytest.mark.parametrize("loss", LOSSES)
def test_offsets_are_those_of_scipy(loss):
    rng = np.random.default_rng(1)
    observed = random_observed(rng, 8, 6, loss)
    observed.offsets[:] = 0

    def objective(theta):
        a, b = theta[1:9], theta[9:]
        f = theta[0] + a[observed.rows] + b[observed.indices]
        return loss_value(loss, observed.y, f).sum() + 2.5 * (a @ a + b @ b)

    best = minimize(objective, np.zeros(15), options={"gtol": 1e-8}).fun
    mean, a, b = fit_offsets(observed)
    assert objective(np.r_[mean, a, b]) <= best + 1e-7


def test_rows_do_not_depend_on_what_memory_held():
    observed = random_observed(np.random.default_rng(0), 5, 6, "squared_error")
    V = np.random.default_rng(1).normal(size=(6, 2))
    expected = observed.row_factors(V, 0.1)
    for _ in range(20):
        # NumPy hands out what was given back last
        held = [np.full(n, np.nan) for n in (3, len(observed.y), len(observed.y) + 1) * 4]
        del held
        np.testing.assert_array_equal(observed.row_factors(V, 0.1), expected)


def test_entries_by_columns_are_the_same_entries():
    observed = random_observed(np.random.default_rng(2), 5, 6, "squared_error")
    columns = observed.transposed()
    dense = observed.matrix(observed.y).toarray()
    np.testing.assert_array_equal(columns.matrix(columns.y).toarray(), dense.T)
    np.testing.assert_array_equal(columns.rows, np.nonzero(dense.T)[0])
    offsets = observed.matrix(observed.offsets).toarray()
    np.testing.assert_array_equal(columns.matrix(columns.offsets).toarray(), offsets.T)
