"""Passes of a net over blocks of rows: losses, gradients, Gram matrices.

A block goes through all layers and back before the next one is read, so that its activations stay
in the cache and memory maps stay on disk. float32 rows are computed in float32; losses are summed
in float64.
"""

from copy import copy
from functools import partial

import numpy as np

from sklearn_optland._net.entrywise_fast import times_slope, weighted_squares
from sklearn_optland._net.forward import Forward, NetStatistic, columns_of, multiply, residuals
from sklearn_optland._net.hessian_products import HessianProducts
from sklearn_optland._net.units import standardised
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland._rows.source import Block


class Passes:
    """Mean loss of a net over weighted rows, its gradient and Gram matrices of its layers.

    Parameters
    ----------
    network : Network
    source : ArraySource or another source of rows
        With the columns Y, targets, for the log-loss 0 or 1, and c, float64 weights that sum to 1,
        none of them 0. Memory maps are read a block at a time.
    units : Units
        Those of the parameters. Targets are converted here, columns in each pass.
    dtype : dtype
        Of the rows.
    """

    def __init__(self, network, source, units, dtype):
        self.network, self.source, self.dtype = network, source, np.dtype(dtype)
        kind = self.dtype, source.n_rows, source.is_sparse
        self.forward = Forward(network, units.shift, units.scale, *kind)
        # Rows in standard units, if not those of the source.
        self.columns = None
        standardise = partial(
            standardised,
            mean=units.mean,
            size=units.size,
            rounding=units.rounding,
            dtype=self.dtype,
        )
        self.Y = source.map(standardise, source.Y)

    def in_float32(self):
        """The same passes on a copy of the rows in float32, in standard units."""
        other, source = copy(self), self.source
        other.dtype = np.dtype(np.float32)
        other.columns = source.empty(source.n_columns, dtype=other.dtype)
        reduce(_Columns(self.forward), source, (other.columns,))
        other.Y = source.map(_in_float32, self.Y)
        other.forward = Forward(self.network, None, None, other.dtype, source.n_rows)
        return other

    def value(self, theta):
        """Mean loss."""
        return self._reduce(_Loss(self.forward), theta, self.Y)[0]

    def gradient_and_squares(self, theta, levels=()):
        """Mean loss and its gradient, and the layers' mean squares.

        Parameters
        ----------
        theta : ndarray
        levels : list of int, default=()
            Layers whose Gram matrices are taken, too.

        Returns
        -------
        loss : float
        gradient : ndarray of the shape and dtype of theta
        squares : ndarray of shape (2, n_layers)
            Mean squared norms of the layers' inputs, 0 in the place of the columns', and of the
            adjoints, which are the derivatives of a row's loss.
        grams : dict of int to ndarray of shape (n_in + 1, n_in + 1)
            As `grams` has them.
        """
        statistic = _LossGradient(self.forward, levels)
        loss, totals = self._reduce(statistic, theta, self.Y)
        gradient, squares, *grams = totals
        grams = {level: gram.astype(np.float64) for level, gram in zip(levels, grams, strict=True)}
        return loss, gradient, squares.astype(np.float64), grams

    def gradient_of_rows(self, theta, first, last):
        """Sum of the weighted losses of some rows in memory, a minibatch, and its gradient."""
        statistic = _LossGradient(self.forward, ())
        parameters = self.columns, self.network.layers(theta), self.Y
        total = statistic.zero(parameters)
        loss = statistic.add(Block(self.source, 0, first, last), parameters, total)
        return loss, total[0]

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
        return self._reduce(_Grams(self.forward, levels), theta)[1]

    def hessian_products(self, theta, directions, outputs=None):
        """Products of the mean loss' Hessian with some directions.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
        directions : ndarray of shape (n_directions, n_parameters)
        outputs : list of arrays of the source, default=None
            `activations` at theta, which spare the pass forward.

        Returns
        -------
        products : ndarray of the shape of directions
        """
        statistic = HessianProducts(self.forward, len(directions))
        directions = [self.network.layers(direction) for direction in directions]
        return self._reduce(statistic, theta, self.Y, directions, outputs)[1]

    def columns_square(self):
        """Mean squared norm of the columns."""
        return reduce(_ColumnsSquare(self.forward), self.source, (self.columns,))[0]

    def activations(self, theta):
        """Outputs of all layers, for all rows: arrays of the source."""
        sizes = self.network.sizes[1:]
        outputs = [self.source.empty(size, dtype=self.dtype) for size in sizes]
        self._reduce(_Activations(self.forward), theta, outputs)
        return outputs

    def outputs(self, theta):
        """Scores of all rows, of shape (n_rows, n_outputs)."""
        return self.activations(theta)[-1]

    def _reduce(self, statistic, theta, *arrays):
        layers = self.network.layers(theta)
        return reduce(statistic, self.source, (self.columns, layers, *arrays))


def _in_float32(Y):
    return Y.astype(np.float32)


class _Loss(NetStatistic):
    """Mean loss."""

    def add(self, block, parameters, total):
        columns, layers, Y = parameters
        forward, loss = self.forward, 0.0
        X, Y, c = columns_of(block, columns), block.local(Y), block.source.c
        buffers = forward.buffers(block)
        for rows in forward.blocks(block):
            F = forward(layers, X, rows, buffers)[-1]
            loss += residuals(forward.network, F, Y[rows], c[rows])
        return loss


class _LossGradient(NetStatistic):
    """Mean loss; its gradient, the layers' mean squares and Gram matrices of their inputs."""

    def __init__(self, forward, levels):
        super().__init__(forward)
        self.levels, self.dtype, network = levels, forward.dtype, forward.network
        squares = 2, len(network.shapes)
        self.shape = [network.n_parameters, squares, *network.gram_shapes(levels)]

    def add(self, block, parameters, total):
        columns, layers, Y = parameters
        gradient, squares, *grams = total
        forward, loss = self.forward, 0.0
        kind = forward.kinds[0]
        gradient, buffers = forward.network.layers(gradient), forward.buffers(block)
        X, Y, c = columns_of(block, columns), block.local(Y), block.source.c
        for rows in forward.blocks(block):
            V = forward(layers, X, rows, buffers)
            for level, G in zip(self.levels, grams, strict=True):
                self.add_gram(G, V[level], c[rows])
            D = V[-1]
            c_inverse = 1.0 / np.maximum(c[rows], np.finfo(float).tiny)  # D gets the factor c
            loss += residuals(forward.network, D, Y[rows], c[rows])
            for level in range(len(layers) - 1, -1, -1):
                part = buffers["parts"][level]
                multiply(V[level].T, D, part)
                gradient[level][:-1] += part
                gradient[level][-1] += D.sum(axis=0)
                squares[1, level] += weighted_squares(D, c_inverse)
                if level:
                    squares[0, level] += weighted_squares(V[level], c[rows])
                    below = buffers["adjoints"][level - 1][: len(D)]
                    np.matmul(D, layers[level][:-1].T, out=below)
                    times_slope(below, V[level], kind)
                    D = below
        return loss


class _Grams(NetStatistic):
    """Gram matrices of the inputs of some layers."""

    def __init__(self, forward, levels):
        super().__init__(forward)
        self.levels, self.shape = levels, forward.network.gram_shapes(levels)

    def add(self, block, parameters, total):
        columns, layers = parameters
        forward, X, c = self.forward, columns_of(block, columns), block.source.c
        buffers, layers = forward.buffers(block), layers[: max(self.levels)]
        for rows in forward.blocks(block):
            V = forward(layers, X, rows, buffers)
            for G, level in zip(total, self.levels, strict=True):
                self.add_gram(G, V[level], c[rows])


class _Activations(NetStatistic):
    """Outputs of all layers, written to arrays of the source; on one thread."""

    writes = (2,)

    def __init__(self, forward):
        super().__init__(forward)
        self.work = 0.0

    def add(self, block, parameters, total):
        columns, layers, outputs = parameters
        forward, X = self.forward, columns_of(block, columns)
        buffers, outputs = forward.buffers(block), [block.local(array) for array in outputs]
        for rows in forward.blocks(block):
            for V, output in zip(forward(layers, X, rows, buffers)[1:], outputs, strict=True):
                output[rows] = V


class _ColumnStatistic(Statistic):
    """A statistic of the columns in standard units; temporary arrays of float64 a block."""

    def __init__(self, forward):
        self.forward, self.values = forward, 32 * forward.network.sizes[0]


class _ColumnsSquare(_ColumnStatistic):
    """Mean squared norm of the columns."""

    def add(self, block, parameters, total):
        X = self.forward.columns(columns_of(block, *parameters), block.slice)
        return float(weighted_squares(np.ascontiguousarray(X), block.source.c[block.slice]))


class _Columns(_ColumnStatistic):
    """The columns, written to an array of the source."""

    writes = (0,)

    def add(self, block, parameters, total):
        (out,) = map(block.local, parameters)
        out[block.slice] = self.forward.columns(block.source.X, block.slice)
