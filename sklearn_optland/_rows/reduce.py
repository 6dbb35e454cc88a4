"""Rows in blocks: a statistic of the data is a sum over blocks of rows.

One reduction serves memory, data larger than memory, threads and other processes. A statistic goes
to where the rows are; what belongs to rows stays with them (`source`); totals come back.

Memory maps are read a block at a time, and because a kernel call lasts one block at most, Ctrl-C
is answered between two of them. Threads share a pass in chunks of rows. What the chunks are and the
order in which they are summed depend on the data alone, so a result has the same bits for any
number of threads.
"""

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._rows.threads import MAX_CHUNKS

# Values of the data that one kernel call may touch: under half a second of work.
BLOCK_VALUES = 1 << 25
# Rows of a block for functions of NumPy: what they make on the way stays in the cache.
CACHED_ROWS = 4096
# The least number of chunks that threads share, and the least work of each, in multiply-adds.
# Another thread takes 30 microseconds to wake, 3 % of the smallest shared pass.
MIN_CHUNKS = 4
CHUNK_WORK = 1 << 19
# Each chunk adds into an array of its own: work for each entry of it that pays for that, and the
# most entries in total.
WORK_PER_ENTRY = 32
MAX_ENTRIES = 1 << 24


class Statistic:
    """A sum over rows.

    A subclass is picklable, since it may be sent to the rows: a module's class whose attributes are
    numbers and small arrays. Arrays with an entry for each row are parameters.

    Attributes
    ----------
    values : float
        Values that `add` touches in a row, on average: they decide the size of a block.
    work : float
        Multiply-adds in a row; 0 if threads do not pay.
    shape : int, tuple of int, list of these, or None
        Of what blocks add into: an array, a list of arrays, or nothing.
    dtype : dtype
        Of these arrays.
    writes : tuple of int
        Places of the parameters that `add` writes to, arrays of the source.
    answers : bool
        Whether there is a sum; if not, what is written can wait until something asks for it.
    """

    values = 1.0
    work = 0.0
    writes = ()
    answers = True
    shape = None
    dtype = np.float64

    def written(self, parameters):
        """The arrays among the parameters that `add` writes to."""
        return [parameters[place] for place in self.writes]

    def zero(self, parameters):
        """Return where blocks add into, as it is before the first."""
        if isinstance(self.shape, list):
            return [np.zeros(shape, self.dtype) for shape in self.shape]
        return None if self.shape is None else np.zeros(self.shape, self.dtype)

    def add(self, block, parameters, total):
        """Add a block into `total`, in place; return a number to sum, or None."""
        raise NotImplementedError

    def merge(self, total, part):
        """Add what other rows have summed up, in place."""
        if isinstance(total, list):
            for mine, other in zip(total, part, strict=True):
                mine += other
        else:
            total += part


class SumOf(Statistic):
    """The sum over blocks of what a function of some arrays of the source returns.

    Parameters of `reduce` are the arrays.

    Parameters
    ----------
    function : callable
        Picklable; takes the arrays' parts, and returns an array.
    shape : tuple of int, default=()
        Of that array.
    values : float, default=BLOCK_VALUES / CACHED_ROWS
        Of a row, as kernels have them. Default: blocks for a function of NumPy.
    writes : tuple of int, default=()
        Places of the arrays that the function writes to.
    """

    work = 32.0

    def __init__(self, function, shape=(), values=BLOCK_VALUES / CACHED_ROWS, writes=()):
        self.function, self.shape, self.values, self.writes = function, shape, values, writes

    def add(self, block, parameters, total):
        rows = block.slice
        self.merge(total, self.function(*[block.local(array)[rows] for array in parameters]))


class ExtremeOf(SumOf):
    """The least or the largest of the numbers that a function returns of blocks.

    Parameters
    ----------
    function : callable
        As `SumOf` takes it.
    extreme : ufunc
        np.minimum or np.maximum.
    start : float, default=0.0
        Of no rows.
    writes : tuple of int, default=()
        As `SumOf` takes it.
    """

    def __init__(self, function, extreme, start=0.0, writes=()):
        super().__init__(function, writes=writes)
        self.extreme, self.start = extreme, start

    def zero(self, parameters):
        return np.full(self.shape, self.start)

    def merge(self, total, part):
        self.extreme(total, part, out=total)


class Several(Statistic):
    """Several statistics of the same rows in one pass: partitions get one message for all.

    Parameters of `reduce` are a tuple for each. In a block each reads what those before it wrote.

    Parameters
    ----------
    *statistics : Statistic
        Each adds into one array, or none.
    """

    def __init__(self, *statistics):
        self.statistics = statistics
        self.values = max(statistic.values for statistic in statistics)
        self.work = sum(statistic.work for statistic in statistics)
        self.shape = [statistic.shape for statistic in statistics]

    def written(self, parameters):
        pairs = zip(self.statistics, parameters, strict=True)
        return [array for statistic, own in pairs for array in statistic.written(own)]

    def zero(self, parameters):
        pairs = zip(self.statistics, parameters, strict=True)
        return [statistic.zero(own) for statistic, own in pairs]

    def add(self, block, parameters, total):
        for statistic, own, part in zip(self.statistics, parameters, total, strict=True):
            statistic.add(block, own, part)

    def merge(self, total, part):
        for statistic, mine, other in zip(self.statistics, total, part, strict=True):
            if mine is not None:
                statistic.merge(mine, other)


def reduce(statistic, source, parameters=()):
    """Sum a statistic over all rows.

    Parameters
    ----------
    statistic : Statistic
    source : ArraySource or another source of rows
    parameters : tuple
        What `statistic` takes besides the rows: numbers, small arrays, and arrays of the source.

    Returns
    -------
    value : float or None
        The sum of what `add` returned.
    total : ndarray, list of ndarray or None
    """
    (value, total), *others = source.parts(statistic, parameters)
    for part_value, part in others:
        if value is not None:
            value = value + part_value
        if total is not None:
            statistic.merge(total, part)
    return value, total


def chunk_bounds(statistic, n_rows, total):
    """Bounds of the chunks that threads, or processes, share.

    Parameters
    ----------
    statistic : Statistic
    n_rows : int
    total : what `statistic.zero` returns

    Returns
    -------
    bounds : list of int
        Chunk i holds the rows bounds[i] to bounds[i + 1], last excluded.
    """
    arrays = total if isinstance(total, list) else [total]
    entries = max(sum(array.size for array in arrays if array is not None), 1)
    work = n_rows * statistic.work
    least = max(CHUNK_WORK, WORK_PER_ENTRY * entries, work / MAX_CHUNKS)
    n_chunks = int(min(work / least, n_rows, MAX_ENTRIES // entries))
    if n_chunks < MIN_CHUNKS:
        return [0, n_rows]
    return [n_rows * chunk // n_chunks for chunk in range(n_chunks + 1)]


def some_rows(X, rows):
    """Rows of a slice; CSR stays so. All rows are X itself: a slice of CSR costs a short pass."""
    if not issparse(X):
        return np.asarray(X[rows])
    return X if rows.indices(X.shape[0]) == (0, X.shape[0], 1) else X[rows]


def row_blocks(n_rows, values_per_row):
    """Cut rows into blocks of at most `BLOCK_VALUES` values.

    Parameters
    ----------
    n_rows : int
    values_per_row : float
        Values that a kernel touches in a row, on average.

    Yields
    ------
    first, last : int
        The bounds of a block, last excluded.
    """
    size = max(1, int(BLOCK_VALUES / max(values_per_row, 1)))
    for first in range(0, n_rows, size):
        yield first, min(first + size, n_rows)
