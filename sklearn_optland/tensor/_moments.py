"""Moments of whitened rows: their kurtosis, regressions on products, the third moment tensor.

For standard normal x the third score function is

    S3(x) = x (x) x (x) x - sum_j sym(x (x) e_j (x) e_j),

and E[y S3(x)] = E[y'''(x)]. Of a residual that is orthogonal to all x_j the sum vanishes, and
x (x) x (x) x alone is left.
"""

from functools import partial

import numpy as np

from sklearn_optland._rows.reduce import Statistic, SumOf, reduce, row_blocks
from sklearn_optland.tensor._cp import with_fixed_signs

# Share of the largest variance below which a direction has none.
RANK = 1e-10


class Whitening:
    """z = (x - mean) scale, of mean 0 and covariance 1 in the weighted rows.

    Directions without spread are left out: z has as many columns as the covariance has rank.
    """

    def __init__(self, source, mean, deviation):
        self.mean, self.deviation = mean, np.where(deviation > 0, deviation, 1.0)
        d = len(mean)
        covariance = reduce(SumOf(self._products, (d, d)), source, (source.X, source.c))[1]
        values, vectors = np.linalg.eigh(covariance)
        kept = values > RANK * max(values.max(), 0.0)
        self.scale = with_fixed_signs(vectors[:, kept]) / np.sqrt(values[kept])

    def _products(self, X, c):
        X = (X - self.mean) / self.deviation
        return (X * c[:, None]).T @ X

    def __call__(self, X):
        """Whitened rows."""
        return ((X - self.mean) / self.deviation) @ self.scale

    def to_user(self, W, bias):
        """Weights and biases for the columns as they are, of neurons for z."""
        W = (self.scale @ W) / self.deviation[:, None]
        return W, bias - self.mean @ W


def features(Z, degree):
    """1, the columns, and with degree 2 their products."""
    parts = [np.ones((len(Z), 1)), Z]
    if degree == 2:
        first, second = np.triu_indices(Z.shape[1])
        parts.append(Z[:, first] * Z[:, second])
    return np.column_stack(parts)


class Regression(Statistic):
    """Gram matrix of the features, and their products with targets."""

    def __init__(self, side, k, degree):
        width = 1 + side + (side * (side + 1) // 2 if degree == 2 else 0)
        self.degree, self.shape, self.values = degree, [(width, width), (width, k)], 32 * width

    def add(self, block, parameters, total):
        Z, Y = (block.local(array)[block.slice] for array in parameters)
        P = features(Z, self.degree)
        weighted = (P * block.source.c[block.slice, None]).T
        total[0] += weighted @ P
        total[1] += weighted @ Y


def residuals(source, Z, Y, degree):
    """Targets less their least squares fit by polynomials of a degree."""
    statistic = Regression(Z.shape[1], Y.shape[1], degree)
    gram, cross = reduce(statistic, source, (Z, Y))[1]
    coef = np.linalg.lstsq(gram, cross, rcond=RANK)[0]
    return source.map(partial(_less, coef=coef, degree=degree), Z, Y)


def unexplained(source, Z, Y):
    """Targets of variance 1 less what the best polynomial explains.

    Of degree 2, if that leaves something: with fewer rows than products it leaves rounding errors.
    """
    for degree in (2, 1):
        R = residuals(source, Z, Y, degree)
        if source.c @ (R**2).sum(axis=1) > RANK:
            return R
    return np.zeros_like(Y)


def _less(Z, Y, *, coef, degree):
    R = np.empty_like(Y)
    for first, last in row_blocks(len(Z), 16 * len(coef)):
        R[first:last] = Y[first:last] - features(Z[first:last], degree) @ coef
    return R


class ThirdMoment(Statistic):
    """sum_i c_i r_i z_a z_b z_c for a <= b, by pairs (a, b) and c."""

    def __init__(self, side):
        self.pairs = np.triu_indices(side)
        self.shape = (len(self.pairs[0]), side)
        self.values, self.work = 16 * self.shape[0], self.shape[0] * side

    def add(self, block, parameters, total):
        Z, r = (block.local(array)[block.slice] for array in parameters)
        first, second = self.pairs
        total += (Z[:, first] * Z[:, second]).T @ (Z * (r * block.source.c[block.slice])[:, None])


def third_moment(source, Z, r):
    """The symmetric tensor sum_i c_i r_i z_i (x) z_i (x) z_i."""
    side = Z.shape[1]
    statistic = ThirdMoment(side)
    total = reduce(statistic, source, (Z, r))[1]
    first, second = statistic.pairs
    T = np.empty((side,) * 3)
    T[first, second], T[second, first] = total, total
    return T


def excess_kurtosis(Z, c):
    """By column; 0 for normal ones."""
    return np.einsum("i,ij->j", c, Z**4) - 3.0
