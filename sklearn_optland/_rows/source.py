"""Where rows come from: arrays and memory maps, in this process.

A source has the rows, and lends arrays with an entry for each row (scores, dual variables) that
stay with them. `ArraySource` lends plain arrays. Other sources may lend handles: therefore what
visits all rows touches such arrays through a `Statistic` or `map` only.
"""

from collections import defaultdict
from functools import cached_property
from mmap import mmap

import numpy as np
from scipy import sparse

from sklearn_optland._rows import reduce
from sklearn_optland._rows.row_orders_fast import draw_rows
from sklearn_optland._rows.rows import as_rows
from sklearn_optland._rows.threads import run_tasks

# Rows times parameters for which passes in float32 pay; smaller ones cost mostly Python.
FLOAT32_PAYS = 3e6


class Block:
    """Rows first to last, last excluded, of a source in this process.

    Attributes
    ----------
    source : ArraySource
    thread : int
        The thread that works on the block, 0 for the caller's.
    first, last : int
    """

    __slots__ = ("first", "last", "source", "thread")

    def __init__(self, source, thread, first, last):
        self.source, self.thread, self.first, self.last = source, thread, first, last

    @property
    def slice(self):
        """The block's rows in an array of the source."""
        return slice(self.first, self.last)

    @property
    def rows(self):
        """All rows as kernels see them, with scratch of the block's thread."""
        return self.source.rows[self.thread]

    def local(self, array):
        """The whole array behind one that the source has lent; what else there is as it is."""
        return self.source.local(array)

    def scratch(self, key, make):
        """A buffer of the block's thread, made by `make()` when it is first asked for."""
        buffers = self.source.buffers[self.thread]
        if key not in buffers:
            buffers[key] = make()
        return buffers[key]


class ArraySource:
    """Rows in this process.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_columns)
        Memory maps are read a block at a time.
    in_order : bool, default=True
        Whether kernels need the entries of a sparse row in the order of the columns.
    **columns : ndarray of shape (n_rows, ...)
        More that belongs to the rows: targets, weights. They are attributes.
    """

    # Whether copies of the rows in other formats may be made, and the rows that a sample may have.
    may_be_copied, most_sampled = True, np.inf

    def __init__(self, X, *, in_order=True, **columns):
        self.X, self.in_order, self.columns = X, in_order, columns
        vars(self).update(columns)
        self.n_rows, self.n_columns = X.shape
        self.is_sparse = sparse.issparse(X)
        # Stored values of a row, on average.
        self.n_values = X.nnz / max(self.n_rows, 1) if self.is_sparse else self.n_columns
        self.buffers = defaultdict(dict)

    def close(self):
        """Let go of what a source may hold elsewhere: of an array, nothing."""

    @cached_property
    def rows(self):
        """The rows as kernels see them, for each thread; those of sequences make them."""
        X = self.X
        rows = X.as_rows() if hasattr(X, "as_rows") else as_rows(X, in_order=self.in_order)
        return defaultdict(rows.share, {0: rows})

    def parts(self, statistic, parameters, bounds=None):
        """Sums of a statistic over chunks of rows, in their order.

        Parameters
        ----------
        statistic : Statistic
        parameters : tuple
        bounds : list of int, default=None
            Of the chunks. Default: those of `chunk_bounds`.

        Returns
        -------
        parts : list of (value, total)
        """
        first = statistic.zero(parameters)
        # One block: small data should not pay for more.
        if (
            bounds is None
            and self.n_rows * max(statistic.work, statistic.values) < reduce.CHUNK_WORK
        ):
            return [(statistic.add(Block(self, 0, 0, self.n_rows), parameters, first), first)]
        if bounds is None:
            bounds = reduce.chunk_bounds(statistic, self.n_rows, first)

        def run(thread, chunk):
            total = statistic.zero(parameters) if chunk else first
            begin, value = bounds[chunk], None
            for start, stop in reduce.row_blocks(bounds[chunk + 1] - begin, statistic.values):
                block = Block(self, thread, begin + start, begin + stop)
                part = statistic.add(block, parameters, total)
                value = part if value is None else value + part
            return value, total

        n_chunks = len(bounds) - 1
        return [run(0, 0)] if n_chunks == 1 else run_tasks(run, n_chunks)

    def local(self, array):
        """The array behind one that this source has lent, and other parameters: itself."""
        return array

    def gather(self, array):
        """An array of the source with all its rows, in this process: for few numbers a row."""
        return array

    def empty(self, *shape, dtype=np.float64):
        """Lend an array with an entry of this shape for each row, unset."""
        return np.empty((self.n_rows, *shape), dtype=dtype)

    def zeros(self, *shape, dtype=np.float64):
        """Lend an array with an entry of this shape for each row, zero."""
        return np.zeros((self.n_rows, *shape), dtype=dtype)

    def map(self, function, *arrays):
        """Apply a function that works row by row; the result stays with the rows.

        Parameters
        ----------
        function : callable
            Picklable. Takes arrays with an entry for each row, and returns one.
        *arrays
            Of this source.
        """
        bounds = reduce.chunk_bounds(reduce.SumOf(function), self.n_rows, None)
        if len(bounds) == 2:
            return function(*arrays)

        def run(_, chunk):
            rows = slice(bounds[chunk], bounds[chunk + 1])
            return function(*[array[rows] for array in arrays])

        return np.concatenate(run_tasks(run, len(bounds) - 1))

    def draw(self, size, squares, even, by_squares, seed):
        """A sample of the rows, weighted back, as a source of the same kind.

        Row i is drawn with the chance min(1, c_i (even + by_squares squares_i)), by which its c is
        divided. With the same seed, a larger sample contains the smaller.

        Parameters
        ----------
        size : int
            About how many rows that are.
        squares : array of the source, of shape (n_rows,)
        even, by_squares : float
        seed : int
        """
        index, chance = draw_rows(self.c, squares, even, by_squares, seed)
        return self.take(index, c=self.c[index] / chance)

    def choose(self, function):
        """The rows of which a picklable function of all returns the numbers, ascending; here."""
        return self.take(function(self.X))

    def with_rows(self, function, n_columns=None):
        """The same source with other rows: a picklable function of those that it has."""
        return ArraySource(function(self.X), in_order=self.in_order, **self.columns)

    def take(self, index, **replaced):
        """Some rows, a slice or an index array, in this process; with other columns."""
        columns = {name: column[index] for name, column in self.columns.items()}
        return ArraySource(self.X[index], in_order=self.in_order, **(columns | replaced))


def float32_pays(source, dtype, n_parameters):
    """Whether float64 rows should begin in float32: not few ones, sparse ones or a memory map."""
    is_large = source.n_rows * n_parameters >= FLOAT32_PAYS
    is_dense = not source.is_sparse and not is_memory_mapped(getattr(source, "X", None))
    return dtype == np.float64 and is_large and is_dense


def is_memory_mapped(X):
    """Whether an array, or what it is a view of, is a file."""
    while X is not None:
        if isinstance(X, mmap):
            return True
        X = X.obj if isinstance(X, memoryview) else getattr(X, "base", None)
    return False
