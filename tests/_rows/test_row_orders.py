"""Orders of rows: shuffles and draws by an alias table."""

import numpy as np
import pytest
from helpers import SEEDS, assert_close, read_only
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland._rows.row_orders_fast import draw_rows

pytestmark = pytest.mark.kernels


@given(seed=st.integers(0, 2**64 - 1), n=st.integers(1, 50))
def test_shuffle_is_a_permutation_and_a_function_of_its_seed(seed, n):
    one, two = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32)
    orders.shuffle(one, seed)
    orders.shuffle(two, seed)
    assert_array_equal(one, two)
    assert_array_equal(np.sort(one), np.arange(n))


def test_shuffles_are_uniform():
    counts = np.zeros((4, 4))
    for seed in range(4000):
        order = np.arange(4, dtype=np.int32)
        orders.shuffle(order, seed)
        counts[order, np.arange(4)] += 1
    assert np.abs(counts - 1000).max() < 150  # 5 standard deviations


@given(seed=SEEDS, n=st.integers(1, 30), spread=st.floats(0, 8))
def test_alias_table_has_the_chances(seed, n, spread):
    rng = np.random.default_rng(seed)
    chances = 10 ** (-spread * rng.random(n))
    chances /= chances.sum()
    keep, alias = orders.alias_table(chances)
    assert ((keep >= 0) & (keep <= 1 + 1e-12)).all()
    recovered = keep.copy()
    np.add.at(recovered, alias, 1 - keep)
    assert_allclose(recovered / n, chances, atol=1e-14)


def test_draws_follow_the_table():
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    order = np.empty(100_000, dtype=np.int32)
    orders.draw(order, *orders.alias_table(chances), 1)
    assert_allclose(np.bincount(order) / len(order), chances, atol=0.008)


def test_draw_rows(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    n = 20_000
    c, squares = read_only(rng.random(n) + 0.1, rng.exponential(size=n))
    index, probability = draw_rows(c, squares, 0.1, 0.2, global_random_seed)
    expected = np.minimum(1.0, c * (0.1 + 0.2 * squares))
    assert (np.diff(index) > 0).all()
    assert_close(probability, expected[index])
    deviation = np.sqrt(np.sum(expected * (1 - expected)))
    assert abs(len(index) - expected.sum()) <= 5 * deviation
    # unbiased: a sum over the rows, from those drawn and weighted back
    values = np.cos(np.arange(n))
    deviation = np.sqrt(np.sum(values**2 * (1 - expected) / expected))
    assert abs(np.sum(values[index] / probability) - values.sum()) <= 5 * deviation
    more, _ = draw_rows(c, squares, 0.3, 0.2, global_random_seed)
    assert set(index) <= set(more)
    everything, ones = draw_rows(c, squares, 1e9, 0.0, global_random_seed)
    assert_array_equal(everything, np.arange(n))
    assert (ones == 1).all()
    nothing, _ = draw_rows(c, squares, 0.0, 0.0, global_random_seed)
    assert len(nothing) == 0
