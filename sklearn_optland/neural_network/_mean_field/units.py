"""Units of two-layer nets: lengths of rows and targets, and standardised columns.

Inside, rows and targets have about length 1. relu is homogeneous, so that this changes nothing but
the scales of a, b and alpha, and data of any scale neither overflow nor ask for other steps.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from sklearn_optland._net.units import (
    divisors,
    extremes,
    in_units,
    root_mean_square,
    target_size,
    weighted_mean,
)
from sklearn_optland._rows.source import ArraySource, is_memory_mapped

# Targets that vary by less, relative to their mean, are constant.
CONSTANT = 1e-13
# The columns for each row from which the rows' span is used.
WIDE = 10


class Scales(NamedTuple):
    """Length of the rows, mean and size of the targets, rounding of them.

    Parameters
    ----------
    x_scale : float
        Root mean square of the rows' lengths, with the bias feature.
    y_mean : ndarray of shape (n_outputs,)
        0 without an intercept, and for classes.
    y_scale : float
        Root mean square of the targets' distance to it; 1 if they are constant, and for classes.
    y_rounding : float, default=0.0
        A distance to it that is none; positive if they are constant.
    """

    x_scale: float
    y_mean: np.ndarray
    y_scale: float
    y_rounding: float = 0.0


def choose_scales(source, n_outputs, is_log_loss, fit_intercept):
    """Scales of the rows X, targets Y and weights c of a source.

    Returns
    -------
    scales : Scales
    """
    bias = float(fit_intercept)
    if source.is_sparse:
        x_scale = root_mean_square(source, 1, row_lengths(source.X), bias=bias)
    else:
        x_scale = root_mean_square(source, source.n_columns, bias=bias)
    mean, Y = np.zeros(n_outputs), source.Y
    if is_log_loss:
        return Scales(x_scale, mean, 1.0)
    if fit_intercept:
        mean = weighted_mean(source, n_outputs, Y)
    spread = root_mean_square(source, n_outputs, Y, center=mean)
    ends = extremes(source, n_outputs, Y)
    return Scales(x_scale, mean, *target_size(spread, ends, mean, CONSTANT))


def row_lengths(X):
    """Euclidean lengths of the rows of a CSR matrix, a column, without overflow."""
    top = np.abs(X.data).max(initial=0.0)
    top = np.float64(top if top > 0 else 1.0)
    scaled = X / top
    return top * np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1))).reshape(-1, 1)


def is_wide(source):
    """Whether a source has dense rows in this process, far fewer than columns."""
    is_dense = type(source) is ArraySource and not source.is_sparse
    return is_dense and WIDE * source.n_rows <= source.n_columns


class StandardColumns:
    """Columns as they are, or with mean 0 and standard deviation 1.

    Sparse ones are not centred, which would make them dense, and share one divisor, the root mean
    square of their stored values: columns of which little is stored are rare, not small.

    Parameters
    ----------
    center, spread : ndarray of shape (n_columns,), default=None
        None: the columns as they are.
    """

    def __init__(self, center=None, spread=None):
        self.center, self.spread = center, spread

    @classmethod
    def by(cls, center, spread, dtype, is_centered):
        """The standard columns for some means and standard deviations.

        Parameters
        ----------
        center, spread : ndarray of shape (n_columns,)
        dtype : dtype
            Of the rows.
        is_centered : bool
            Whether their means are moved.
        """
        spread = divisors(center, spread, dtype)
        return cls(center if is_centered else np.zeros_like(center), spread)

    def __call__(self, X):
        """Columns as the net sees them."""
        if self.center is None:
            return X
        if sparse.issparse(X):
            return in_units(X, self.spread[0])
        return np.ascontiguousarray((X - self.center) / self.spread, dtype=X.dtype)

    def rows(self, X):
        """All rows as the net sees them; of a memory map a block at a time, when it is read."""
        is_read_by_blocks = self.center is not None and is_memory_mapped(X)
        return StandardRows(X, self) if is_read_by_blocks else self(X)

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


class RowSpan(StandardColumns):
    """Standard columns, in an orthonormal basis of what the rows span.

    Where rows are fewer than columns: weights across the span cost a penalty and change no
    prediction of a row, and lengths are the same in the basis.

    Parameters
    ----------
    columns : StandardColumns
    basis : ndarray of shape (n_columns, n_dimensions)
    """

    def __init__(self, columns, basis):
        super().__init__(columns.center, columns.spread)
        self.basis = basis

    @classmethod
    def of(cls, columns, X):
        """The span of rows in standard columns."""
        singular, vectors = np.linalg.svd(X.astype(np.float64), full_matrices=False)[1:]
        least = max(X.shape) * np.finfo(X.dtype).eps * singular[0]
        some = max(1, np.count_nonzero(singular > least))
        return cls(columns, np.ascontiguousarray(vectors[:some].T, dtype=X.dtype))

    def to_user(self, coefs, intercepts):
        """Parameters for the user's columns."""
        return super().to_user([self.basis @ coefs[0], coefs[1]], intercepts)

    def to_inside(self, coefs, intercepts):
        """The inverse of `to_user`, for the part in the span."""
        coefs, intercepts = super().to_inside(coefs, intercepts)
        return [self.basis.T @ coefs[0], coefs[1]], intercepts


class StandardRows:
    """Rows in standard columns, which are made when some of them are read.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
    columns : StandardColumns
    """

    def __init__(self, X, columns):
        self.X, self.columns = X, columns
        self.shape, self.dtype, self.size = X.shape, X.dtype, X.size

    def __len__(self):
        return len(self.X)

    def __getitem__(self, rows):
        return self.columns(self.X[rows])
