"""The Hessian of the log-loss of several classes, on the rows that hold its trace.

Rows are in float32 tiles (softmax_tiles.h), and so are their probabilities. Parameters have a row
for each class, as in class_major_fast.
"""
from libc.math cimport fabs, fmax
from scipy.linalg.cython_lapack cimport dpotrf, dpotri

from sklearn_optland.linear_model._logistic.class_major_fast cimport Problem, Work, centre


cdef extern from "softmax_tiles.h" nogil:
    enum:
        OPTLAND_TILE
    int optland_tiles_of(int rows)
    int optland_padded(int d)
    Py_ssize_t optland_tile_stride(int d)
    void optland_tile_scores(
        long long tiles, long long stride, long long d, long long k, const float* x,
        const float* w, float* z)
    void optland_tile_gradient(
        long long tiles, long long stride, long long d, long long k, const float* x,
        const float* r, float* g)
    void optland_tile_weighted(
        long long tiles, long long stride, long long d, const float* x, const float* h, float* out)
    void optland_tile_gram(
        long long tiles, long long stride, long long d, const float* x, const float* r, float* g)
    void optland_tile_hessian(
        long long rows, long long k, const float* p, const double* c, double unit, float* t)

# Part of the Hessian's trace that the rows left out may have, and of the blocks'.
cdef double LEFT_OUT = 1e-3
cdef double LEFT_OUT_OF_BLOCKS = 1e-4
# Of a block's diagonal: keeps its factor definite.
cdef double RIDGE = 1e-13
# The inverse of a scale must not overflow.
cdef double TINY = 1e-300
# Tiles of a pass' block: what it needs stays in the L2 cache.
cdef enum:
    BLOCK_TILES = 16


cdef inline int blocks_of(int rows) noexcept nogil:
    return (optland_tiles_of(rows) + BLOCK_TILES - 1) // BLOCK_TILES


cdef Py_ssize_t tiles_room(Problem q):
    """Floats that `share_tiles` shares out."""
    cdef Py_ssize_t padded = optland_padded(q.d), stride = optland_tile_stride(q.d)
    return (
        optland_tiles_of(q.n) * (2 * stride + OPTLAND_TILE * q.k)
        + padded * (q.k + max(q.k, padded))
        + BLOCK_TILES * (OPTLAND_TILE * (q.k + padded) + stride)
    )


cdef void share_tiles(
    Problem q, float* memory, double* scale, double* c, Tiles* all, Tiles* some
):
    """Tiles for all rows, to `fill`, and for some, to `gather`; the memory is zero at first.

    scale has room for d values, c for n.
    """
    cdef Py_ssize_t n_tiles = optland_tiles_of(q.n)
    some.padded, some.stride = optland_padded(q.d), optland_tile_stride(q.d)
    some.scale, some.c = scale, c
    all.x, all.stride, all.scale = memory, some.stride, scale
    some.x = all.x + n_tiles * some.stride
    some.p = some.x + n_tiles * some.stride
    some.weights = some.p + n_tiles * OPTLAND_TILE * q.k
    some.sums = some.weights + some.padded * q.k
    some.scores = some.sums + some.padded * max(q.k, some.padded)
    some.weighted = some.scores + BLOCK_TILES * OPTLAND_TILE * q.k
    some.plain = some.weighted + BLOCK_TILES * OPTLAND_TILE * some.padded


cdef void fill_tiles(Problem q, Tiles t) noexcept nogil:
    """All rows, their columns scaled."""
    cdef int i, f
    cdef double inverse, largest
    cdef const double* column
    for f in range(q.d):
        column, largest = q.xt + <Py_ssize_t>f * q.n, 0
        for i in range(q.n):
            largest = fabs(column[i]) if fabs(column[i]) > largest else largest
        t.scale[f] = largest if largest > TINY else 1
        inverse = 1 / t.scale[f]
        for i in range(q.n):
            t.x[i // OPTLAND_TILE * t.stride + f * OPTLAND_TILE + i % OPTLAND_TILE] = (
                <float>(column[i] * inverse)
            )


cdef void copy_rows(Problem q, Tiles t, const int* rows, int count, float* out) noexcept nogil:
    """Copy some rows, at most a tile, into the tile `out`."""
    cdef int j, f
    cdef Py_ssize_t[OPTLAND_TILE] offsets
    for j in range(count):
        offsets[j] = rows[j] // OPTLAND_TILE * t.stride + rows[j] % OPTLAND_TILE
    for f in range(q.d):
        for j in range(count):
            out[f * OPTLAND_TILE + j] = t.x[offsets[j] + f * OPTLAND_TILE]


cdef int chosen(int n, const double* weights, double left_out, int* rows) noexcept nogil:
    """The rows whose weights make all but a part of the sum; returns their number."""
    cdef int i, count = 0
    cdef double total = 0
    for i in range(n):
        total += weights[i]
    for i in range(n):
        rows[count] = i
        count += weights[i] > left_out * total / n
    return count


cdef int gather(
    Problem q, Work w, Tiles all, Tiles some, double even, int* rows
) noexcept nogil:
    """Copy the rows that hold the Hessian's trace; returns their number.

    Their probabilities have a share of `even` probabilities: 0 is the Hessian at w.p, and what is
    larger bounds the curvature of certain rows from below.
    """
    cdef int i, j, a, tile, count, n
    cdef double p
    cdef float* target
    for i in range(q.n):
        w.by_row[i] = q.c[i]
    for a in range(q.k):
        for i in range(q.n):
            p = (1 - even) * w.p[a * <Py_ssize_t>q.n + i] + even / q.k
            w.by_row[i] -= q.c[i] * p * p
    n = chosen(q.n, w.by_row, LEFT_OUT, rows)
    for tile in range(optland_tiles_of(n)):
        i = tile * OPTLAND_TILE
        count = min(OPTLAND_TILE, n - i)
        target = some.p + <Py_ssize_t>i * q.k
        for j in range(count):
            some.c[i + j] = q.c[rows[i + j]]
        for a in range(q.k):
            for j in range(count):
                p = w.p[a * <Py_ssize_t>q.n + rows[i + j]]
                target[a * OPTLAND_TILE + j] = <float>((1 - even) * p + even / q.k)
        copy_rows(q, all, rows + i, count, some.x + tile * some.stride)
    return n


cdef void hessian_product(Problem q, Tiles t, const double* V, double* out) noexcept nogil:
    """out = H V, H the Hessian on the rows of the tiles."""
    cdef int a, f, block, tile, n_tiles, rows
    cdef double size = 1e-300, unit = 1e-300, factor
    for a in range(q.k):
        for f in range(q.d):
            size = fmax(size, fabs(V[a * q.d + f] * t.scale[f]))
            out[a * q.d + f] = q.l2 * V[a * q.d + f] if f < q.n_penalised else 0.0
    for a in range(q.k):
        for f in range(q.d):
            t.weights[f * q.k + a] = <float>(V[a * q.d + f] * t.scale[f] / size)
    for a in range(t.n_rows):
        unit = fmax(unit, t.c[a])
    for block in range(blocks_of(t.n_rows)):
        tile = block * BLOCK_TILES
        rows = min(t.n_rows - tile * OPTLAND_TILE, BLOCK_TILES * OPTLAND_TILE)
        n_tiles = optland_tiles_of(rows)
        optland_tile_scores(
            n_tiles, t.stride, q.d, q.k, t.x + tile * t.stride, t.weights, t.scores
        )
        optland_tile_hessian(
            rows, q.k, t.p + <Py_ssize_t>tile * OPTLAND_TILE * q.k, t.c + tile * OPTLAND_TILE,
            unit, t.scores,
        )
        optland_tile_gradient(
            n_tiles, t.stride, t.padded, q.k, t.x + tile * t.stride, t.scores, t.sums
        )
        for f in range(q.d):
            factor = unit * size * t.scale[f]
            for a in range(q.k):
                out[a * q.d + f] += factor * t.sums[f * q.k + a]
    centre(q, out)


cdef int invert_blocks(
    Problem q, Work w, Tiles t, double* blocks, bint uniform, int* rows, double* price
) noexcept nogil:
    """The inverses of the blocks, upper triangles in Fortran's order; `uniform`: all alike.

    Each is made of the rows that hold its trace. The price is about what this costs in products.
    """
    cdef int a, i, j, block, tile, first, count, n, info = 0
    cdef double unit = 1e-300, factor, d = q.d
    cdef float p
    cdef double* matrix
    price[0] = 0
    for i in range(t.n_rows):
        unit = fmax(unit, t.c[i])
    for a in range(q.k):
        matrix = blocks + a * q.d * q.d
        for i in range(q.d * q.d):
            matrix[i] = blocks[i] if uniform and a > 0 else 0.0
        if uniform and a > 0:
            continue
        for i in range(t.n_rows):
            p = t.p[
                (i // OPTLAND_TILE * <Py_ssize_t>q.k + a) * OPTLAND_TILE + i % OPTLAND_TILE
            ]
            w.by_row[i] = t.c[i] / unit * p * (1 - p) * q.k / (q.k - 1)
        n = chosen(t.n_rows, w.by_row, LEFT_OUT_OF_BLOCKS, rows)
        price[0] += 1.2 * n * d * d + 5 * d * d * d
        for block in range(blocks_of(n)):
            first = block * BLOCK_TILES * OPTLAND_TILE
            count = optland_tiles_of(min(BLOCK_TILES * OPTLAND_TILE, n - first))
            for i in range(count * OPTLAND_TILE):
                t.scores[i] = <float>w.by_row[rows[first + i]] if first + i < n else 0
            for tile in range(count):
                i = first + tile * OPTLAND_TILE
                copy_rows(q, t, rows + i, min(OPTLAND_TILE, n - i), t.plain + tile * t.stride)
            optland_tile_weighted(count, t.stride, t.padded, t.plain, t.scores, t.weighted)
            optland_tile_gram(count, t.stride, t.padded, t.plain, t.weighted, t.sums)
            for i in range(q.d):
                factor = unit * t.scale[i]
                for j in range(i + 1):
                    matrix[i * q.d + j] += factor * t.scale[j] * t.sums[i * t.padded + j]
        for i in range(q.d):
            if i < q.n_penalised:
                matrix[i * q.d + i] += q.l2
            matrix[i * q.d + i] *= 1 + RIDGE
        # The lower triangle of rows is the upper one in Fortran's order.
        dpotrf(b"U", &q.d, matrix, &q.d, &info)
        if info != 0:
            return info
        dpotri(b"U", &q.d, matrix, &q.d, &info)
    price[0] /= 4 * q.k * (t.n_rows + d) * d
    return 0
