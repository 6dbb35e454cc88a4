"""The objective of logistic regression with hidden components.

A row has a score for each component of each class, M of them next to each other, and its loss is
logsumexp of all scores less logsumexp of those of its class.
"""

import numpy as np

from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._loss.linear_passes import AddsParameters
from sklearn_optland._rows.reduce import BLOCK_VALUES, CACHED_ROWS, reduce
from sklearn_optland.linear_model._logistic.problem import LogLossProblem, Point


class LatentLossGradient(AddsParameters):
    """The loss and its gradient; parameters y, c, W, and Z and R, which take scores and residuals.

    Parameters
    ----------
    source : ArraySource or another source of rows
    k : int
        Scores of a row.
    n_components : int
        Of a class.
    """

    writes = (3, 4)

    def __init__(self, source, k, n_components):
        super().__init__(source, k)
        self.n_components = n_components
        # What NumPy makes of the scores stays in the cache.
        self.values = max(self.values, BLOCK_VALUES / CACHED_ROWS)

    def add(self, block, parameters, G):
        y, c, W, Z, R = map(block.local, parameters)
        span = block.first, block.last
        kernels.forward(block.rows, *span, W, Z)
        losses, residuals = losses_and_residuals(Z[block.slice], y[block.slice], self.n_components)
        np.multiply(residuals, c[block.slice, None], out=R[block.slice])
        kernels.backward(block.rows, *span, R, G)
        return float(c[block.slice] @ losses)


def losses_and_residuals(Z, y, n_components):
    """Losses of rows, and their derivatives P - Q in the scores.

    P are probabilities of all components, and Q those within the class of the row. All is relative
    to logsumexp of that class: a loss near 0 keeps its digits.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_classes * n_components)
    y : ndarray of int of shape (n_rows,)
    n_components : int

    Returns
    -------
    losses : ndarray of shape (n_rows,)
    residuals : ndarray of the shape of Z
    """
    rows = np.arange(len(Z))
    own = Z.reshape(len(Z), -1, n_components)[rows, y]
    top = own.max(axis=1, keepdims=True)
    Q = np.exp(own - top)
    sums = Q.sum(axis=1, keepdims=True)
    Q /= sums
    level = top + np.log(sums)
    lead = np.maximum(Z.max(axis=1, keepdims=True) - level, 0.0)  # of another class
    R = np.exp(Z - (level + lead))
    by_class = R.reshape(len(Z), -1, n_components)
    by_class[rows, y] = 0.0
    others = R.sum(axis=1, keepdims=True)
    total = np.exp(-lead) + others
    R /= total
    by_class[rows, y] = -Q * (others / total)
    losses = np.where(lead > 0, lead + np.log(total), np.log1p(others))
    return losses[:, 0], R


class LatentProblem(LogLossProblem):
    """Minimise 1/2 ||w||^2 + sum_i c_i [logsumexp(z_i) - logsumexp(z_i of class y_i)].

    It is a log-loss of all scores less a convex function: what majorizes the log-loss with as many
    classes as there are scores majorizes this one.

    Parameters
    ----------
    source : ArraySource or another source
        With columns y, class numbers as int32, and c, positive weights as float64.
    n_classes, n_components : int
    fit_intercept : bool
    """

    def __init__(self, source, n_classes, n_components, fit_intercept):
        super().__init__(source, n_classes * n_components, 1.0, fit_intercept)
        self.n_components = n_components
        self._loss_gradient = LatentLossGradient(source, self.k, n_components)
        self._residuals = source.empty(self.k)

    def evaluate(self, W):
        """Objective, gradient and scores at W: one pass."""
        self.count_pass()
        source, Z = self.source, self.source.empty(self.k)
        arrays = source.y, source.c, W, Z, self._residuals
        loss, G = reduce(self._loss_gradient, source, arrays)
        return Point(W, Z, loss + self.half_norm(W), self.project(G + self.penalty * W))
