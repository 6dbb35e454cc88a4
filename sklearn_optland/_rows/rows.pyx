"""Rows of a design matrix, dense or CSR, float32 or float64, behind three products.

Kernels are written once against `Rows`: they walk over blocks of rows and ask for X W, X' R and
X' diag(h) X of a block. All arithmetic is in float64; float32 rows are converted a block at a
time, so they cost no second copy of the data.
"""
from cython cimport floating
from libc.math cimport sqrt
from scipy import sparse
import numpy as np

from sklearn_optland._rows.blas cimport gemm, syrk


cdef extern from "dense_rows.h" nogil:
    enum:
        OPTLAND_GRAM_ROWS
    Py_ssize_t optland_panel_stride(Py_ssize_t d)
    void optland_forward_many(
        Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, const double* x, const double* w, double* z
    )
    void optland_backward_many(
        Py_ssize_t n, Py_ssize_t d, Py_ssize_t k, const double* x, const double* r, double* g
    )
    void optland_forward_float(
        Py_ssize_t n, Py_ssize_t d, const float* x, const double* w, double* z
    )
    void optland_backward_float(
        Py_ssize_t n, Py_ssize_t d, const float* x, const double* r, double* g
    )
    void optland_column_squares_float(
        Py_ssize_t n, Py_ssize_t d, const float* x, const double* c, double* out
    )
    void optland_row_squares_float(
        Py_ssize_t n, Py_ssize_t d, const float* x, const double* w, double* out
    )
    void optland_gram_float(
        Py_ssize_t n, Py_ssize_t d, const float* x, const double* h, double* c, Py_ssize_t ldc,
        double* plain, double* weighted
    )
    void optland_forward_double(
        Py_ssize_t n, Py_ssize_t d, const double* x, const double* w, double* z
    )
    void optland_backward_double(
        Py_ssize_t n, Py_ssize_t d, const double* x, const double* r, double* g
    )
    void optland_column_squares_double(
        Py_ssize_t n, Py_ssize_t d, const double* x, const double* c, double* out
    )
    void optland_row_squares_double(
        Py_ssize_t n, Py_ssize_t d, const double* x, const double* w, double* out
    )
    void optland_gram_double(
        Py_ssize_t n, Py_ssize_t d, const double* x, const double* h, double* c, Py_ssize_t ldc,
        double* plain, double* weighted
    )

cdef enum:
    BLOCK_VALUES = 1 << 14  # 128 KiB of float64: still in the L2 cache when read again
    MIN_BLOCK_ROWS = 64
    MAX_BLOCK_ROWS = 2048
    FEW_SCORES = 24  # BLAS packs the rows, which so few products do not pay for
    MAX_TILED_COLUMNS = 128  # BLAS needs longer rows than that to be faster


cdef class Rows:
    def share(self):
        """The same rows for another thread, with scratch of its own."""
        return self

    cdef void forward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* W, Py_ssize_t k, double* Z
    ) noexcept nogil:
        pass

    cdef void backward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* R, Py_ssize_t k, double* G
    ) noexcept nogil:
        pass

    cdef void gram(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* C, Py_ssize_t ldc
    ) noexcept nogil:
        pass

    cdef void column_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil:
        pass

    cdef void row_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil:
        pass

    cdef RowPointers pointers(self) noexcept nogil:
        return RowPointers(NULL, NULL, NULL, NULL, self.n_rows, self.n_columns)


def as_rows(X, *, in_order=True):
    """Wrap a validated array for the kernels.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), C-contiguous, or CSR matrix or array
        float32 or float64. Nothing is copied, unless a CSR matrix has unsorted or repeated
        entries.
    in_order : bool, default=True
        Whether the entries of a row must be sorted, as `gram` needs them; False saves the copy of
        a CSR matrix that is only unsorted.

    Returns
    -------
    rows : Rows
    """
    if not sparse.issparse(X):
        return DenseRows(X)
    X = with_single_entries(X, in_order)
    # A column number always fits 32 bits, a position among the non-zeros may not.
    return CSRRows(
        X.data,
        X.indices.astype(np.int32, copy=False),
        X.indptr.astype(np.int64, copy=False),
        X.shape[1],
    )


def with_single_entries(X, in_order=False):
    """A CSR matrix without repeated entries, with `in_order` sorted too: the same or a copy."""
    if not X.has_canonical_format and (in_order or repeats_entries(X)):
        X = X.copy()
        X.sum_duplicates()
    return X


def repeats_entries(X):
    """Whether a row of a CSR matrix has two entries in one column."""
    cdef const int[::1] indices = X.indices.astype(np.int32, copy=False)
    cdef const long long[::1] indptr = X.indptr.astype(np.int64, copy=False)
    cdef Py_ssize_t[::1] last_row = np.zeros(X.shape[1], dtype=np.intp)  # of each column, from 1
    cdef Py_ssize_t i, n_repeated = 0
    cdef long long p
    with nogil:
        for i in range(indptr.shape[0] - 1):
            for p in range(indptr[i], indptr[i + 1]):
                n_repeated += last_row[indices[p]] == i + 1
                last_row[indices[p]] = i + 1
    return n_repeated > 0


def sparse_copy(const floating[:, ::1] X):
    """Copy a dense array that is mostly zeros to CSR, in two sweeps.

    SciPy's own conversion makes index arrays of every entry first, and takes five times as long.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), float32 or float64

    Returns
    -------
    copy : csr_array
    """
    cdef Py_ssize_t i, j, n = X.shape[0], d = X.shape[1]
    cdef long long count = 0
    cdef long long[::1] indptr = np.zeros(n + 1, dtype=np.int64)
    with nogil:
        for i in range(n):
            for j in range(d):
                count += X[i, j] != 0
            indptr[i + 1] = count
    data = np.empty(count, dtype=np.asarray(X[:0]).dtype)
    indices = np.empty(count, dtype=np.int32)
    cdef floating[::1] values = data
    cdef int[::1] columns = indices
    with nogil:
        count = 0
        for i in range(n):
            for j in range(d):
                if X[i, j] != 0:
                    values[count] = X[i, j]
                    columns[count] = j
                    count += 1
    copy = sparse.csr_array((n, d), dtype=data.dtype)
    copy.data, copy.indices, copy.indptr = data, indices, np.asarray(indptr)
    return copy


cdef class DenseRows(Rows):
    cdef object X
    cdef const double[:, ::1] X64
    cdef const float[:, ::1] X32
    cdef bint is_float32
    cdef double[:, ::1] block, plain, scaled

    def __init__(self, X):
        self.X = X
        self.n_rows, self.n_columns = X.shape
        self.block_size = min(
            max(BLOCK_VALUES // max(self.n_columns, 1), MIN_BLOCK_ROWS), MAX_BLOCK_ROWS
        )
        self.is_float32 = X.dtype == np.float32
        shape = (min(self.block_size, self.n_rows), self.n_columns)
        if self.n_columns <= MAX_TILED_COLUMNS:
            panel = OPTLAND_GRAM_ROWS, optland_panel_stride(self.n_columns)
            self.plain, self.scaled = np.zeros(panel), np.zeros(panel)
        else:
            self.scaled = np.empty(shape)
        if self.is_float32:
            self.X32 = X
            self.block = np.empty(shape)
        else:
            self.X64 = X

    def share(self):
        return DenseRows(self.X)

    cdef const double* rows(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        cdef Py_ssize_t i
        cdef const float* source
        cdef double* target
        if not self.is_float32:
            return &self.X64[start, 0]
        source = &self.X32[start, 0]
        target = &self.block[0, 0]
        for i in range((stop - start) * self.n_columns):
            target[i] = source[i]
        return target

    cdef void forward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* W, Py_ssize_t k, double* Z
    ) noexcept nogil:
        cdef Py_ssize_t n = stop - start, d = self.n_columns
        if k == 1 and self.is_float32:
            optland_forward_float(n, d, &self.X32[start, 0], W, Z)
        elif k == 1:
            optland_forward_double(n, d, &self.X64[start, 0], W, Z)
        elif k <= FEW_SCORES:
            optland_forward_many(n, d, k, self.rows(start, stop), W, Z)
        else:
            gemm(False, n, k, d, self.rows(start, stop), W, Z)

    cdef void backward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* R, Py_ssize_t k, double* G
    ) noexcept nogil:
        cdef Py_ssize_t n = stop - start, d = self.n_columns
        if k == 1 and self.is_float32:
            optland_backward_float(n, d, &self.X32[start, 0], R, G)
        elif k == 1:
            optland_backward_double(n, d, &self.X64[start, 0], R, G)
        elif k <= FEW_SCORES:
            optland_backward_many(n, d, k, self.rows(start, stop), R, G)
        else:
            gemm(True, d, k, n, self.rows(start, stop), R, G)

    cdef void gram(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* C, Py_ssize_t ldc
    ) noexcept nogil:
        # Of long rows, those of positive weight go through syrk scaled by its root, then those of
        # negative weight the same way with C's sign turned: half the work of X' (weights X), and
        # the usual case, no negative weight, is one call.
        cdef double* scaled = &self.scaled[0, 0]
        cdef Py_ssize_t i, j, m, sign, n = stop - start, d = self.n_columns
        cdef const double* X
        cdef double root
        if d <= MAX_TILED_COLUMNS:
            if self.is_float32:
                optland_gram_float(
                    n, d, &self.X32[start, 0], weights, C, ldc, &self.plain[0, 0], scaled
                )
            else:
                optland_gram_double(
                    n, d, &self.X64[start, 0], weights, C, ldc, &self.plain[0, 0], scaled
                )
            return
        X = self.rows(start, stop)
        for sign in range(1, -2, -2):
            m = 0
            for i in range(n):
                if sign * weights[i] > 0:
                    root = sqrt(sign * weights[i])
                    for j in range(d):
                        scaled[m * d + j] = root * X[i * d + j]
                    m += 1
            if m:
                syrk(m, d, sign, scaled, C, ldc)

    cdef void column_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil:
        cdef Py_ssize_t n = stop - start, d = self.n_columns
        if self.is_float32:
            optland_column_squares_float(n, d, &self.X32[start, 0], weights, out)
        else:
            optland_column_squares_double(n, d, &self.X64[start, 0], weights, out)

    cdef void row_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil:
        cdef Py_ssize_t n = stop - start, d = self.n_columns
        if self.is_float32:
            optland_row_squares_float(n, d, &self.X32[start, 0], weights, out)
        else:
            optland_row_squares_double(n, d, &self.X64[start, 0], weights, out)

    cdef RowPointers pointers(self) noexcept nogil:
        cdef RowPointers x = RowPointers(NULL, NULL, NULL, NULL, self.n_rows, self.n_columns)
        if self.is_float32:
            x.values32 = &self.X32[0, 0]
        else:
            x.values64 = &self.X64[0, 0]
        return x


cdef class CSRRows(Rows):
    cdef const double[::1] data64
    cdef const float[::1] data32
    cdef const int[::1] indices
    cdef const long long[::1] indptr
    cdef bint is_float32

    def __init__(self, data, indices, indptr, n_columns):
        self.n_rows, self.n_columns = len(indptr) - 1, n_columns
        self.block_size = MAX_BLOCK_ROWS
        self.indices, self.indptr = indices, indptr
        self.is_float32 = data.dtype == np.float32
        if self.is_float32:
            self.data32 = data
        else:
            self.data64 = data

    cdef void forward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* W, Py_ssize_t k, double* Z
    ) noexcept nogil:
        if self.is_float32:
            csr_forward(self.data32, self.indices, self.indptr, start, stop, W, k, Z)
        else:
            csr_forward(self.data64, self.indices, self.indptr, start, stop, W, k, Z)

    cdef void backward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* R, Py_ssize_t k, double* G
    ) noexcept nogil:
        if self.is_float32:
            csr_backward(self.data32, self.indices, self.indptr, start, stop, R, k, G)
        else:
            csr_backward(self.data64, self.indices, self.indptr, start, stop, R, k, G)

    cdef void gram(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* C, Py_ssize_t ldc
    ) noexcept nogil:
        if self.is_float32:
            csr_gram(self.data32, self.indices, self.indptr, start, stop, weights, C, ldc)
        else:
            csr_gram(self.data64, self.indices, self.indptr, start, stop, weights, C, ldc)

    cdef void column_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil:
        if self.is_float32:
            csr_column_squares(
                self.data32, self.indices, self.indptr, start, stop, weights, out
            )
        else:
            csr_column_squares(
                self.data64, self.indices, self.indptr, start, stop, weights, out
            )

    cdef void row_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil:
        if self.is_float32:
            csr_row_squares(self.data32, self.indices, self.indptr, start, stop, weights, out)
        else:
            csr_row_squares(self.data64, self.indices, self.indptr, start, stop, weights, out)

    cdef RowPointers pointers(self) noexcept nogil:
        cdef RowPointers x = RowPointers(NULL, NULL, NULL, NULL, self.n_rows, self.n_columns)
        x.indptr = &self.indptr[0]
        if self.indices.shape[0] == 0:  # nothing to point at, and nothing that is read
            x.values64, x.indices = <const double*>x.indptr, <const int*>x.indptr
            return x
        x.indices = &self.indices[0]
        if self.is_float32:
            x.values32 = &self.data32[0]
        else:
            x.values64 = &self.data64[0]
        return x


cdef void csr_forward(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr,
    Py_ssize_t start, Py_ssize_t stop, const double* W, Py_ssize_t k, double* Z,
) noexcept nogil:
    cdef Py_ssize_t i, c
    cdef long long p
    cdef double value
    cdef const double* w
    cdef double* z
    for i in range(start, stop):
        z = Z + (i - start) * k
        if k == 1:
            value = z[0]
            for p in range(indptr[i], indptr[i + 1]):
                value += data[p] * W[indices[p]]
            z[0] = value
            continue
        for p in range(indptr[i], indptr[i + 1]):
            value = data[p]
            w = W + indices[p] * k
            for c in range(k):
                z[c] += value * w[c]


cdef void csr_backward(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr,
    Py_ssize_t start, Py_ssize_t stop, const double* R, Py_ssize_t k, double* G,
) noexcept nogil:
    cdef Py_ssize_t i, c
    cdef long long p
    cdef double value
    cdef const double* r
    cdef double* g
    for i in range(start, stop):
        r = R + (i - start) * k
        if k == 1:
            value = r[0]
            for p in range(indptr[i], indptr[i + 1]):
                G[indices[p]] += data[p] * value
            continue
        for p in range(indptr[i], indptr[i + 1]):
            value = data[p]
            g = G + indices[p] * k
            for c in range(k):
                g[c] += value * r[c]


cdef void csr_gram(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr,
    Py_ssize_t start, Py_ssize_t stop, const double* weights, double* C, Py_ssize_t ldc,
) noexcept nogil:
    # Columns are sorted within a row, so the inner loop stays in the lower triangle.
    cdef Py_ssize_t i
    cdef long long p, q
    cdef double value
    cdef double* row
    for i in range(start, stop):
        for p in range(indptr[i], indptr[i + 1]):
            value = weights[i - start] * data[p]
            row = C + indices[p] * ldc
            for q in range(indptr[i], p + 1):
                row[indices[q]] += value * data[q]


cdef void csr_column_squares(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr,
    Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef long long p
    cdef double value
    for i in range(start, stop):
        for p in range(indptr[i], indptr[i + 1]):
            value = data[p]
            out[indices[p]] += weights[i - start] * value * value


cdef void csr_row_squares(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr,
    Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out,
) noexcept nogil:
    cdef Py_ssize_t i
    cdef long long p
    cdef double value, total
    for i in range(start, stop):
        total = 0
        for p in range(indptr[i], indptr[i + 1]):
            value = data[p]
            total += weights[indices[p]] * value * value
        out[i - start] = total
