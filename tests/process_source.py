"""A source whose rows live in other processes: what a cluster would be, on one machine.

Each process has an `ArraySource` of its part. A statistic and its parameters travel there, totals
come back; arrays with an entry for each row stay there, and here are handles of them.
"""

import multiprocessing
import weakref
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np

from sklearn_optland._rows.reduce import chunk_bounds
from sklearn_optland._rows.source import ArraySource


class RowArray:
    """A handle of an array whose parts are with the rows."""

    def __init__(self, number):
        self.number = number

    def __getstate__(self):
        return self.number

    def __setstate__(self, number):
        self.number = number


class PartSource(ArraySource):
    """The rows of one process, which knows what handles stand for."""

    def __init__(self, X, columns, **settings):
        super().__init__(X, **columns, **settings)
        self.arrays = dict(enumerate(columns.values()))

    def local(self, array):
        return self.arrays[array.number] if isinstance(array, RowArray) else array

    def map(self, function, *arrays):
        return function(*map(self.local, arrays))


@dataclass(frozen=True)
class Sum:
    statistic: object
    parameters: tuple
    bounds: list

    def __call__(self, source):
        return source.parts(self.statistic, self.parameters, self.bounds)


@dataclass(frozen=True)
class Lend:
    number: int
    make: str
    shape: tuple
    dtype: object

    def __call__(self, source):
        source.arrays[self.number] = getattr(source, self.make)(*self.shape, dtype=self.dtype)


@dataclass(frozen=True)
class Map:
    number: int
    function: object
    arrays: tuple

    def __call__(self, source):
        source.arrays[self.number] = source.map(self.function, *self.arrays)


@dataclass(frozen=True)
class Free:
    numbers: list

    def __call__(self, source):
        for number in self.numbers:
            del source.arrays[number]


@dataclass(frozen=True)
class Gather:
    array: RowArray

    def __call__(self, source):
        return source.local(self.array)


@dataclass(frozen=True)
class Take:
    index: np.ndarray

    def __call__(self, source):
        part = source.take(self.index)
        return part.X, part.columns


def serve(connection, X, columns, settings):
    """Do what is asked for until the connection ends."""
    source = PartSource(X, columns, **settings)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, task(source)))
        except Exception as error:
            connection.send((False, error))


class ProcessSource:
    """Rows in two other processes.

    Parameters
    ----------
    X, in_order, **columns
        As `ArraySource` takes them.
    """

    may_be_copied = False

    def __init__(self, X, *, in_order=True, **columns):
        whole = ArraySource(X, in_order=in_order, **columns)
        self.settings = {"in_order": in_order}
        for name in ("n_rows", "n_columns", "n_values", "is_sparse"):
            setattr(self, name, getattr(whole, name))
        self.dtype = X.dtype
        middle = self.n_rows // 2
        self.bounds = [0, middle, self.n_rows]
        self.numbers, self.freed = count(len(columns)), []
        for number, name in enumerate(columns):
            setattr(self, name, RowArray(number))
        context = multiprocessing.get_context("fork")
        self.connections, self.processes = [], []
        for first, last in pairwise(self.bounds):
            part = {name: column[first:last] for name, column in columns.items()}
            here, there = context.Pipe()
            arguments = there, X[first:last], part, self.settings
            process = context.Process(target=serve, args=arguments, daemon=True)
            process.start()
            self.connections.append(here)
            self.processes.append(process)

    def close(self):
        for connection, process in zip(self.connections, self.processes, strict=True):
            connection.close()
            process.terminate()
            process.join()

    def ask(self, *tasks):
        """What the processes answer: one task for each, or the same for all."""
        if self.freed:
            freed, self.freed = Free(self.freed), []
            self.ask(freed)
        tasks = tasks * len(self.connections) if len(tasks) == 1 else tasks
        for connection, task in zip(self.connections, tasks, strict=True):
            connection.send(task)
        answers = [connection.recv() for connection in self.connections]
        for works, answer in answers:
            if not works:
                raise answer
        return [answer for _, answer in answers]

    def parts(self, statistic, parameters, bounds=None):
        """Chunks that lie in one process are those of an array; others are cut in two."""
        bounds = chunk_bounds(statistic, self.n_rows, statistic.zero(parameters))
        middle = self.bounds[1]
        bounds = sorted({*bounds, middle})
        cut = bounds.index(middle)
        halves = bounds[: cut + 1], [bound - middle for bound in bounds[cut:]]
        first, second = self.ask(*(Sum(statistic, parameters, half) for half in halves))
        return first + second

    def local(self, array):
        raise AssertionError("an array with an entry for each row was touched outside its process")

    def _handle(self, task, *arguments):
        number = next(self.numbers)
        self.ask(task(number, *arguments))
        handle = RowArray(number)
        weakref.finalize(handle, self.freed.append, number)
        return handle

    def empty(self, *shape, dtype=np.float64):
        return self._handle(Lend, "empty", shape, dtype)

    def zeros(self, *shape, dtype=np.float64):
        return self._handle(Lend, "zeros", shape, dtype)

    def map(self, function, *arrays):
        return self._handle(Map, function, arrays)

    def gather(self, array):
        return np.concatenate(self.ask(Gather(array)))

    def take(self, index, **replaced):
        """Some rows as an `ArraySource` of this process."""
        index = np.arange(self.n_rows)[index]
        middle = self.bounds[1]
        low = index < middle
        assert (np.diff(low.astype(int)) <= 0).all(), "rows are taken in ascending order"
        parts = self.ask(Take(index[low]), Take(index[~low] - middle))
        Xs, columns = zip(*parts, strict=True)
        stack = np.concatenate if not self.is_sparse else _stack_sparse
        joined = {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
        return ArraySource(stack(Xs), **self.settings, **(joined | replaced))


def _stack_sparse(parts):
    from scipy import sparse

    return sparse.vstack(parts, format="csr")
