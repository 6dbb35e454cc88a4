"""Entrywise work of two-layer ReLU nets with one output on a block of rows.

f(x) = a' relu(W' x + b): BLAS makes Z = X W; what comes between the products is here, fused. The
loops are in relu.h, where the compiler vectorises them.
"""

from cython cimport floating
from libc.stdint cimport int64_t


cdef extern from "relu.h" nogil:
    void optland_relu_scores_float(
        int64_t n, int64_t m, float* z, const float* b, const float* a, float* f)
    void optland_relu_scores_double(
        int64_t n, int64_t m, double* z, const double* b, const double* a, double* f)
    void optland_relu_pull_float(
        int64_t n, int64_t m, float* h, const float* a, const float* r, float* ga, float* gb)
    void optland_relu_pull_double(
        int64_t n, int64_t m, double* h, const double* a, const double* r, double* ga, double* gb)


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
