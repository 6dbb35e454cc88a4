"""Columns and targets from another origin or in other units, where theirs keep a fit from arriving.

A free intercept makes any origin the same problem but for rounding and conditioning, and
coefficients without a penalty any unit. The copy costs memory: sparse data, which it would fill,
and memory maps stay as they are. Targets of losses of residuals go with the intercept.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import check_array

from sklearn_optland._estimator.training_rows import always_checked
from sklearn_optland._rows.source import is_memory_mapped

# Rows that say whether it is worth a copy: so many, fewer of so many values.
SAMPLE, LEAST_SAMPLE, SAMPLE_VALUES = 1000, 100, 5e4
# Means, in deviations, that are far from zero. Of finite sums the square is a condition number;
# logistic regression has a metric for that, and needs only the digits that float32 has left.
FAR, FAR_FOR_FLOAT32 = 10.0, 100.0
# A deviation, relative to the mean, that is nothing but rounding.
CONSTANT = 1e-13


@dataclass(frozen=True)
class Coordinates:
    """Columns (x - origin) / unit and targets y - target: those of the problem, of the user's x, y.

    Parameters
    ----------
    origin, unit : ndarray of float64 of shape (n_columns,) or float
    target : float
    columns : ndarray of int of shape (n_columns,), default=None
        The user's columns that the problem has, if it has not all; of the others, which are zero,
        coefficients are zero.
    n_users_columns : int, default=None
        How many there are of the user.
    """

    origin: np.ndarray | float = 0.0
    unit: np.ndarray | float = 1.0
    target: float = 0.0
    columns: np.ndarray | None = None
    n_users_columns: int | None = None

    def from_user(self, W):
        """Parameters of the problem for those of the user, the intercept last."""
        if self is USERS_OWN:
            return W.copy()
        w = W[:-1] if self.columns is None else W[self.columns]
        return self._joined((w.T * self.unit).T, (W[-1] - self.target) + self._at_origin(w))

    def to_user(self, W, dtype=np.float64):
        """Parameters of the user for those of the problem, rounded to a type."""
        if self is USERS_OWN:
            return W.astype(dtype)
        w = (W[:-1].T / self.unit).T.astype(dtype)
        b = W[-1] - self._at_origin(w) + self.target
        if self.columns is None:
            return self._joined(w, b).astype(dtype)
        whole = np.zeros((self.n_users_columns + 1, *w.shape[1:]), dtype=dtype)
        whole[self.columns], whole[-1] = w, b
        return whole

    def numbers_of_user(self, columns):
        """What the user's numbers are of columns of the problem."""
        return columns if self.columns is None else self.columns[columns]

    def after(self, first):
        """Coordinates that are taken of those of other coordinates, which have all columns."""
        if first is USERS_OWN:
            return self
        if self is USERS_OWN:
            return first
        origin, unit = (
            part if self.columns is None or np.ndim(part) == 0 else part[self.columns]
            for part in (first.origin, first.unit)
        )
        return replace(self, origin=origin + unit * self.origin, unit=unit * self.unit)

    def _at_origin(self, w):
        return np.sum(w.T * self.origin, axis=-1)

    def _joined(self, w, b):
        return np.concatenate([w, np.reshape(b, (1, *w.shape[1:]))])


USERS_OWN = Coordinates()


def centred_targets(y, c, coordinates):
    """Targets that are far from zero less their mean, and the coordinates with it; else both as is.

    Parameters
    ----------
    y, c : ndarray of shape (n_rows,)
        Targets of a loss of the residuals, and weights that sum to 1. The intercept is free.
    coordinates : Coordinates
    """
    mean = c @ y
    centred = y - mean
    if not mean**2 > FAR**2 * (c @ centred**2):
        return y, coordinates
    return centred, replace(coordinates, target=float(mean))


def centred_columns(X):
    """Columns that are far from zero less their means, as digits need it; the others as they are.

    Returns
    -------
    X : ndarray or CSR
        The same if there are none, else a copy of its type: so far from zero what is subtracted,
        if it has that type, leaves a difference without rounding.
    coordinates : Coordinates
    """
    if _is_not_copied(X):
        return X, USERS_OWN
    means, variances = _sampled_moments(X)
    is_far = _are_far(means, variances, FAR_FOR_FLOAT32)
    if not is_far.any():
        return X, USERS_OWN
    origin = np.where(is_far, means, 0.0).astype(X.dtype)
    return X - origin, Coordinates(origin.astype(np.float64))


def weighted_columns(X, weights):
    """Columns divided by the weights of their penalties, in float64; X itself if there are none.

    A coefficient of such a column is its weight times the user's, and that is what a penalty sees.
    """
    if weights is None:
        return X, USERS_OWN
    with always_checked():
        weights = check_array(
            weights, dtype=np.float64, ensure_2d=False, input_name="penalty_weights"
        )
    if weights.shape != X.shape[1:] or not (weights > 0).all():
        raise ValueError(
            f"penalty_weights: found shape {weights.shape} and values down to {weights.min():.3g}; "
            f"allowed are {X.shape[1]} positive ones, a weight for each column."
        )
    if issparse(X):
        X = X.astype(np.float64, copy=True)
        X.data /= weights[X.indices]
    else:
        X = X / weights
    return X, Coordinates(unit=weights)


def lean_columns(X, fit_intercept):
    """Dense columns near zero, if the intercept is free, and CSR rows without empty columns.

    As `centred_columns` and `occupied_columns`.
    """
    if issparse(X):
        return occupied_columns(X)
    return centred_columns(X) if fit_intercept else (X, USERS_OWN)


def occupied_columns(X):
    """CSR rows without columns that have no values, if they are half of them; X itself if not.

    Hashed text has a million columns, of which a thousand rows have a few thousand: solvers and
    certificates would take the time of all.
    """
    if not issparse(X):
        return X, USERS_OWN
    has_values = np.zeros(X.shape[1], dtype=bool)
    has_values[X.indices] = True
    has_values[0] |= not len(X.indices)  # a problem has a column
    columns = np.flatnonzero(has_values)
    if 2 * len(columns) > X.shape[1]:
        return X, USERS_OWN
    number = np.cumsum(has_values, dtype=X.indices.dtype) - 1
    X_occupied = csr_array((X.data, number[X.indices], X.indptr), (X.shape[0], len(columns)))
    return X_occupied, Coordinates(columns=columns, n_users_columns=X.shape[1])


def conditioned_columns(X, c, penalty, fit_intercept):
    """Columns less their means, without a penalty in units of their deviations, if that pays.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_columns)
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    penalty : ElasticNet
    fit_intercept : bool

    Returns
    -------
    X : ndarray or CSR
        The same if not, else a copy in float64: near zero float32 would round the differences.
    coordinates : Coordinates
    """
    if _is_not_copied(X):
        return X, USERS_OWN
    is_penalized = penalty.l1 > 0 or penalty.l2 > 0
    means, variances = _sampled_moments(X, fit_intercept)
    if not are_uneven(means, variances, is_penalized):
        return X, USERS_OWN
    # two steps: the deviations keep their digits
    X = np.subtract(X, means)
    rest = c @ X * fit_intercept
    X -= rest
    origin = means + rest
    unit = np.sqrt(np.einsum("i,ij,ij->j", c, X, X))
    is_constant = unit <= CONSTANT * np.abs(origin)
    X[:, is_constant] = 0.0
    if is_penalized:
        return X, Coordinates(origin)
    unit[is_constant] = 1.0
    X /= unit
    return X, Coordinates(origin, unit)


@np.errstate(over="ignore", invalid="ignore")
def are_uneven(means, variances, is_penalized):
    """Whether columns want another origin, or without a penalty other units.

    With a penalty what counts is the means' share in all columns together.
    """
    if is_penalized:
        total = np.sum(means**2)
        return bool(np.isfinite(total) and total > FAR**2 * variances.sum())
    varies = _vary(means, variances)
    means, variances = means[varies], variances[varies]
    if not np.isfinite(means**2).all() or not len(variances):
        return False
    is_far = _are_far(means, variances, FAR)
    return bool(is_far.any() or variances.max() > FAR**2 * variances.min())


def _is_not_copied(X):
    return issparse(X) or is_memory_mapped(X)


@np.errstate(over="ignore", invalid="ignore")  # what is too large is refused later
def _sampled_moments(X, fit_intercept=True):
    """Means of the columns, 0 without an intercept, and variances, as some rows have them."""
    size = min(SAMPLE, max(LEAST_SAMPLE, int(SAMPLE_VALUES / max(X.shape[1], 1))))
    some = X[:: -(-len(X) // size)].astype(np.float64)
    share = np.full(len(some), 1 / len(some))
    means = (share @ some) * fit_intercept
    some -= means
    some *= some
    return means, share @ some


def _vary(means, variances):
    return variances > (CONSTANT * means) ** 2


@np.errstate(over="ignore", invalid="ignore")
def _are_far(means, variances, deviations):
    return _vary(means, variances) & (means**2 > deviations**2 * variances)
