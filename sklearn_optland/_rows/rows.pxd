# Where the rows of a design matrix lie in memory, for kernels that visit one row at a time. Row i
# is values[indptr[i]:indptr[i + 1]] in the columns of `indices`; of a dense matrix, whose
# `indices` and `indptr` are NULL, values[i * n_columns:(i + 1) * n_columns]. One of the two
# pointers to values is NULL.
cdef struct RowPointers:
    const float* values32
    const double* values64
    const int* indices
    const long long* indptr
    Py_ssize_t n_rows, n_columns


cdef class Rows:
    cdef readonly Py_ssize_t n_rows, n_columns
    # Rows that a kernel handles at a time, so that their working set stays in the L2 cache.
    cdef readonly Py_ssize_t block_size

    # Z (rows x k) += X W
    cdef void forward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* W, Py_ssize_t k, double* Z
    ) noexcept nogil
    # G (columns x k) += X' R
    cdef void backward(
        self, Py_ssize_t start, Py_ssize_t stop, const double* R, Py_ssize_t k, double* G
    ) noexcept nogil
    # Lower triangle of C (rows ldc apart) += X' diag(weights) X; signed weights allowed
    cdef void gram(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* C, Py_ssize_t ldc
    ) noexcept nogil
    # out (columns) += sum over rows of weights_i x_ij^2
    cdef void column_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil
    # out (rows) = sum over columns of weights_j x_ij^2
    cdef void row_squares(
        self, Py_ssize_t start, Py_ssize_t stop, const double* weights, double* out
    ) noexcept nogil
    cdef RowPointers pointers(self) noexcept nogil
