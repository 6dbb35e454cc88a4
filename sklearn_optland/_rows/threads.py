"""Threads that share passes over rows.

What the chunks of a pass are and the order in which they are summed depend on the data alone
(`reduce`), so a result has the same bits for any number of threads.

The threads are Python's: kernels release the GIL. They obey OpenMP's limits, but are not OpenMP's:
at the end of a parallel region OpenMP waits for every thread, also for one that another process
keeps from its core, while here the caller does by itself what no other thread has begun; they do
not spin between two passes; and a fit in a forked process does not hang.
"""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from threading import Lock

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils import gen_even_slices
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import ThreadpoolController

# Chunks of a pass: the most of them (8 cost a pass 3 %, 16 cost 5 %).
MAX_CHUNKS = 8


def n_threads():
    """Number of threads that share a pass: as many as scikit-learn would use.

    That follows OMP_NUM_THREADS, threadpoolctl and the number of cores; within a joblib job it
    is 1.
    """
    if get_active_backend()[0].nesting_level:
        return 1
    return _openmp_effective_n_threads()


def run_tasks(run, n_tasks):
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


class BlasLimit:
    """BLAS on one thread for as long as anyone in the process is in the context.

    BLAS has one limit for the whole process. If each fit restored what it found, one that began
    during another would find the other's limit, and leave it behind.
    """

    def __init__(self):
        self.controller = None
        self.begin()

    def begin(self):
        """Nobody is in the context."""
        self.lock, self.n_users = Lock(), 0

    def __enter__(self):
        with self.lock:
            if self.controller is None:  # finding the libraries takes longer than a small fit
                self.controller = ThreadpoolController()
            if not self.n_users:
                self.limiter = self.controller.limit(limits=1, user_api="blas")
            self.n_users += 1

    def __exit__(self, *_):
        with self.lock:
            self.n_users -= 1
            if not self.n_users:
                self.limiter.restore_original_limits()


_blas_limit = BlasLimit()
if hasattr(os, "register_at_fork"):
    # Other threads, and a lock that they hold, do not follow into a forked process.
    os.register_at_fork(after_in_child=_blas_limit.begin)


def one_blas_thread():
    """Context in which BLAS runs on one thread: threads share passes over rows instead."""
    return _blas_limit


@cache
def _pool(pid):
    """Threads that wait for work, each from when it is first needed; a fork leaves them behind."""
    return ThreadPoolExecutor(MAX_CHUNKS - 1, thread_name_prefix="sklearn_optland")
