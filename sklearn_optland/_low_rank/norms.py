r"""Norms of the columns of factors, and the polars of what they make of a product.

With norms of columns u of U and v of V, the penalty of a product is the gauge

    g(X) = min { sum_k |u_k| |v_k| : X = U V' } = min { sum_k (|u_k|^2 + |v_k|^2) / 2 : X = U V' },

over factors of any number of columns, non-negative ones if asked for. Its polar is the largest u'Zv
of unit columns (Haeffele and Vidal 2015), and the maximum is the column that lowers the objective
fastest:

    |u|_2 |v|_2              the nuclear norm; the largest singular value (`factors`)
    |u|_1 |v|_2              the sum of the rows' lengths; the largest length of a row of Z
    |u|_1 |v|_1              the sum of the entries' sizes; the largest size of an entry
    non-negative with l1     the same of max(Z, 0)
    |u|_2 |v|_2, u, v >= 0   NP-hard: projected power iterations from several starts, an estimate
"""

from dataclasses import dataclass

import numpy as np

# A column whose size is this share of the largest is dropped.
VANISHED = 1e-7
# Power iterations from a start, and what one must bring to go on.
POWER_ITERATIONS = 200
POWER_TOL = 1e-12
TINY = 1e-300
NORMS = {"nuclear", "l1_l2", "l1_l1"}


@dataclass(frozen=True)
class ColumnNorm:
    """The norm of a factor's columns.

    Parameters
    ----------
    is_l1 : bool
        The sum of the entries' sizes, or else the Euclidean length.
    positive : bool
        Whether entries must not be negative.
    weights : ndarray of shape (n_rows, 1)
        Of the sizes in an l1 norm.
    """

    is_l1: bool
    positive: bool
    weights: np.ndarray

    @property
    def _has_halves(self):
        return self.is_l1 and not self.positive

    def lengths(self, A):
        """The norms of the columns."""
        return self.weights[:, 0] @ np.abs(A) if self.is_l1 else np.linalg.norm(A, axis=0)

    def parts(self, A):
        """Variables that make the penalty smooth, and their lower bound.

        Of an l1 norm these are the positive and the negative part, one below the other.
        """
        if self._has_halves:
            return np.vstack([np.maximum(A, 0.0), np.maximum(-A, 0.0)]), 0.0
        return (np.maximum(A, 0.0), 0.0) if self.positive else (A, -np.inf)

    def whole(self, parts):
        """The factor, from its parts."""
        return np.subtract(*np.split(parts, 2)) if self._has_halves else parts

    def gradient(self, by_factor):
        """A gradient by the parts, from that by the factor."""
        return np.vstack([by_factor, -by_factor]) if self._has_halves else by_factor

    def sizes(self, of_factor):
        """Positive numbers for the parts, from those for the factor."""
        return np.vstack([of_factor] * 2) if self._has_halves else of_factor

    def half_square(self, A):
        """Half the sum of the squares of the columns' norms."""
        values = self.lengths(A) if self.is_l1 else A
        return 0.5 * float(np.vdot(values, values))

    def penalty(self, parts):
        """`half_square` and its gradient, by the parts."""
        if not self.is_l1:
            return 0.5 * np.vdot(parts, parts), parts
        weights = self.sizes(self.weights)
        lengths = weights[:, 0] @ parts
        return 0.5 * lengths @ lengths, weights * lengths


@dataclass(frozen=True)
class ProductNorm:
    """The norms of both factors' columns.

    Parameters
    ----------
    rows, columns : ColumnNorm
        Of U and of V.
    """

    rows: ColumnNorm
    columns: ColumnNorm

    @property
    def is_nuclear(self):
        """Whether the gauge is the nuclear norm."""
        return not (self.rows.is_l1 or self.rows.positive)

    @property
    def is_exact(self):
        """Whether `top` finds the polar, not an estimate from below."""
        return self.rows.is_l1

    def penalty(self, U, V):
        """Half the sum of the squares of all norms."""
        return self.rows.half_square(U) + self.columns.half_square(V)

    def balanced(self, U, V):
        """The same product with columns of equal norms, in falling order; vanished ones go."""
        a, b = self.rows.lengths(U), self.columns.lengths(V)
        sizes = a * b
        kept = np.argsort(-sizes, kind="stable")
        kept = kept[sizes[kept] > VANISHED * sizes.max(initial=0.0)]
        ratio = np.sqrt(b[kept] / a[kept])
        return np.ascontiguousarray(U[:, kept] * ratio), np.ascontiguousarray(V[:, kept] / ratio)

    def top(self, R, count, start):
        """The polar of a CSR array in the first place, and the columns that attain it.

        Parameters
        ----------
        R : csr_array
        count : int
            The most columns.
        start : ndarray of shape (n_columns,)
            Non-negative: where one of the power iterations starts.

        Returns
        -------
        left, values, right : ndarray
            Unit columns of the factors, and their u'Rv, in falling order.
        """
        return self._longest_rows(R, count) if self.rows.is_l1 else _power(R, start)

    def _longest_rows(self, R, count):
        if self.rows.positive:
            R = R.maximum(0)
        if self.columns.is_l1:
            values = abs(R).max(axis=1).toarray().ravel()
        else:
            values = np.sqrt(np.asarray(R.multiply(R).sum(axis=1)).ravel())
        values = values / self.rows.weights[:, 0]
        rows = np.argsort(-values, kind="stable")[:count]
        rows = rows[values[rows] > 0]
        place = np.arange(len(rows))
        left, right = np.zeros((R.shape[0], len(rows))), R[rows].toarray().T
        left[rows, place] = 1 / self.rows.weights[rows, 0]
        if self.columns.is_l1:
            largest = np.abs(right).argmax(axis=0)
            signs = np.sign(right[largest, place])
            right = np.zeros_like(right)
            right[largest, place] = signs
        else:
            right /= np.linalg.norm(right, axis=0)
        return left, values[rows], right


def _power(R, start):
    """Non-negative unit vectors of a large u'Rv: projected power iterations never lower it."""
    unit = np.abs(R.data).max()
    R = R / unit
    positive = R.maximum(0)
    longest = positive.multiply(positive).sum(axis=1).argmax()
    best = np.zeros((R.shape[0], 0)), np.zeros(0), np.zeros((R.shape[1], 0))
    for v in (np.ones(R.shape[1]), start, positive[[longest]].toarray().ravel()):
        value = 0.0
        for _ in range(POWER_ITERATIONS):
            u = np.maximum(R @ v, 0.0)
            u /= max(np.linalg.norm(u), TINY)
            v = np.maximum(R.T @ u, 0.0)
            before, value = value, float(np.linalg.norm(v))
            v /= max(value, TINY)
            if value <= before * (1 + POWER_TOL):
                break
        if unit * value > best[1].sum():
            best = u[:, None], np.array([unit * value]), v[:, None]
    return best


def product_norm(name, positive, roots, n_columns):
    """The norms that a name stands for.

    Parameters
    ----------
    name : {"nuclear", "l1_l2", "l1_l1"}
    positive : bool
    roots : ndarray of shape (n_rows,)
        Roots of the rows' weights. U has rows times these; a row of weight two is like two rows.
    n_columns : int
    """
    return ProductNorm(
        ColumnNorm(name != "nuclear", positive, roots[:, None]),
        ColumnNorm(name == "l1_l1", positive, np.ones((n_columns, 1))),
    )
