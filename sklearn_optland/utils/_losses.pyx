"""The log-loss of one margin: value, derivatives, bound, conjugate and prox, all overflow-safe."""

from libc.math cimport exp, fabs, log, log1p, tanh

cdef enum:
    MAX_PROX_STEPS = 1000  # log(q) + 5 are needed

cdef double EPS = 2.220446049250313e-16


cpdef double log_loss(double m) noexcept nogil:
    """log(1 + exp(-m))."""
    return log1p(exp(-m)) if m > 0 else log1p(exp(m)) - m


cpdef double log_loss_derivative(double m) noexcept nogil:
    """-1 / (1 + exp(m)), between -1 and 0."""
    cdef double e = exp(-fabs(m))
    return -e / (1 + e) if m > 0 else -1 / (1 + e)


cpdef double log_loss_curvature(double m) noexcept nogil:
    """Second derivative, at most 1/4."""
    cdef double e = exp(-fabs(m))
    return e / ((1 + e) * (1 + e))


cpdef double log_loss_bound(double m) noexcept nogil:
    """tanh(m / 2) / (2 m): curvature of the tightest quadratic that touches at m and lies above."""
    if fabs(m) < 1e-4:
        return 0.25 - m * m / 48
    return tanh(0.5 * m) / (2 * m)


cpdef double log_loss_conjugate(double a) noexcept nogil:
    """sup_m (-a m - log_loss(m)) for a in [0, 1]: minus the entropy of (a, 1 - a)."""
    cdef double value = 0
    if a > 0:
        value += a * log(a)
    if a < 1:
        value += (1 - a) * log1p(-a)
    return value


cpdef double log_loss_prox(double m, double q) noexcept nogil:
    """argmin_u (u - m)^2 / 2 + q log_loss(u) for q >= 0.

    Newton on u - m + q log_loss'(u), which is convex for u < 0 and concave for u > 0: from the
    end nearest to 0 of the root's bracket, [m, m + q] on its side of 0, the steps never overshoot.
    From other starts they may cycle when q is large.
    """
    cdef double u, pull, slope
    cdef Py_ssize_t _step
    u = max(m, 0.0) if m + 0.5 * q > 0 else min(m + q, 0.0)
    for _step in range(MAX_PROX_STEPS):
        pull = q * log_loss_derivative(u)
        slope = u - m + pull
        if fabs(slope) <= EPS * (fabs(u - m) + fabs(pull) + fabs(u)):  # nothing but rounding
            break
        u -= slope / (1 + q * log_loss_curvature(u))
    return u
