"""JC12's bound with a low rank beside a diagonal, for coefficients whose matrix would be too large.

A row's curvature S_i kron x_i x_i' is at most diag(D_i) kron x_i x_i' (`diagonal_bound`): a block
C = sum_i w_i x_i x_i' for each class, w_i = c_i D_iy. For any Q of q columns, with the residuals
r_i = x_i - N'Q'x_i, N = (Q'CQ)^-1 Q'C,

    C = N'Q'CQ N + sum_i w_i r_i r_i',     r_i r_i' <= diag(|r_i|) sum |r_i|,

the second as Algorithms 4 and 5 of Jebara and Choromanska (2012) put into a diagonal what they
drop. It adds up magnitudes, some d times what the rows have in a direction. Rows R of a batch,
R'R <= I times the largest eigenvalue of RR', do not: of both the less is taken (ours). All holds
for any Q; the best spans the leading directions of C, and each refresh is a step of subspace
iteration towards them. Columns count in units of their root mean squares.
"""

import numpy as np

from sklearn_optland._loss.linear_passes import LinearPass
from sklearn_optland._loss.log_loss import diagonal_bound
from sklearn_optland._optim.metrics import reciprocal
from sklearn_optland._rows.reduce import reduce

# Directions of a class.
RANK = 10
# Subspace iterations before the first bound.
FIRST_ITERATIONS = 3
# Directions with less of the largest one's curvature are left to the diagonal.
LEAST = 1e-10
# Of the curvature, what is added to the diagonal: more than rounding may have taken from products,
# and so much that Woodbury's identity keeps its digits where there is no penalty.
FLOOR = 1e-6
# Rows that the diagonal takes together, and what rounding may take from their largest eigenvalue.
BATCH, ROUNDING = 64, 1e-10
# Blocks of rows whose residuals, dense, take about 4 MB.
VALUES_FACTOR = 64


class _WeightedPass(LinearPass):
    """A pass with a weight for each row and class, in blocks of few rows."""

    def __init__(self, problem, shape, work):
        super().__init__(problem.source, problem.k, shape, work=work)
        self.values, self.fit_intercept = (
            VALUES_FACTOR * (problem.n_features + 1),
            problem.fit_intercept,
        )

    def rows(self, block, weights):
        """Rows as float64, with the intercept's column, and their weights."""
        X = block.source.X[block.slice]
        dense = np.zeros((X.shape[0], X.shape[1] + 1))
        dense[:, :-1] = X.toarray() if hasattr(X, "toarray") else X
        dense[:, -1] = self.fit_intercept
        return dense, block.local(weights)[block.slice]


class WeightedProducts(_WeightedPass):
    """C Q for each class; parameters weights, Q of shape (k, n_features + 1, q)."""

    def __init__(self, problem, q):
        shape = problem.k, problem.n_features + 1, q
        super().__init__(problem, shape, 2.0 * problem.n_features * problem.k * q)

    def add(self, block, parameters, total):
        weights, Q = parameters
        X, w = self.rows(block, weights)
        for y, part in enumerate(total):
            part += X.T @ (w[:, y, None] * (X @ Q[y]))


class ResidualSums(_WeightedPass):
    """A diagonal above the residuals of each class; parameters weights, Q, N, and the units.

    It is in units of the columns' squares.
    """

    def __init__(self, problem, q):
        shape = problem.k, problem.n_features + 1
        super().__init__(problem, shape, (2.0 * q + BATCH) * problem.n_features * problem.k)

    def add(self, block, parameters, total):
        weights, Q, N, units = parameters
        X, w = self.rows(block, weights)
        scale, w = reciprocal(units), np.sqrt(w)
        for y, part in enumerate(total):
            R = X - (X @ Q[y]) @ N[y]
            R *= scale
            R *= w[:, y, None]
            for first in range(0, len(R), BATCH):
                part += _diagonal_above(R[first : first + BATCH])


def _diagonal_above(R):
    """Entries of a diagonal above R'R, the less of two."""
    largest = np.linalg.eigvalsh(R @ R.T)[-1] * (1 + ROUNDING)
    R = np.abs(R)
    sums = R.sum(axis=1)
    return largest if largest * R.shape[1] < sums @ sums else sums @ R


class LowRankCurvature:
    """K'K + diag(D) for each class, K of `RANK` rows: JC12's bound, a majorizer.

    Memory is that of `RANK` sets of coefficients. A refresh costs about 4 `RANK` + `BATCH` passes
    over dense rows.
    """

    follows = True  # whether a majorizer has to be renewed as the parameters move

    def __init__(self, problem, *, ridge=0.0):
        self.problem, self.ridge = problem, ridge
        self.units = np.sqrt(problem.column_squares / problem.total)
        d, rank = problem.n_features + 1, min(RANK, problem.n_features + 1)
        start = np.random.default_rng(0).normal(size=(d, rank)) * reciprocal(self.units)[:, None]
        self.Q, self.is_new = np.repeat(start[None], problem.k, axis=0), True

    def refresh(self, point):
        problem = self.problem
        weights = self._weights(point)
        for _ in range(FIRST_ITERATIONS if self.is_new else 0):
            self._leading(weights)
        self.is_new = False
        Q = self.Q
        K, N = self._leading(weights)
        residuals = ResidualSums(problem, Q.shape[2])
        D = reduce(residuals, problem.source, (weights, Q, N, self.units))[1] * self.units**2
        problem.count_pass(2 * Q.shape[2] + BATCH)
        D += FLOOR * np.einsum("kqd,kqd->kd", K, K)
        D += problem.penalty[:, 0] + self.ridge
        self.K, self.inverse = K, reciprocal(D)
        if not problem.fit_intercept:
            self.K[:, :, -1], self.inverse[:, -1] = 0.0, 0.0
        inner = (K * self.inverse[:, None]) @ K.transpose(0, 2, 1)
        self.inner = np.linalg.inv(np.eye(K.shape[1]) + inner)

    def solve(self, G):
        """By Woodbury's identity, class by class."""
        S = self.inverse * G.T
        KS = np.einsum("kqd,kd->kq", self.K, S)
        S -= self.inverse * np.einsum("kqd,kq->kd", self.K, np.einsum("kqr,kr->kq", self.inner, KS))
        # The loss does not see what is common to the classes, and the penalty is less without it.
        return self.problem.centred(np.ascontiguousarray(S.T))

    def _weights(self, point):
        """c_i D_iy of each row and class, of the source."""
        problem = self.problem
        if problem.has_one_score:
            return problem.source.map(_column, problem.curvature(point.Z, np.inf))
        return problem.source.map(_weighted_bound, point.Z, problem.source.c)

    def _leading(self, weights):
        """K and N of the present Q, which then moves towards the leading directions."""
        problem, Q = self.problem, self.Q
        CQ = reduce(WeightedProducts(problem, Q.shape[2]), problem.source, (weights, Q))[1]
        problem.count_pass(2 * Q.shape[2])
        values, vectors = np.linalg.eigh(Q.transpose(0, 2, 1) @ CQ)
        least = LEAST * values[:, -1:]
        roots = np.where(values > least, 1 / np.sqrt(np.where(values > least, values, 1.0)), 0.0)
        basis = vectors * roots[:, None, :]
        K = np.ascontiguousarray((CQ @ basis).transpose(0, 2, 1))
        new = (K * reciprocal(self.units) ** 2).transpose(0, 2, 1)
        sizes = np.sqrt(np.einsum("kdq,d,kdq->kq", new, self.units**2, new))
        # A direction that there is not stays as it is.
        self.Q = np.where(sizes[:, None] > 0, new * reciprocal(sizes)[:, None], Q)
        return K, basis @ K


def _column(h):
    return h[:, None]


def _weighted_bound(Z, c):
    return c[:, None] * diagonal_bound(Z)[1]
