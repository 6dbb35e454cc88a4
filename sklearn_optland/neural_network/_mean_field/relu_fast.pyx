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
    void optland_rounded_relu_float(
        int64_t size, float* z, float width, float inverse, float at_zero, int want_slopes)
    void optland_rounded_relu_double(
        int64_t size, double* z, double width, double inverse, double at_zero, int want_slopes)
    void optland_rounded_sums_float(
        int64_t n, int64_t m, float* z, const float* r,
        float width, float inverse, float at_zero, float* f)
    void optland_rounded_sums_double(
        int64_t n, int64_t m, double* z, const double* r,
        double width, double inverse, double at_zero, double* f)

# The slope's factor where no kink is rounded: float32 holds it.
cdef double STEEP = 1e38


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


def rounded_relu(floating[:, ::1] Z, floating width, bint want_slopes=False):
    """Z <- relu(Z), its kink rounded over a width, or the slopes there."""
    cdef floating inverse = <floating>(1 / width if width > 0 else STEEP)
    cdef floating at_zero = <floating>(0.5 if width > 0 else 0)
    cdef int64_t size = Z.shape[0] * Z.shape[1]
    if size == 0:
        return
    with nogil:
        if floating is float:
            optland_rounded_relu_float(size, &Z[0, 0], width, inverse, at_zero, want_slopes)
        else:
            optland_rounded_relu_double(size, &Z[0, 0], width, inverse, at_zero, want_slopes)


def rounded_sums(
    floating[:, ::1] Z,  # IN: inputs, OUT: r times the slopes
    const floating[::1] r,
    floating width,
    floating[::1] f,  # IN / OUT: += r' relu(Z), the kink rounded over a width
):
    """The sums over rows of r_i relu(z_ij), and what their gradients are made of."""
    cdef floating inverse = <floating>(1 / width if width > 0 else STEEP)
    cdef floating at_zero = <floating>(0.5 if width > 0 else 0)
    if Z.shape[0] == 0 or Z.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            optland_rounded_sums_float(
                Z.shape[0], Z.shape[1], &Z[0, 0], &r[0], width, inverse, at_zero, &f[0])
        else:
            optland_rounded_sums_double(
                Z.shape[0], Z.shape[1], &Z[0, 0], &r[0], width, inverse, at_zero, &f[0])
