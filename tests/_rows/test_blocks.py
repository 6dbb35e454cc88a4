"""Blocks of rows, and sums over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_optland._rows.reduce import BLOCK_VALUES, Statistic, reduce, row_blocks
from sklearn_optland._rows.source import ArraySource


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


class Gram(Statistic):
    """X'X, and the bounds of the blocks."""

    def __init__(self, values):
        self.values, self.seen = values, []

    def zero(self, parameters):
        return np.zeros((4, 4))

    def add(self, block, parameters, total):
        self.seen.append((block.first, block.last))
        X = block.source.X[block.slice]
        total += X.T @ X
        return block.last - block.first


@pytest.mark.parametrize(("size", "n_blocks"), [(1, 10), (4, 3), (5, 2), (10, 1), (11, 1)])
@pytest.mark.parametrize("mapped", [True, False])
def test_sum_over_blocks(size, n_blocks, mapped, tmp_path, global_random_seed):
    A = np.random.default_rng(global_random_seed).normal(size=(10, 4))
    if mapped:
        np.save(tmp_path / "A.npy", A)
        A = np.load(tmp_path / "A.npy", mmap_mode="r")
    gram = Gram(BLOCK_VALUES // size)
    count, total = reduce(gram, ArraySource(A))
    assert len(gram.seen) == n_blocks
    assert count == 10
    np.testing.assert_allclose(total, A.T @ A, atol=1e-14)
