"""Collections of rows, and where the tasks of a `DaskSource` run on them.

That is on the workers of Dask's current client, or here.
"""

import sys
import uuid
from collections import defaultdict
from contextlib import contextmanager, suppress
from itertools import chain, count
from pickle import HIGHEST_PROTOCOL, dumps, loads

import numpy as np

from sklearn_optland._rows.blocks import RowBlocks
from sklearn_optland._rows.partition import forget
from sklearn_optland._rows.threads import run_tasks

# Bytes of a message from which on the workers get it from each other.
LARGE_MESSAGE = 1 << 16
# Results that a node of a tree merges.
FAN_IN = 8


def is_dask(X):
    """Whether this is a collection of Dask's, which is not imported to find out."""
    dask = sys.modules.get("dask")
    return dask is not None and dask.is_dask_collection(X)


def is_collection(X):
    """Whether these are rows in blocks, or a collection of Dask's."""
    return isinstance(X, RowBlocks) or is_dask(X)


def in_memory(array):
    """All of an array, which may be a collection; for few numbers a row."""
    if isinstance(array, RowBlocks):
        return np.concatenate([np.asarray(block) for block in array])
    if not is_dask(array):
        return array
    import dask

    return dask.compute(array)[0]


def place_of(X):
    """Where a collection's tasks run: where Dask computes at the moment.

    That is on the workers of its client, which read blocks too; without one in this process.
    """
    if "distributed" in sys.modules:
        from dask.base import get_scheduler
        from distributed import Client

        client = getattr(get_scheduler(), "__self__", None)
        if isinstance(client, Client):
            return Cluster(client)
    return Here() if isinstance(X, RowBlocks) else DaskHere()


class Here:
    """Tasks in this process, on threads."""

    def load(self, function, calls):
        """What a function makes of the arguments of each call."""
        return self.run(lambda call: function(*call), calls)

    def hold(self, function, partitions, *columns):
        """Results that stay where they are made; `columns` are lists of further arguments."""
        return self.run(function, partitions, *columns)

    def run(self, function, partitions, *columns):
        """Results, in this process."""
        calls = list(zip(partitions, *columns, strict=True))
        return run_tasks(lambda _, call: function(*calls[call]), len(calls))

    def run_tree(self, function, merge, partitions, *columns):
        """Results, up to `FAN_IN` neighbours merged at a time, until no more than those are left.

        Not many are in memory at once.
        """
        span = FAN_IN
        while span * FAN_IN < len(partitions):
            span *= FAN_IN
        calls = list(zip(partitions, *columns, strict=True))
        return [
            self._merged(function, merge, calls[first : first + span], span)
            for first in range(0, len(calls), span)
        ]

    def _merged(self, function, merge, calls, span):
        if span == FAN_IN:
            return merge(self.run(function, *map(list, zip(*calls, strict=True))))
        span //= FAN_IN
        return merge(
            [
                self._merged(function, merge, calls[first : first + span], span)
                for first in range(0, len(calls), span)
            ]
        )

    def find(self, partitions):
        """Look where partitions are: here."""

    def forget(self, source):
        """Let go of the states of a source."""
        forget(source)


class DaskHere(Here):
    """The same, where arguments of `load` may be Dask's delayed."""

    def load(self, function, calls):
        import dask

        return list(dask.compute(*[dask.delayed(function)(*arguments) for arguments in calls]))


class Cluster:
    """Tasks on the workers of a client of `distributed`.

    A task goes to the worker that has its partition, and its state; to another one only if that
    worker is gone, or busy for long.
    """

    def __init__(self, client):
        self.client, self.homes = client, {}
        self.name, self.count = uuid.uuid4().hex, count()

    def load(self, function, calls):
        """Futures of what a function makes of the arguments of each call: see `DaskHere`."""
        import dask

        tasks = [dask.delayed(function)(*arguments) for arguments in calls]
        with self._guard():
            return self.client.compute(tasks)

    def hold(self, function, partitions, *columns):
        """Futures of results, taken to be where the partitions are."""
        with self._guard():
            futures = self._submit(function, partitions, *columns)
        homes = (self.homes.get(partition.key, ()) for partition in partitions)
        self.homes |= dict(zip((future.key for future in futures), homes, strict=True))
        return futures

    def run(self, function, partitions, *columns):
        """Results, in this process. An exception, Ctrl-C too, cancels what has not ended."""
        with self._guard():
            futures = self._submit(function, partitions, *columns)
            try:
                return self.client.gather(futures)
            except BaseException:
                with suppress(Exception):
                    self.client.cancel(futures)
                raise

    def run_tree(self, function, merge, partitions, *columns):
        """Results, merged on the workers: see `Here.run_tree`."""
        with self._guard():
            results = every = self._submit(function, partitions, *columns)
            try:
                merges = True
                while merges:
                    groups = [results[i : i + FAN_IN] for i in range(0, len(results), FAN_IN)]
                    results = [self.client.submit(merge, group, pure=False) for group in groups]
                    every, merges = every + results, len(results) > FAN_IN
                return self.client.gather(results)
            except BaseException:
                with suppress(Exception):
                    self.client.cancel(every)
                raise

    def find(self, partitions):
        """Look which worker has which partition."""
        from distributed import wait

        wait(partitions)
        self.homes |= self.client.who_has(partitions)

    def forget(self, source):
        """Let go of the states of a source."""
        with suppress(Exception):  # the cluster may be gone
            self.client.run(_forget, source, wait=False)

    def _submit(self, function, partitions, *columns):
        if any(partition.key not in self.homes for partition in partitions):
            self.find(partitions)
        payloads = {}
        for entry in chain(*columns):
            if id(entry) not in payloads:
                payloads[id(entry)] = self._payload(entry)
        calls = [
            (partition, *(payloads[id(entry)] for entry in entries))
            for partition, *entries in zip(partitions, *columns, strict=True)
        ]
        at = defaultdict(list)
        for number, partition in enumerate(partitions):
            at[tuple(self.homes.get(partition.key, ()))].append(number)
        futures = [None] * len(calls)
        for workers, numbers in at.items():
            where = {"workers": list(workers), "allow_other_workers": True} if workers else {}
            keys = [f"optland-{function.__name__}-{self.name}-{next(self.count)}" for _ in numbers]
            columns = map(list, zip(*(calls[number] for number in numbers), strict=True))
            functions = [function] * len(numbers)
            made = self.client.map(_call, functions, *columns, key=keys, pure=False, **where)
            for number, future in zip(numbers, made, strict=True):
                futures[number] = future
        return futures

    def _payload(self, entry):
        """Pickled, so that Dask does not look into it; a large one is sent to the scheduler once.

        There it is a task, not data that a lost worker could take along.
        """
        payload = dumps(entry, HIGHEST_PROTOCOL)
        if len(payload) < LARGE_MESSAGE:
            return payload
        return self.client.submit(bytes, payload, pure=False)

    @contextmanager
    def _guard(self):
        """Context in which errors of the cluster say that they are."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError
        from distributed.scheduler import NoValidWorkerError, NoWorkerError

        try:
            yield
        except (
            CancelledError,
            ClosedClientError,
            CommClosedError,
            KilledWorker,
            NoValidWorkerError,
            NoWorkerError,
        ) as error:
            raise RuntimeError(
                f"The Dask cluster is gone, or has lost the data: {type(error).__name__}: {error}"
            ) from error


async def _forget(source):  # Dask waits for what is no coroutine
    forget(source)


def _call(function, partition, *payloads):
    return function(partition, *map(loads, payloads))
