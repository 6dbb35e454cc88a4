"""What the nets share: data in standard units, passes over blocks of rows, targets, predictions."""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sklearn_optland._blocks import pass_over_rows, row_blocks, sum_over_blocks
from sklearn_optland._class_scores import LogLossClassifier
from sklearn_optland.neural_network._entrywise_fast import (
    KINDS,
    activate,
    output_residuals,
    times_slope,
    weighted_squares,
)

FLOATS = [np.float64, np.float32]
# Activations of a block of rows: what a core's second-level cache holds, in values. Below the
# least number of rows products are slow.
CACHED_VALUES = 1 << 18
MIN_BLOCK_ROWS = 256
# Columns whose mean or standard deviation is above this are standardised inside.
FAR = 10.0


# The net


@dataclass(frozen=True)
class Network:
    """Sizes of the layers, and their parameters as one flat array.

    Layer l has a matrix of shape (sizes[l] + 1, sizes[l + 1]), whose last row is the bias.

    Parameters
    ----------
    sizes : tuple of int
        Columns of X, units of each hidden layer, outputs.
    activation : {"logistic", "tanh", "relu", "identity"}
        Of the hidden layers.
    is_log_loss : bool
        The loss: log-loss, of one logit or of a softmax, or squared error, half its square.
    """

    sizes: tuple[int, ...]
    activation: str
    is_log_loss: bool

    @property
    def shapes(self):
        """Shapes of the layers' matrices."""
        return [(n_in + 1, n_out) for n_in, n_out in zip(self.sizes, self.sizes[1:], strict=False)]

    @property
    def n_parameters(self):
        """Length of the flat array."""
        return sum(n_in * n_out for n_in, n_out in self.shapes)

    def layers(self, theta):
        """Views of the flat array: a matrix a layer."""
        ends = np.cumsum([n_in * n_out for n_in, n_out in self.shapes])
        return [
            theta[end - n_in * n_out : end].reshape(n_in, n_out)
            for end, (n_in, n_out) in zip(ends, self.shapes, strict=True)
        ]

    def glorot(self, rng, dtype, scale=1.0):
        """The start of scikit-learn's MLP: uniform draws by the sizes of a layer's two sides."""
        theta = np.empty(self.n_parameters, dtype=dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        for W in self.layers(theta):
            bound = scale * np.sqrt(factor / (W.shape[0] - 1 + W.shape[1]))
            W[:-1] = rng.uniform(-bound, bound, (W.shape[0] - 1, W.shape[1]))
            W[-1] = rng.uniform(-bound, bound, W.shape[1])
        return theta

    def join(self, coefs, intercepts, dtype):
        """The flat array of `coefs_` and `intercepts_`; ValueError if shapes do not fit."""
        theta = np.empty(self.n_parameters, dtype=dtype)
        found = [(*np.shape(W), *np.shape(b)) for W, b in zip(coefs, intercepts, strict=False)]
        wanted = [(n_in - 1, n_out, n_out) for n_in, n_out in self.shapes]
        if found != wanted or len(coefs) != len(intercepts):
            raise ValueError(
                f"coefs and intercepts: found (n_in, n_out, n_intercepts) = {found} by layer; "
                f"allowed are {wanted}."
            )
        for layer, W, b in zip(self.layers(theta), coefs, intercepts, strict=True):
            layer[:-1], layer[-1] = W, b
        return theta


# Data in standard units


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
    center, spread = _mean_and_deviation(X, c)
    if (np.abs(center) > FAR).any() or (spread > FAR).any():
        shift, scale = center, np.maximum(spread, 1.0)
    if is_log_loss:
        return Units(shift, scale, np.zeros(Y.shape[1]), 1.0)
    mean, spread = _mean_and_deviation(Y, c)
    size = float(np.sqrt(np.mean(spread**2)))
    if not size > 1e-12 * np.abs(mean).max(initial=0.0):  # constant, but for rounding
        size = 1.0
    return Units(shift, scale, mean, size)


def _mean_and_deviation(A, c):
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


# Passes over the rows


class Passes:
    """Mean loss of a net over weighted rows, its gradient and Gram matrices of its layers.

    All are sums over blocks of rows: a block goes through all layers and back before the next one
    is read, so that its activations stay in the cache and memory maps stay on disk. float32 rows
    are computed in float32; losses are summed in float64.

    Parameters
    ----------
    network : Network
    X : ndarray of shape (n_rows, n_columns), float32 or float64
        Memory maps are read a block at a time.
    Y : ndarray of shape (n_rows, n_outputs)
        Targets; for the log-loss 0 or 1.
    c : ndarray of shape (n_rows,)
        Weights that sum to 1, none of them 0.
    units : Units
        Those of the parameters. Targets are converted here, columns in each pass.
    """

    def __init__(self, network, X, Y, c, units):
        self.network, self.X, self.c = network, X, np.ascontiguousarray(c, dtype=np.float64)
        self.c_inverse = 1.0 / self.c
        self.dtype = X.dtype
        self.Y = np.ascontiguousarray((Y - units.mean) / units.size, dtype=X.dtype)
        self.shift = self.inverse = None
        if units.shift is not None:
            with np.errstate(over="ignore", under="ignore"):
                self.shift = (units.shift / units.scale).astype(X.dtype)
                self.inverse = (1.0 / units.scale).astype(X.dtype)
        self.kind = KINDS[network.activation]
        widths = sum(network.sizes[1:]) + (network.sizes[0] if self.shift is not None else 0)
        self.block_rows = min(max(CACHED_VALUES // widths, MIN_BLOCK_ROWS), max(len(X), 1))
        self._work = network.n_parameters
        self._buffers = {}

    def in_float32(self):
        """The same passes on a copy of the rows in float32, in standard units."""
        X = np.empty(self.X.shape, dtype=np.float32)
        for first, last in row_blocks(len(X), 16 * X.shape[1]):
            X[first:last] = self._rows(first, last, None)
        units = Units(None, None, np.zeros(self.Y.shape[1]), 1.0)
        return Passes(self.network, X, self.Y, self.c, units)

    def value(self, theta):
        """Mean loss."""
        layers = self.network.layers(theta)

        def kernel(thread, _, first, last):
            loss = 0.0
            for rows, buffers in self._blocks(thread, first, last):
                V = self._forward(layers, rows, buffers)
                loss += output_residuals(
                    V[-1], self.Y[rows], self.c[rows], self.network.is_log_loss
                )
            return loss

        return self._sum(kernel)

    def gradient(self, theta, squares=None, grams=()):
        """Mean loss and its gradient, by the exact adjoint.

        Parameters
        ----------
        theta : ndarray
        squares : ndarray of shape (2, n_layers), default=None
            Where the layers' mean squared norms go, if asked for: of the inputs but the columns
            themselves, and of the adjoints, which are the derivatives of a row's loss.
        grams : dict of int to ndarray of shape (n_in + 1, n_in + 1), default=()
            Where the Gram matrices of some layers go, as `grams` has them.

        Returns
        -------
        loss : float
        gradient : ndarray of the shape and dtype of theta
        """
        layers = self.network.layers(theta)
        n_layers, n_sums = len(layers), 0 if squares is None else 2 * len(layers)
        total = np.zeros(
            len(theta) + n_sums + sum(grams[level].size for level in grams), dtype=self.dtype
        )

        def gram_views(flat):
            end = len(theta) + n_sums
            for level in grams:
                start, end = end, end + grams[level].size
                yield level, flat[start:end].reshape(grams[level].shape)

        def kernel(thread, out, first, last):
            loss, grads = 0.0, self.network.layers(out)
            sums = out[len(theta) : len(theta) + n_sums].reshape(-1, n_layers)
            for rows, buffers in self._blocks(thread, first, last):
                V = self._forward(layers, rows, buffers)
                for level, G in gram_views(out):
                    self._add_gram(G, V[level], rows)
                D = V[-1]
                loss += output_residuals(D, self.Y[rows], self.c[rows], self.network.is_log_loss)
                for level in range(len(layers) - 1, -1, -1):
                    part = buffers["parts"][level]
                    np.matmul(V[level].T, D, out=part)
                    grads[level][:-1] += part
                    grads[level][-1] += D.sum(axis=0)
                    if n_sums:
                        # D has the factor c already.
                        sums[1, level] += weighted_squares(D, self.c_inverse[rows])
                        if level:
                            sums[0, level] += weighted_squares(V[level], self.c[rows])
                    if level:
                        below = buffers["adjoints"][level - 1][: len(D)]
                        np.matmul(D, layers[level][:-1].T, out=below)
                        times_slope(below, V[level], self.kind)
                        D = below
            return loss

        loss = self._sum(kernel, total)
        if n_sums:
            squares[:] = total[len(theta) : len(theta) + n_sums].reshape(2, n_layers)
        for level, G in gram_views(total):
            grams[level][:] = G
        return loss, total[: len(theta)]

    def grams(self, theta, levels):
        """Weighted Gram matrices HᵀH, H = [V, 1], of the inputs V of some layers.

        Parameters
        ----------
        theta : ndarray
        levels : list of int
            Layers; 0 asks for that of the columns, which does not depend on theta.

        Returns
        -------
        grams : list of ndarray of shape (n_in + 1, n_in + 1), float64
        """
        layers = self.network.layers(theta)[: max(levels, default=0)]
        widths = [self.network.sizes[level] + 1 for level in levels]
        ends = np.cumsum([width**2 for width in widths])
        total = np.zeros(ends[-1] if len(ends) else 0)

        def split(flat):
            return [
                flat[end - width**2 : end].reshape(width, width)
                for end, width in zip(ends, widths, strict=True)
            ]

        def kernel(thread, out, first, last):
            sums = split(out)
            for rows, buffers in self._blocks(thread, first, last):
                V = self._forward(layers, rows, buffers)
                for G, level in zip(sums, levels, strict=True):
                    self._add_gram(G, V[level], rows)

        self._sum(kernel, total)
        return split(total)

    def _add_gram(self, G, V, rows):
        """G += HᵀH, weighted, for a block of rows."""
        roots = np.sqrt(self.c[rows]).astype(self.dtype)
        H = np.empty((len(roots), len(G)), dtype=self.dtype)
        np.multiply(V, roots[:, None], out=H[:, :-1])
        H[:, -1] = roots
        G += H.T @ H

    def columns_square(self):
        """Mean squared norm of the columns."""

        def statistic(first, last):
            rows = np.ascontiguousarray(self._rows(first, last, None))
            return float(weighted_squares(rows, self.c[first:last]))

        return sum_over_blocks(statistic, len(self.X), 32 * self.X.shape[1])

    def activations(self, theta, first, last):
        """Inputs of all layers and the scores, for some rows: a list of arrays."""
        layers, V = self.network.layers(theta), [self._rows(first, last, None)]
        for level, W in enumerate(layers):
            Z = V[-1] @ W[:-1]
            is_last = level == len(layers) - 1
            activate(Z, W[-1], KINDS["identity"] if is_last else self.kind)
            V.append(Z)
        return V

    def _sum(self, kernel, out=None):
        return pass_over_rows(kernel, len(self.X), sum(self.network.sizes), self._work, out)

    def _blocks(self, thread, first, last):
        """Slices of rows and the thread's buffers."""
        if thread not in self._buffers:
            sizes = self.network.sizes
            self._buffers[thread] = {
                name: [np.empty(shape, dtype=self.dtype) for shape in shapes]
                for name, shapes in (
                    ("columns", [(self.block_rows if self.shift is not None else 0, sizes[0])]),
                    ("activations", [(self.block_rows, size) for size in sizes[1:]]),
                    ("adjoints", [(self.block_rows, size) for size in sizes[1:-1]]),
                    ("parts", [(n_in - 1, n_out) for n_in, n_out in self.network.shapes]),
                )
            }
        for start in range(first, last, self.block_rows):
            yield slice(start, min(start + self.block_rows, last)), self._buffers[thread]

    def _rows(self, first, last, buffer):
        rows = np.asarray(self.X[first:last])
        if self.shift is None:
            return rows
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.multiply(rows, self.inverse, out=buffer)  # first: no overflow
            rows -= self.shift
        return rows

    def _forward(self, layers, rows, buffers):
        """Inputs of the layers and the output of the last one."""
        n = rows.stop - rows.start
        V = [self._rows(rows.start, rows.stop, buffers["columns"][0][:n])]
        n_layers = len(self.network.sizes) - 1
        for level, W in enumerate(layers):
            Z = buffers["activations"][level][:n]
            np.matmul(V[-1], W[:-1], out=Z)
            activate(Z, W[-1], KINDS["identity"] if level == n_layers - 1 else self.kind)
            V.append(Z)
        return V


def scores_of(X, coefs, intercepts, activation):
    """Output of a net for rows of X, in blocks; finite even where products overflow."""
    dtype = coefs[0].dtype
    widths = sum(W.shape[1] for W in coefs) + X.shape[1]
    scores = np.empty((len(X), coefs[-1].shape[1]), dtype=dtype)
    biases = [np.ascontiguousarray(b) for b in intercepts]
    with np.errstate(over="ignore", invalid="ignore"):
        for first, last in row_blocks(len(X), 64 * widths):
            V = X[first:last].astype(dtype, copy=False)
            for level, (W, b) in enumerate(zip(coefs, biases, strict=True)):
                V = V @ W
                activate(V, b, KINDS["identity" if level == len(coefs) - 1 else activation])
            scores[first:last] = V
    return np.nan_to_num(scores, copy=False)


# Targets and weights


def normalized(weights, name="sample_weight"):
    """Weights that sum to 1; an error if they cannot."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total < np.inf:
        raise ValueError(f"{name}: found a sum of {total}; allowed is a positive, finite one.")
    return weights / total


def row_weights(X, sample_weight):
    """Sample weights as float64 that sum to 1."""
    return normalized(
        _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    )


def encode_classes(y, c):
    """Classes and their 0-1 targets: one column for two classes, one-hot rows for more.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class labels.
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    Y : ndarray of shape (n_rows, 1) or (n_rows, n_classes)

    Raises
    ------
    ValueError
        With fewer than two classes, or a class without weight.
    """
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y: found the one class {classes.tolist()[0]!r}; allowed are at least two classes."
        )
    totals = np.bincount(codes, weights=c)
    if not (totals > 0).all():
        label = classes.tolist()[int(np.argmin(totals))]
        raise ValueError(
            f"sample_weight: the weights of class {label!r} sum to 0; allowed is a positive sum "
            "for each class."
        )
    if len(classes) == 2:
        return classes, codes[:, None].astype(np.float32)
    return classes, (codes[:, None] == np.arange(len(classes))).astype(np.float32)


def as_targets(y, dtype):
    """Regression targets as a float64 matrix; an error if their squares leave the dtype's range."""
    Y = np.asarray(y, dtype=np.float64)
    Y = Y[:, None] if Y.ndim == 1 else Y
    top = np.abs(Y).max()
    limit = np.sqrt(np.finfo(dtype).max) / len(Y)
    if top > limit:
        raise ValueError(
            f"y: found magnitudes up to {top:.3g}; allowed with {np.dtype(dtype)} data are those "
            f"below {limit:.3g}, whose squares can be summed."
        )
    return Y


# Early stopping


def hold_out(n_rows, fraction, rng, codes=None):
    """Indices of training and validation rows, stratified by `codes` where that is possible."""
    n_held = int(np.ceil(fraction * n_rows))
    if n_held >= n_rows:
        raise ValueError(
            f"validation_fraction: found {fraction}, which leaves none of {n_rows} samples for "
            "training; allowed with early_stopping is what leaves at least one."
        )
    if codes is not None:
        counts = np.bincount(codes)
        if counts.min() < 2 or n_held < len(counts) or n_rows - n_held < len(counts):
            codes = None
    train, held = train_test_split(
        np.arange(n_rows), test_size=n_held, random_state=rng, stratify=codes
    )
    return np.sort(train), np.sort(held)


class BestSoFar:
    """The parameters with the least loss, and how long ago they were found.

    Parameters
    ----------
    patience : float
        Iterations without a lower loss after which to stop.
    """

    def __init__(self, patience):
        self.patience, self.loss, self.theta, self.age = patience, np.inf, None, 0

    def update(self, loss, theta):
        """Note a loss and its parameters; return whether to stop."""
        if loss < self.loss or self.theta is None:
            self.loss, self.theta, self.age = loss, theta.copy(), 0
        else:
            self.age += 1
        return self.age >= self.patience


# Predictions


def network_scores(estimator, X, activation):
    """Output of a fitted net for X as the user gave it."""
    check_is_fitted(estimator)
    X = validate_data(estimator, X, dtype=FLOATS, order="C", reset=False)
    return scores_of(X, estimator.coefs_, estimator.intercepts_, activation)


class NetworkRegressor:
    """Predictions from `coefs_` and `intercepts_`; `_hidden_activation` says which."""

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values, in the shape of the training targets.
        """
        scores = network_scores(self, X, self._hidden_activation)
        return scores.ravel() if self._y_is_1d else scores


class NetworkClassifier(LogLossClassifier):
    """Scores from `coefs_` and `intercepts_`, two classes having one."""

    def decision_function(self, X):
        """Compute the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits; with two classes, that of `classes_[1]`.
        """
        scores = network_scores(self, X, self._hidden_activation)
        return scores.ravel() if scores.shape[1] == 1 else scores
