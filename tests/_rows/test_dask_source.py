"""Rows in partitions, without Dask: the log of operations, samples, what may be written."""

import gc
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from process_source import ProcessSource

from sklearn_optland._rows.cluster import Here
from sklearn_optland._rows.dask_source import DaskSource
from sklearn_optland._rows.partition import Behind, _states, forget
from sklearn_optland._rows.reduce import Statistic, SumOf, reduce
from sklearn_optland._rows.source import ArraySource


class Steps(Statistic):
    """scores += X w; the sum of the scores."""

    writes = (1,)

    def add(self, block, parameters, _):
        w, scores = parameters
        scores = block.local(scores)[block.slice]
        scores += block.source.X[block.slice] @ w
        return float(scores.sum())


class Sneaky(Steps):
    writes = ()


class Forgetful(Here):
    """A place where the states of some partitions are lost before some messages."""

    def __init__(self, loses):
        self.loses, self.n_behind = loses, 0

    def run(self, function, partitions, *columns):
        for key in list(_states):
            if self.loses():
                del _states[key]
        answers = super().run(function, partitions, *columns)
        self.n_behind += sum(isinstance(answer, Behind) for answer in answers)
        return answers


def partitions(X, sizes, **columns):
    bounds = np.cumsum([0, *sizes])
    return [
        (X[first:last], {name: column[first:last] for name, column in columns.items()}, {})
        for first, last in pairwise(bounds)
    ]


def source_of(X, sizes, place=None, **columns):
    shape = X.shape[1], float(X.shape[1]), False
    return DaskSource(place or Here(), partitions(X, sizes, **columns), sizes, *shape, columns)


def doubled(scores):
    return 2 * scores


def shifted(w, scores):
    return scores + w[0]


def added(total, scores):
    total += scores
    return total


def program(source, seed):
    """Operations that make, change and drop arrays; everything that was seen of them."""
    rng = np.random.RandomState(seed)
    kept, total, seen = source.zeros(), source.zeros(), []
    for step in range(40):
        w = rng.randn(source.n_columns)
        scores = source.zeros()
        seen.append(reduce(Steps(), source, (w, scores))[0])
        if step % 3 == 0:
            kept = source.map(doubled, scores)
        total = source.map(added, total, kept)
        if step % 5 == 0:
            seen.append(reduce(Steps(), source, (w, kept))[0])
        seen.append(reduce(SumOf(np.sum), source, (total,))[1])
    return np.array(seen, dtype=float), source.gather(total)


SIZES = [13, 0, 40, 1, 26]


@pytest.mark.parametrize("often", [0.0, 0.1, 0.5])
def test_a_lost_state_is_made_anew_with_the_same_bits(often, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(80, 3)
    expected = program(source_of(X, SIZES, y=X[:, 0].copy()), global_random_seed)
    place = Forgetful(lambda: rng.rand() < often)
    found = program(source_of(X, SIZES, place, y=X[:, 0].copy()), global_random_seed)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (place.n_behind > 0) == (often > 0)


def test_one_partition_has_the_bits_of_an_array(global_random_seed):
    X = np.random.RandomState(global_random_seed).randn(80, 3)
    found = program(source_of(X, [80]), global_random_seed)
    for one, other in zip(found, program(ArraySource(X), global_random_seed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_log_holds_what_arrays_in_use_depend_on():
    X = np.ones((10, 2))
    source = source_of(X, [4, 6])
    kept = source.zeros()
    for _ in range(1000):
        scores = source.zeros()
        reduce(Steps(), source, (np.ones(2), scores))
        kept = source.map(doubled, scores)
    assert len(source.log) < 200
    del scores, kept
    gc.collect()
    reduce(SumOf(np.sum), source, (source.zeros(),))
    assert all(len(state.arrays) <= 1 for state in _states.values())
    name = source.name
    source.close()
    assert not [key for key in _states if key[0] == name]


def test_arrays_that_change_later_are_sent_and_made_anew_as_they_were():
    source, w = source_of(np.ones((10, 2)), [4, 6]), np.ones(2)
    scores = source.map(partial(np.add, w[0]), source.zeros())  # sent with the next message
    other = source.map(partial(shifted, w), source.zeros())
    reduce(Steps(), source, (w, scores))
    w[:] = 100.0
    for _ in range(2):
        assert reduce(SumOf(np.sum), source, (scores,))[1] == 30.0
        assert reduce(SumOf(np.sum), source, (other,))[1] == 10.0
        forget(source.name)


def test_a_partition_that_is_always_lost_is_an_error():
    source = source_of(np.ones((10, 2)), [4, 6], Forgetful(lambda: True))
    scores = source.zeros()
    source.place.run = lambda function, parts, *_: [Behind() for _ in parts]
    with pytest.raises(RuntimeError, match=r"lost partition 0"):
        reduce(Steps(), source, (np.ones(2), scores))


def test_what_a_statistic_writes_it_has_to_say():
    source = source_of(np.ones((10, 2)), [4, 6])
    with pytest.raises(ValueError, match="read-only"):
        reduce(Sneaky(), source, (np.ones(2), source.zeros()))


@pytest.mark.parametrize("size", [0, np.inf], ids=["comes here", "stays there"])
@pytest.mark.parametrize("sizes", [[80], SIZES, [1] * 80])
def test_samples_do_not_depend_on_partitions(sizes, size, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X, c, squares = rng.randn(80, 3), rng.rand(80) + 0.1, rng.rand(80)
    whole = ArraySource(X, c=c, squares=squares).draw(size, squares, 0.3, 0.2, global_random_seed)
    remote = source_of(X, sizes, c=c, squares=squares)
    lent = remote.map(doubled, remote.squares)
    sample = remote.draw(size, lent, 0.3, 0.1, global_random_seed)
    assert isinstance(sample, ArraySource if size == 0 else DaskSource)
    assert 0 < whole.n_rows < 80
    every = sample.take(slice(None))
    np.testing.assert_array_equal(every.X, whole.X)
    np.testing.assert_allclose(every.c, whole.c, rtol=1e-14)
    np.testing.assert_array_equal(sample.gather(sample.squares), whole.squares)


def test_samples_outlive_what_they_were_drawn_by(global_random_seed):
    X = np.random.RandomState(global_random_seed).randn(80, 3)
    source = ProcessSource(X, c=np.ones(80))
    sample = source.draw(np.inf, source.map(doubled, source.c), 0.2, 0.2, 1)
    before = reduce(SumOf(np.sum), sample, (sample.c,))[1]
    source.place.forget(source.name)
    source.place.forget(sample.name)
    assert reduce(SumOf(np.sum), sample, (sample.c,))[1] == before
    sample.close()
    source.close()


def test_a_process_that_forgets(global_random_seed):
    X = np.random.RandomState(global_random_seed).randn(80, 3)
    source = ProcessSource(X)
    scores = source.zeros()
    first = reduce(Steps(), source, (np.ones(3), scores))[0]
    source.place.lose(1, source.name)
    assert reduce(SumOf(np.sum), source, (scores,))[1] == pytest.approx(first, abs=1e-12)
    source.close()


def test_forgetting_leaves_other_sources_alone():
    one, other = source_of(np.ones((4, 1)), [4]), source_of(np.ones((4, 1)), [4])
    arrays = one.zeros(), other.zeros()
    for source, array in zip((one, other), arrays, strict=True):
        reduce(SumOf(np.sum), source, (array,))
    forget(one.name)
    assert {key[0] for key in _states} >= {other.name}
    assert one.name not in {key[0] for key in _states}
