"""Passes of `_bound_majorization_fast` in float32, for several classes and CSR rows.

As in `_tiles_fast`, they serve far from the optimum and for directions. Parameters are of shape
(d + 1, k), the intercept last. X V walks over X by rows and X'R by columns, so that both read a
row of k values a non-zero, and write each row of the result once.
"""
import numpy as np


cdef extern from "sparse_float32.h" nogil:
    double optland_largest(long long n, const double* x)
    void optland_sparse_product(
        long long first, long long last, long long k, const long long* indptr, const int* indices,
        const float* data, const float* values, float* out,
    )
    double optland_rows_residuals(
        long long n, long long k, const int* y, const double* c, double unit, float* z
    )
    void optland_rows_softmax(long long n, long long k, float* z)
    double optland_cg_curvature(
        long long d, long long k, int intercept, const float* penalty, const float* p, float* q
    )
    double optland_cg_step(
        long long d, long long k, float step, const float* penalty, const float* curvature,
        const double* scale, const float* p, const float* q, float* v, float* r, float* s,
        double* norm,
    )
    void optland_cg_direction(
        long long d, long long k, float beta, const float* penalty, const float* curvature,
        const float* r, float* p, float* s,
    )
    double optland_dot(long long n, const float* x, const float* y)
    void optland_rows_hessian(
        long long n, long long k, const float* p, const double* c, double unit, float* t
    )

cdef enum:
    BLOCK_VALUES = 1 << 17  # scores of a block of rows: 512 KiB


cdef class SparseFloat32:
    """X / scale in float32, by rows and by columns, for products with k columns.

    Parameters
    ----------
    X : CSR array or matrix of shape (n_rows, n_columns)
    scale : ndarray of float64 of shape (n_columns,)
        Positive; the entries of X / scale fit float32.
    k : int
    """

    cdef Py_ssize_t n, d, k, block
    cdef const long long[::1] row_starts, column_starts
    cdef const int[::1] columns, rows
    cdef const float[::1] by_rows, by_columns
    cdef double[::1] scale
    cdef float[:, ::1] scores

    def __init__(self, X, scale, Py_ssize_t k):
        self.n, self.d, self.k = X.shape[0], X.shape[1], k
        self.scale = np.append(scale, 1.0)
        self.block = max(1, BLOCK_VALUES // k)
        X = X.copy()
        X.sum_duplicates()
        X.data = (X.data / np.asarray(scale)[X.indices]).astype(np.float32)
        self.row_starts, self.columns, self.by_rows = parts(X)
        self.column_starts, self.rows, self.by_columns = parts(X.tocsc())
        self.scores = np.empty((self.n, k), dtype=np.float32)

    cdef void forward(self, Py_ssize_t start, Py_ssize_t stop, const float* V) noexcept nogil:
        """scores = X V for some rows; V's last row is the intercept."""
        cdef Py_ssize_t i, j
        for i in range(start, stop):
            for j in range(self.k):
                self.scores[i, j] = V[self.d * self.k + j]
        optland_sparse_product(
            start, stop, self.k, &self.row_starts[0], &self.columns[0], &self.by_rows[0], V,
            &self.scores[start, 0],
        )

    cdef void backward(self, float[:, ::1] G) noexcept nogil:
        """G = X' scores."""
        cdef Py_ssize_t i, j
        G[:, :] = 0
        optland_sparse_product(
            0, self.d, self.k, &self.column_starts[0], &self.rows[0], &self.by_columns[0],
            &self.scores[0, 0], &G[0, 0],
        )
        for i in range(self.n):
            for j in range(self.k):
                G[self.d, j] += self.scores[i, j]


def parts(X):
    """Arrays of a compressed matrix, never empty."""
    data, indices = X.data, X.indices.astype(np.int32, copy=False)
    if not X.nnz:
        data, indices = np.zeros(1, np.float32), np.zeros(1, np.int32)
    return X.indptr.astype(np.int64, copy=False), indices, data


def loss_gradient(
    SparseFloat32 X not None,
    const int[::1] y,
    const double[::1] c,
    const double[:, ::1] W,
    double[:, ::1] Z,  # OUT
    double[:, ::1] G,  # IN / OUT
):
    """Loss of all rows; their scores go to Z, their gradient is added to G."""
    cdef Py_ssize_t start, stop, i, j, k = X.k
    cdef double loss = 0, unit
    cdef float[:, ::1] V = np.empty((X.d + 1, k), dtype=np.float32)
    with nogil:
        unit = max(optland_largest(X.n, &c[0]), 1e-300)
        for i in range(X.d + 1):
            for j in range(k):
                V[i, j] = <float>(X.scale[i] * W[i, j])
        start = 0
        while start < X.n:
            stop = min(start + X.block, X.n)
            X.forward(start, stop, &V[0, 0])
            for i in range(start, stop):
                for j in range(k):
                    Z[i, j] = X.scores[i, j]
            loss += optland_rows_residuals(
                stop - start, k, &y[start], &c[start], unit, &X.scores[start, 0]
            )
            start = stop
        X.backward(V)
        for i in range(X.d + 1):
            for j in range(k):
                G[i, j] += unit * X.scale[i] * V[i, j]
    return loss


cdef void softmax(const double[:, ::1] Z, float[:, ::1] P) noexcept nogil:
    cdef Py_ssize_t i, j, n = Z.shape[0], k = Z.shape[1]
    cdef double largest
    for i in range(n):
        largest = Z[i, 0]
        for j in range(1, k):
            largest = max(largest, Z[i, j])
        for j in range(k):
            P[i, j] = <float>(Z[i, j] - largest)
    optland_rows_softmax(n, k, &P[0, 0])


cdef void hessian_product(
    SparseFloat32 X, const double[::1] c, double unit, const float[:, ::1] P, float[:, ::1] V,
    float[:, ::1] out,
) noexcept nogil:
    """out = [X 1]' c / unit (diag p - pp') [X 1] V."""
    cdef Py_ssize_t start = 0, stop
    while start < X.n:
        stop = min(start + X.block, X.n)
        X.forward(start, stop, &V[0, 0])
        optland_rows_hessian(
            stop - start, X.k, &P[start, 0], &c[start], unit, &X.scores[start, 0]
        )
        start = stop
    X.backward(out)


def newton_direction(
    SparseFloat32 X not None,
    const double[:, ::1] Z,
    const double[::1] c,
    const double[:, ::1] gradient,
    double l2,
    bint fit_intercept,
    double tolerance,
    int max_iter,
):
    """Solve H V = -gradient by preconditioned conjugate gradients in float32.

    In columns that are divided by their scale the Hessian's diagonal is about the same for all,
    sum_i c_i p_ij (1 - p_ij) for class j: the preconditioner is its inverse, with the penalty,
    centred. They stop when the residual is `tolerance` of the gradient in its norm; if `tolerance`
    is 0, when the squared residual is a tenth of the decrement -gradient' V.
    """
    cdef Py_ssize_t i, j, n = X.n, d = X.d + 1, k = X.k
    cdef int products = 0
    cdef double unit, size, rho, first, previous, curvature, step, norm = 0, decrement
    cdef float[:, ::1] P = np.empty((n, k), dtype=np.float32)
    cdef float[:, ::1] V = np.zeros((d, k), dtype=np.float32)
    cdef float[:, ::1] G = np.empty((d, k), dtype=np.float32), R = np.empty_like(G)
    cdef float[:, ::1] D = np.zeros_like(G), Q = np.empty_like(G)
    cdef float[::1] penalty = np.empty(d, dtype=np.float32), s = np.empty(k, dtype=np.float32)
    cdef float[::1] diagonal = np.empty(k, dtype=np.float32)
    with nogil:
        softmax(Z, P)
        unit = max(optland_largest(n, &c[0]), 1e-300)
        size = 1e-300
        for i in range(d):
            size = max(size, optland_largest(k, &gradient[i, 0]) / X.scale[i])
            penalty[i] = <float>(l2 / unit / (X.scale[i] * X.scale[i]))
        penalty[d - 1] = 0
        for j in range(k):
            diagonal[j] = 1e-30
        for i in range(n):
            for j in range(k):
                diagonal[j] += <float>(c[i] / unit) * P[i, j] * (1 - P[i, j])
        for i in range(d):
            for j in range(k):
                G[i, j] = <float>(gradient[i, j] / (X.scale[i] * size))
                R[i, j] = -G[i, j]
        # a step of 0 only computes r's
        rho = first = optland_cg_step(
            d, k, 0, &penalty[0], &diagonal[0], &X.scale[0], &D[0, 0], &D[0, 0], &V[0, 0],
            &R[0, 0], &s[0], &norm,
        )
        optland_cg_direction(
            d, k, 0, &penalty[0], &diagonal[0], &R[0, 0], &D[0, 0], &s[0]
        )
        while rho > 0 and products < max_iter:
            hessian_product(X, c, unit, P, D, Q)
            products += 1
            curvature = optland_cg_curvature(
                d, k, fit_intercept, &penalty[0], &D[0, 0], &Q[0, 0]
            )
            if not curvature > 0:
                break
            step = rho / curvature
            previous = rho
            rho = optland_cg_step(
                d, k, step, &penalty[0], &diagonal[0], &X.scale[0], &D[0, 0], &Q[0, 0],
                &V[0, 0], &R[0, 0], &s[0], &norm,
            )
            if tolerance > 0:
                if rho <= tolerance * tolerance * first:
                    break
            else:
                decrement = -optland_dot(d * k, &G[0, 0], &V[0, 0])
                if norm <= 0.1 * decrement / unit:
                    break
            optland_cg_direction(
                d, k, rho / previous, &penalty[0], &diagonal[0], &R[0, 0], &D[0, 0], &s[0]
            )
    return V.base * (size / unit / X.scale.base)[:, None], products
