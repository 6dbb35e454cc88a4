"""Passes over the data for logistic regression by bound majorization.

Objective, with scores z_i = W'x_i + b: sum_i c_i [log sum_y exp(z_iy) - z_iy_i]. W and b are one
array of shape (n_columns + 1, k), the intercept its last row; k = 1 is the binary case, whose
only score belongs to class 1. A pass walks over blocks of rows that fit the L2 cache:

    loss_gradient      Z = X W + b, residuals R = c (P - Y), G += X'R, in one sweep
    hessian_product    out += X' c (diag p - pp') X V, Newton's curvature
    weighted_gram      X' diag(h) X, with h a curvature of each row: Newton's p (1 - p), or the
                       bound of Jebara and Choromanska (2012), their Algorithm 1 for two classes:
                       tanh(z/2) / (2z)

Every call adds into its outputs, so that a caller may cut the rows in pieces.
"""
from libc.stdint cimport uint64_t

import numpy as np

from sklearn_optland.utils._random cimport next_uniform
from sklearn_optland.utils._rows cimport Rows


cdef extern from "_log_loss.h" nogil:
    double optland_sum(long long n, const double* x)
    double optland_logistic(
        long long n, const double* z, const int* y, const double* c, double* r, double* loss
    )
    void optland_logistic_curvature(
        long long n, const double* z, const double* c, const double* radius, double* h
    )
    double optland_logistic_smallest_change(long long n, const double* z, const double* dz)
    double optland_logistic_dual(
        long long n, const double* z, const double* dz, double cut, const int* y, const double* c,
        double* r, double* terms
    )
    double optland_softmax_residual(
        long long n, long long k, const double* z, const int* y, const double* c, double* r,
        double* tops, double* total
    )
    double optland_softmax_changes(
        long long n, long long k, const double* z, const double* dz, double* p, double* change,
        double* tops, double* total
    )
    double optland_softmax_dual(
        long long n, long long k, double cut, const int* y, const double* c, const double* p,
        const double* change, double* r, double* terms
    )
    void optland_softmax(
        long long n, long long k, const double* z, double* p, double* tops, double* total
    )


cdef double residuals(
    Py_ssize_t n, Py_ssize_t k, const double* z, const int* y, const double* c, double* r,
    double[:, ::1] scratch,
) noexcept nogil:
    """r = c (P - Y) for a block; returns the block's loss."""
    if k == 1:
        return optland_logistic(n, z, y, c, r, &scratch[0, 0])
    return optland_softmax_residual(n, k, z, y, c, r, &scratch[0, 0], &scratch[1, 0])


cdef void scores(
    Rows rows, Py_ssize_t start, Py_ssize_t stop, const double[:, ::1] W, double* Z
) noexcept nogil:
    """Z = X W + b for a block."""
    cdef Py_ssize_t i, j, k = W.shape[1], d = rows.n_columns
    cdef const double* b = &W[d, 0]
    for i in range(stop - start):
        for j in range(k):
            Z[i * k + j] = b[j]
    rows.forward(start, stop, &W[0, 0], k, Z)


cdef void add_gradient(
    Rows rows, Py_ssize_t start, Py_ssize_t stop, const double* R, double[:, ::1] G
) noexcept nogil:
    """G += [X 1]'R for a block."""
    cdef Py_ssize_t i, j, k = G.shape[1], d = rows.n_columns
    rows.backward(start, stop, R, k, &G[0, 0])
    if k == 1:
        G[d, 0] += optland_sum(stop - start, R)
        return
    for i in range(stop - start):
        for j in range(k):
            G[d, j] += R[i * k + j]


def loss_gradient(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const int[::1] y,
    const double[::1] c,
    const double[:, ::1] W,
    double[:, ::1] Z,  # OUT, rows first to last
    double[:, ::1] G,  # IN / OUT
):
    """Loss of rows first to last; their scores go to Z, their gradient is added to G."""
    cdef Py_ssize_t start, stop, size = rows.block_size, k = W.shape[1]
    cdef double[:, ::1] R = np.empty((size, k))
    cdef double[:, ::1] scratch = np.empty((2, size))
    cdef double loss = 0
    with nogil:
        start = first
        while start < last:
            stop = min(start + size, last)
            scores(rows, start, stop, W, &Z[start, 0])
            loss += residuals(
                stop - start, k, &Z[start, 0], &y[start], &c[start], &R[0, 0], scratch
            )
            add_gradient(rows, start, stop, &R[0, 0], G)
            start += size
    return loss


def loss_along(
    const int[::1] y,
    const double[::1] c,
    const double[:, ::1] Z,
    const double[:, ::1] dZ,
    double t,
):
    """Loss and its derivative in t at the scores Z + t dZ: a line search without a pass."""
    cdef Py_ssize_t start, i, n, size = 1024, k = Z.shape[1]
    cdef double[:, ::1] moved = np.empty((size, k)), R = np.empty((size, k))
    cdef double[:, ::1] scratch = np.empty((2, size))
    cdef double loss = 0, slope = 0
    cdef const double* z
    cdef const double* dz
    cdef double* z_t = &moved[0, 0]
    cdef double* r = &R[0, 0]
    with nogil:
        start = 0
        while start < Z.shape[0]:
            n = min(size, Z.shape[0] - start)
            z, dz = &Z[start, 0], &dZ[start, 0]
            for i in range(n * k):
                z_t[i] = z[i] + t * dz[i]
            loss += residuals(n, k, z_t, &y[start], &c[start], r, scratch)
            for i in range(n * k):
                slope += r[i] * dz[i]
            start += size
    return loss, slope


def binary_curvature(
    const double[:, ::1] z, const double[::1] c, const double[::1] radius, double[::1] h  # OUT
):
    """Curvature of each row: Newton's for radius 0, JC12 for infinity, a majorizer between."""
    with nogil:
        optland_logistic_curvature(z.shape[0], &z[0, 0], &c[0], &radius[0], &h[0])


def logistic_dual(
    const double[:, ::1] z,
    const double[:, ::1] dz,
    const int[::1] y,
    const double[::1] c,
    double[:, ::1] R,  # OUT
):
    """Dual point of the Newton step dz for two classes, p' = p + cut p (1 - p) dz.

    cut <= 1 is the largest that keeps the probabilities in [0, 1]. R becomes c (p' - y); returns
    cut and sum_i c_i KL(p'_i || p_i).
    """
    cdef Py_ssize_t n = z.shape[0]
    cdef double[::1] terms = np.empty(n)
    cdef double smallest, cut, divergence
    with nogil:
        smallest = optland_logistic_smallest_change(n, &z[0, 0], &dz[0, 0])
        cut = -1 / smallest if smallest < -1 else 1
        divergence = optland_logistic_dual(
            n, &z[0, 0], &dz[0, 0], cut, &y[0], &c[0], &R[0, 0], &terms[0]
        )
    return cut, divergence


def softmax_dual(
    const double[:, ::1] Z,
    const double[:, ::1] dZ,
    const int[::1] y,
    const double[::1] c,
    double[:, ::1] R,  # OUT
):
    """`logistic_dual` for several classes, p' = p + cut (diag p - pp') dz."""
    cdef Py_ssize_t sweep, start, n, size = 1024, k = Z.shape[1]
    cdef double[:, ::1] P = np.empty((size, k)), change = np.empty((size, k))
    cdef double[:, ::1] terms = np.empty((size, k)), scratch = np.empty((2, size))
    cdef double smallest = 0, cut = 1, divergence = 0, block
    with nogil:
        for sweep in range(2):
            start = 0
            while start < Z.shape[0]:
                n = min(size, Z.shape[0] - start)
                block = optland_softmax_changes(
                    n, k, &Z[start, 0], &dZ[start, 0], &P[0, 0], &change[0, 0], &scratch[0, 0],
                    &scratch[1, 0],
                )
                if sweep == 0:
                    smallest = min(smallest, block)
                else:
                    divergence += optland_softmax_dual(
                        n, k, cut, &y[start], &c[start], &P[0, 0], &change[0, 0], &R[start, 0],
                        &terms[0, 0],
                    )
                start += size
            if sweep == 0 and smallest < -1:
                cut = -1 / smallest
    return cut, divergence


def softmax(const double[:, ::1] Z, double[:, ::1] P):  # OUT
    """Class probabilities of rows of scores."""
    cdef Py_ssize_t start, n, size = 1024, k = Z.shape[1]
    cdef double[:, ::1] scratch = np.empty((2, size))
    with nogil:
        start = 0
        while start < Z.shape[0]:
            n = min(size, Z.shape[0] - start)
            optland_softmax(n, k, &Z[start, 0], &P[start, 0], &scratch[0, 0], &scratch[1, 0])
            start += size


def forward(
    Rows rows not None, Py_ssize_t first, Py_ssize_t last, const double[:, ::1] W, double[:, ::1] Z
):
    """Z = X W + b for rows first to last."""
    cdef Py_ssize_t start, size = rows.block_size
    with nogil:
        start = first
        while start < last:
            scores(rows, start, min(start + size, last), W, &Z[start, 0])
            start += size


def backward(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[:, ::1] R,
    double[:, ::1] G,  # IN / OUT
):
    """G += [X 1]'R for rows first to last."""
    cdef Py_ssize_t start, size = rows.block_size
    with nogil:
        start = first
        while start < last:
            add_gradient(rows, start, min(start + size, last), &R[start, 0], G)
            start += size


def hessian_product(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] h,
    const double[:, ::1] P,
    const double[:, ::1] V,
    double[:, ::1] out,  # IN / OUT
):
    """out += [X 1]' D [X 1] V for rows first to last, D = h_i (diag p_i - p_i p_i')."""
    cdef Py_ssize_t start, stop, i, j, size = rows.block_size, k = V.shape[1]
    cdef double[:, ::1] T = np.empty((size, k))
    cdef double* t
    cdef double mean
    with nogil:
        start = first
        while start < last:
            stop = min(start + size, last)
            scores(rows, start, stop, V, &T[0, 0])
            for i in range(stop - start):
                t = &T[i, 0]
                mean = 0
                for j in range(k):
                    mean += P[start + i, j] * t[j]
                for j in range(k):
                    t[j] = h[start + i] * P[start + i, j] * (t[j] - mean)
            add_gradient(rows, start, stop, &T[0, 0], out)
            start += size


def binary_hessian_product(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] h,
    const double[:, ::1] V,
    double[:, ::1] Z,  # OUT, rows first to last
    double[:, ::1] out,  # IN / OUT
):
    """Z = [X 1] V and out += [X 1]' diag(h) Z for rows first to last."""
    cdef Py_ssize_t start, stop, i, size = rows.block_size
    cdef double[::1] R = np.empty(size)
    with nogil:
        start = first
        while start < last:
            stop = min(start + size, last)
            scores(rows, start, stop, V, &Z[start, 0])
            for i in range(stop - start):
                R[i] = h[start + i] * Z[start + i, 0]
            add_gradient(rows, start, stop, &R[0], out)
            start += size


def weighted_gram(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] h,
    double[:, ::1] C,  # IN / OUT, lower triangle
):
    """Lower triangle of C += [X 1]' diag(h) [X 1] for rows first to last."""
    cdef Py_ssize_t start, stop, d = rows.n_columns, size = rows.block_size
    with nogil:
        start = first
        while start < last:
            stop = min(start + size, last)
            rows.gram(start, stop, &h[start], &C[0, 0], d + 1)
            rows.backward(start, stop, &h[start], 1, &C[d, 0])
            C[d, d] += optland_sum(stop - start, &h[start])
            start += size


def column_squares(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] weights,
    double[::1] out,  # IN / OUT
):
    """out_j += sum_i weights_i x_ij^2 over rows first to last."""
    cdef Py_ssize_t start, size = rows.block_size
    with nogil:
        start = first
        while start < last:
            rows.column_squares(start, min(start + size, last), &weights[start], &out[0])
            start += size


def row_squares(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] weights,
    double[::1] out,  # OUT, rows first to last
):
    """out_i = sum_j weights_j x_ij^2 for rows first to last."""
    cdef Py_ssize_t start, size = rows.block_size
    with nogil:
        start = first
        while start < last:
            rows.row_squares(start, min(start + size, last), &weights[0], &out[start])
            start += size


def draw_rows(
    const double[::1] c, const double[::1] squares, double even, double by_squares, uint64_t seed
):
    """Draw row i with probability min(1, c_i (even + by_squares squares_i)), each on its own.

    With the same seed, each row always has the same random number, so that more likely rows are
    added to those already drawn. Returns the rows' numbers and probabilities.
    """
    cdef Py_ssize_t i, m = 0, n = c.shape[0]
    index, probability = np.empty(n, dtype=np.intp), np.empty(n)
    cdef Py_ssize_t[::1] row = index
    cdef double[::1] p = probability
    cdef double chance
    with nogil:
        for i in range(n):
            chance = min(1.0, c[i] * (even + by_squares * squares[i]))
            if next_uniform(&seed) < chance:
                row[m] = i
                p[m] = chance
                m += 1
    return index[:m], probability[:m]
