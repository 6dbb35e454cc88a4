"""Curvatures of the log-loss, factored: the metrics in which a step is taken.

Each has `solve(G)`, the product of its inverse with a gradient. Those that follow the parameters
have `refresh(point)`. A curvature is called a majorizer if a step -solve(gradient) cannot raise the
objective.
"""

from functools import cache

import numpy as np
from scipy.linalg import eigh, helmert

from sklearn_optland._loss import partition_bound_fast as kernels
from sklearn_optland._loss.linear_passes import LinearPass, WeightedGram
from sklearn_optland._loss.log_loss import softmax
from sklearn_optland._optim.metrics import check_side, cholesky, diagonal_of, reciprocal
from sklearn_optland._rows.reduce import reduce

# Up to so many columns float32 does not pay for the conversion.
FEW_COLUMNS = 64
# What a column keeps of its squares, at least, from its mean: less is rounding.
LEAST_SPREAD = 1e-8
# A Hessian of side d k is about d k / 8 passes, and conjugate gradients take some 50 a step.
MAX_HESSIAN_SIDE = 500
# The mean curvature of a class that an intercept, which has no penalty, gets at least: where every
# row is certain its own says nothing of the next step.
LEAST_OF_INTERCEPT = 1e-6


def has_small_hessian(problem):
    """Whether the Hessian is so small a matrix that a factor costs few passes."""
    return (problem.n_features + 1) * problem.k <= MAX_HESSIAN_SIDE


class GramCurvature:
    """Binary: X' diag(h) X + penalty, h the curvature of each row, by Cholesky.

    Newton's curvature for radius 0; JC12, a majorizer, for an infinite radius; in between a
    majorizer for steps that move no score by more than its radius.
    """

    follows = True  # whether a majorizer has to be renewed as the parameters move

    def __init__(self, problem, *, ridge=0.0):
        check_side(problem.n_features + 1)
        self.problem, self.ridge = problem, ridge

    def refresh(self, point, radius=np.inf):
        problem = self.problem
        matrix = problem.gram(problem.curvature(point.Z, radius))
        diagonal_of(matrix)[:] += problem.penalty[:, 0] + self.ridge
        self._factor, self._matrix = cholesky(matrix), matrix

    def solve(self, G):
        return self._factor(G)

    def product(self, V):
        """The curvature, penalty included, times V."""
        matrix = self._matrix
        return np.tril(matrix) @ V + np.tril(matrix, -1).T @ V

    @property
    def intercept_column(self):
        """The column of the intercept, shape (n_features + 1, 1)."""
        return self._matrix[-1:].T


class BinaryNewtonCurvature(GramCurvature):
    """Binary: the Hessian."""

    def refresh(self, point):
        super().refresh(point, 0.0)


class ClassPairsGram(LinearPass):
    """sum_i c_i S_i kron x_i x_i' for curvatures S_i of the rows' scores; a (d, k, d, k) array.

    Parameters
    ----------
    source : ArraySource or another source of rows
    k : int
    fit_intercept : bool
    of_scores : callable
        Picklable; takes scores, and returns S of shape (n_rows, k, k).
    """

    def __init__(self, source, k, fit_intercept, of_scores):
        super().__init__(source, k, (source.n_columns + 1, k) * 2, work=0)
        self.values, self.fit_intercept = max(k * k, self.values), fit_intercept
        self.of_scores = of_scores

    def add(self, block, parameters, matrix):
        S = self.of_scores(block.local(parameters[0])[block.slice])
        part = block.source.take(block.slice)
        S *= part.c[:, None, None]
        k = S.shape[1]
        gram = WeightedGram(part, k)
        for a in range(k):
            for b in range(a + 1):
                C = reduce(gram, part, (np.ascontiguousarray(S[:, a, b]),))[1]
                C += np.tril(C, -1).T
                if not self.fit_intercept:
                    C[-1] = C[:, -1] = 0.0
                matrix[:, a, :, b] += C
                if a != b:
                    matrix[:, b, :, a] += C


def jc12_of_scores(Z):
    """The JC12 curvature of each row."""
    S = np.empty((*Z.shape, Z.shape[1]))
    kernels.jc12_curvature(Z, np.argsort(-Z, axis=1), S)  # descending scores: the tightest bound
    return S


def hessian_of_scores(Z):
    """diag p - pp' of each row."""
    P = softmax(Z)
    S = -P[:, :, None] * P[:, None, :]
    np.einsum("iaa->ia", S)[:] += P
    return S


class JC12Curvature:
    """Multinomial JC12, sum_i S_i kron x_i x_i' + penalty, a (dk)^2 matrix: a majorizer."""

    follows = True  # whether a majorizer has to be renewed as the parameters move
    of_scores = staticmethod(jc12_of_scores)

    def __init__(self, problem, *, ridge=0.0):
        check_side((problem.n_features + 1) * problem.k)
        self.problem, self.ridge = problem, ridge

    def refresh(self, point):
        problem = self.problem
        k, d = problem.k, problem.n_features + 1
        statistic = ClassPairsGram(problem.source, k, problem.fit_intercept, self.of_scores)
        matrix = reduce(statistic, problem.source, (point.Z,))[1]
        problem.count_pass(k * (k + 1) / 2)
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


class NewtonCurvature(JC12Curvature):
    """The multinomial Hessian, a (dk)^2 matrix in float64: no majorizer."""

    of_scores = staticmethod(hessian_of_scores)


class KroneckerCurvature:
    """X'CX kron H + penalty, with the classes' k x k curvature H: two small eigenproblems.

    H = (I - 11'/k) / 2, or 1/4 for two classes, is Boehning's fixed bound, a majorizer. `refresh`
    puts the mean of diag p - pp' there: closer to the Hessian, no majorizer. A change of H costs
    O(k^3), no new factorisation. Columns are centred by a change of the intercept, so that the
    intercept is its own block.
    """

    follows = False  # whether a majorizer has to be renewed as the parameters move

    def __init__(self, problem, *, ridge=0.0):
        check_side(problem.n_features + 1)
        self.problem = problem
        C = problem.gram(problem.source.c)
        self.total = problem.total
        if problem.fit_intercept:
            self.mean = C[-1, :-1] / self.total
            C[:-1, :-1] -= self.total * np.outer(self.mean, self.mean)
        else:
            self.mean = np.zeros(problem.n_features)
        C = C[:-1, :-1]
        size = max(np.abs(np.diag(C)).max(initial=0.0), 1e-300)
        in_float32 = len(C) > FEW_COLUMNS and not problem.products.is_exact
        precision = np.float32 if in_float32 else np.float64
        s, self.V = eigh((C / size).astype(precision), lower=True, check_finite=False)
        s = s.astype(float) * size
        # What rounding may have taken from an eigenvalue, it gets back: a bound must not be less.
        eps = np.finfo(precision).eps
        self.eigenvalues = np.maximum(s, 0.0) + len(s) * eps * s[-1:]
        self.shrinkage = problem.l2 + np.mean(ridge)  # one for all columns
        self.bohning()

    def bohning(self):
        self._set_classes(self.problem.bohning_curvature())

    def refresh(self, point):
        self._set_classes(self.problem.class_curvature(point.Z) / self.total)

    def _set_classes(self, H):
        h, self.Q = _eigh_classes(H)
        self.inverse = reciprocal(np.outer(self.eigenvalues, h) + self.shrinkage)
        self.inverse_intercept = reciprocal(self.total * np.maximum(h, LEAST_OF_INTERCEPT))

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


class AbsoluteRowSums(LinearPass):
    """Row sums of |[X 1]|' C |[X 1]|."""

    def __init__(self, problem):
        super().__init__(problem.source, problem.k, problem.n_features + 1, work=0)
        self.fit_intercept = problem.fit_intercept

    def add(self, block, parameters, total):
        A, c = abs(block.source.X[block.slice]), block.source.c[block.slice]
        t = c * (np.asarray(A.sum(axis=1), dtype=float).ravel() + self.fit_intercept)
        total += np.append(A.T @ t, t.sum())


class DiagonalCurvature:
    """The Hessian's diagonal, for more columns than a d x d matrix can have.

    `refresh` takes the columns' squares from their means and the classes' mean p (1 - p), which is
    no majorizer; centring is a change of the intercept. `bohning` is one: row sums of |X|'C|X|
    instead, and Boehning's bound for the classes.
    """

    follows = False  # whether a majorizer has to be renewed as the parameters move

    def __init__(self, problem):
        self.problem = problem

    def bohning(self):
        problem = self.problem
        row_sums = reduce(AbsoluteRowSums(problem), problem.source)[1]
        self.mean = np.zeros(problem.n_features)
        self._set(row_sums, np.full(problem.k, problem.largest_curvature))

    def refresh(self, point):
        problem = self.problem
        squares, self.mean = problem.column_squares.copy(), problem.column_means
        spread = squares[:-1] - problem.total * self.mean**2
        squares[:-1] = np.maximum(spread, LEAST_SPREAD * squares[:-1])
        self._set(squares, problem.class_variances(point.Z) / problem.total)

    def _set(self, columns, h):
        self.inverse = reciprocal(np.outer(columns, h) + self.problem.penalty)
        self.inverse[-1] = reciprocal(columns[-1] * np.maximum(h, LEAST_OF_INTERCEPT))
        if not self.problem.fit_intercept:
            self.inverse[-1] = 0.0

    def solve(self, G):
        out = G * self.inverse
        out[:-1] -= np.outer(self.mean, G[-1]) * self.inverse[:-1]
        out[-1] -= self.mean @ out[:-1]
        return self.problem.centred(out)


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
