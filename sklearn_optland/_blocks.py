"""Rows in blocks: a statistic of the data is a sum over blocks of rows.

Memory maps are read a block at a time, and because a kernel call lasts one block at most, Ctrl-C
is answered between two of them.

Threads share a pass in chunks of rows. What the chunks are and the order in which they are summed
depend on the data alone, so a result has the same bits for any number of threads.

The threads are Python's: kernels release the GIL. They obey OpenMP's limits, but are not OpenMP's:
at the end of a parallel region OpenMP waits for every thread, also for one that another process
keeps from its core, while here the caller does by itself what no other thread has begun; they do
not spin between two passes; and a fit in a forked process does not hang.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from mmap import mmap

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils import gen_even_slices
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import ThreadpoolController

# Values of the data that one kernel call may touch: under half a second of work.
BLOCK_VALUES = 1 << 25
# Chunks of a pass: the most of them (8 cost a pass 3 %, 16 cost 5 %), the least number, and the
# least work of each, in multiply-adds. Another thread takes 30 microseconds to wake, 3 % of the
# smallest shared pass.
MAX_CHUNKS = 8
MIN_CHUNKS = 4
CHUNK_WORK = 1 << 19
# Rows times parameters for which passes in float32 pay; smaller ones cost mostly Python.
FLOAT32_PAYS = 3e6
# Each chunk adds into an array of its own: work for each entry of it that pays for that, and the
# most entries in total.
WORK_PER_ENTRY = 32
MAX_ENTRIES = 1 << 24


def float32_pays(X, n_parameters):
    """Whether float64 rows should begin in float32: not few ones, and no memory map."""
    work = len(X) * n_parameters
    return X.dtype == np.float64 and work >= FLOAT32_PAYS and not is_memory_mapped(X)


def float32_copy(shape, rows):
    """Rows in float32, which `rows(first, last)` makes a block at a time."""
    X = np.empty(shape, dtype=np.float32)
    for first, last in row_blocks(len(X), 16 * X.shape[1]):
        X[first:last] = rows(first, last)
    return X


def is_memory_mapped(X):
    """Whether an array, or what it is a view of, is a file."""
    while X is not None:
        if isinstance(X, mmap):
            return True
        X = X.obj if isinstance(X, memoryview) else getattr(X, "base", None)
    return False


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


def sum_over_blocks(statistic, n_rows, values_per_row):
    """Sum what a statistic returns for each block of rows.

    Parameters
    ----------
    statistic : callable
        Takes the bounds of a block and returns a number or an array, or None if it adds into
        arrays of its own.
    n_rows, values_per_row
        As in `row_blocks`.

    Returns
    -------
    total : float, ndarray or None
    """
    total = None
    for first, last in row_blocks(n_rows, values_per_row):
        part = statistic(first, last)
        total = part if total is None else total + part
    return total


def n_threads():
    """Number of threads that share a pass: as many as scikit-learn would use.

    That follows OMP_NUM_THREADS, threadpoolctl and the number of cores; within a joblib job it
    is 1.
    """
    if get_active_backend()[0].nesting_level:
        return 1
    return _openmp_effective_n_threads()


def pass_over_rows(kernel, n_rows, values_per_row, work, out=None):
    """Run a kernel over all rows, on several threads if that pays.

    Parameters
    ----------
    kernel : callable
        Takes the number of the thread, 0 for the caller's, an array like `out` and the bounds of a
        block. It adds into that array, and returns a number to sum or None.
    n_rows, values_per_row
        As in `row_blocks`.
    work : float
        Multiply-adds in a row.
    out : ndarray, default=None
        Where the sum goes; zero.

    Returns
    -------
    total : float or None
    """
    entries = 1 if out is None else max(out.size, 1)
    least = max(CHUNK_WORK, WORK_PER_ENTRY * entries, n_rows * work / MAX_CHUNKS)
    n_chunks = int(min(n_rows * work / least, n_rows, MAX_ENTRIES // entries))
    if n_chunks < MIN_CHUNKS:
        return sum_over_blocks(partial(kernel, 0, out), n_rows, values_per_row)
    parts = [out] + [out if out is None else np.zeros_like(out) for _ in range(n_chunks - 1)]

    def run(thread, chunk):
        first, last = (n_rows * (chunk + step) // n_chunks for step in (0, 1))
        return sum_over_blocks(
            lambda start, stop: kernel(thread, parts[chunk], first + start, first + stop),
            last - first,
            values_per_row,
        )

    totals = _map(run, n_chunks)
    if out is not None:
        for part in parts[1:]:
            out += part
    return None if totals[0] is None else sum(totals)


def _map(run, n_tasks):
    """Results of run(thread, task) for each task; free threads take the next one."""
    results, tasks = [None] * n_tasks, deque(range(n_tasks))

    def work(thread):
        while tasks:
            try:
                task = tasks.popleft()
            except IndexError:  # another thread was faster
                return
            results[task] = run(thread, task)

    helpers = []
    with suppress(RuntimeError):  # the interpreter exits, or the system has no more threads
        for thread in range(1, min(n_threads(), n_tasks)):
            helpers += [_pool(os.getpid()).submit(work, thread)]
    try:
        work(0)
    finally:
        tasks.clear()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    return results


def share_rows(task, n_rows, n_jobs):
    """Call a task with slices of the rows, on threads that the user has asked for.

    Parameters
    ----------
    task : callable
        Takes a slice.
    n_rows : int
    n_jobs : int or None
        As joblib understands it.
    """
    n_slices = min(effective_n_jobs(n_jobs), max(n_rows, 1))
    if n_slices == 1:
        task(slice(0, n_rows))
    else:
        slices = gen_even_slices(n_rows, n_slices)
        Parallel(n_slices, prefer="threads")(delayed(task)(rows) for rows in slices)


def one_blas_thread():
    """Context in which BLAS runs on one thread: threads share passes over rows instead."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller():
    """BLAS' thread pools; finding them takes longer than a small fit."""
    return ThreadpoolController()


@cache
def _pool(pid):
    """Threads that wait for work, each from when it is first needed; a fork leaves them behind."""
    return ThreadPoolExecutor(MAX_CHUNKS - 1, thread_name_prefix="sklearn_optland")
