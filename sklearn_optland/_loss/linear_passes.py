"""Passes over the rows of linear models, as statistics for `reduce`.

Parameters have shape (n_columns + 1, k), the intercept last. Targets and weights of the rows are
the source's `y` and `c`; arrays with a row of k values for each row are the source's, too.
"""

import numpy as np

from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._rows.reduce import Statistic


class LinearPass(Statistic):
    """A pass with k columns of parameters.

    Parameters
    ----------
    source : ArraySource or another source of rows
    k : int, default=1
    work : float, default=None
        Multiply-adds in a row. Default: those of a product with k columns.
    """

    def __init__(self, source, k=1, work=None):
        self.shape = source.n_columns + 1, k
        self.values = max(source.n_values, k)
        self.work = source.n_values * k if work is None else work


class AddsParameters(LinearPass):
    """A pass that sums an array of the parameters' shape."""

    def zero(self, parameters):
        return np.zeros(self.shape)


class LossGradient(AddsParameters):
    """The log-loss at W and its gradient; Z, of the source, takes the scores."""

    def add(self, block, parameters, G):
        W, Z = parameters
        y, c = block.source.y, block.source.c
        return kernels.loss_gradient(
            block.rows, block.first, block.last, y, c, W, block.local(Z), G
        )


class Forward(LinearPass):
    """Z, of the source, takes the scores [X 1] W."""

    def add(self, block, parameters, _):
        W, Z = parameters
        kernels.forward(block.rows, block.first, block.last, W, block.local(Z))


class Backward(AddsParameters):
    """[X 1]'R for residuals R of the source."""

    def add(self, block, parameters, G):
        (R,) = parameters
        kernels.backward(block.rows, block.first, block.last, block.local(R), G)


class HessianProduct(AddsParameters):
    """[X 1]' c (diag p - pp') [X 1] V for probabilities P of the source."""

    def add(self, block, parameters, out):
        P, V = parameters
        kernels.hessian_product(
            block.rows, block.first, block.last, block.source.c, block.local(P), V, out
        )


class BinaryHessianProduct(AddsParameters):
    """[X 1]' diag(h) [X 1] V for curvatures h of the source; Z takes [X 1] V."""

    def add(self, block, parameters, out):
        h, V, Z = parameters
        kernels.binary_hessian_product(
            block.rows, block.first, block.last, block.local(h), V, block.local(Z), out
        )


class WeightedGram(LinearPass):
    """The lower triangle of [X 1]' diag(h) [X 1] for weights h of the source."""

    def __init__(self, source, k=1):
        # In units of a product's multiply-adds, which are slower.
        super().__init__(source, k, work=max(source.n_values, k) ** 2 / 64)

    def zero(self, parameters):
        return np.zeros((self.shape[0], self.shape[0]))

    def add(self, block, parameters, C):
        (h,) = parameters
        kernels.weighted_gram(block.rows, block.first, block.last, block.local(h), C)


class ColumnSquares(LinearPass):
    """sum_i c_i x_ij^2 of each column."""

    def zero(self, parameters):
        return np.zeros(self.shape[0] - 1)

    def add(self, block, parameters, out):
        kernels.column_squares(block.rows, block.first, block.last, block.source.c, out)


class RowSquares(LinearPass):
    """`out`, of the source, takes sum_j weights_j x_ij^2 of each row."""

    def add(self, block, parameters, _):
        weights, out = parameters
        kernels.row_squares(block.rows, block.first, block.last, weights, block.local(out))
