# Passes over a block of rows, of at most `rows.block_size`, for kernels that make more of them.
from sklearn_optland._rows.rows cimport Rows


cdef void scores(
    Rows rows, Py_ssize_t start, Py_ssize_t stop, const double[:, ::1] W, double* Z
) noexcept nogil
cdef void add_gradient(
    Rows rows, Py_ssize_t start, Py_ssize_t stop, const double* R, double[:, ::1] G
) noexcept nogil
cdef void add_gram(
    Rows rows, Py_ssize_t start, Py_ssize_t stop, const double* h, double[:, ::1] C
) noexcept nogil
