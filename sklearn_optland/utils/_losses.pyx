"""The log-loss of one margin: value, derivatives, bound, conjugate and prox, all overflow-safe."""

from libc.math cimport INFINITY, exp, fabs, log, log1p, tanh

cdef enum:
    MAX_PROX_STEPS = 60  # of bisection, if Newton never helps: full precision

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

    The root of u - m + q log_loss'(u), which lies in [m, m + q]: Newton's steps, and bisection
    where they leave the bracket or fail to halve the slope. Newton alone cycles for large q.
    """
    cdef double low = m, high = m + q, u = m, pull, slope, before = INFINITY
    cdef bint halved
    cdef Py_ssize_t i
    for i in range(MAX_PROX_STEPS):
        pull = q * log_loss_derivative(u)
        slope = u - m + pull
        if fabs(slope) <= EPS * (fabs(u - m) + fabs(pull) + fabs(u)):  # nothing but rounding
            break
        if slope > 0:
            high = u
        else:
            low = u
        halved, before = fabs(slope) <= 0.5 * before, fabs(slope)
        u -= slope / (1 + q * log_loss_curvature(u))
        if not (halved and low <= u <= high):
            u, before = 0.5 * (low + high), INFINITY
    return u
