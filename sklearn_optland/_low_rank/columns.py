"""Statistics of columns of which some entries are missing."""

import numpy as np

from sklearn_optland._rows.reduce import Statistic

# A column whose standard deviation is below this share of its largest value is constant.
CONSTANT = 1e-12


class _ByColumn(Statistic):
    """A sum over rows of NumPy's functions of their columns."""

    def __init__(self, n_columns):
        self.work, self.values = 8.0 * n_columns, 64.0 * n_columns


class ObservedEntries(_ByColumn):
    """Of each column: the weights of what is observed, their sum with it, its range, the missing.

    The total is (weights, sums, lowest, highest, n_missing), arrays of shape (n_columns,); the
    range is NaN where nothing is observed.
    """

    def __init__(self, n_columns):
        super().__init__(n_columns)
        self.shape = [n_columns] * 5

    def zero(self, parameters):
        weights, sums, lowest, highest, n_missing = super().zero(parameters)
        return [weights, sums, lowest + np.nan, highest + np.nan, n_missing]

    def add(self, block, parameters, total):
        X, c = block.source.X[block.slice], block.source.c[block.slice]
        is_missing = np.isnan(X)
        limits = (extreme.reduce(X, axis=0, initial=np.nan) for extreme in (np.fmin, np.fmax))
        sums = c @ ~is_missing, c @ np.where(is_missing, 0.0, X)
        self.merge(total, [*sums, *limits, is_missing.sum(axis=0)])

    def merge(self, total, part):
        for mine, other, ufunc in zip(
            total, part, (np.add, np.add, np.fmin, np.fmax, np.add), strict=True
        ):
            ufunc(mine, other, out=mine)


class SquaredDeviations(_ByColumn):
    """Weighted sums of squares of what is observed, from a mean that is the parameter."""

    def __init__(self, n_columns):
        super().__init__(n_columns)
        self.shape = n_columns

    def add(self, block, parameters, total):
        X = block.source.X[block.slice] - parameters[0]
        total += block.source.c[block.slice] @ np.where(np.isnan(X), 0.0, X) ** 2
