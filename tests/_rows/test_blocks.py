"""Blocks of rows, and sums over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_optland._rows.reduce import BLOCK_VALUES, row_blocks, sum_over_blocks


@given(n=st.integers(0, 5000), values_per_row=st.floats(BLOCK_VALUES / 6000, BLOCK_VALUES))
def test_blocks_cover_all_rows_once(n, values_per_row):
    blocks = list(row_blocks(n, values_per_row))
    assert [row for bounds in blocks for row in range(*bounds)] == list(range(n))
    values = [(last - first) * values_per_row for first, last in blocks]
    assert all(0 < part <= BLOCK_VALUES for part in values)
    # no more blocks than needed
    assert all(part + 1.001 * values_per_row > BLOCK_VALUES for part in values[:-1])


@pytest.mark.parametrize("values_per_row", [2 * BLOCK_VALUES, 1e300])
def test_a_row_larger_than_a_block_is_a_block(values_per_row):
    assert list(row_blocks(3, values_per_row)) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("values_per_row", [0, 0.5, 1])
def test_rows_without_values_are_one_block(values_per_row):
    assert list(row_blocks(1000, values_per_row)) == [(0, 1000)]


@pytest.mark.parametrize(("size", "n_blocks"), [(1, 10), (4, 3), (5, 2), (10, 1), (11, 1)])
@pytest.mark.parametrize("mapped", [True, False])
def test_sum_over_blocks(size, n_blocks, mapped, tmp_path, global_random_seed):
    A = np.random.default_rng(global_random_seed).normal(size=(10, 4))
    if mapped:
        np.save(tmp_path / "A.npy", A)
        A = np.load(tmp_path / "A.npy", mmap_mode="r")
    seen = []

    def gram(first, last):
        seen.append((first, last))
        return A[first:last].T @ A[first:last]

    total = sum_over_blocks(gram, 10, BLOCK_VALUES // size)
    assert len(seen) == n_blocks
    np.testing.assert_allclose(total, A.T @ A, atol=1e-14)
    assert sum_over_blocks(lambda first, last: last - first, 10, BLOCK_VALUES // size) == 10


def test_sum_over_blocks_of_a_statistic_that_adds_for_itself():
    rows = []
    assert sum_over_blocks(lambda *bounds: rows.extend(range(*bounds)), 5, BLOCK_VALUES) is None
    assert rows == [0, 1, 2, 3, 4]


def test_the_parts_of_a_sum_are_not_changed():
    parts = [np.ones(2), np.ones(2), np.ones(2)]
    total = sum_over_blocks(lambda first, last: parts[first], 3, BLOCK_VALUES)
    np.testing.assert_array_equal(total, [3.0, 3.0])
    np.testing.assert_array_equal(parts, np.ones((3, 2)))
