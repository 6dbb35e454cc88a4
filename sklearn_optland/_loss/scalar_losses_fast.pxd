# Losses l(y, f) of one prediction f. A loss is a `LossKind`, an arm in each of the functions below,
# and an entry in scalar_losses.py.
#
# Classification has y = -1 or 1 and margin m = y f, regression any y and residual r = y - f:
#
#     LOG                   log(1 + exp(-m))
#     SQUARED_HINGE         max(0, 1 - m)^2
#     SMOOTH_HINGE          0 for m >= 1, 1/2 - m for m <= 0, (1 - m)^2 / 2 between
#     HINGE                 max(0, 1 - m)
#     SQUARED_ERROR         r^2 / 2
#     HUBER                 r^2 / 2 for |r| <= epsilon, epsilon |r| - epsilon^2 / 2 beyond
#     EPSILON_INSENSITIVE   max(0, |r| - epsilon)
#
# The dual variable of a row is theta = -l'(f), the pull on its prediction; a = y theta for margins.
from libc.math cimport fabs

cdef extern from "log_loss.h" nogil:
    double optland_exp_negative(double x)


cpdef enum LossKind:
    LOG
    SQUARED_HINGE
    SMOOTH_HINGE
    HINGE
    SQUARED_ERROR
    HUBER
    EPSILON_INSENSITIVE


cdef struct Loss:
    LossKind kind
    double epsilon


cdef enum:
    MAX_NEWTON_STEPS = 200  # bisection alone needs no more than log2 of the bracket


cdef inline double clip(double value, double low, double high) noexcept nogil:
    return low if value < low else high if value > high else value


cdef inline double soft_threshold(double value, double threshold) noexcept nogil:
    if value > threshold:
        return value - threshold
    return value + threshold if value < -threshold else 0.0


cdef inline double sigmoid(double x) noexcept nogil:
    cdef double e = optland_exp_negative(-fabs(x))
    return 1 / (1 + e) if x > 0 else e / (1 + e)


cdef inline double loss_value(Loss loss, double y, double f) noexcept nogil:
    """l(y, f); LOG is in log_loss.h, vectorised."""
    cdef double t
    if loss.kind <= HINGE:
        t = max(0.0, 1 - y * f)
        if loss.kind == SQUARED_HINGE:
            return t * t
        if loss.kind == SMOOTH_HINGE:
            return 0.5 * t * t if t < 1 else t - 0.5
        return t
    t = fabs(y - f)
    if loss.kind == EPSILON_INSENSITIVE:
        return max(0.0, t - loss.epsilon)
    if loss.kind == HUBER and t > loss.epsilon:
        return loss.epsilon * (t - 0.5 * loss.epsilon)
    return 0.5 * t * t


cdef inline double loss_pull(Loss loss, double y, double f) noexcept nogil:
    """theta = -l'(f); where l has a kink, the subgradient nearest to 0."""
    cdef double t
    if loss.kind == LOG:
        return y * sigmoid(-y * f)
    if loss.kind <= HINGE:
        t = 1 - y * f
        if loss.kind == SQUARED_HINGE:
            return 2 * y * max(0.0, t)
        if loss.kind == SMOOTH_HINGE:
            return y * clip(t, 0, 1)
        return y if t > 0 else 0.0
    t = y - f
    if loss.kind == SQUARED_ERROR:
        return t
    if loss.kind == HUBER:
        return clip(t, -loss.epsilon, loss.epsilon)
    return 0.0 if fabs(t) <= loss.epsilon else (1.0 if t > 0 else -1.0)


cdef inline double log_loss_implicit(double m, double q, double a, double accuracy) noexcept nogil:
    """a' = sigmoid(-u) at the root u of u - m - q (sigmoid(-u) - a), for the margin m of today.

    Newton from u = m, kept in a bracket that halves if a step leaves it: for large q the plain
    iteration cycles. It ends with a step that is not longer than `accuracy` <= 1/2, of which a'
    takes the linear part: a (1 - (1 - a) step) stays in (0, 1) and small a' keep their digits.
    """
    cdef double low = m - q * a, high = low + q, start = low, u = m, p, F, step
    cdef Py_ssize_t _i
    for _i in range(MAX_NEWTON_STEPS):
        p = sigmoid(-u)
        F = u - start - q * p
        step = -F / (1 + q * p * (1 - p))
        if fabs(step) <= accuracy or fabs(step) <= 1e-15 * fabs(u):
            break
        if F > 0:
            high = u
        else:
            low = u
        u += step
        if not low < u < high:
            u = 0.5 * (low + high)
            if u == low or u == high:
                step = 0
                break
    return p * (1 - (1 - p) * clip(step, -0.5, 0.5))


cdef inline double loss_implicit(
    Loss loss, double y, double f, double q, double theta, double accuracy
) noexcept nogil:
    """theta' = -l'(f + q (theta' - theta)): the pull after the step that it causes, q >= 0.

    It is the exact maximiser of the dual in one coordinate, and (f' - f) / q for the proximal
    point f' of q l. All but LOG are in closed form; `accuracy` is that of log_loss_implicit.
    """
    cdef double t
    if loss.kind == LOG:
        return y * log_loss_implicit(y * f, q, y * theta, accuracy)
    if loss.kind <= HINGE:
        t = 1 - y * f + q * y * theta
        if loss.kind == SQUARED_HINGE:
            return y * max(0.0, 2 * t / (1 + 2 * q))
        if loss.kind == SMOOTH_HINGE:
            return y * clip(t / (1 + q), 0, 1)
        # t / q may overflow to infinity, which clip takes
        return y * (clip(t / q, 0, 1) if q > 0 else (1.0 if t > 0 else 0.0))
    t = y - f + q * theta
    if loss.kind == SQUARED_ERROR:
        return t / (1 + q)
    if loss.kind == HUBER:
        return clip(t / (1 + q), -loss.epsilon, loss.epsilon)
    t = soft_threshold(t, loss.epsilon)
    return clip(t / q, -1, 1) if q > 0 else (1.0 if t > 0 else -1.0 if t < 0 else 0.0)


cdef inline double loss_fenchel_gap(Loss loss, double y, double f, double theta) noexcept nogil:
    """l(y, f) + l*(-theta) + theta f >= 0, a row's part of the duality gap; 0 for the pull at f.

    LOG is in log_loss.h, vectorised. Written as sums of terms that are not negative, so that a
    small gap keeps its digits.
    """
    cdef double a, s, t
    if loss.kind <= HINGE:
        a, t = y * theta, 1 - y * f
        if loss.kind == HINGE:
            return (1 - a) * t if t > 0 else -a * t
        if loss.kind == SQUARED_HINGE:
            return (t - 0.5 * a) * (t - 0.5 * a) if t > 0 else a * (0.25 * a - t)
        if t >= 1:
            return (1 - a) * (t - 1 + 0.5 * (1 - a))
        return 0.5 * (t - a) * (t - a) if t > 0 else a * (0.5 * a - t)
    t = y - f
    if loss.kind == EPSILON_INSENSITIVE:
        a = fabs(theta)
        s = t if theta >= 0 else -t  # the residual in theta's direction
        if s > loss.epsilon:
            return (s - loss.epsilon) * (1 - a)
        return a * (loss.epsilon - s) + max(0.0, -s - loss.epsilon)
    if loss.kind == HUBER and fabs(t) > loss.epsilon:
        s = loss.epsilon - (theta if t > 0 else -theta)
        return s * (fabs(t) - loss.epsilon + 0.5 * s)
    return 0.5 * (t - theta) * (t - theta)


cdef inline double loss_in_domain(Loss loss, double y, double theta) noexcept nogil:
    """The pull nearest to theta at which l* is finite."""
    if loss.kind == SQUARED_ERROR:
        return theta
    if loss.kind == SQUARED_HINGE:
        return y * max(0.0, y * theta)
    if loss.kind <= HINGE:
        return y * clip(y * theta, 0, 1)
    if loss.kind == HUBER:
        return clip(theta, -loss.epsilon, loss.epsilon)
    return clip(theta, -1, 1)
