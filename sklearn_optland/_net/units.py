"""Data in standard units, and parameters in those and in the user's."""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._rows.reduce import row_blocks

# Columns whose mean or standard deviation is above this are standardised inside.
FAR = 10.0
# Spreads of y up to this have no squares, and are taken for constants.
SMALLEST_SPREAD = 1e-150
# Standardised targets of rows of next to no weight, at most: float32 holds the squares of these.
LARGEST_Y = 1e15


@dataclass(frozen=True)
class Units:
    """Columns and targets as the passes see them: (X - shift) / scale, (Y - mean) / size.

    The change is exact: `to_user` gives the parameters of the same net for the user's X and Y, and
    `penalty_factors` the weights that the user's squared parameters have in these units, where the
    loss is 1 / size² of the user's.
    """

    shift: np.ndarray | None
    scale: np.ndarray | None
    mean: np.ndarray
    size: float

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
        if self.shift is not None:
            with np.errstate(divide="ignore", over="ignore"):
                layers[0][:-1] /= self.scale[:, None] ** 2
        layers[-1] *= self.size**2
        return np.minimum(factors / self.size**2, np.sqrt(np.finfo(dtype).max)).astype(dtype)


def choose_units(X, Y, c, is_log_loss):
    """Units for data: targets standardised, columns if one is far from zero or wide.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
    Y : ndarray of shape (n_rows, n_outputs)
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    is_log_loss : bool
        Class labels have no units.

    Returns
    -------
    units : Units
    """
    shift = scale = None
    center, spread = mean_and_deviation(X, c)
    if (np.abs(center) > FAR).any() or (spread > FAR).any():
        shift, scale = center, np.maximum(spread, 1.0)
    if is_log_loss:
        return Units(shift, scale, np.zeros(Y.shape[1]), 1.0)
    mean, spread = mean_and_deviation(Y, c)
    return Units(shift, scale, mean, target_size(float(np.sqrt(np.mean(spread**2))), Y, mean))


def target_size(spread, Y, mean, rounding=1e-12):
    """The unit of targets of some spread: 1 if they are constant, but for rounding of the mean.

    It is larger than the spread if rows of next to no weight are that far from the mean.
    """
    size = max(spread, float(np.abs(Y - mean).max()) / LARGEST_Y)
    return size if size > max(rounding * np.abs(mean).max(), SMALLEST_SPREAD) else 1.0


def mean_and_deviation(A, c):
    """Weighted means and standard deviations of columns, without overflow."""
    # Three temporary arrays of float64 a block.
    blocks = list(row_blocks(len(A), 32 * A.shape[1]))
    top = np.zeros(A.shape[1])
    for first, last in blocks:
        top = np.maximum(top, np.abs(A[first:last]).max(axis=0))
    extreme = (top > 1e100) | ((top > 0) & (top < 1e-100))
    unit = np.where(extreme, top, 1.0)
    mean, square = np.zeros_like(unit), np.zeros_like(unit)
    for first, last in blocks:
        mean += c[first:last] @ (A[first:last] / unit if extreme.any() else A[first:last])
    for first, last in blocks:
        centered = A[first:last] / unit if extreme.any() else A[first:last]
        centered = centered - mean
        square += c[first:last] @ np.square(centered, out=centered)
    return mean * unit, np.sqrt(square) * unit
