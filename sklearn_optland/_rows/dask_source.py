"""Rows in partitions that other processes have: Dask's workers, or without a cluster this process.

The partitions are futures of rows, which stay where they are. Operations travel there together with
parameters, one message a pass; what has an entry for each row stays there; totals come back and are
summed in the order of the partitions, so that a result has the same bits for any number of workers.
Large ones are summed on the way, by a tree that depends on the number of partitions alone.

A worker may be lost in the middle. Its rows are Dask's: the scheduler computes them anew. Arrays
with an entry for each row are made anew by their operations, which the source has in a log: it
holds those only that arrays in use depend on.
"""

import uuid
import weakref
from copy import deepcopy
from functools import partial
from itertools import count

import numpy as np
from scipy import sparse

from sklearn_optland._rows.blocks import Unread
from sklearn_optland._rows.cluster import FAN_IN
from sklearn_optland._rows.partition import (
    Behind,
    Choose,
    Draw,
    Gather,
    Lend,
    Map,
    RowArray,
    Sum,
    Take,
    derive,
    serve,
    turn,
)
from sklearn_optland._rows.source import ArraySource

# Operations that the log may have gathered before those that nothing depends on are left out.
LOG = 64
# Entries of a total from which on it is summed by a tree: a megabyte.
LARGE_TOTAL = 1 << 17
# Values of a sample up to which it comes into this process: steps on it need no messages, and its
# optimum lacks so little that a quarter of this took two passes over the data more.
SMALL_SAMPLE = 1 << 24
# Times that partitions may lose their state in one pass.
MAX_LOSSES = 10


class DaskSource:
    """Rows in partitions.

    Parameters
    ----------
    place : Cluster or Here
        Where tasks run.
    partitions : list
        Of the place; tuples of `Partition`.
    n_rows : list of int
        Of each partition.
    n_columns : int
    n_values : float
        Stored values of a row, on average.
    is_sparse : bool
    names : sequence of str
        Of the partitions' columns, in their order. They are attributes, handles.
    """

    # The rows stay where they are.
    may_be_copied = False

    def __init__(self, place, partitions, n_rows, n_columns, n_values, is_sparse, names):
        self.place, self.n_columns, self.names = place, n_columns, tuple(names)
        self.n_values, self.is_sparse = n_values, is_sparse
        has_rows = [n > 0 for n in n_rows]
        self.partitions = [part for part, has in zip(partitions, has_rows, strict=True) if has]
        self.bounds = np.cumsum([0, *(n for n in n_rows if n)])
        self.n_rows = int(self.bounds[-1])
        for number, name in enumerate(names):
            setattr(self, name, RowArray(number))
        self.name, self.numbers = uuid.uuid4().hex, count(1)
        # The log, its length when it was last shortened, and what is not sent yet.
        self.log, self.shortest, self.pending, self.sent = [], 0, [], 0
        self.arrays, self.living, self.freed = count(len(self.names)), set(), []
        self._finalizer = weakref.finalize(self, place.forget, self.name)

    def close(self):
        """Let go of the partitions and of all that belongs to their rows."""
        self._finalizer()
        self.partitions = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # The protocol of `ArraySource`

    def parts(self, statistic, parameters):
        """Sums of a statistic over the partitions, in their order."""
        if not statistic.answers:
            self.pending.append((next(self.numbers), Sum(statistic, deepcopy(parameters))))
            return [(None, None)]
        is_large = n_entries(statistic.shape) >= LARGE_TOTAL and len(self.partitions) > FAN_IN
        merge = partial(merged, statistic) if is_large else None
        return self._ask(Sum(statistic, parameters), merge=merge)

    def local(self, array):
        """What is no handle, as it is."""
        if isinstance(array, RowArray):
            raise TypeError("an array with an entry for each row is not in this process")
        return array

    def gather(self, array):
        """An array of the source with all its rows, in this process: for few numbers a row."""
        return np.concatenate(self._ask(Gather(array)))

    def empty(self, *shape, dtype=np.float64):
        """Lend an array with an entry of this shape for each row, unset."""
        return self._make(Lend, "empty", shape, dtype)

    def zeros(self, *shape, dtype=np.float64):
        """Lend an array with an entry of this shape for each row, zero."""
        return self._make(Lend, "zeros", shape, dtype)

    def map(self, function, *arrays):
        """Apply a function that works row by row; the result stays with the rows."""
        return self._make(Map, function, arrays)

    def take(self, index, **replaced):
        """Some rows, a slice or an ascending index array, in this process; with other columns."""
        index = np.arange(self.n_rows)[index]
        cuts = np.searchsorted(index, self.bounds)
        takes = [
            Take(index[first:last] - start)
            for first, last, start in zip(cuts[:-1], cuts[1:], self.bounds[:-1], strict=True)
        ]
        return self._joined(self._ask(*takes), **replaced)

    def choose(self, function):
        """The rows whose numbers in a partition a picklable function of it returns; here."""
        return self._joined(self._ask(Choose(function)))

    def with_rows(self, function, n_columns=None):
        """The same source with other rows: a picklable function of those of a partition.

        It takes the place of this one. Other columns than before are `n_columns`.
        """
        n_columns = n_columns or self.n_columns
        calls = [(function, n_columns)] * len(self.partitions)
        parts = self.place.hold(with_rows, self.partitions, calls)
        shape = n_columns, self.n_values, self.is_sparse
        source = DaskSource(self.place, parts, np.diff(self.bounds).tolist(), *shape, self.names)
        self.close()
        return source

    @property
    def most_sampled(self):
        """Rows of a sample that is small enough to come into this process."""
        return int(SMALL_SAMPLE / max(self.n_values, 1))

    def in_turn(self, function, state):
        """Have each partition, in their order, make a state of the last one's.

        Parameters
        ----------
        function : callable
            Picklable; takes the rows as an `ArraySource` and a state, and returns one. A partition
            may be asked again.
        state : object
            Picklable.
        """
        for partition in self.partitions:
            (state,) = self.place.run(turn, [partition], [(function, state)])
        return state

    def draw(self, size, *rates):
        """A sample of the rows, here if it is small, else beside them: see `ArraySource.draw`."""
        draws = [Draw(*rates, first) for first in self.bounds[:-1].tolist()]
        if size <= self.most_sampled:
            return self._joined([part[:2] for part in self._ask(*draws)])
        lineage = self._lineage(draws[0].reads)
        parts = self.place.hold(derive, self.partitions, [[*lineage, (0, draw)] for draw in draws])
        n_rows, values = np.transpose(self.place.run(size_of, parts))
        n_values = values.sum() / max(n_rows.sum(), 1)
        shape = self.n_columns, n_values, self.is_sparse
        return DaskSource(self.place, parts, n_rows.tolist(), *shape, self.names)

    # Operations

    def _make(self, kind, *arguments):
        """Have an array made in the next message; its handle."""
        number = next(self.arrays)
        # Copies: the caller may change arrays before the message is sent, and handles in the log
        # would be in use for ever.
        self.pending.append((next(self.numbers), kind(number, *deepcopy(arguments))))
        handle = RowArray(number)
        self.living.add(number)
        weakref.finalize(handle, self.freed.append, number)
        return handle

    def _ask(self, *operations, merge=None):
        """What the partitions answer to an operation, the same for all or one for each.

        With `merge`, which makes one answer of several, less than `FAN_IN` answers are left.
        """
        freed, self.freed[:] = tuple(self.freed), ()
        self.living.difference_update(freed)
        n = len(self.partitions)
        number, needed = next(self.numbers), self.living | operations[0].reads
        news = _leading_to(self.pending, needed)
        messages = [(self.sent, [*news, (number, one)], freed) for one in operations]
        messages = messages * n if len(messages) == 1 else messages
        answers = self._answers(range(n), messages, merge)
        for _ in range(MAX_LOSSES):
            behind = [i for i, answer in enumerate(answers) if isinstance(answer, Behind)]
            if not behind:
                break
            again = _leading_to([*self.log, *news], needed)
            dead = tuple(set().union(*(op.writes for _, op in again)) - self.living)
            messages = [(0, [*again, *messages[i][1][-1:]], dead) for i in behind]
            self.place.find(self.partitions)
            found = self._answers(behind, messages, merge)
            if merge:
                answers = found
                continue
            for i, answer in zip(behind, found, strict=True):
                answers[i] = answer
        else:
            raise RuntimeError(
                f"The Dask cluster has lost partition {behind[0]} {MAX_LOSSES} times in one pass."
            )
        self.sent, self.pending = number, []
        self.log += news
        if operations[0].writes:
            self.log.append((number, deepcopy(operations[0])))
        if len(self.log) > 2 * self.shortest + LOG:
            self.log = _leading_to(self.log, self.living)
            self.shortest = len(self.log)
        return answers

    def _answers(self, which, messages, merge=None):
        keys, partitions = [(self.name, i) for i in which], [self.partitions[i] for i in which]
        if merge is None:
            return self.place.run(serve, partitions, keys, messages)
        answers = self.place.run_tree(serve, merge, partitions, keys, messages)
        # What is lost in a tree has no number: all begin anew.
        is_lost = any(isinstance(answer, Behind) for answer in answers)
        return [Behind() for _ in self.partitions] if is_lost else answers

    def _joined(self, parts, **replaced):
        """Some rows with their columns, in this process."""
        Xs, columns = zip(*parts, strict=True)
        joined = {name: stacked([part[name] for part in columns]) for name in self.names}
        return ArraySource(stacked(Xs), **(joined | replaced))

    def _lineage(self, needed):
        """The operations that make arrays from the rows."""
        return _leading_to([*self.log, *self.pending], needed)


def _leading_to(log, needed):
    """The operations of a log that arrays depend on, in their order."""
    kept, needed = [], set(needed)
    for number, operation in reversed(log):
        if not needed.isdisjoint(operation.writes):
            kept.append((number, operation))
            needed.discard(operation.makes)
            needed |= operation.reads
    return kept[::-1]


def stacked(parts):
    """Arrays, or CSR matrices, below each other."""
    is_sparse = sparse.issparse(parts[0])
    return sparse.vstack(parts, format="csr") if is_sparse else np.concatenate(parts)


def n_entries(shape):
    """Entries of the total of a statistic by its `shape`."""
    if isinstance(shape, list):
        return sum(map(n_entries, shape))
    return 0 if shape is None else int(np.prod(shape))


def merged(statistic, parts):
    """One part of several, in their order; `Behind` if one is."""
    if any(isinstance(part, Behind) for part in parts):
        return Behind()
    (value, total), *others = parts
    total = deepcopy(total)  # results of tasks may be asked for again
    for part_value, part in others:
        value = None if value is None else value + part_value
        statistic.merge(total, part)
    return value, total


def with_rows(rows, call):
    """A partition with other rows."""
    (X, *others), (function, n_columns) = rows, call
    return X.mapped(function, n_columns) if isinstance(X, Unread) else function(X), *others


def size_of(rows):
    """Rows and stored values of a partition."""
    X = rows[0]
    return X.shape[0], X.nnz if sparse.issparse(X) else X.size
