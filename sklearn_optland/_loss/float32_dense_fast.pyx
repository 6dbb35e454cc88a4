"""Passes of `_bound_majorization_fast` in float32, for several classes and dense rows.

They take a third of the time, and serve far from the optimum and for directions: a loss is right
to about 1e-8 of itself, a product to 1e-7. The rows are held a second time, in tiles (see
softmax_tiles.h) and with every column divided by a scale; what comes in is divided by its
largest magnitude, so that nothing leaves float32's range. Sums over blocks of tiles are in
float64.
"""
from cython cimport floating

import numpy as np

from sklearn_optland._rows.threads import MAX_CHUNKS, run_tasks


cdef extern from "softmax_tiles.h" nogil:
    enum:
        OPTLAND_TILE
    Py_ssize_t optland_tiles_of(Py_ssize_t rows)
    Py_ssize_t optland_padded(Py_ssize_t d)
    Py_ssize_t optland_tile_stride(Py_ssize_t d)
    double optland_largest(long long n, const double* x)
    void optland_tile_scores(
        long long tiles, long long stride, long long d, long long k, const float* x,
        const float* w, float* z,
    )
    void optland_tile_gradient(
        long long tiles, long long stride, long long d, long long k, const float* x,
        const float* r, float* g,
    )
    double optland_tile_residuals(
        long long rows, long long k, const int* y, const double* c, double unit, float* z,
        double* loss,
    )
    void optland_tile_softmax(long long tiles, long long k, float* z)
    void optland_tile_hessian(
        long long rows, long long k, const float* p, const double* c, double unit, float* t
    )

TILE = OPTLAND_TILE  # rows
FILL_WORK = 1 << 19  # values that another thread pays for

cdef enum:
    BLOCK_VALUES = 1 << 17  # 512 KiB: half of a common L2 cache
    MIN_BLOCK_TILES = 8  # what a block adds to a gradient is little beside its products
    MAX_BLOCK_TILES = 64


cdef class Tiles:
    """Dense rows [X 1], X = tiles * scale, for products with k columns; made by `as_tiles`."""

    cdef readonly Py_ssize_t n_tiles
    cdef Py_ssize_t n_rows, d, padded, k, stride, block_tiles
    cdef float[::1] values, weights, scores, gradient
    cdef double[::1] scale, losses

    def __init__(self, Py_ssize_t n_rows, scale, Py_ssize_t k, values=None):
        cdef Py_ssize_t d = len(scale)
        self.n_rows, self.d, self.k, self.n_tiles = n_rows, d, k, optland_tiles_of(n_rows)
        self.scale = scale
        self.padded, self.stride = optland_padded(d), optland_tile_stride(d)
        self.block_tiles = min(max(BLOCK_VALUES // self.stride, MIN_BLOCK_TILES), MAX_BLOCK_TILES)
        if values is None:
            values = np.zeros(self.n_tiles * self.stride, dtype=np.float32)
        self.values = values
        self.weights = np.empty(self.padded * k, dtype=np.float32)
        self.gradient = np.empty(self.padded * k, dtype=np.float32)
        self.scores = np.empty(self.block_tiles * OPTLAND_TILE * k, dtype=np.float32)
        self.losses = np.empty(self.block_tiles * OPTLAND_TILE)

    def share(self):
        """The same tiles for another thread, with scratch of its own."""
        return Tiles(self.n_rows, self.scale.base, self.k, self.values.base)

    cdef void load(self, const double[:, ::1] W) noexcept nogil:
        """Take parameters of shape (d, k), the intercept last."""
        cdef Py_ssize_t f, j
        for f in range(self.d):
            for j in range(self.k):
                self.weights[f * self.k + j] = <float>(self.scale[f] * W[f, j])

    cdef void block_scores(self, Py_ssize_t tile, Py_ssize_t tiles) noexcept nogil:
        optland_tile_scores(
            tiles, self.stride, self.d, self.k, &self.values[tile * self.stride],
            &self.weights[0], &self.scores[0],
        )

    cdef void add_gradient(
        self, Py_ssize_t tile, Py_ssize_t tiles, double unit, double[:, ::1] G
    ) noexcept nogil:
        """G += unit [X 1]' scores."""
        cdef Py_ssize_t f, j
        cdef double size
        optland_tile_gradient(
            tiles, self.stride, self.padded, self.k, &self.values[tile * self.stride],
            &self.scores[0], &self.gradient[0],
        )
        for f in range(self.d):
            size = unit * self.scale[f]
            for j in range(self.k):
                G[f, j] += size * self.gradient[f * self.k + j]


def as_tiles(X, scale, k):
    """Copy rows into tiles.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), C-contiguous, float32 or float64
    scale : ndarray of float64 of shape (n_columns,)
        Positive; the entries of X / scale fit float32.
    k : int
        Columns of what the rows are multiplied with.

    Returns
    -------
    tiles : Tiles
    """
    scale = np.append(scale, 1.0)
    tiles = Tiles(len(X), scale, k)
    parts = np.linspace(0, tiles.n_tiles, 1 + min(MAX_CHUNKS, 1 + X.size // FILL_WORK), dtype=int)
    run_tasks(
        lambda _, part: fill(tiles, X, 1.0 / scale, parts[part], parts[part + 1]), len(parts) - 1
    )
    return tiles


def fill(
    Tiles tiles not None, const floating[:, ::1] X, const double[::1] inverse_scale,
    Py_ssize_t begin, Py_ssize_t end,
):
    """Copy rows into tiles begin to end."""
    cdef Py_ssize_t tile, first, i, f, count, d = X.shape[1]
    cdef float* column
    with nogil:
        for tile in range(begin, end):
            first = tile * OPTLAND_TILE
            count = min(OPTLAND_TILE, tiles.n_rows - first)
            for f in range(d + 1):
                column = &tiles.values[tile * tiles.stride + f * OPTLAND_TILE]
                for i in range(count):
                    column[i] = <float>(X[first + i, f] * inverse_scale[f]) if f < d else 1


def scaled_rows(
    const floating[:, ::1] X, const Py_ssize_t[::1] index, const double[::1] factors
):
    """Some rows of [X 1] times a factor for each column, in float32."""
    cdef Py_ssize_t i, f, d = X.shape[1]
    cdef float[:, ::1] out = np.empty((index.shape[0], d + 1), dtype=np.float32)
    with nogil:
        for i in range(index.shape[0]):
            for f in range(d):
                out[i, f] = <float>(X[index[i], f] * factors[f])
            out[i, d] = <float>factors[d]
    return out.base


def loss_gradient(
    Tiles tiles not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const int[::1] y,
    const double[::1] c,
    const double[:, ::1] W,
    double[:, ::1] Z,  # OUT
    double[:, ::1] G,  # IN / OUT
):
    """Loss of the rows of tiles first to last; scores go to Z, the gradient is added to G."""
    cdef Py_ssize_t start, rows, i, j, k = tiles.k
    cdef Py_ssize_t begin = first * OPTLAND_TILE, end = min(last * OPTLAND_TILE, tiles.n_rows)
    cdef Py_ssize_t size = tiles.block_tiles * OPTLAND_TILE
    cdef double loss = 0, unit
    cdef float* z = &tiles.scores[0]
    with nogil:
        unit = max(optland_largest(end - begin, &c[begin]), 1e-300)
        tiles.load(W)
        start = begin
        while start < end:
            rows = min(size, end - start)
            tiles.block_scores(start // OPTLAND_TILE, optland_tiles_of(rows))
            for i in range(rows):
                for j in range(k):
                    Z[start + i, j] = z[
                        (i // OPTLAND_TILE * k + j) * OPTLAND_TILE + i % OPTLAND_TILE
                    ]
            loss += optland_tile_residuals(
                rows, k, &y[start], &c[start], unit, z, &tiles.losses[0]
            )
            tiles.add_gradient(start // OPTLAND_TILE, optland_tiles_of(rows), unit, G)
            start += size
    return loss


def softmax(const double[:, ::1] Z):
    """Class probabilities of rows of scores, in tiles."""
    cdef Py_ssize_t i, j, n = Z.shape[0], k = Z.shape[1]
    cdef double largest
    cdef float[::1] P = np.zeros(optland_tiles_of(n) * OPTLAND_TILE * k, dtype=np.float32)
    with nogil:
        for i in range(n):
            largest = Z[i, 0]
            for j in range(1, k):
                largest = max(largest, Z[i, j])
            for j in range(k):
                P[(i // OPTLAND_TILE * k + j) * OPTLAND_TILE + i % OPTLAND_TILE] = <float>(
                    Z[i, j] - largest
                )
        optland_tile_softmax(optland_tiles_of(n), k, &P[0])
    return np.asarray(P)


def hessian_product(
    Tiles tiles not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] c,
    const float[::1] P,  # from softmax
    const double[:, ::1] V,  # about 1 in size
    double[:, ::1] out,  # IN / OUT
):
    """out += [X 1]' c (diag p - pp') [X 1] V for the rows of tiles first to last."""
    cdef Py_ssize_t start, rows, size = tiles.block_tiles * OPTLAND_TILE
    cdef Py_ssize_t begin = first * OPTLAND_TILE, end = min(last * OPTLAND_TILE, tiles.n_rows)
    cdef double unit
    with nogil:
        unit = max(optland_largest(end - begin, &c[begin]), 1e-300)
        tiles.load(V)
        start = begin
        while start < end:
            rows = min(size, end - start)
            tiles.block_scores(start // OPTLAND_TILE, optland_tiles_of(rows))
            optland_tile_hessian(
                rows, tiles.k, &P[start * tiles.k], &c[start], unit, &tiles.scores[0]
            )
            tiles.add_gradient(start // OPTLAND_TILE, optland_tiles_of(rows), unit, out)
            start += size
