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


cdef inline double coordinate_step(
    double w, double pull, double curvature, double l1, double l2, bint positive
) noexcept nogil:
    """What takes w to the minimum in its coordinate; 0 if nothing there bends."""
    if curvature + l2 <= 0:
        return 0
    return penalty_prox(curvature * w + pull, l1, positive) / (curvature + l2) - w


cdef inline double penalty_fenchel_gap(
    double w, double v, double l1, double l2, bint positive
) noexcept nogil:
    """penalty(w) + conjugate(v) - w v >= 0 of one coefficient; with l2 = 0 as if |v| <= l1."""
    cdef double sign = -1.0 if v < 0 and not positive else 1.0
    cdef double along = sign * w, size = w if w > 0 else -w, beyond
    v = sign * v  # w in the direction of v, and v >= 0 unless positive
    beyond = v - l1
    if beyond > 0 and l2 > 0:
        return l1 * (size - along) + 0.5 * l2 * (along - beyond / l2) * (along - beyond / l2)
    if w == 0:
        return 0
    v = size * (l1 - v) + v * (size - along) + 0.5 * l2 * w * w
    return v if v > 0 else 0
