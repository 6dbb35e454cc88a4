"""Units of two-layer nets: lengths of rows and targets, and standardised columns.

Inside, rows and targets have about length 1. relu is homogeneous, so that this changes nothing but
the scales of a, b and alpha, and data of any scale neither overflow nor ask for other steps.
"""

from typing import NamedTuple

import numpy as np

from sklearn_optland._net.units import mean_and_deviation, target_size
from sklearn_optland._rows.reduce import Statistic, reduce

# Targets that vary by less, relative to their mean, are constant.
CONSTANT = 1e-13
# Columns that vary by less, relative to their mean, are not divided by their spread.
CONSTANT_COLUMN = 1e-12


class Scales(NamedTuple):
    """Length of the rows, mean of the targets, size of the targets.

    Parameters
    ----------
    x_scale : float
        Root mean square of the rows' lengths, with the bias feature.
    y_mean : ndarray of shape (n_outputs,)
        0 without an intercept, and for classes.
    y_scale : float
        Root mean square of the targets' distance to it; 1 if they are constant, and for classes.
    """

    x_scale: float
    y_mean: np.ndarray
    y_scale: float


class Extremes(Statistic):
    """The largest modulus of X, and the largest and smallest entries of Y's columns."""

    def __init__(self, n_columns, n_outputs):
        self.values, self.n_outputs = n_columns, n_outputs

    def zero(self, parameters):
        k = self.n_outputs
        return [np.zeros(1), np.vstack([np.full(k, -np.inf), np.full(k, np.inf)])]

    def add(self, block, parameters, total):
        X, Y = block.source.X[block.slice], block.source.Y[block.slice]
        part = np.array([max(X.max(), -X.min())]), np.array([Y.max(axis=0), Y.min(axis=0)])
        self.merge(total, part)

    def merge(self, total, part):
        np.maximum(total[0], part[0], out=total[0])
        np.maximum(total[1][0], part[1][0], out=total[1][0])
        np.minimum(total[1][1], part[1][1], out=total[1][1])


class TargetMean(Statistic):
    """sum_i c_i Y_i."""

    def zero(self, parameters):
        return np.zeros(parameters[0])

    def add(self, block, parameters, total):
        total += block.source.c[block.slice] @ block.source.Y[block.slice]


class MeanSquare(Statistic):
    """sum_i c_i |x_i / top|^2, or of targets and their distance to a mean."""

    def __init__(self, n_columns, of_targets=False):
        self.values, self.of_targets = n_columns, of_targets

    def add(self, block, parameters, total):
        top, mean = parameters
        A = block.source.Y if self.of_targets else block.source.X
        part = np.asarray(A[block.slice])
        part = (part - mean if self.of_targets else part) / part.dtype.type(top)
        return float(block.source.c[block.slice] @ np.einsum("ij,ij->i", part, part))


def choose_scales(source, n_outputs, is_log_loss, fit_intercept):
    """Scales of the rows X, targets Y and weights c of a source.

    Returns
    -------
    scales : Scales
    """
    d, bias = source.n_columns, float(fit_intercept)
    _, (x_top, y_extremes) = reduce(Extremes(d, n_outputs), source)
    top = max(bias, float(x_top[0]))
    x_scale = 1.0
    if top > 0:
        square, _ = reduce(MeanSquare(d), source, (top, None))
        x_scale = float(top * np.sqrt((bias / top) ** 2 + square))
    mean = np.zeros(n_outputs)
    if is_log_loss:
        return Scales(x_scale, mean, 1.0)
    if fit_intercept:
        _, mean = reduce(TargetMean(), source, (n_outputs,))
    top, spread = float(np.abs(y_extremes - mean).max()), 1.0
    if top > 0:
        square, _ = reduce(MeanSquare(n_outputs, of_targets=True), source, (top, mean))
        spread = float(top * np.sqrt(square))
    return Scales(x_scale, mean, target_size(spread, y_extremes, mean, CONSTANT))


class StandardColumns:
    """Columns of mean 0 and standard deviation 1, if asked for.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    is_on : bool
        Whether columns change at all.
    is_centered : bool
        Whether their means are moved.
    """

    def __init__(self, X, c, is_on, is_centered):
        self.center = None
        if is_on:
            center, spread = mean_and_deviation(X, c)
            self.spread = np.where(spread > CONSTANT_COLUMN * np.abs(center), spread, 1.0)
            self.center = center if is_centered else np.zeros_like(center)

    def __call__(self, X):
        """Columns as the net sees them."""
        if self.center is None:
            return X
        return np.ascontiguousarray((X - self.center) / self.spread, dtype=X.dtype)

    def to_user(self, coefs, intercepts):
        """Parameters for the user's columns."""
        if self.center is None:
            return coefs, intercepts
        dtype = coefs[0].dtype
        W = coefs[0].astype(np.float64) / self.spread[:, None]
        bias = (intercepts[0] - self.center @ W).astype(dtype)
        return [W.astype(dtype), coefs[1]], [bias, intercepts[1]]

    def to_inside(self, coefs, intercepts):
        """The inverse of `to_user`."""
        if self.center is None:
            return coefs, intercepts
        W = coefs[0].astype(np.float64)
        bias = intercepts[0] + self.center @ W
        return [W * self.spread[:, None], coefs[1]], [bias, intercepts[1]]
