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
        self.inverse = _reciprocal(np.outer(self.eigenvalues, h) + self.shrinkage)
        self.inverse_intercept = _reciprocal(self.total * h)

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
        self.inverse = _reciprocal(np.outer(columns, h) + self.problem.penalty)
        if not self.problem.fit_intercept:
            self.inverse[-1] = 0.0

    def solve(self, G):
        out = G * self.inverse
        if self.problem.k > 1:
            out -= out.mean(axis=1, keepdims=True)
        return out


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
        index, probability = problem.draw_rows(problem.uncertainty(point.Z), size, 0)
        scale = np.append(problem.scale, 1.0)
        inverse = 1.0 / scale
        inverse[-1] = problem.fit_intercept
        A = tile_kernels.scaled_rows(problem.X, index, inverse)
        weights = problem.c[index] / probability
        total = max(weights.max(initial=0.0), 1e-300)
        P = problem.probabilities(point.Z[index])
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
        self._factor = _factor(matrix)

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
        for h in np.ascontiguousarray((P * (1.0 - P) * problem.c[:, None]).T):
            part = problem
            if n_rows < problem.n_samples:
                index = np.sort(np.argpartition(-h, n_rows)[:n_rows])
                part, h = problem.restrict(index), h[index]
            matrix = part.gram(h * (k / (k - 1)))
            matrix[np.diag_indices_from(matrix)] += problem.penalty[:, 0]
            self._factors.append(_factor(matrix))

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
        e, U = _top_eigenpairs(problem.probabilities(point.Z[index]))
        e *= problem.c[index, None]
        kept = np.argsort(-e, axis=None)[:PAIRS]
        rows = index[kept // e.shape[1]]
        # The intercept has no penalty: it gets the curvature of the other rows.
        rest = max(uncertain.sum() - uncertain[index].sum(), 1e-3 * uncertain.sum()) / problem.k
        self.base = problem.penalty + np.append(np.zeros(problem.n_features), rest)[:, None]
        size = max(e.max(), 1e-300)
        U = U.reshape(-1, problem.k)[kept] * np.sqrt(e.ravel()[kept] / size)[:, None]
        factors = np.sqrt(size / self.base[:, 0])
        factors[-1] *= problem.fit_intercept
        self.A = tile_kernels.scaled_rows(problem.X, rows, factors)
        self.U = U.astype(np.float32)
        K = (self.A @ self.A.T) * (self.U @ self.U.T)
        K[np.diag_indices_from(K)] += 1.0
        self._factor = _factor(K)

    def solve(self, G):
        root = np.sqrt(self.base)
        G = G / root
        size = max(np.abs(G).max(), 1e-300)
        G = (G / size).astype(np.float32)
        share = self._factor(np.einsum("ij,ij->i", self.A @ G, self.U)[:, None])
        out = size * (G - self.A.T @ (self.U * share)) / root
        return out - out.mean(axis=1, keepdims=True)


def deflated(solve, directions):
    """Precondition by `solve` what conjugate directions of earlier systems leave open.

    `directions` are p, H p and p'H p, as vectors. With the same H, systems that are solved one
    after the other make one run of conjugate gradients.
    """
    if not directions:
        return solve
    P, HP, curvatures = (np.array(part) for part in zip(*directions, strict=True))

    def solve_deflated(G):
        known = (P @ G.ravel()) / curvatures
        S = solve(G - (known @ HP).reshape(G.shape)).ravel()
        return (S + (known - (HP @ S) / curvatures) @ P).reshape(G.shape)

    return solve_deflated


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
    ridge = 50 * np.finfo(matrix.dtype).eps
    potrf, potrs = (spotrf, spotrs) if matrix.dtype == np.float32 else (dpotrf, dpotrs)
    while True:
        # LAPACK itself: SciPy's functions around it take longer than a small matrix does. A lower
        # triangle in C order is an upper one in Fortran's.
        factor, failed = potrf(matrix.T, lower=0, clean=0)
        if not failed:
            return lambda G: scale * potrs(factor, scale * G, lower=0)[0]
        _diagonal(matrix)[:] += ridge
        ridge *= 10


def _diagonal(matrix):
    """The diagonal of a square matrix in C order, writable."""
    return matrix.reshape(-1)[:: len(matrix) + 1]
