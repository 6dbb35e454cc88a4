"""Curvatures of the log-loss, factored: the metrics in which a step is taken.

Each has `solve(G)`, the product of its inverse with a gradient. Those that follow the parameters
have `refresh(point)`. A curvature is called a majorizer if a step -solve(gradient) cannot raise the
objective.
"""

from functools import cache

import numpy as np
from scipy.linalg import eigh, helmert
from scipy.linalg.lapack import dpotrf, dpotrs

from sklearn_optland._blocks import row_blocks, sum_over_blocks
from sklearn_optland.linear_model import _bound_majorization_fast as kernels
from sklearn_optland.linear_model._log_loss_problem import EPS

# The largest side of a matrix that is factored: 5000 x 5000 float64 take 200 MB.
MAX_SIDE = 5000


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
        _diagonal(matrix)[:] += problem.penalty[:, 0] + self.ridge
        self._factor = _factor(matrix)

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
        self._factor = _factor(matrix.reshape(d * k, d * k))

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
        s, self.V = eigh(C[:-1, :-1], lower=True, check_finite=False)
        # What rounding may have taken from an eigenvalue, it gets back: a bound must not be less.
        self.eigenvalues = np.maximum(s, 0.0) + len(s) * EPS * s[-1]
        self.shrinkage = problem.l2 + ridge
        self.bohning()

    def bohning(self):
        self._set_classes(bohning_classes(self.problem.k))

    def refresh(self, point):
        self._set_classes(self.problem.class_curvature(point.Z) / self.total)

    def _set_classes(self, H):
        h, self.Q = _eigh_classes(H)
        self.inverse = _reciprocal(np.outer(self.eigenvalues, h) + self.shrinkage)
        self.inverse_intercept = _reciprocal(self.total * h)

    def solve(self, G):
        out = np.zeros_like(G)
        g = G[-1] @ self.Q
        q = self.V.T @ (G[:-1] - np.outer(self.mean, G[-1])) @ self.Q
        out[:-1] = self.V @ (q * self.inverse) @ self.Q.T
        if self.problem.fit_intercept:
            out[-1] = (g * self.inverse_intercept) @ self.Q.T - self.mean @ out[:-1]
        return out


class DiagonalCurvature:
    """diag(X'CX) kron H + penalty, for more columns than a d x d matrix can have.

    `bohning` takes row sums of |X|'C|X| instead, which is a majorizer.
    """

    def __init__(self, problem):
        self.problem = problem

    def bohning(self):
        problem, k = self.problem, self.problem.k

        def statistic(first, last):
            A, c = abs(problem.X[first:last]), problem.c[first:last]
            t = c * (np.asarray(A.sum(axis=1), dtype=float).ravel() + problem.fit_intercept)
            return np.append(A.T @ t, t.sum())

        row_sums = sum_over_blocks(statistic, problem.n_samples, problem.values_per_row)
        self._set(row_sums, bohning_classes(k))

    def refresh(self, point):
        self._set(
            self.problem.column_squares,
            self.problem.class_curvature(point.Z) / self.problem.c.sum(),
        )

    def _set(self, columns, H):
        h, self.Q = _eigh_classes(H)
        self.inverse = _reciprocal(np.outer(columns, h) + self.problem.penalty)
        if not self.problem.fit_intercept:
            self.inverse[-1] = 0.0

    def solve(self, G):
        return ((G @ self.Q) * self.inverse) @ self.Q.T


def bohning_classes(k):
    """Boehning's bound on diag p - pp': (I - 11'/k) / 2; 1/4 for the one score of two classes."""
    return np.array([[0.25]]) if k == 1 else (np.eye(k) - 1.0 / k) / 2


def check_side(side):
    """Refuse a matrix that is too large to factor."""
    if side > MAX_SIDE:
        raise ValueError(
            f"this curvature needs a square matrix of side {side}, (n_features + 1) x n_classes or "
            f"n_features + 1; allowed is at most {MAX_SIDE} ({8 * MAX_SIDE**2 / 1e6:.0f} MB). "
            "Use curvature='auto', which never builds it."
        )


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


def _reciprocal(x):
    """1 / x, and 0 for 0: directions that change nothing."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > 0)


def _factor(matrix):
    """Cholesky factor of a matrix given by its lower triangle; returns the solver.

    The matrix is scaled to a unit diagonal. One that is singular to rounding (collinear columns
    without a penalty) gets the smallest ridge that helps: a larger curvature is still a majorizer.
    """
    diagonal = _diagonal(matrix)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))[:, None]
    matrix = matrix * scale * scale.T
    _diagonal(matrix)[:] = 1.0
    ridge = 1e-14
    while True:
        # LAPACK itself: SciPy's functions around it take longer than a small matrix does. A lower
        # triangle in C order is an upper one in Fortran's.
        factor, failed = dpotrf(matrix.T, lower=0, clean=0)
        if not failed:
            return lambda G: scale * dpotrs(factor, scale * G, lower=0)[0]
        _diagonal(matrix)[:] += ridge
        ridge *= 10


def _diagonal(matrix):
    """The diagonal of a square matrix in C order, writable."""
    return matrix.reshape(-1)[:: len(matrix) + 1]
