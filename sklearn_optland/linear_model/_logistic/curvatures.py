"""Curvatures of the log-loss, factored: the metrics in which a step is taken.

Each has `solve(G)`, the product of its inverse with a gradient. Those that follow the parameters
have `refresh(point)`. A curvature is called a majorizer if a step -solve(gradient) cannot raise the
objective.
"""

from functools import cache

import numpy as np
from scipy.linalg import eigh, helmert
from scipy.linalg.lapack import dpotrf, dpotrs, spotrf, spotrs

from sklearn_optland._loss import float32_dense_fast as tile_kernels
from sklearn_optland._loss import partition_bound_fast as kernels
from sklearn_optland._rows.reduce import row_blocks, sum_over_blocks

# The largest side of a matrix that is factored: 5000 x 5000 float64 take 200 MB.
MAX_SIDE = 5000
# Up to so many columns float32 does not pay for the conversion.
FEW_COLUMNS = 64
# Preconditioners: rows of a class block, in units of the columns; pairs of a row and a direction of
# its classes, and power steps that find them.
BLOCK_ROWS, MIN_BLOCK_ROWS = 3, 500
MAX_HESSIAN_SIDE = 500
SAMPLE_ROWS, SAMPLE_PASSES = 5, 8
PAIRS = 1200
POWER_STEPS = 12


class GramCurvature:
    """Binary: X' diag(h) X + penalty, h the curvature of each row, by Cholesky.

    Newton's curvature for radius 0; JC12, a majorizer, for an infinite radius; in between a
    majorizer for steps that move no score by more than its radius.
    """

    def __init__(self, problem, *, ridge=0.0):
        check_side(problem.n_features + 1)
        self.problem, self.ridge = problem, ridge

    def refresh(self, point, radius=np.inf):
        problem = self.problem
        matrix = problem.gram(problem.binary_curvature(point.Z, radius))
        diagonal_of(matrix)[:] += problem.penalty[:, 0] + self.ridge
        self._factor = cholesky(matrix)

    def solve(self, G):
        return self._factor(G)


class JC12Curvature:
    """Multinomial JC12, sum_i S_i kron x_i x_i' + penalty, a (dk)^2 matrix: a majorizer."""

    def __init__(self, problem, *, ridge=0.0):
        check_side((problem.n_features + 1) * problem.k)
        self.problem, self.ridge = problem, ridge

    def refresh(self, point):
        problem = self.problem
        k, d = problem.k, problem.n_features + 1
        matrix = np.zeros((d, k, d, k))
        for first, last in row_blocks(problem.n_samples, k * k):
            Z = point.Z[first:last]
            S = np.empty((last - first, k, k))
            # Descending scores give the tightest bound.
            kernels.jc12_curvature(Z, np.argsort(-Z, axis=1), S)
            S *= problem.c[first:last, None, None]
            part = problem.restrict(slice(first, last))
            for a in range(k):
                for b in range(a + 1):
                    C = part.gram(np.ascontiguousarray(S[:, a, b]))
                    C += np.tril(C, -1).T
                    if not problem.fit_intercept:
                        C[-1] = C[:, -1] = 0.0
                    matrix[:, a, :, b] += C
                    if a != b:
                        matrix[:, b, :, a] += C
        # S_i has no curvature along (1, ..., 1), and nothing moves along it. It gets the size of
        # the others, so that the matrix is not singular for that reason.
        j = np.arange(d)
        diagonal = np.einsum("jaja->j", matrix) / k
        matrix[j, :, j, :] += np.where(diagonal > 0, diagonal, 1.0)[:, None, None] / k
        matrix[j, :, j, :] += (problem.penalty[:, 0] + self.ridge)[:, None, None] * np.eye(k)
        self._factor = cholesky(matrix.reshape(d * k, d * k))

    def solve(self, G):
        out = self._factor(G.reshape(-1, 1)).reshape(G.shape)
        return out - out.mean(axis=1, keepdims=True)


class KroneckerCurvature:
    """X'CX kron H + penalty, with the classes' k x k curvature H: two small eigenproblems.

    H = (I - 11'/k) / 2, or 1/4 for two classes, is Boehning's fixed bound, a majorizer. `refresh`
    puts the mean of diag p - pp' there: closer to the Hessian, no majorizer. A change of H costs
    O(k^3), no new factorisation. Columns are centred by a change of the intercept, so that the
    intercept is its own block.
    """

    def __init__(self, problem, *, ridge=0.0):
        check_side(problem.n_features + 1)
        self.problem = problem
        C = problem.gram(problem.c)
        self.total = problem.c.sum()
        if problem.fit_intercept:
            self.mean = C[-1, :-1] / self.total
            C[:-1, :-1] -= self.total * np.outer(self.mean, self.mean)
        else:
            self.mean = np.zeros(problem.n_features)
        C = C[:-1, :-1]
        size = max(np.abs(np.diag(C)).max(initial=0.0), 1e-300)
        precision = problem.precision if len(C) > FEW_COLUMNS else np.float64
        s, self.V = eigh((C / size).astype(precision), lower=True, check_finite=False)
        s = s.astype(float) * size
        # What rounding may have taken from an eigenvalue, it gets back: a bound must not be less.
        eps = np.finfo(precision).eps
        self.eigenvalues = np.maximum(s, 0.0) + len(s) * eps * s[-1:]
        self.shrinkage = problem.l2 + ridge
        self.bohning()

    def bohning(self):
        self._set_classes(bohning_classes(self.problem.k))

    def refresh(self, point):
        self._set_classes(self.problem.class_curvature(point.Z) / self.total)

    def _set_classes(self, H):
        h, self.Q = _eigh_classes(H)
        self.inverse = reciprocal(np.outer(self.eigenvalues, h) + self.shrinkage)
        self.inverse_intercept = reciprocal(self.total * h)

    def solve(self, G):
        out = np.zeros_like(G)
        g = G[-1] @ self.Q
        q = self._rotate(self.V.T, (G[:-1] - np.outer(self.mean, G[-1])) @ self.Q)
        out[:-1] = self._rotate(self.V, q * self.inverse) @ self.Q.T
        if self.problem.fit_intercept:
            out[-1] = (g * self.inverse_intercept) @ self.Q.T - self.mean @ out[:-1]
        return out

    def _rotate(self, V, G):
        """V @ G in V's precision."""
        if V.dtype == G.dtype:
            return V @ G
        size = max(np.abs(G).max(initial=0.0), 1e-300)
        return size * (V @ (G / size).astype(V.dtype))


class DiagonalCurvature:
    """The Hessian's diagonal, for more columns than a d x d matrix can have.

    `refresh` takes diag(X'CX) and the classes' mean p (1 - p), which is no majorizer. `bohning` is
    one: row sums of |X|'C|X| instead, and Boehning's bound for the classes.
    """

    def __init__(self, problem):
        self.problem = problem

    def bohning(self):
        problem = self.problem

        def statistic(first, last):
            A, c = abs(problem.X[first:last]), problem.c[first:last]
            t = c * (np.asarray(A.sum(axis=1), dtype=float).ravel() + problem.fit_intercept)
            return np.append(A.T @ t, t.sum())

        row_sums = sum_over_blocks(statistic, problem.n_samples, problem.values_per_row)
        self._set(row_sums, np.full(problem.k, 0.25 if problem.k == 1 else 0.5))

    def refresh(self, point):
        problem = self.problem
        if problem.k == 1:
            h = problem.class_curvature(point.Z)[0]
        else:
            P = problem.probabilities(point.Z)
            h = problem.c @ (P * (1.0 - P))
        self._set(problem.column_squares, h / problem.c.sum())

    def _set(self, columns, h):
        self.inverse = reciprocal(np.outer(columns, h) + self.problem.penalty)
        if not self.problem.fit_intercept:
            self.inverse[-1] = 0.0

    def solve(self, G):
        out = G * self.inverse
        if self.problem.k > 1:
            out -= out.mean(axis=1, keepdims=True)
        return out


def bohning_classes(k):
    """Boehning's bound on diag p - pp': (I - 11'/k) / 2; 1/4 for the one score of two classes."""
    return np.array([[0.25]]) if k == 1 else (np.eye(k) - 1.0 / k) / 2


@cache
def _centred_basis(k):
    """Orthonormal columns that span what is orthogonal to (1, ..., 1); a 1 for one score."""
    return helmert(k).T if k > 1 else np.ones((1, 1))


def _eigh_classes(H):
    """Eigenvalues and vectors of a class curvature, without the direction (1, ..., 1).

    Nothing moves along it: parameters stay centred over the classes.
    """
    basis = _centred_basis(len(H))
    h, Q = np.linalg.eigh(basis.T @ H @ basis)
    return np.maximum(h, 0.0), basis @ Q


