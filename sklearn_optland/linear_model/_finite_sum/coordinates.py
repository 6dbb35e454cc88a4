"""Columns from another origin and in other units, where their own keep a fit from arriving.

An intercept without a penalty makes any origin the same problem, and coefficients without a penalty
any unit. With the columns' means as origin the condition number is that of the deviations.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._rows.source import ArraySource, is_memory_mapped

# Rows that say whether it is worth a copy.
SAMPLE = 1000
# Ratio of mean squares, of means and deviations or of two columns' deviations, at which it is.
UNEVEN = 100.0
# A deviation, relative to the mean, that is nothing but rounding.
CONSTANT = 1e-13


@dataclass(frozen=True)
class Coordinates:
    """Columns (x - origin) / unit: those of the problem, made of the user's x.

    Parameters
    ----------
    origin, unit : ndarray of shape (n_columns,) or float
    """

    origin: np.ndarray | float = 0.0
    unit: np.ndarray | float = 1.0

    def from_user(self, W):
        """Parameters of the problem for those of the user, the intercept last."""
        w = W[:-1]
        return self._joined((w.T * self.unit).T, W[-1] + self._at_origin(w))

    def to_user(self, W, dtype=np.float64):
        """Parameters of the user for those of the problem, rounded to a type."""
        w = (W[:-1].T / self.unit).T.astype(dtype)
        return self._joined(w, W[-1] - self._at_origin(w)).astype(dtype)

    def _at_origin(self, w):
        return np.sum(w.T * self.origin, axis=-1)

    def _joined(self, w, b):
        return np.concatenate([w, np.reshape(b, (1, *w.shape[1:]))])


def training_source(X, c, penalty, fit_intercept):
    """Rows to train on, and their coordinates: the user's, or better ones in a copy.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_columns)
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    penalty : Penalty
    fit_intercept : bool

    Returns
    -------
    source : ArraySource
    coordinates : Coordinates
    """
    is_penalized = penalty.l1 > 0 or penalty.l2 > 0
    # without a penalty the certificate needs a Gram matrix, and that the order
    source = ArraySource(X, in_order=not is_penalized, c=c)
    if source.is_sparse or is_memory_mapped(X):
        return source, Coordinates()
    with np.errstate(over="ignore", invalid="ignore"):
        some = X[:: -(-len(X) // SAMPLE)].astype(np.float64)
        means = some.mean(axis=0) * fit_intercept
        if not are_uneven(means**2, np.mean((some - means) ** 2, axis=0), is_penalized):
            return source, Coordinates()
    # two steps: the deviations keep their digits
    X = np.subtract(X, means)
    rest = c @ X * fit_intercept
    X -= rest
    origin = means + rest
    unit = np.sqrt(np.einsum("i,ij,ij->j", c, X, X))
    is_constant = unit <= CONSTANT * np.abs(origin)
    X[:, is_constant] = 0.0
    if is_penalized:
        return ArraySource(X, in_order=False, c=c), Coordinates(origin)
    unit[is_constant] = 1.0
    X /= unit
    return ArraySource(X, in_order=False, c=c), Coordinates(origin, unit)


def are_uneven(squared_means, variances, is_penalized):
    """Whether columns want another origin, or without a penalty other units.

    With a penalty what counts is the means' share in all columns together.
    """
    if is_penalized:
        total = squared_means.sum()
        return bool(np.isfinite(total) and total > UNEVEN * variances.sum())
    varies = variances > 0
    squared_means, variances = squared_means[varies], variances[varies]
    if not np.isfinite(squared_means).all() or not len(variances):
        return False
    return bool(
        (squared_means > UNEVEN * variances).any() or variances.max() > UNEVEN * variances.min()
    )
