"""Threads that share a pass: how many, and that they change no bit of a result."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Barrier, current_thread, main_thread
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.utils._testing import set_random_state
from threadpoolctl import threadpool_limits

import sklearn_optland
from sklearn_optland._rows import reduce, threads
from sklearn_optland._rows.reduce import Statistic
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import n_threads
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._logistic.problem import log_loss_problem
from sklearn_optland.utils.discovery import all_estimators


@pytest.fixture
def small_chunks(monkeypatch):
    """Every pass is shared, however small."""
    monkeypatch.setattr(reduce, "CHUNK_WORK", 1)
    monkeypatch.setattr(reduce, "WORK_PER_ENTRY", 0)


def on_threads(n, function, *arguments):
    with threadpool_limits(n, user_api="openmp"):
        assert n_threads() == n
        return function(*arguments)


# How many


@pytest.mark.parametrize("limit", [1, 3])
def test_the_environment_and_threadpoolctl_limit_the_number(limit):
    code = "from sklearn_optland._rows.threads import n_threads; print(n_threads())"
    environment = {**os.environ, "OMP_NUM_THREADS": str(limit)}
    # Python puts the working directory first on its path: where the package is that is tested.
    folder = Path(sklearn_optland.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) == limit
    assert on_threads(limit, n_threads) == limit


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_one_thread_in_a_joblib_job(backend):
    with threadpool_limits(2, user_api="openmp"):
        assert Parallel(n_jobs=1)(delayed(n_threads)() for _ in range(2)) == [2, 2]
        assert Parallel(n_jobs=2, backend=backend)(delayed(n_threads)() for _ in range(2)) == [1, 1]


def test_blas_gets_its_threads_back_when_the_last_fit_ends():
    class Blas:
        n_threads = 4

        def limit(self, limits, user_api):
            found, self.n_threads = self.n_threads, limits
            restore = lambda: setattr(self, "n_threads", found)  # noqa: E731
            return SimpleNamespace(restore_original_limits=restore)

    limit = threads.BlasLimit()
    blas = limit.controller = Blas()
    for _ in range(2):
        limit.__enter__()
        limit.__enter__()  # while the first fit runs
        limit.__exit__()
        assert blas.n_threads == 1
        limit.__exit__()
        assert blas.n_threads == 4


# Passes


class Kernel(Statistic):
    """A statistic that calls kernel(thread, total, first, last)."""

    def __init__(self, kernel, work=1, entries=0):
        self.kernel, self.work, self.entries = kernel, work, entries

    def zero(self, parameters):
        return np.zeros(self.entries) if self.entries else None

    def add(self, block, parameters, total):
        return self.kernel(block.thread, total, block.first, block.last)


def pass_over(n_rows, kernel, work=1, entries=0):
    """What `reduce` returns of a kernel."""
    return reduce.reduce(Kernel(kernel, work, entries), ArraySource(np.zeros((n_rows, 1))))


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 7, 16, 1000])
def test_a_pass_takes_every_row_once(n, threads, small_chunks):
    rows = np.zeros(n)

    def kernel(thread, out, first, last):
        assert 0 <= thread < threads
        rows[first:last] += 1
        out += last - first
        return float(last - first)

    count, total = on_threads(threads, pass_over, n, kernel, 1, 3)
    assert (rows == 1).all()
    assert (count or 0) == n
    assert_array_equal(total, n)


def two_threads_meet():
    barrier, names = Barrier(2, timeout=30), set()

    def kernel(thread, out, first, last):
        names.add(current_thread().name)
        barrier.wait()

    assert on_threads(2, pass_over, 4, kernel) == (None, None)
    assert len(names) == 2
    assert main_thread().name in names


def test_threads_work_at_the_same_time(small_chunks):
    two_threads_meet()


def test_what_is_shared():
    def chunks(n_rows, work, entries):
        calls = []
        kernel = lambda thread, out, first, last: calls.append((first, last, id(out)))  # noqa: E731
        pass_over(n_rows, kernel, work, entries)
        assert sum(last - first for first, last, _ in calls) == n_rows
        assert len({out for _, _, out in calls}) == len(calls)
        return len(calls)

    shared = reduce.MIN_CHUNKS * reduce.CHUNK_WORK
    assert chunks(1000, (shared - 1) / 1000, 1) == 1  # too little work
    assert chunks(1000, shared / 1000, 1) == reduce.MIN_CHUNKS
    assert chunks(1000, 1e9, 1) == threads.MAX_CHUNKS
    assert chunks(3, 1e9, 1) == 1  # too few rows
    assert chunks(1000, shared / 1000, shared) == 1  # more work to sum than to compute
    assert chunks(1000, 1e9, reduce.MAX_ENTRIES // 5) == 5  # memory


def test_errors_end_a_pass_and_the_next_one_works(small_chunks):
    class OtherError(Exception):
        pass

    for culprit, error in product([True, False], [KeyboardInterrupt, OtherError]):
        barrier = Barrier(2, timeout=30)

        def kernel(thread, out, first, last, barrier=barrier, culprit=culprit, error=error):
            if first < 2:  # one row each
                barrier.wait()
                if (thread == 0) == culprit:
                    raise error

        with pytest.raises(error):
            on_threads(2, pass_over, threads.MAX_CHUNKS, kernel)
    two_threads_meet()


def test_a_pass_without_other_threads(small_chunks, monkeypatch):
    # as in a thread that outlives the main thread, whose end is that of all pools
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    monkeypatch.setattr(threads, "_pool", lambda pid: pool)
    total, _ = on_threads(2, pass_over, 1000, lambda *block: float(block[3] - block[2]))
    assert total == 1000


# Results


def make_data(layout, dtype, n_classes, seed, n=403, d=9):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6)
    y = (X @ rng.normal(size=(d, n_classes)) + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    X = X.astype(dtype)
    return (sparse.csr_array(X) if layout == "csr" else X), y.astype(np.int32)


def passes(X, y, in_float32):
    """Everything that passes over the data return."""
    k = y.max() + 1
    rng = np.random.default_rng(0)
    source = ArraySource(X, y=y, c=rng.random(len(y)) + 0.1)
    problem = log_loss_problem(source, n_classes=k, l2=1.0, fit_intercept=True)
    if in_float32:
        problem = problem.in_float32
    V = rng.normal(size=problem.zeros().shape)
    point = problem.evaluate(V)
    product, moved, image = problem.hessian(point.Z)
    return [
        point.objective,
        point.gradient,
        point.Z,
        product(V),
        moved and (moved(1.0), image[0])[1],
        np.tril(problem.gram(source.c)),
        problem.forward(V),
        problem.backward(point.Z),
        problem.column_squares,
        problem.row_squares,
    ]


LAYOUTS = pytest.mark.parametrize("layout", ["dense", "csr"])
CLASSES = pytest.mark.parametrize("n_classes", [2, 4])


@LAYOUTS
@CLASSES
@pytest.mark.parametrize("in_float32", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_passes_have_the_same_bits(layout, dtype, n_classes, in_float32, global_random_seed):
    X, y = make_data(layout, dtype, n_classes, global_random_seed)
    alone = passes(X, y, in_float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce, "CHUNK_WORK", 1)
        patch.setattr(reduce, "WORK_PER_ENTRY", 0)
        results = [on_threads(n, passes, X, y, in_float32) for n in (1, 2, 2, 5)]
    for one, *others in zip(*results, strict=True):
        for other in others:
            assert_array_equal(one, other)
    for one, expected in zip(results[0], alone, strict=True):
        if one is not None:
            atol = (2e-6 if in_float32 else 1e-12) * np.abs(expected).max()
            assert_allclose(one, expected, rtol=0, atol=atol)


@LAYOUTS
@CLASSES
@pytest.mark.parametrize("curvature", ["auto", "jc12", "bohning"])
def test_fits_have_the_same_bits(
    layout, n_classes, curvature, global_dtype, global_random_seed, small_chunks
):
    X, y = make_data(layout, global_dtype, n_classes, global_random_seed)

    def fit():
        model = BoundMajorizationLogisticRegression(curvature=curvature, random_state=0)
        model.fit(X, y)
        curves = {name: curve for name, curve in model.history_.items() if name != "seconds"}
        return SimpleNamespace(coefficients=[model.coef_, model.intercept_], curves=curves)

    one, *others = [on_threads(n, fit) for n in (1, 2, 3)]
    for other in others:
        assert_array_equal(one.coefficients[0], other.coefficients[0])
        assert_array_equal(one.coefficients[1], other.coefficients[1])
        for name, curve in one.curves.items():
            assert_array_equal(curve, other.curves[name])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_every_estimator_fits_in_jobs_after_threads(backend):
    # Kernels keep no state between calls, and release the GIL.
    def fit_and_predict(estimator):  # in here, loky's workers need not import this file
        X, y = load_iris(return_X_y=True)
        model = estimator(max_iter=5)
        set_random_state(model)
        return model.fit(X, y).predict(X)

    estimators = [estimator for _, estimator in all_estimators(["classifier", "regressor"])]
    on_threads(2, pass_over, 1000, lambda *block: None, 1e9)
    on_threads(2, KMeans(n_init=1).fit, load_iris().data)  # of OpenMP
    together = Parallel(n_jobs=2, backend=backend)(map(delayed(fit_and_predict), estimators))
    for estimator, found in zip(estimators, together, strict=True):
        assert_array_equal(found, fit_and_predict(estimator))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(small_chunks):
    # OpenMP's would hang here
    two_threads_meet()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=two_threads_meet)
    process.start()
    process.join(60)
    alive = process.is_alive()
    process.kill()
    assert not alive
    assert process.exitcode == 0
