"""Passes over the rows of linear models, as statistics for `reduce`.

Parameters have shape (n_columns + 1, k), the intercept last. Targets y, weights c, and arrays with
a row of k values for each row, are arrays of the source.
"""

from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._rows.reduce import Statistic


class LinearPass(Statistic):
    """A kernel's pass with k columns of parameters.

    The kernel takes rows, first, last, then the parameters of `reduce`, then the total if any.

    Parameters
    ----------
    source : ArraySource or another source of rows
    k : int, default=1
    shape : int or tuple of int, default=None
        Of the total.
    work : float, default=None
        Multiply-adds in a row. Default: those of a product with k columns.
    """

    kernel = None

    def __init__(self, source, k=1, shape=None, work=None):
        self.shape, self.values = shape, max(source.n_values, k)
        self.work = source.n_values * k if work is None else work

    def add(self, block, parameters, total):
        arrays = [*map(block.local, parameters), *([] if total is None else [total])]
        return self.kernel(block.rows, block.first, block.last, *arrays)


class AddsParameters(LinearPass):
    """A pass that sums an array of the parameters' shape."""

    def __init__(self, source, k=1):
        super().__init__(source, k, (source.n_columns + 1, k))


class LossGradient(AddsParameters):
    """The log-loss at W and its gradient; parameters y, c, W, and Z, which takes the scores."""

    kernel = staticmethod(kernels.loss_gradient)
    writes = (3,)


class Forward(LinearPass):
    """The scores [X 1] W; parameters W, and Z, which takes them."""

    kernel = staticmethod(kernels.forward)
    writes, answers = (1,), False


class Backward(AddsParameters):
    """[X 1]'R; parameter R."""

    kernel = staticmethod(kernels.backward)


class HessianProduct(AddsParameters):
    """[X 1]' c (diag p - pp') [X 1] V; parameters c, P, V."""

    kernel = staticmethod(kernels.hessian_product)


class BinaryHessianProduct(AddsParameters):
    """[X 1]' diag(h) [X 1] V; parameters h, V, and Z, which takes [X 1] V."""

    kernel = staticmethod(kernels.binary_hessian_product)
    writes = (2,)


class WeightedGram(LinearPass):
    """The lower triangle of [X 1]' diag(h) [X 1]; parameter h."""

    kernel = staticmethod(kernels.weighted_gram)

    def __init__(self, source, k=1):
        side = source.n_columns + 1
        # In units of a product's multiply-adds, which are slower.
        super().__init__(source, k, (side, side), work=max(source.n_values, k) ** 2 / 64)


class ColumnSquares(LinearPass):
    """sum_i c_i x_ij^2 of each column; parameter c."""

    kernel = staticmethod(kernels.column_squares)

    def __init__(self, source, k=1):
        super().__init__(source, k, source.n_columns)


class RowSquares(LinearPass):
    """sum_j weights_j x_ij^2 of each row; parameters weights, and an array that takes them."""

    kernel = staticmethod(kernels.row_squares)
    writes, answers = (1,), False
