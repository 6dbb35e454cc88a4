"""Entrywise work of two-layer ReLU nets on a block of rows, and L-BFGS' two loops.

f(x) = A' relu(W' x + b): BLAS makes Z = X W; what comes between the products is here, fused for
nets with one output. The loops are in utils/_relu_tiles.h, where the compiler vectorises them.
"""

from cython cimport floating
from libc.stdint cimport int64_t
from scipy.linalg.cython_blas cimport daxpy, ddot, saxpy, sdot


cdef extern from "_relu_tiles.h" nogil:
    void optland_relu_scores_float(
        int64_t n, int64_t m, float* z, const float* b, const float* a, float* f)
    void optland_relu_scores_double(
        int64_t n, int64_t m, double* z, const double* b, const double* a, double* f)
    void optland_relu_pull_float(
        int64_t n, int64_t m, float* h, const float* a, const float* r, float* ga, float* gb)
    void optland_relu_pull_double(
        int64_t n, int64_t m, double* h, const double* a, const double* r, double* ga, double* gb)
    void optland_relu_float(int64_t n, int64_t m, float* z, const float* b)
    void optland_relu_double(int64_t n, int64_t m, double* z, const double* b)
    void optland_relu_mask_float(int64_t n, int64_t m, const float* h, float* p, float* gb)
    void optland_relu_mask_double(int64_t n, int64_t m, const double* h, double* p, double* gb)


def relu_scores(
    floating[:, ::1] Z,  # IN: inputs without biases, OUT: outputs of the hidden layer
    const floating[::1] b,
    const floating[::1] a,
    floating[::1] f,  # OUT
):
    """Z <- relu(Z + b), f = Z a."""
    if Z.shape[0] == 0 or Z.shape[1] == 0:
        f[:] = 0
        return
    with nogil:
        if floating is float:
            optland_relu_scores_float(Z.shape[0], Z.shape[1], &Z[0, 0], &b[0], &a[0], &f[0])
        else:
            optland_relu_scores_double(Z.shape[0], Z.shape[1], &Z[0, 0], &b[0], &a[0], &f[0])


def relu_pull(
    floating[:, ::1] H,  # IN: outputs of the hidden layer, OUT: the pull on its inputs
    const floating[::1] a,
    const floating[::1] r,  # pulls on the scores
    floating[::1] ga,  # IN / OUT: += H' r
    floating[::1] gb,  # IN / OUT: += column sums of the pull
):
    """H <- (r a') where H > 0."""
    if H.shape[0] == 0 or H.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            optland_relu_pull_float(
                H.shape[0], H.shape[1], &H[0, 0], &a[0], &r[0], &ga[0], &gb[0])
        else:
            optland_relu_pull_double(
                H.shape[0], H.shape[1], &H[0, 0], &a[0], &r[0], &ga[0], &gb[0])


def relu(floating[:, ::1] Z, const floating[::1] b):
    """Z <- relu(Z + b)."""
    if Z.shape[0] == 0 or Z.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            optland_relu_float(Z.shape[0], Z.shape[1], &Z[0, 0], &b[0])
        else:
            optland_relu_double(Z.shape[0], Z.shape[1], &Z[0, 0], &b[0])


def relu_mask(
    const floating[:, ::1] H,
    floating[:, ::1] P,  # IN / OUT
    floating[::1] gb,  # IN / OUT: += column sums of what is left
):
    """P <- P where H > 0."""
    if H.shape[0] == 0 or H.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            optland_relu_mask_float(H.shape[0], H.shape[1], &H[0, 0], &P[0, 0], &gb[0])
        else:
            optland_relu_mask_double(H.shape[0], H.shape[1], &H[0, 0], &P[0, 0], &gb[0])


cdef inline floating dot(int n, const floating* x, const floating* y) noexcept nogil:
    cdef int one = 1
    if floating is float:
        return sdot(&n, <float*>x, &one, <float*>y, &one)
    else:
        return ddot(&n, <double*>x, &one, <double*>y, &one)


cdef inline void axpy(int n, floating alpha, const floating* x, floating* y) noexcept nogil:
    cdef int one = 1
    if floating is float:
        saxpy(&n, &alpha, <float*>x, &one, y, &one)
    else:
        daxpy(&n, &alpha, <double*>x, &one, y, &one)


def two_loops(
    const floating[:, ::1] S,  # steps, in a ring
    const floating[:, ::1] Y,  # changes of the gradient
    const floating[::1] curvatures,  # S_k' Y_k > 0
    floating[::1] shares,  # work, one for each pair
    Py_ssize_t newest,
    Py_ssize_t count,
    double scale,  # of the inverse metric without a memory
    floating[::1] q,  # IN: gradient, OUT: minus a descent direction
):
    """Apply the inverse metric of L-BFGS: `_lbfgs.solve` for flat parameters."""
    cdef Py_ssize_t size = S.shape[0], step, k, i
    cdef int n = <int>q.shape[0]
    with nogil:
        for step in range(count):
            k = (newest - step + size) % size
            shares[k] = dot(n, &S[k, 0], &q[0]) / curvatures[k]
            axpy(n, -shares[k], &Y[k, 0], &q[0])
        for i in range(n):
            q[i] = <floating>(q[i] * scale)
        for step in range(count - 1, -1, -1):
            k = (newest - step + size) % size
            axpy(n, shares[k] - dot(n, &Y[k, 0], &q[0]) / curvatures[k], &S[k, 0], &q[0])
