"""How blocks of rows go through a net."""

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._net.entrywise_fast import KINDS, activate, output_residuals
from sklearn_optland._rows.reduce import Statistic

# Activations of a block of rows: what a core's second-level cache holds, in values. Below the
# least number of rows products are slow.
CACHED_VALUES = 1 << 18
MIN_BLOCK_ROWS = 256


def residuals(network, F, Y, c):
    """F <- c dl/dF, for some rows; return the sum of c l(F, Y)."""
    if network.is_multilabel:
        c = np.repeat(c, F.shape[1])
        F, Y = F.reshape(-1, 1), np.ascontiguousarray(Y).reshape(-1, 1)
    return output_residuals(F, Y, c, network.is_log_loss)


class Forward:
    """How rows go through a net, a block that the cache holds at a time.

    Parameters
    ----------
    network : Network
    shift, scale : ndarray of shape (n_columns,) or None
        Of the columns' units.
    dtype : dtype
    n_rows : int
    """

    def __init__(self, network, shift, scale, dtype, n_rows):
        self.network, self.dtype = network, dtype
        self.shift = self.inverse = None
        if shift is not None:
            with np.errstate(over="ignore", under="ignore"):
                self.shift = (shift / scale).astype(dtype)
                self.inverse = (1.0 / scale).astype(dtype)
        hidden = KINDS[network.activation]
        self.kinds = [hidden] * (len(network.sizes) - 2) + [KINDS["identity"]]
        widths = sum(network.sizes[1:]) + (network.sizes[0] if shift is not None else 0)
        self.block_rows = min(max(CACHED_VALUES // widths, MIN_BLOCK_ROWS), max(n_rows, 1))
        self.values, self.work = sum(network.sizes), network.n_parameters

    def blocks(self, block):
        """Slices of a block's rows that the cache holds."""
        for start in range(block.first, block.last, self.block_rows):
            yield slice(start, min(start + self.block_rows, block.last))

    def buffers(self, block):
        """What a thread writes activations, adjoints and their products to."""
        key = self.network, self.dtype, self.block_rows, self.shift is None
        return block.scratch(key, self._new_buffers)

    def _new_buffers(self):
        sizes, n = self.network.sizes, self.block_rows
        return {
            name: [np.empty(shape, dtype=self.dtype) for shape in shapes]
            for name, shapes in (
                ("columns", [(n if self.shift is not None else 0, sizes[0])]),
                ("activations", [(n, size) for size in sizes[1:]]),
                ("adjoints", [(n, size) for size in sizes[1:-1]]),
                ("parts", [(n_in - 1, n_out) for n_in, n_out in self.network.shapes]),
            )
        }

    def columns(self, X, rows, buffer=None):
        """Rows of X in standard units."""
        X = X[rows].toarray() if issparse(X) else np.asarray(X[rows])
        if self.shift is None:
            return X
        with np.errstate(over="ignore", invalid="ignore"):
            X = np.multiply(X, self.inverse, out=buffer)  # first: no overflow
            X -= self.shift
        return X

    def __call__(self, layers, X, rows, buffers):
        """Inputs of the given layers and the output of the last one, for some rows of X."""
        n = rows.stop - rows.start
        V = [self.columns(X, rows, buffers["columns"][0][:n])]
        for W, kind, buffer in zip(layers, self.kinds, buffers["activations"], strict=False):
            Z = buffer[:n]
            np.matmul(V[-1], W[:-1], out=Z)
            activate(Z, W[-1], kind)
            V.append(Z)
        return V


class NetStatistic(Statistic):
    """A statistic of a net's rows; `columns` are X in standard units, or None."""

    def __init__(self, forward):
        self.forward, self.values, self.work = forward, forward.values, forward.work

    def add_gram(self, G, V, c):
        """G += HᵀH, weighted, for some rows."""
        roots = np.sqrt(c).astype(self.forward.dtype)
        H = np.empty((len(roots), len(G)), dtype=self.forward.dtype)
        np.multiply(V, roots[:, None], out=H[:, :-1])
        H[:, -1] = roots
        G += H.T @ H


def columns_of(block, columns):
    """All rows in standard units, or the source's where those are."""
    return block.source.X if columns is None else block.local(columns)
