"""Dual coordinate ascent of logistic regression."""

import numpy as np
import pytest
from helpers import read_only
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax, xlogy

from sklearn_optland.linear_model._logistic import dual_ascent_fast as dual_kernels

pytestmark = pytest.mark.kernels


class DualProblem:
    """A multinomial problem for `dual_pass`, some of its rows empty, and its dual objective."""

    def __init__(self, seed, k, q):
        rng = np.random.default_rng(seed)
        self.n, self.d, self.k = 12, 9, k
        dense = rng.normal(size=(self.n, self.d)) * (rng.random((self.n, self.d)) < 0.5)
        self.X = sparse.csr_array(dense.astype(np.float32))
        self.y = rng.integers(0, k, self.n).astype(np.int32)
        self.Y = np.eye(k)[self.y]
        self.l2 = float(rng.uniform(0.5, 2.0))
        self.rho = float(rng.uniform(0.5, 2.0))
        squares = (self.X**2).sum(axis=1)
        self.c = (q * rng.uniform(0.5, 2.0, self.n) / squares.mean()).astype(np.float32)
        self.q = (self.c * (squares / self.l2 + 1 / self.rho)).astype(np.float32)
        self.order = np.arange(self.n, dtype=np.int32)
        self.logs = np.empty((self.n, k), np.float32)
        self.V = np.zeros((self.d + 1, k), np.float32)

    def step(self, order, *, fresh):
        X = self.X
        indptr, indices = X.indptr.astype(np.int64), X.indices.astype(np.int32)
        rows = order, indptr, indices, X.data, self.y, self.c, self.q
        read_only(*rows)
        return dual_kernels.dual_pass(*rows, self.l2, self.rho, fresh, self.logs, self.V)

    def pulls(self, P):
        return self.c[:, None] * (self.Y - P)

    def parameters(self, P):
        V = self.X.T @ self.pulls(P) / self.l2
        return np.vstack([V, self.pulls(P).sum(axis=0) / self.rho])

    def dual(self, P):
        V = self.parameters(P)
        squares = self.l2 * (V[:-1] ** 2).sum() + self.rho * (V[-1] ** 2).sum()
        return -0.5 * squares - (self.c[:, None] * xlogy(P, P)).sum()

    def probabilities(self):
        P = np.exp(self.logs.astype(float))
        return P / P.sum(axis=1, keepdims=True)

    def scores(self, V):
        return self.X @ V[:-1] + V[-1]


dual_problems = pytest.mark.parametrize(
    ("k", "q"), [(3, 1e-3), (3, 1.0), (20, 1.0), (37, 30.0), (5, 1e4)]
)


@dual_problems
def test_dual_steps_ascend_and_their_parameters_follow(k, q, global_random_seed):
    problem = DualProblem(global_random_seed, k, q)
    problem.step(problem.order, fresh=True)
    P = problem.probabilities()
    for i in np.tile(problem.order, 5):
        before = problem.dual(P)
        problem.step(np.array([i], np.int32), fresh=False)
        others = np.delete(problem.order, i)
        assert_array_equal(P[others], problem.probabilities()[others])
        P = problem.probabilities()
        assert problem.dual(P) >= before - 1e-5 * abs(before)
    rounding = max(1e-4, 1e-7 * q)  # of float32 probabilities, q times
    assert_allclose(problem.V, problem.parameters(P), rtol=0, atol=rounding * abs(problem.V).max())


@dual_problems
def test_a_dual_step_solves_its_row(k, q, global_random_seed):
    # Against the fixed point p = softmax(z + q (old - p)), by bisection on log p = m - q p - t.
    problem = DualProblem(global_random_seed, k, q)
    problem.step(problem.order, fresh=True)
    for i in problem.order:
        old = problem.probabilities()
        m = problem.scores(problem.V.astype(float))[i] + problem.q[i] * old[i]
        problem.step(np.array([i], np.int32), fresh=False)
        for _ in range(20):  # the kernel stops early: repeated, its steps must agree
            problem.V[:] = problem.parameters(problem.probabilities())
            problem.step(np.array([i], np.int32), fresh=False)

        def probabilities(t, m=m, q=float(problem.q[i])):
            low, high = np.full(k, -80.0), np.zeros(k)
            for _ in range(80):
                middle = (low + high) / 2
                above = middle + q * np.exp(middle) > m - t
                low, high = np.where(above, low, middle), np.where(above, middle, high)
            return np.exp(low)

        low, high = m.min() - 100.0, m.max() + 100.0
        for _ in range(80):
            t = (low + high) / 2
            low, high = (t, high) if probabilities(t).sum() > 1 else (low, t)
        assert_allclose(problem.probabilities()[i], probabilities(low), rtol=0, atol=2e-5)


def test_dual_passes_converge_and_tell_the_gap(global_random_seed):
    problem = DualProblem(global_random_seed, 6, 1.0)
    problem.step(problem.order, fresh=True)
    gaps = [problem.step(problem.order, fresh=False) for _ in range(40)]
    assert gaps[-1] < 1e-8 * gaps[0]
    P = softmax(problem.scores(problem.V.astype(float)), axis=1)
    assert_allclose(problem.probabilities(), P, rtol=0, atol=1e-5)
