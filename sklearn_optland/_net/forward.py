"""How blocks of rows go through a net."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._net.entrywise_fast import KINDS, activate, output_residuals
from sklearn_optland._rows.reduce import Statistic, some_rows

# Activations of a block of rows: what a core's second-level cache holds, in values. Below the
# least number of rows products are slow.
CACHED_VALUES = 1 << 18
MIN_BLOCK_ROWS = 256


class LossKind(NamedTuple):
    """The loss of the outputs.

    Parameters
    ----------
    is_log_loss : bool
        The log-loss, of one logit or of a softmax, or squared error, half its square.
    is_multilabel : bool, default=False
        Whether the log-loss is that of a logit for each output.
    """

    is_log_loss: bool
    is_multilabel: bool = False


def residuals(kind, F, Y, c):
    """F <- c dl/dF, for some rows; return the sum of c l(F, Y). `kind`: a LossKind or a Network."""
    if kind.is_multilabel:
        c = np.repeat(c, F.shape[1])
        F, Y = F.reshape(-1, 1), np.ascontiguousarray(Y).reshape(-1, 1)
    return output_residuals(F, Y, c, kind.is_log_loss)


class Forward:
    """How rows go through a net, a block that the cache holds at a time.

    Parameters
    ----------
    network : Network
    shift, scale : ndarray of shape (n_columns,) or None
        Of the columns' units.
    dtype : dtype
    n_rows : int
    is_sparse : bool, default=False
        Whether rows are CSR, which stay so; then shifts are 0, and all scales the same.
    """

    def __init__(self, network, shift, scale, dtype, n_rows, is_sparse=False):
        self.network, self.dtype = network, dtype
        self.shift = self.inverse = None
        if shift is not None:
            with np.errstate(over="ignore", under="ignore"):
                self.shift = (shift / scale).astype(dtype)
                self.inverse = (1.0 / scale).astype(dtype)
        hidden = KINDS[network.activation]
        self.kinds = [hidden] * (len(network.sizes) - 2) + [KINDS["identity"]]
        self.has_buffer = shift is not None and not is_sparse
        widths = sum(network.sizes[1:]) + (network.sizes[0] if self.has_buffer else 0)
        self.block_rows = min(max(CACHED_VALUES // widths, MIN_BLOCK_ROWS), max(n_rows, 1))
        self.values, self.work = sum(network.sizes), network.n_parameters

    def blocks(self, block):
        """Slices of a block's rows that the cache holds."""
        for start in range(block.first, block.last, self.block_rows):
            yield slice(start, min(start + self.block_rows, block.last))

    def buffers(self, block):
        """What a thread writes activations, adjoints and their products to."""
        key = self.network, self.dtype, self.block_rows, self.has_buffer
        return block.scratch(key, self._new_buffers)

    def _new_buffers(self):
        sizes, n = self.network.sizes, self.block_rows
        return {
            name: [np.empty(shape, dtype=self.dtype) for shape in shapes]
            for name, shapes in (
                ("columns", [(n if self.has_buffer else 0, sizes[0])]),
                ("activations", [(n, size) for size in sizes[1:]]),
                ("adjoints", [(n, size) for size in sizes[1:-1]]),
                ("parts", [(n_in - 1, n_out) for n_in, n_out in self.network.shapes]),
            )
        }

    def inputs(self, X, rows, buffer=None):
        """Rows of X in standard units; CSR stays so."""
        if not issparse(X):
            return self.columns(X, rows, buffer)
        X = some_rows(X, rows)
        return X if self.shift is None else X * self.inverse[0]

    def columns(self, X, rows, buffer=None):
        """Rows of X in standard units, dense."""
        X = some_rows(X, rows)
        X = X.toarray() if issparse(X) else X
        if self.shift is None:
            return X
        with np.errstate(over="ignore", invalid="ignore"):
            X = np.multiply(X, self.inverse, out=buffer)  # first: no overflow
            X -= self.shift
        return X

    def __call__(self, layers, X, rows, buffers):
        """Inputs of the given layers and the output of the last one, for some rows of X."""
        n = rows.stop - rows.start
        V = [self.inputs(X, rows, buffers["columns"][0][:n])]
        for W, kind, buffer in zip(layers, self.kinds, buffers["activations"], strict=False):
            Z = buffer[:n]
            multiply(V[-1], W[:-1], Z)
            activate(Z, W[-1], kind)
            V.append(Z)
        return V


def multiply(A, B, out):
    """out <- A B, A a dense or a sparse matrix."""
    if issparse(A):
        out[...] = A @ B
    else:
        np.matmul(A, B, out=out)


class NetStatistic(Statistic):
    """A statistic of a net's rows; `columns` are X in standard units, or None."""

    def __init__(self, forward):
        self.forward, self.values, self.work = forward, forward.values, forward.work

    def add_gram(self, G, V, c):
        """G += HᵀH, weighted, for some rows."""
        roots = np.sqrt(c).astype(self.forward.dtype)
        H = np.empty((len(roots), len(G)), dtype=self.forward.dtype)
        V = V.toarray() if issparse(V) else V
        np.multiply(V, roots[:, None], out=H[:, :-1])
        H[:, -1] = roots
        G += H.T @ H


def columns_of(block, columns):
    """All rows in standard units, or the source's where those are."""
    return block.source.X if columns is None else block.local(columns)
