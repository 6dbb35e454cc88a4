"""Passes of a net over blocks of rows: losses, gradients, Gram matrices."""

import numpy as np

from sklearn_optland._net.entrywise_fast import (
    KINDS,
    activate,
    output_residuals,
    times_slope,
    weighted_squares,
)
from sklearn_optland._net.units import Units
from sklearn_optland._rows.reduce import pass_over_rows, sum_over_blocks
from sklearn_optland._rows.source import float32_copy

# Activations of a block of rows: what a core's second-level cache holds, in values. Below the
# least number of rows products are slow.
CACHED_VALUES = 1 << 18
MIN_BLOCK_ROWS = 256


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
        self.c_inverse = 1.0 / np.maximum(self.c, np.finfo(float).tiny)
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
        X = float32_copy(self.X.shape, lambda first, last: self._rows(first, last, None))
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
