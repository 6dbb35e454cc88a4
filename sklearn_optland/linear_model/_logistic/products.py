"""Products with the rows: in float64, or in float32 where several classes make that faster.

Each kind has the same interface. Those in float32 hold the rows a second time, every column divided
by a scale; they serve far from the optimum and for directions, never for a bound.
"""

from collections import defaultdict
from functools import cached_property

import numpy as np

from sklearn_optland._loss import float32_csr_fast as csr_kernels
from sklearn_optland._loss import float32_dense_fast as tile_kernels
from sklearn_optland._loss.linear_passes import HessianProduct, LossGradient, WeightedGram
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland._rows.source import ArraySource


class Float64Products:
    """Products in float64, of which bounds are made.

    Parameters
    ----------
    source : ArraySource or another source, with columns y and c
    k : int
        Scores of a row.
    """

    is_exact = True
    has_vectors_as_costly_as_passes = False

    def __init__(self, source, k):
        self.source, self.k = source, k
        self._loss_gradient, self._gram = LossGradient(source, k), WeightedGram(source, k)
        self._hessian_product = HessianProduct(source, k)

    def on(self, source):
        """The same products with other rows."""
        return Float64Products(source, self.k)

    def evaluate(self, W):
        """Scores, the loss and its gradient at W."""
        Z = self.source.empty(self.k)
        y, c = self.source.y, self.source.c
        loss, G = reduce(self._loss_gradient, self.source, (y, c, W, Z))
        return Z, loss, G

    def gram(self, h):
        """The lower triangle of [X 1]' diag(h) [X 1], for h of the source."""
        return reduce(self._gram, self.source, (h,))[1]

    def hessian_operator(self, problem, Z):
        """V -> [X 1]' c (diag p - pp') [X 1] V at scores Z."""
        c, P = self.source.c, problem.probabilities(Z)
        return lambda V: reduce(self._hessian_product, self.source, (c, P, V))[1]


class TilePass(Statistic):
    """A pass over rows in float32 tiles; blocks are of tiles."""

    def __init__(self, source, k):
        self.shape = source.n_columns + 1, k
        self.values = tile_kernels.TILE * max(source.n_columns, k)
        self.work = tile_kernels.TILE * source.n_columns * k


class TileLossGradient(TilePass):
    """The loss at W and its gradient; Z takes the scores."""

    def add(self, block, parameters, G):
        W, Z = parameters
        y, c = block.source.y, block.source.c
        return tile_kernels.loss_gradient(block.rows, block.first, block.last, y, c, W, Z, G)


class TileHessianProduct(TilePass):
    """The Hessian at probabilities P, in tiles, times V."""

    def add(self, block, parameters, out):
        P, V = parameters
        c = block.source.c
        tile_kernels.hessian_product(block.rows, block.first, block.last, c, P, V, out)


class Float32Gram(Statistic):
    """[X 1]' diag(h) [X 1] in float32 within blocks; parameters: the roots of h, inverse scales."""

    def __init__(self, source, k):
        self.shape, self.values = 2 * (source.n_columns + 1,), max(source.n_columns, k)
        self.work = self.values**2 / 64

    def add(self, block, parameters, C):
        roots, inverse_scale = parameters
        index = np.arange(block.first, block.last)
        A = tile_kernels.scaled_rows(block.source.X, index, inverse_scale)
        A *= roots[block.slice]
        C += A.T @ A


class TileSource(ArraySource):
    """The tiles of dense rows; its rows are tiles, its columns those of the rows."""

    def __init__(self, source, scale, k):
        super().__init__(source.X)
        self.y, self.c = source.y, source.c
        tiles = tile_kernels.as_tiles(source.X, scale, k)
        self.n_rows = tiles.n_tiles
        self.rows = defaultdict(tiles.share, {0: tiles})


class TileProducts:
    """Products with dense rows in float32 tiles.

    Parameters
    ----------
    source : ArraySource
        Dense.
    k : int
    scale : ndarray of shape (n_columns,)
        Positive; X / scale fits float32.
    """

    is_exact = False
    has_vectors_as_costly_as_passes = False

    def __init__(self, source, k, scale):
        self.source, self.k, self.scale = source, k, scale
        self._loss_gradient = TileLossGradient(source, k)
        self._hessian_product = TileHessianProduct(source, k)

    @cached_property
    def _tiles(self):
        return TileSource(self.source, self.scale, self.k)

    def on(self, source):
        return TileProducts(source, self.k, self.scale)

    def evaluate(self, W):
        Z = self.source.empty(self.k)
        loss, G = reduce(self._loss_gradient, self._tiles, (W, Z))
        return Z, loss, G

    def gram(self, h):
        """For h >= 0."""
        top = max(h.max(), 1e-300)
        roots = np.sqrt(h / top).astype(np.float32)[:, None]
        scale = np.append(self.scale, 1.0)
        C = reduce(Float32Gram(self.source, self.k), self.source, (roots, 1.0 / scale))[1]
        C *= top * scale[:, None] * scale
        return C

    def hessian_operator(self, problem, Z):
        P, scale = tile_kernels.softmax(Z), self.scale[:, None]

        def product(V):
            size = max(np.abs(V[:-1] * scale).max(initial=1e-300), np.abs(V[-1]).max())
            out = reduce(self._hessian_product, self._tiles, (P, V / size))[1]
            return size * out

        return product

    def scaled_rows(self, index, factors):
        """Some rows of [X 1] times a factor for each column, in float32."""
        return tile_kernels.scaled_rows(self.source.X, index, factors)


class CSRProducts:
    """Products with sparse rows in float32, by rows and by columns; parameters as `TileProducts`.

    Of many sparse columns, vectors of the parameters cost as much as a pass: conjugate gradients
    are a part of the kernel.
    """

    is_exact = False
    has_vectors_as_costly_as_passes = True

    def __init__(self, source, k, scale):
        self.source, self.k, self.scale = source, k, scale
        self._gram = WeightedGram(source, k)

    @cached_property
    def _rows(self):
        return csr_kernels.SparseFloat32(self.source.X, self.scale, self.k)

    def on(self, source):
        return CSRProducts(source, self.k, self.scale)

    def evaluate(self, W):
        Z, G = self.source.empty(self.k), np.zeros_like(W)
        loss = csr_kernels.loss_gradient(self._rows, self.source.y, self.source.c, W, Z, G)
        return Z, loss, G

    def gram(self, h):
        return reduce(self._gram, self.source, (h,))[1]

    def newton_direction(self, problem, Z, gradient, tolerance, max_iter):
        """Solve H V = -gradient in float32, with a preconditioner of its own.

        Returns
        -------
        V : ndarray
        n_products : int
        """
        Z = np.ascontiguousarray(Z)
        return csr_kernels.newton_direction(
            self._rows,
            Z,
            self.source.c,
            gradient,
            problem.l2,
            problem.fit_intercept,
            tolerance or 0.0,
            max_iter,
        )
