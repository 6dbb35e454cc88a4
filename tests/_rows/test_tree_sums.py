"""Large totals are summed by a tree: the same for every place, with few of them in memory."""

import numpy as np
import pytest

from sklearn_optland._rows import dask_source
from sklearn_optland._rows.cluster import FAN_IN, Here
from sklearn_optland._rows.dask_source import DaskSource, merged, n_entries
from sklearn_optland._rows.partition import Behind
from sklearn_optland._rows.reduce import ExtremeOf, SumOf, reduce


def in_partitions(X, n):
    parts = [(part, {"c": np.ones(len(part))}, {}) for part in np.array_split(X, n)]
    n_rows = [len(part[0]) for part in parts]
    return DaskSource(Here(), parts, n_rows, X.shape[1], X.shape[1], False, ["c"])


@pytest.mark.parametrize("n", [9, 64, 65, 200])
def test_a_tree_sums_what_a_row_sums(n, monkeypatch):
    X = np.random.default_rng(0).standard_normal((600, 3))
    source = in_partitions(X, n)
    sums, largest = SumOf(np.sum, (1,)), ExtremeOf(np.max, np.maximum)
    plain = reduce(sums, source, (source.c,))[1], reduce(largest, source, (source.c,))[1]
    monkeypatch.setattr(dask_source, "LARGE_TOTAL", 1)
    by_tree = reduce(sums, source, (source.c,))[1], reduce(largest, source, (source.c,))[1]
    np.testing.assert_allclose(by_tree[0], plain[0], rtol=1e-13)
    assert by_tree[1] == plain[1] == 1.0
    assert len(source.parts(sums, (source.c,))) <= FAN_IN


@pytest.mark.parametrize("n", [1, 8, 9, 63, 64, 65, 513])
def test_the_tree_of_this_process_is_that_of_levels(n):
    """Levels of groups, as a cluster makes them; and not all results at once."""
    alive = set()

    class Result(str):
        def __new__(cls, text):
            result = super().__new__(cls, text)
            alive.add(id(result))
            most.append(len(alive))
            return result

        def __del__(self):
            alive.discard(id(self))

    def merge(parts):
        return Result(f"({' '.join(parts)})")

    most, expected = [], [str(i) for i in range(n)]
    while True:
        expected = [
            f"({' '.join(expected[i : i + FAN_IN])})" for i in range(0, len(expected), FAN_IN)
        ]
        if len(expected) <= FAN_IN:
            break
    found = Here().run_tree(lambda i: Result(str(i)), merge, list(range(n)))
    assert found == expected
    assert max(most) <= 5 * FAN_IN


def test_what_is_lost_is_told():
    sums = SumOf(np.sum, (2,))
    parts = [(1.0, np.ones(2)), (2.0, np.ones(2))]
    value, total = merged(sums, parts)
    assert value == 3.0
    np.testing.assert_array_equal(total, [2.0, 2.0])
    np.testing.assert_array_equal(parts[0][1], 1.0)  # may be asked for again
    assert isinstance(merged(sums, [*parts, Behind()]), Behind)
    assert n_entries([3, (2, 5)]) == 13
    assert n_entries(None) == 0
