"""One reduction for arrays, threads and other processes."""

import numpy as np
import pytest
from process_source import ProcessSource
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklearn_optland._rows import reduce as module
from sklearn_optland._rows.reduce import Statistic, reduce, some_rows
from sklearn_optland._rows.source import ArraySource


class Moments(Statistic):
    """Sums of y, and of scores X w; the scores are kept with the rows."""

    writes = (1,)

    def __init__(self, work):
        self.values, self.work = 3, work

    def zero(self, parameters):
        return [np.zeros(3), np.zeros(1)]

    def add(self, block, parameters, total):
        w, scores = parameters
        X, y = block.source.X[block.slice], block.local(block.source.y)[block.slice]
        block.local(scores)[block.slice] = X @ w
        total[0] += y @ X
        total[1] += (X @ w).sum()
        return float(y.sum())


class Widest(Statistic):
    def zero(self, parameters):
        return np.full(1, -np.inf)

    def add(self, block, parameters, total):
        np.maximum(total, block.source.X[block.slice].max(), out=total)

    def merge(self, total, part):
        np.maximum(total, part, out=total)


def negative(scores):
    return -scores


class Total(Statistic):
    def add(self, block, parameters, total):
        return float(block.local(parameters[0])[block.slice].sum())


@pytest.fixture
def data(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    return rng.randn(1000, 3), rng.randn(1000), rng.randn(3)


@pytest.fixture(params=[ArraySource, ProcessSource])
def source(request, data):
    X, y, _ = data
    source = request.param(X, y=y)
    yield source
    if request.param is ProcessSource:
        source.close()


@pytest.mark.parametrize("work", [0, 1e9])
def test_a_statistic_is_the_sum_over_all_rows(source, data, work):
    X, y, w = data
    scores = source.empty()
    value, (pulls, total) = reduce(Moments(work), source, (w, scores))
    np.testing.assert_allclose(value, y.sum(), atol=1e-10)
    np.testing.assert_allclose(pulls, y @ X, atol=1e-10)
    np.testing.assert_allclose(total, (X @ w).sum(), atol=1e-10)


def test_what_belongs_to_rows_stays_with_them(source, data):
    X, _, w = data
    scores = source.zeros()
    reduce(Moments(1e9), source, (w, scores))
    reverse = source.map(negative, scores)
    np.testing.assert_allclose(reduce(Total(), source, (reverse,))[0], -(X @ w).sum(), atol=1e-10)


def test_a_merge_of_its_own(source, data):
    assert reduce(Widest(), source)[1] == data[0].max()


def test_rows_are_taken_into_this_process(source, data):
    X, y, _ = data
    some = source.take(np.array([0, 3, 499, 500, 999]))
    np.testing.assert_array_equal(some.X, X[[0, 3, 499, 500, 999]])
    np.testing.assert_array_equal(some.y, y[[0, 3, 499, 500, 999]])


def test_the_same_chunks_give_the_same_bits(data, monkeypatch):
    X, y, w = data
    monkeypatch.setattr(module, "WORK_PER_ENTRY", 0)
    array, results = ArraySource(X, y=y), []
    for source, n_threads in [(array, 1), (array, 2), (array, 5)]:
        with threadpool_limits(n_threads, user_api="openmp"):
            value, totals = reduce(Moments(1e9), source, (w, source.empty()))
        results.append(np.hstack([value, *totals]))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_an_error_of_a_statistic_reaches_the_caller(source):
    with pytest.raises((IndexError, TypeError, AttributeError)):
        reduce(Total(), source, (None,))
    assert reduce(Widest(), source)[1] > -np.inf


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("rows", [slice(0, 5), slice(1, 4), slice(2, 2), slice(2, 7)])
def test_some_rows_are_those_of_the_slice(make, rows):
    X = np.arange(10.0).reshape(5, 2)
    part = some_rows(make(X), rows)
    assert sparse.issparse(part) == (make is not np.asarray)
    np.testing.assert_array_equal(part.toarray() if sparse.issparse(part) else part, X[rows])
