"""Rows whose missing entries are filled by a low-rank model, exactly.

For W = V V' and the observed entries o of a row x, the row of least objective is z = V u with

    u = argmin 1/2 |x_o - V_o u|^2 + alpha/2 |u|^2,   z = W_:o (W_oo + alpha I)^-1 x_o.

W + alpha I is like a covariance, K its inverse: on the missing entries m,

    z_m = W_mo (W_oo + alpha I)^-1 x_o = -K_mm^-1 K_mo x_o,

the smaller one of the two systems is solved. K_mo x_o comes as B = X K, with 0 for what is missing:
a product of matrices is several times faster than one of vectors for each row. With
y = (x_o, z_m), z = W K y and the residual is x - z = alpha K y, which is zero on m.
"""
from cython cimport floating
from libc.math cimport isnan
from scipy.linalg.cython_lapack cimport dposv

import numpy as np


def complete(
    const floating[:, ::1] X,
    const double[:, ::1] W,
    const double[:, ::1] K,
    double alpha,
    const double[:, ::1] B,
    double[:, ::1] Y,  # OUT
):
    """Y = X with its NaN filled; return the number of rows whose system was not definite."""
    cdef Py_ssize_t i, j, a, b
    cdef int d = X.shape[1], m, o, size, one = 1, info, n_failed = 0, row
    missing_, observed_ = np.empty(d, dtype=np.intc), np.empty(d, dtype=np.intc)
    matrix_, rhs_ = np.empty((d // 2) ** 2 + 1), np.empty(d)
    cdef int[::1] missing = missing_, observed = observed_
    cdef double[::1] matrix = matrix_, rhs = rhs_
    cdef double* y
    with nogil:
        for i in range(X.shape[0]):
            y = &Y[i, 0]
            m = o = 0
            for j in range(d):
                if isnan(X[i, j]):
                    missing[m] = <int>j
                    m += 1
                    y[j] = 0
                else:
                    observed[o] = <int>j
                    o += 1
                    y[j] = X[i, j]
            if m == 0 or o == 0:
                continue
            size = min(m, o)
            for a in range(size):  # of the upper triangle: Fortran's lower one, which is faster
                if m <= o:
                    row = missing[a]
                    for b in range(a, size):
                        matrix[a * size + b] = K[row, missing[b]]
                    rhs[a] = -B[i, row]
                else:
                    row = observed[a]
                    for b in range(a, size):
                        matrix[a * size + b] = W[row, observed[b]]
                    matrix[a * size + a] += alpha
                    rhs[a] = y[row]
            dposv(b"L", &size, &one, &matrix[0], &size, &rhs[0], &size, &info)
            if info != 0:
                n_failed += 1
                continue
            for a in range(m):
                if m <= o:
                    y[missing[a]] = rhs[a]
                else:
                    for b in range(o):
                        y[missing[a]] += W[missing[a], observed[b]] * rhs[b]
    return n_failed
