# BLAS for row-major (C-order) arrays, by way of SciPy's own library: the one place that knows
# about Fortran order. A C-order matrix is its transpose in Fortran order, so operands swap.
from scipy.linalg.cython_blas cimport dgemm, dsyrk


cdef inline void gemm(
    bint transpose_a, int m, int n, int k, const double* a, const double* b, double* c
) noexcept nogil:
    """C (m x n) += op(A) B, where op(A) is m x k and B is k x n."""
    cdef char* trans_b = "N"
    cdef char* trans_a = "T" if transpose_a else "N"
    cdef int lda = m if transpose_a else k
    cdef double one = 1.0
    dgemm(trans_b, trans_a, &n, &m, &k, &one, <double*>b, &n, <double*>a, &lda, &one, c, &n)


cdef inline void syrk(
    int m, int n, double alpha, const double* a, double* c, int ldc
) noexcept nogil:
    """Lower triangle of C (n x n, rows ldc apart) += alpha A' A, where A is m x n."""
    cdef char* uplo = "U"
    cdef char* trans = "N"
    cdef double one = 1.0
    dsyrk(uplo, trans, &n, &m, &alpha, <double*>a, &n, &one, c, &ldc)
