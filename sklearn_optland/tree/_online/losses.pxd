# Losses of a margin, and the steps on them that rows of any weight take (Karampatziakis and
# Langford 2011).
from libc.math cimport exp, expm1, fabs, log1p

cdef enum Loss:
    ABSOLUTE = 0
    HINGE = 1
    LOG = 2


cdef inline double rise(Loss loss, double z, double limit) noexcept nogil:
    """How far the margin z = b f(x) moves if it may move by `limit` at a gradient of size 1.

    The loss |1 - z| or max(0, 1 - z): up to where its gradient vanishes. The log-loss: the flow
    dz/dt = 1 / (1 + exp(z)) for the time `limit`, which solves z + exp(z) = z0 + exp(z0) + limit.
    """
    cdef double v, grown, step
    cdef int _
    if loss == HINGE:
        return max(0.0, min(limit, 1 - z))
    if loss == ABSOLUTE:
        return max(-limit, min(limit, 1 - z))
    # The change v solves v + exp(z) (exp(v) - 1) = limit: increasing and convex, so that Newton's
    # steps from the right fall to the root. Both starts are to the right of it.
    grown = exp(max(-300.0, min(z, 300.0)))
    v = min(limit / (1 + grown), log1p(limit / grown))
    for _ in range(20):
        step = (v + grown * expm1(v) - limit) / (1 + grown * exp(v))
        v -= step
        if fabs(step) <= 1e-6 * v:
            break
    return max(v, 0.0)
