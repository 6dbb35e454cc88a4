"""Coordinate descent in groups against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_optland.linear_model._finite_sum.group_descent_fast import (
    descend_groups,
    group_bounds,
)

pytestmark = pytest.mark.kernels

STARTS = np.array([0, 1, 4, 7])
seeds = st.integers(0, 2**32 - 1)


def model(seed):
    """H, of which a column is zero; v; w, of which a group is zero."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(7, 9)) * rng.uniform(0.2, 3, (7, 1))
    A[seed % 7] = 0.0
    w = rng.normal(size=7)
    w[STARTS[1] : STARTS[2]] = 0.0
    return A @ A.T, A @ rng.normal(size=9), w


def descend(H, v, w, thresholds, l2, tol, max_epochs):
    bounds = np.empty(3)
    group_bounds(H, STARTS, bounds)
    return descend_groups(H, v, w, np.empty(7), STARTS, thresholds, bounds, l2, tol, max_epochs)


@given(seed=seeds)
def test_bounds_are_above_the_largest_eigenvalue_of_each_block(seed):
    H = model(seed)[0]
    bounds = np.empty(3)
    group_bounds(H, STARTS, bounds)
    for g in range(3):
        block = H[STARTS[g] : STARTS[g + 1], STARTS[g] : STARTS[g + 1]]
        largest = np.linalg.eigvalsh(block)[-1]
        assert largest * (1 - 1e-12) <= bounds[g] <= np.linalg.norm(block) * (1 + 1e-12)


@given(seed=seeds, l2=st.sampled_from([0.0, 0.5]), strength=st.sampled_from([0.0, 0.3, 5.0]))
def test_an_epoch_is_a_prox_step_of_each_group(seed, l2, strength):
    H, v, w = model(seed)
    thresholds = strength * np.sqrt(np.diff(STARTS))
    ours, pulls = w.copy(), v.copy()
    assert descend(H, pulls, ours, thresholds, l2, 0.0, 1) == 1
    expected = w.copy()
    for g in range(3):
        block = slice(STARTS[g], STARTS[g + 1])
        bound = min(np.linalg.norm(H[block, block]), np.abs(H[block, block]).sum(axis=1).max())
        if bound + l2 == 0:
            continue
        z = bound * expected[block] + (v - H @ (expected - w))[block]
        norm = np.linalg.norm(z)
        expected[block] = z * max(0.0, 1 - thresholds[g] / norm) / (bound + l2) if norm else 0.0
    assert_allclose(ours, expected, atol=1e-12)
    assert_allclose(pulls, v - H @ (ours - w), atol=1e-10)


@given(seed=seeds, strength=st.sampled_from([0.1, 1.0, 100.0]))
def test_the_end_is_the_minimum(seed, strength):
    H, v, w = model(seed)
    thresholds = strength * np.sqrt(np.diff(STARTS))
    start, pulls = w.copy(), v.copy()
    assert descend(H, pulls, w, thresholds, 0.2, 1e-9, 100_000) < 100_000
    assert_allclose(pulls, v - H @ (w - start), atol=1e-8)
    for g in range(3):
        block = slice(STARTS[g], STARTS[g + 1])
        if w[block].any():
            direction = w[block] / np.linalg.norm(w[block])
            assert_allclose(pulls[block], thresholds[g] * direction + 0.2 * w[block], atol=1e-7)
        else:
            assert np.linalg.norm(pulls[block]) <= thresholds[g] + 1e-7
