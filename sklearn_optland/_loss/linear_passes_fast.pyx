"""Passes over rows for linear models: scores, gradients, products with the Hessian, Grams.

The log-loss, with scores z_i = W'x_i + b: sum_i c_i [log sum_y exp(z_iy) - z_iy_i]. W and b are one
array of shape (n_columns + 1, k), the intercept its last row; k = 1 is the binary case, whose
only score belongs to class 1. A pass walks over blocks of rows that fit the L2 cache:

    loss_gradient      Z = X W + b, residuals R = c (P - Y), G += X'R, in one sweep
    hessian_product    out += X' c (diag p - pp') X V, Newton's curvature
    weighted_gram      X' diag(h) X, with h a curvature of each row: Newton's p (1 - p), or the
                       bound of Jebara and Choromanska (2012), their Algorithm 1 for two classes:
                       tanh(z/2) / (2z)

Every call adds into its outputs, so that a caller may cut the rows in pieces.
"""
import numpy as np

from sklearn_optland._loss.log_loss cimport optland_sum, residuals
from sklearn_optland._rows.rows cimport Rows


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


cdef void add_gram(
    Rows rows, Py_ssize_t start, Py_ssize_t stop, const double* h, double[:, ::1] C
) noexcept nogil:
    """Lower triangle of C += [X 1]' diag(h) [X 1] for a block."""
    cdef Py_ssize_t d = rows.n_columns
    rows.gram(start, stop, h, &C[0, 0], d + 1)
    rows.backward(start, stop, h, 1, &C[d, 0])
    C[d, d] += optland_sum(stop - start, h)


def weighted_gram(
    Rows rows not None,
    Py_ssize_t first,
    Py_ssize_t last,
    const double[::1] h,
    double[:, ::1] C,  # IN / OUT, lower triangle
):
    """Lower triangle of C += [X 1]' diag(h) [X 1] for rows first to last."""
    cdef Py_ssize_t start, size = rows.block_size
    with nogil:
        start = first
        while start < last:
            add_gram(rows, start, min(start + size, last), &h[start], C)
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
