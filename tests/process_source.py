"""A `DaskSource` with partitions in other processes: a cluster without Dask, on one machine."""

import multiprocessing
from itertools import count, pairwise

from sklearn_optland._rows.dask_source import DaskSource
from sklearn_optland._rows.partition import forget
from sklearn_optland._rows.source import ArraySource


class Held:
    """A result that has stayed in the process of some number."""

    def __init__(self, process, number):
        self.process, self.number = process, number


def serve(connection):
    """Do what is asked for until the connection ends."""
    held = {}
    while True:
        try:
            function, arguments, number = connection.recv()
        except EOFError:
            return
        try:
            arguments = [
                held[argument.number] if isinstance(argument, Held) else argument
                for argument in arguments
            ]
            answer = function(*arguments)
            if number is not None:
                held[number], answer = answer, None
            connection.send((True, answer))
        except Exception as error:
            connection.send((False, error))


def rows_of(*rows):
    return rows


class Processes:
    """A place for tasks: processes that nothing is shared with."""

    def __init__(self, n):
        context = multiprocessing.get_context("fork")
        self.numbers, self.connections, self.processes = count(), [], []
        for _ in range(n):
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there,), daemon=True)
            process.start()
            self.connections.append(here)
            self.processes.append(process)

    def send(self, rows):
        """Partitions, one a process, of what `rows_of` takes."""
        return self.hold_at(range(len(rows)), rows_of, rows)

    def hold_at(self, processes, function, calls):
        held = [Held(process, next(self.numbers)) for process in processes]
        self.ask(processes, function, calls, [one.number for one in held])
        return held

    def hold(self, function, partitions, *columns):
        calls = zip(partitions, *columns, strict=True)
        return self.hold_at([part.process for part in partitions], function, calls)

    def run(self, function, partitions, *columns):
        calls = zip(partitions, *columns, strict=True)
        return self.ask([part.process for part in partitions], function, calls)

    def ask(self, processes, function, calls, numbers=None):
        numbers = numbers or [None] * len(processes)
        for process, call, number in zip(processes, calls, numbers, strict=True):
            self.connections[process].send((function, call, number))
        answers = [self.connections[process].recv() for process in processes]
        for works, answer in answers:
            if not works:
                raise answer
        return [answer for _, answer in answers]

    def find(self, partitions):
        pass

    def forget(self, source):
        every = range(len(self.connections))
        self.ask(every, forget, [(source,)] * len(every))

    def lose(self, process, source):
        """Let one process forget, as if it were another one in its place."""
        self.ask([process], forget, [(source,)])

    def close(self):
        for connection, process in zip(self.connections, self.processes, strict=True):
            connection.close()
            process.terminate()
            process.join()


class ProcessSource(DaskSource):
    """Rows in two other processes.

    Parameters
    ----------
    X, in_order, **columns
        As `ArraySource` takes them.
    """

    def __init__(self, X, *, in_order=True, **columns):
        whole = ArraySource(X, in_order=in_order, **columns)
        bounds = [0, whole.n_rows // 2, whole.n_rows]
        rows = [
            (
                X[first:last],
                {name: column[first:last] for name, column in columns.items()},
                {"in_order": in_order},
            )
            for first, last in pairwise(bounds)
        ]
        place = Processes(2)
        sizes = [last - first for first, last in pairwise(bounds)]
        shape = whole.n_columns, whole.n_values, whole.is_sparse
        super().__init__(place, place.send(rows), sizes, *shape, columns)

    def close(self):
        super().close()
        self.place.close()
