"""Data in standard units, and parameters in those and in the user's."""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._rows.reduce import Statistic, reduce

# Columns whose mean or standard deviation is above this are standardised inside.
FAR = 10.0
# Spreads of y up to this have no squares, and are taken for constants.
SMALLEST_SPREAD = 1e-150
# Columns that vary by less, relative to their mean, are constant, and so are those whose weights
# would overflow.
CONSTANT_COLUMN = 1e-12
SMALLEST_DIVISOR = {np.dtype(np.float32): 1e-30, np.dtype(np.float64): 1e-150}
# Standardised targets of rows of next to no weight, at most: float32 holds the squares of these.
LARGEST_Y = 1e15


@dataclass(frozen=True)
class Units:
    """Columns and targets as the passes see them: (X - shift) / scale, (Y - mean) / size.

    Targets no further than `rounding` from their mean are at it.

    The change is exact: `to_user` gives the parameters of the same net for the user's X and Y, and
    `penalty_factors` the weights of the squared parameters in these units, where the loss is
    1 / size² of the user's: those that the user's parameters have or, if `penalizes_inside`, 1.
    """

    shift: np.ndarray | None
    scale: np.ndarray | None
    mean: np.ndarray
    size: float
    rounding: float = 0.0
    penalizes_inside: bool = False

    @property
    def is_constant(self):
        """Whether the targets are."""
        return self.rounding > 0

    def to_user(self, network, theta):
        """`coefs_` and `intercepts_`."""
        layers = [W.astype(np.float64) for W in network.layers(theta)]
        layers[-1] *= self.size
        layers[-1][-1] += self.mean
        if self.shift is not None:
            factor = self.scale[:, None]
            layers[0][:-1] /= factor
            layers[0][-1] -= self.shift @ layers[0][:-1]
        layers = [W.astype(theta.dtype) for W in layers]
        return [W[:-1].copy() for W in layers], [W[-1].copy() for W in layers]

    def to_inside(self, network, coefs, intercepts, dtype):
        """The flat array of the user's parameters; the inverse of `to_user`."""
        theta = network.join(coefs, intercepts, np.float64)
        layers = network.layers(theta)
        if self.shift is not None:
            layers[0][-1] += self.shift @ layers[0][:-1]
            layers[0][:-1] *= self.scale[:, None]
        layers[-1][-1] -= self.mean
        layers[-1] /= self.size
        return theta.astype(dtype)

    def penalty_factors(self, network, dtype):
        """What multiplies each squared parameter: 0 for biases."""
        factors = np.ones(network.n_parameters)
        layers = network.layers(factors)
        for W in layers:
            W[-1] = 0.0
        if self.penalizes_inside:
            return factors.astype(dtype)
        if self.shift is not None:
            with np.errstate(divide="ignore", over="ignore"):
                layers[0][:-1] /= self.scale[:, None] ** 2
        layers[-1] *= self.size**2
        return np.minimum(factors / self.size**2, np.sqrt(np.finfo(dtype).max)).astype(dtype)

    def user_factors(self, network):
        """What multiplies each layer's squared `coefs_` in the user's objective.

        Returns
        -------
        factors : list of ndarray of shape (n_in, 1) or (1, 1)
        """
        factors = [np.ones((1, 1)) for _ in network.shapes]
        if self.penalizes_inside:
            factors = [self.size**2 * factor for factor in factors]
            factors[-1] = factors[-1] / self.size**2
            factors[0] = factors[0] * self.scale[:, None] ** 2
        return factors


def choose_units(
    source, n_outputs, is_log_loss, *, is_standard=False, dtype=np.float64, moments=None
):
    """Units for data: targets standardised, columns too, or only if one is far from 0 or wide.

    Parameters
    ----------
    source : ArraySource or another source of rows
        With the columns Y, targets, and c, weights that sum to 1.
    n_outputs : int
    is_log_loss : bool
        Class labels have no units.
    is_standard : bool, default=False
        Whether all columns are standardised, and the penalty is that of these units.
    dtype : dtype, default=np.float64
        Of the rows.
    moments : tuple, default=None
        Means and standard deviations of columns and targets, if they are known.

    Returns
    -------
    units : Units
    """
    if moments is None:
        moments = *center_and_spread(source), *column_moments(source, n_outputs, source.Y)
    ends = None if is_log_loss else extremes(source, n_outputs, source.Y)
    return units_by(moments, is_log_loss, ends, is_standard=is_standard, dtype=dtype)


def units_by(moments, is_log_loss, ends=None, *, is_standard, dtype):
    """Units by means and standard deviations.

    Parameters
    ----------
    moments : tuple
        Of columns and of targets.
    is_log_loss, is_standard, dtype
        As in `choose_units`.
    ends : ndarray, default=None
        Extremes of the targets. Default: the mean, as if none were far from it.

    Returns
    -------
    units : Units
    """
    center, spread, mean, y_spread = moments
    shift = scale = None
    if is_standard:
        shift, scale = center, divisors(center, spread, dtype)
    elif (np.abs(center) > FAR).any() or (spread > FAR).any():
        shift, scale = center, np.maximum(spread, 1.0)
    if is_log_loss:
        return Units(shift, scale, np.zeros_like(mean), 1.0, 0.0, is_standard)
    y_spread = float(np.sqrt(np.mean(y_spread**2)))
    if ends is None:
        is_spread = y_spread > SMALLEST_SPREAD
        return Units(shift, scale, mean, y_spread if is_spread else 1.0, 0.0, is_standard)
    largest, smallest = ends
    mean = np.clip(mean, smallest, largest)  # that of a constant is the constant
    return Units(shift, scale, mean, *target_size(y_spread, ends, mean), is_standard)


def center_and_spread(source):
    """Means and standard deviations of the columns of a source's rows.

    Sparse columns are not centred, which would make them dense, and have one spread, the root mean
    square of what is stored: columns of which little is stored are rare, not small.
    """
    d = source.n_columns
    if not source.is_sparse:
        return column_moments(source, d)
    top, stored = reduce(_Stored(), source, (None,))[1][1:]
    top = top or 1.0
    squares = reduce(_Stored(), source, (top,))[1][0]
    return np.zeros(d), np.full(d, top * np.sqrt(squares / (stored or 1.0)))


def in_units(X, unit):
    """X / unit in the dtype of X, in which SciPy does not divide sparse matrices."""
    return (X / X.dtype.type(unit)).astype(X.dtype, copy=False)


def divisors(center, spread, dtype):
    """What standard columns are divided by: their spread, or 1 where that is rounding."""
    rounding = np.maximum(CONSTANT_COLUMN * np.abs(center), SMALLEST_DIVISOR[np.dtype(dtype)])
    return np.where(spread > rounding, spread, 1.0)


def target_size(spread, extremes, mean, constant=1e-12):
    """The unit of targets of some spread, and the distance from the mean that is none.

    Targets that vary by no more than `constant` times their mean have the unit 1 and no residuals:
    what is relative to their variation would be relative to rounding. For them alone the distance
    is positive. The unit is larger than the spread if rows of next to no weight are that far from
    the mean.

    Returns
    -------
    size, rounding : float
    """
    farthest = float(np.abs(extremes - mean).max())
    size = max(spread, farthest / LARGEST_Y)
    if farthest > 0 and size > max(constant * np.abs(mean).max(), SMALLEST_SPREAD):
        return size, 0.0
    return 1.0, max(farthest, SMALLEST_SPREAD)


def standardised(Y, *, mean, size, rounding, dtype):
    """Targets in units."""
    centered = Y - mean
    if rounding > 0:
        centered[np.abs(centered) <= rounding] = 0.0
    return np.ascontiguousarray(centered / size, dtype=dtype)


def column_moments(source, n_columns, array=None):
    """Weighted means and standard deviations of columns, without overflow.

    Parameters
    ----------
    source : ArraySource or another source of rows
        With the column c, weights that sum to 1.
    n_columns : int
    array : array of the source, default=None
        Of shape (n_rows, n_columns). None is X.

    Returns
    -------
    mean, deviation : ndarray of shape (n_columns,)
    """
    top = np.abs(extremes(source, n_columns, array)).max(axis=0)
    is_extreme = (top > 1e100) | ((top > 0) & (top < 1e-100))
    unit = np.where(is_extreme, top, 1.0) if is_extreme.any() else None
    mean = weighted_mean(source, n_columns, array, unit)
    deviation = np.sqrt(reduce(_Variance(n_columns), source, (array, unit, mean))[1])
    return (mean, deviation) if unit is None else (mean * unit, deviation * unit)


def weighted_mean(source, n_columns, array=None, unit=None):
    """Weighted means of columns in some unit; other parameters as in `column_moments`."""
    return reduce(_Mean(n_columns), source, (array, unit))[1]


def extremes(source, n_columns, array=None):
    """The largest and the smallest entry of each column; parameters as in `column_moments`."""
    return reduce(_Extremes(n_columns), source, (array,))[1]


def root_mean_square(source, n_columns, array=None, *, center=0.0, bias=0.0):
    """Root mean square of the rows' distances from `center`, without overflow.

    Parameters
    ----------
    source, n_columns, array
        As in `column_moments`.
    center : float or ndarray of shape (n_columns,), default=0.0
    bias : float, default=0.0
        Distance in one more direction, the same for all rows.

    Returns
    -------
    float
        1 if all distances are 0.
    """
    top = max(abs(bias), float(np.abs(extremes(source, n_columns, array) - center).max()))
    if top == 0:
        return 1.0
    square = reduce(_SquaredDistance(n_columns), source, (array, center, top))[0]
    return float(top * np.sqrt((bias / top) ** 2 + square))


class _ColumnStatistic(Statistic):
    """A number for each column of X, or of an array of the source."""

    def __init__(self, n_columns):
        # Three temporary arrays of float64 a block.
        self.shape, self.values = n_columns, 32 * n_columns

    def rows(self, block, array):
        """The block's rows."""
        return np.asarray((block.source.X if array is None else block.local(array))[block.slice])


class _Extremes(_ColumnStatistic):
    """The largest and the smallest entries."""

    def zero(self, parameters):
        return np.vstack([np.full(self.shape, -np.inf), np.full(self.shape, np.inf)])

    def add(self, block, parameters, total):
        A = self.rows(block, *parameters)
        self.merge(total, (A.max(axis=0), A.min(axis=0)))

    def merge(self, total, part):
        np.maximum(total[0], part[0], out=total[0])
        np.minimum(total[1], part[1], out=total[1])


class _Mean(_ColumnStatistic):
    """Weighted means, in some unit."""

    def add(self, block, parameters, total):
        array, unit = parameters
        A = self.rows(block, array)
        total += block.source.c[block.slice] @ (A if unit is None else A / unit)


class _Variance(_ColumnStatistic):
    """Weighted mean squares of the distances from the means, in some unit."""

    def add(self, block, parameters, total):
        array, unit, mean = parameters
        A = self.rows(block, array)
        centered = (A if unit is None else A / unit) - mean
        total += block.source.c[block.slice] @ np.square(centered, out=centered)


class _Stored(Statistic):
    """Of a sparse matrix' stored values: squares in some unit, summed; largest; sum of weights.

    Without a unit the squares, which may overflow, are left out.
    """

    shape = 3

    def add(self, block, parameters, total):
        X, c = block.source.X[block.slice], block.source.c[block.slice]
        (unit,) = parameters
        values = np.abs(X.data.astype(np.float64))
        weights = np.repeat(c, np.diff(X.indptr)) * (values > 0)
        squares = 0.0 if unit is None else weights @ (values / unit) ** 2
        self.merge(total, (squares, values.max(initial=0), weights.sum()))

    def merge(self, total, part):
        total[0] += part[0]
        total[1] = max(total[1], part[1])
        total[2] += part[2]


class _SquaredDistance(_ColumnStatistic):
    """Weighted mean square of the rows' distances from a center, in some unit."""

    def zero(self, parameters):
        return None

    def add(self, block, parameters, total):
        array, center, unit = parameters
        A = self.rows(block, array)
        A = (A - center if np.any(center) else A) / A.dtype.type(unit)
        return float(block.source.c[block.slice] @ np.einsum("ij,ij->i", A, A))
