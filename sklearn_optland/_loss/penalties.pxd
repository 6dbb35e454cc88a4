# The elastic net l1 |w|_1 + l2/2 |w|^2, with w >= 0 if asked, for kernels.
from libc.math cimport INFINITY


# What the dual solvers add to the losses: l1 |w|_1 + l2/2 |w|^2 + rho/2 (b - anchor)^2.
cdef struct DualPenalty:
    double l1, l2, rho
    bint positive, is_quadratic


cdef inline double penalty_prox(double v, double threshold, bint positive) noexcept nogil:
    """soft(v, threshold), or its positive part, without a branch: signs are hard to predict."""
    cdef double low = -INFINITY if positive else -threshold
    cdef double inside = v if v > low else low
    inside = inside if inside < threshold else threshold
    return v - inside
