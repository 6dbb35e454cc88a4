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
#     SMOOTH_QUANTILE       max of a r - epsilon a^2 / 2 over a from quantile - 1 to quantile: the
#                           check loss max(quantile r, (quantile - 1) r), its kink a parabola
#                           (Chen 2007)
#     POISSON               exp(f) - y f + y log y - y, half of the deviance for the mean exp(f)
#     GAMMA                 y exp(-f) + f - log y - 1, the same of gamma distributions
#
# The last two are one function: with D(a, s) = a log a - a s - a + exp(s) they are D(y, f) and
# D(1, log y - f), and so are their Fenchel gaps, in which a is y - theta or 1 + theta.
#
# The dual variable of a row is theta = -l'(f), the pull on its prediction; a = y theta for margins.
from libc.math cimport exp, fabs, log

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
    SMOOTH_QUANTILE
    POISSON
    GAMMA


cdef struct Loss:
    LossKind kind
    double epsilon, quantile


cdef inline Loss as_loss(loss):
    """A `ScalarLoss` as kernels see it."""
    return Loss(loss.kind, loss.epsilon, loss.quantile)


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


cdef inline double exponential_gap(double a, double s) noexcept nogil:
    """D(a, s) = a log a - a s - a + exp(s) >= 0."""
    cdef double r
    if a <= 0:
        return exp(s)
    r = log(a) - s
    if fabs(r) < 0.03:  # r + exp(-r) - 1 by its series: what is left keeps its digits
        return 0.5 * a * r * r * (1 - r / 3 * (1 - r / 4 * (1 - r / 5 * (1 - r / 6 * (1 - r / 7)))))
    return a * (r - 1) + exp(s)


cdef inline double exponential_implicit(double m, double q) noexcept nogil:
    """The root a > 0 of log a + q a = m.

    x = q a solves x + log x = m + log q: Wright's omega function, by the iteration of Fritsch,
    Shafer and Crowley (1973), whose error is the fourth power of the last one.
    """
    cdef double r, x, z, t
    cdef int _i
    if q <= 0:
        return exp(m)
    r = m + log(q)
    if r < -36:  # x is below the rounding of 1
        return exp(m)
    if r > 1:
        x = r - log(r)
    else:
        x = exp(r)
        x /= 1 + x
    for _i in range(3):
        z = r - x - log(x)
        t = 2 * (1 + x) * (1 + x + 2 * z / 3)
        x *= 1 + z / (1 + x) * (t - z) / (t - 2 * z)
    return x / q if x > 1 else exp(m - x)


cdef inline double loss_value(Loss loss, double y, double f) noexcept nogil:
    """l(y, f); LOG is in log_loss.h, vectorised."""
    cdef double t
    if loss.kind == POISSON:
        return exponential_gap(y, f)
    if loss.kind == GAMMA:
        return exponential_gap(1, log(y) - f)
    if loss.kind == SMOOTH_QUANTILE:
        t = clip((y - f) / loss.epsilon, loss.quantile - 1, loss.quantile)
        return t * (y - f - 0.5 * loss.epsilon * t)
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
    if loss.kind == POISSON:
        return y - exp(f)
    if loss.kind == GAMMA:
        return exp(log(y) - f) - 1
    t = y - f
    if loss.kind == SQUARED_ERROR:
        return t
    if loss.kind == HUBER:
        return clip(t, -loss.epsilon, loss.epsilon)
    if loss.kind == SMOOTH_QUANTILE:
        return clip(t / loss.epsilon, loss.quantile - 1, loss.quantile)
    return 0.0 if fabs(t) <= loss.epsilon else (1.0 if t > 0 else -1.0)


cdef inline double loss_curvature(Loss loss, double y, double theta) noexcept nogil:
    """l'' of a smooth loss where its pull is theta; one side's at a bend."""
    cdef double size = fabs(theta)
    if loss.kind == LOG:
        return size * (1 - size)
    if loss.kind == SQUARED_HINGE:
        return 2.0 if size > 0 else 0.0
    if loss.kind == SMOOTH_HINGE:
        return 1.0 if 0 < size < 1 else 0.0
    if loss.kind == POISSON:
        return y - theta
    if loss.kind == GAMMA:
        return 1 + theta
    if loss.kind == HUBER:
        return 1.0 if size < loss.epsilon else 0.0
    if loss.kind == SMOOTH_QUANTILE:
        return 1 / loss.epsilon if size < (1 - loss.quantile if theta < 0 else loss.quantile) else 0
    return 1.0


cdef inline double loss_secant(Loss loss, double y, double f, double theta) noexcept nogil:
    """Curvature of the parabola that touches the loss of a regression and ends where it does.

    0 where the end is so near that rounding of a logarithm would count.
    """
    cdef bint has_log = loss.kind >= POISSON
    cdef double way = fabs((log(y) if has_log else y) - f)
    if way == 0 or (has_log and way < 1e-3):
        return 0
    return fabs(theta) / way


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
    point f' of q l. LOG, POISSON and GAMMA iterate, LOG to the `accuracy` of log_loss_implicit; the
    others are in closed form.
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
    if loss.kind == POISSON:
        return y - exponential_implicit(f + q * (y - theta), q)
    if loss.kind == GAMMA:
        return exponential_implicit(log(y) - f + q * (1 + theta), q) - 1
    t = y - f + q * theta
    if loss.kind == SQUARED_ERROR:
        return t / (1 + q)
    if loss.kind == SMOOTH_QUANTILE:
        return clip(t / (loss.epsilon + q), loss.quantile - 1, loss.quantile)
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
    if loss.kind == POISSON:
        return exponential_gap(y - theta, f)
    if loss.kind == GAMMA:
        return exponential_gap(1 + theta, log(y) - f)
    t = y - f
    if loss.kind == SMOOTH_QUANTILE:
        a = clip(t / loss.epsilon, loss.quantile - 1, loss.quantile)
        s = fabs(a - theta)  # beyond a bend all of the domain is on one side of a
        return s * (fabs(t - loss.epsilon * a) + 0.5 * loss.epsilon * s)
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
    if loss.kind == SMOOTH_QUANTILE:
        return clip(theta, loss.quantile - 1, loss.quantile)
    if loss.kind == POISSON:
        return min(theta, y)
    if loss.kind == GAMMA:
        return max(theta, -1.0)
    return clip(theta, -1, 1)
