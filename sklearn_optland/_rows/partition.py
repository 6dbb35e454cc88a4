"""One partition of the rows, in the process that has it: what a `DaskSource` asks of it.

An operation is sent to where the rows are. What it makes or writes there, arrays with an entry for
each row, is the partition's state. The state lies beside the rows, in this module: it is a cache,
since the source that sent the operations can send them again (`DaskSource` has their log).
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sklearn_optland._rows.blocks import Unread
from sklearn_optland._rows.packed import unpacked
from sklearn_optland._rows.reduce import reduce
from sklearn_optland._rows.row_orders_fast import draw_rows
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread


class RowArray:
    """A handle of an array whose entries are with the rows."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return RowArray, (self.number,)


def numbers_of(parameters):
    """Numbers of the handles in parameters, which may be tuples and lists of these."""
    if isinstance(parameters, RowArray):
        return {parameters.number}
    if isinstance(parameters, (tuple, list)):
        return set().union(*map(numbers_of, parameters))
    return set()


class Partition(ArraySource):
    """Rows of a partition, and what handles stand for.

    Parameters
    ----------
    rows : tuple of (X, columns, settings)
        X may be `Unread`, columns may be packed: they are whole for as long as an operation lasts.
    state : dict of int to ndarray
    """

    def __init__(self, rows, state):
        X, columns, settings = rows
        columns = {name: unpacked(column) for name, column in columns.items()}
        super().__init__(X, **settings, **columns)
        if isinstance(X, Unread):
            del self.X  # until an operation asks for it
            self.unread, self.is_sparse = X, X.is_sparse
            self.n_values = X.size / max(self.n_rows, 1)
        self.own, self.state, self.written = list(columns.values()), state, frozenset()

    @cached_property
    def X(self):
        """The rows of a block that is read for each operation."""
        return self.unread.read()

    def local(self, array):
        """The array behind a handle: read-only, unless the operation says that it writes to it."""
        if not isinstance(array, RowArray):
            return array
        if array.number in self.written:
            return self.state[array.number]
        view = self.array(array).view()
        view.flags.writeable = False
        return view

    def array(self, handle):
        """The array behind a handle."""
        number = handle.number
        return self.own[number] if number < len(self.own) else self.state[number]


class Operation:
    """What a partition does; picklable.

    Attributes
    ----------
    reads, writes : set of int
        Numbers of the arrays it reads and of those it changes or makes.
    makes : int or None
        The number of the array that it makes.
    """

    reads = writes = frozenset()
    makes = None


class Makes(Operation):
    """An operation that makes the array `number`."""

    @property
    def makes(self):
        return self.number

    @property
    def writes(self):
        return {self.number}


@dataclass(frozen=True)
class Sum(Operation):
    """A statistic of the partition's rows."""

    statistic: object
    parameters: tuple

    @cached_property
    def reads(self):
        return numbers_of(self.parameters)

    @cached_property
    def writes(self):
        return numbers_of(self.statistic.written(self.parameters))

    def __call__(self, partition):
        partition.written = self.writes
        return reduce(self.statistic, partition, self.parameters)


@dataclass(frozen=True)
class Lend(Makes):
    """A new array, empty or of zeros."""

    number: int
    kind: str
    shape: tuple
    dtype: object

    def __call__(self, partition):
        lend = getattr(partition, self.kind)
        partition.state[self.number] = lend(*self.shape, dtype=self.dtype)


@dataclass(frozen=True)
class Map(Makes):
    """What a function makes of arrays, row by row."""

    number: int
    function: object
    arrays: tuple

    @cached_property
    def reads(self):
        return numbers_of(self.arrays)

    def __call__(self, partition):
        arrays = map(partition.array, self.arrays)
        partition.state[self.number] = partition.map(self.function, *arrays)


@dataclass(frozen=True)
class Gather(Operation):
    """A whole array."""

    array: RowArray

    @property
    def reads(self):
        return {self.array.number}

    def __call__(self, partition):
        return partition.array(self.array)


@dataclass(frozen=True)
class Take(Operation):
    """Some rows with their columns."""

    index: np.ndarray

    def __call__(self, partition):
        part = partition.take(self.index)
        return part.X, part.columns


@dataclass(frozen=True)
class Choose(Operation):
    """The rows of which a function of all returns the numbers, with their columns."""

    function: object

    def __call__(self, partition):
        return Take(self.function(partition.X))(partition)


@dataclass(frozen=True)
class Draw(Operation):
    """The partition's share in a sample: rows as `draw_rows` has them, c divided by their chance.

    A row's random number is a hash of the seed and of its number among all rows, of which `first`
    is that of the partition's first: so a sample does not depend on the partitions.
    """

    squares: RowArray
    even: float
    by_squares: float
    seed: int
    first: int

    @property
    def reads(self):
        return {self.squares.number}

    def __call__(self, partition):
        squares = partition.array(self.squares)
        rates = self.even, self.by_squares, self.seed, self.first
        index, chance = draw_rows(partition.c, squares, *rates)
        part = partition.take(index, c=partition.c[index] / chance)
        return part.X, part.columns, {"in_order": partition.in_order}


@dataclass
class State:
    """Arrays of a partition, and the number of the last operation that changed them."""

    arrays: dict = field(default_factory=dict)
    last: int = 0


# By source and partition.
_states = {}


class Behind:
    """The answer of a partition that has lost its state, or never had it."""


def serve(rows, key, message):
    """Carry out numbered operations; the answer is that of the last.

    Parameters
    ----------
    rows : tuple
        Of `Partition`.
    key : hashable
        Whose state.
    message : tuple of (since, operations, freed)
        The number of the last operation before these, 0 for a state that is new; pairs of a number
        and an `Operation`; and numbers of arrays that nobody asks for after these.
    """
    since, operations, freed = message
    state = _states.get(key)
    if since == 0:
        state = _states[key] = State()
    elif state is None or state.last != since:
        return Behind()
    answer = run_operations(rows, state.arrays, operations)
    for number in freed:
        state.arrays.pop(number, None)
    state.last = operations[-1][0]
    return answer


def turn(rows, call):
    """What a function makes of rows and a state: a pure function."""
    function, state = call
    with one_blas_thread(), np.errstate(all="ignore"):
        return function(Partition(rows, {}), state)


def run_operations(rows, arrays, operations):
    """The answer of the last operation."""
    partition, answer = Partition(rows, arrays), None
    with one_blas_thread(), np.errstate(all="ignore"):
        for _, operation in operations:
            answer = operation(partition)
    return answer


def derive(rows, operations):
    """The answer of the last operation, with a state that serves this once: a pure function."""
    return run_operations(rows, {}, operations)


def forget(source):
    """Let go of the states of a source."""
    for key in [key for key in _states if key[0] == source]:
        del _states[key]
