"""Preconditioners of Newton steps: cheaper pictures of the Hessian than the Hessian.

They serve conjugate gradients on dense rows of several classes, whose products are in float32.
"""

import numpy as np

from sklearn_optland._loss.log_loss import softmax
from sklearn_optland._optim.metrics import cholesky
from sklearn_optland.linear_model._logistic.curvatures import has_small_hessian
from sklearn_optland.linear_model._logistic.samples import draw

# Rows of a class block, in units of the columns; pairs of a row and a direction of its classes, and
# power steps that find them; rows of a sample for the Hessian, in units of its side, and the least
# share of all rows.
BLOCK_ROWS, MIN_BLOCK_ROWS = 3, 500
SAMPLE_ROWS, SAMPLE_PASSES = 5, 8
PAIRS = 1200
POWER_STEPS = 12


def choose_preconditioner(problem, curvature):
    """Choose one for Newton steps: what is cheapest to factor; `curvature` where nothing is."""
    k, d = problem.k, problem.n_features + 1
    if problem.source.is_sparse or not problem.has_few_columns or not problem.l2:
        return curvature
    if has_small_hessian(problem):
        return HessianCurvature(problem)
    blocks = k * d * d * (BLOCK_ROWS * d + d / 3)
    pairs = PAIRS * PAIRS * (d + PAIRS / 3)
    return (ClassBlocksCurvature if blocks < pairs else PairCurvature)(problem)


class HessianCurvature:
    """The Hessian of a sample of the rows, a matrix of side (d + 1) k, by Cholesky.

    A preconditioner for few columns and classes. Rows are drawn by their uncertainty and weighted
    back.
    """

    def __init__(self, problem):
        self.problem = problem

    def refresh(self, point):
        problem = self.problem
        k, d = problem.k, problem.n_features + 1
        side = k * d
        size = max(SAMPLE_ROWS * side, SAMPLE_PASSES * problem.n_samples / side)
        index, probability = draw(problem, problem.uncertainty(point.Z), size, 0)
        scale = np.append(problem.products.scale, 1.0)
        inverse = 1.0 / scale
        inverse[-1] = problem.fit_intercept
        A = problem.products.scaled_rows(index, inverse)
        weights = problem.source.c[index] / probability
        total = max(weights.max(initial=0.0), 1e-300)
        P = softmax(point.Z[index])
        matrix = np.empty((k, d, k, d))
        roots = np.sqrt(weights / total)[:, None]
        PA = ((P * roots).astype(np.float32)[:, :, None] * A[:, None, :]).reshape(-1, side)
        matrix.reshape(side, side)[:] = -(PA.T @ PA)
        roots = (np.sqrt(P) * roots).astype(np.float32)
        for a in range(k):
            B = A * roots[:, a, None]
            matrix[a, :, a] += B.T @ B
        matrix *= total * scale[:, None, None] * scale
        j = np.arange(d)
        # Nothing moves along (1, ..., 1): it gets the size of the others.
        diagonal = np.einsum("ajaj->j", matrix) / k
        matrix[:, j, :, j] += (np.where(diagonal > 0, diagonal, 1.0) / k)[:, None, None]
        matrix = matrix.reshape(side, side)
        matrix[np.diag_indices(side)] += np.tile(problem.penalty[:, 0], k)
        self._factor = cholesky(matrix)

    def solve(self, G):
        out = np.ascontiguousarray(self._factor(G.T.reshape(-1, 1)).reshape(G.T.shape).T)
        return out - out.mean(axis=1, keepdims=True)


class ClassBlocksCurvature:
    """The Hessian without what it says between classes: k matrices of side d + 1, by Cholesky.

    A preconditioner, from the rows that are least certain about each class.
    """

    def __init__(self, problem):
        self.problem = problem

    def refresh(self, point):
        problem = self.problem
        k, n_rows = problem.k, MIN_BLOCK_ROWS + BLOCK_ROWS * problem.n_features
        P = problem.probabilities(point.Z)
        self._factors = []
        for h in np.ascontiguousarray((P * (1.0 - P) * problem.source.c[:, None]).T):
            part = problem
            if n_rows < problem.n_samples:
                index = np.sort(np.argpartition(-h, n_rows)[:n_rows])
                part, h = problem.restrict(index), h[index]
            matrix = part.gram(h * (k / (k - 1)))
            matrix[np.diag_indices_from(matrix)] += problem.penalty[:, 0]
            self._factors.append(cholesky(matrix))

    def solve(self, G):
        columns = zip(self._factors, G.T, strict=True)
        out = np.hstack([factor(g[:, None]) for factor, g in columns])
        return out - out.mean(axis=1, keepdims=True)


class PairCurvature:
    """The penalty and the Hessian's largest parts, by Woodbury's formula.

    A preconditioner for many classes. Few rows are uncertain, and in a row diag p - pp' has few
    large eigenvalues e: H is about l2 I + sum e (x kron u)(x kron u)' over such pairs of a row
    and a direction u of the classes. The inverse takes one matrix with a side of their number.
    """

    def __init__(self, problem):
        self.problem = problem

    def refresh(self, point):
        problem = self.problem
        uncertain = problem.uncertainty(point.Z)
        n_rows = min(PAIRS, problem.n_samples)
        index = np.argpartition(-uncertain, n_rows - 1)[:n_rows]
        e, U = _top_eigenpairs(softmax(point.Z[index]))
        e *= problem.source.c[index, None]
        kept = np.argsort(-e, axis=None)[:PAIRS]
        rows = index[kept // e.shape[1]]
        # The intercept has no penalty: it gets the curvature of the other rows.
        rest = max(uncertain.sum() - uncertain[index].sum(), 1e-3 * uncertain.sum()) / problem.k
        self.base = problem.penalty + np.append(np.zeros(problem.n_features), rest)[:, None]
        size = max(e.max(), 1e-300)
        U = U.reshape(-1, problem.k)[kept] * np.sqrt(e.ravel()[kept] / size)[:, None]
        factors = np.sqrt(size / self.base[:, 0])
        factors[-1] *= problem.fit_intercept
        self.A = problem.products.scaled_rows(rows, factors)
        self.U = U.astype(np.float32)
        K = (self.A @ self.A.T) * (self.U @ self.U.T)
        K[np.diag_indices_from(K)] += 1.0
        self._factor = cholesky(K)

    def solve(self, G):
        root = np.sqrt(self.base)
        G = G / root
        size = max(np.abs(G).max(), 1e-300)
        G = (G / size).astype(np.float32)
        share = self._factor(np.einsum("ij,ij->i", self.A @ G, self.U)[:, None])
        out = size * (G - self.A.T @ (self.U * share)) / root
        return out - out.mean(axis=1, keepdims=True)


def _top_eigenpairs(P):
    """The two largest eigenvalues, (n, 2), and their vectors, (n, 2, k), of diag p - pp'."""
    n, k = P.shape
    U = np.zeros((n, 2, k))
    order = np.argsort(-P, axis=1)
    U[np.arange(n), 0, order[:, 0]] = U[np.arange(n), 1, order[:, min(2, k - 1)]] = 1.0
    U[np.arange(n), 0, order[:, 1]] -= 1.0
    for _ in range(POWER_STEPS):
        U = P[:, None, :] * (U - (U @ P[:, :, None]))
        U[:, 0] /= np.maximum(np.linalg.norm(U[:, 0], axis=1), 1e-300)[:, None]
        U[:, 1] -= np.einsum("ij,ij->i", U[:, 0], U[:, 1])[:, None] * U[:, 0]
        U[:, 1] /= np.maximum(np.linalg.norm(U[:, 1], axis=1), 1e-300)[:, None]
    e = np.einsum("iaj,iaj->ia", P[:, None, :] * U, U) - (U @ P[:, :, None])[:, :, 0] ** 2
    return np.maximum(e, 0.0), U
