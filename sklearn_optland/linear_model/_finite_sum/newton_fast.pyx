"""Newton's method for smooth losses with an L2 penalty, of few columns, in one call.

    min_{w,b}  F = sum_i c_i l(y_i, x_i'w + b) + l2/2 |w|^2

Each step solves [X 1]' diag(c h) [X 1] + l2 with the curvatures h by Cholesky, searches along the
scores and then takes the best intercept. Pulls theta = -l', balanced, are a dual point: with
v = X'c theta the gap is |l2 w - v|^2 / (2 l2), and the Fenchel gap of what balancing has changed.
The method is that of newton.py, which goes on where this one ends too early; the log-loss has its
own in _logistic.
"""
from libc.math cimport fabs, fmax, fmin, sqrt, INFINITY
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs

import numpy as np

from sklearn_optland._loss.linear_passes_fast cimport add_gradient, add_gram, scores
from sklearn_optland._loss.scalar_losses_fast cimport (
    Loss,
    as_loss,
    loss_curvature,
    loss_fenchel_gap,
    loss_pull,
    loss_secant,
    loss_value,
)
from sklearn_optland._rows.rows cimport Rows

cdef double EPS = 2.0 ** -52
# Of the Hessian's diagonal: keeps its factor definite.
cdef double RIDGE = 1e-13
# Of a loss' largest second derivative: the least that the model of a row has.
cdef double LEAST_CURVATURE = 1e-12
# A step to less than this share of the objective came from far away; a step cut to this share leads
# out of where its model holds.
cdef double FAR = 0.5, SHORT = 0.01
# What the best intercept leaves of the pulls' sum, and the most steps to it; what is left of the
# balance of a dual point.
cdef double BALANCED = 1e-9, DUAL_BALANCED = 1e-13
cdef int MAX_SHIFTS = 50
# Of a line search, as in _optim/line_search.py.
cdef double ARMIJO = 1e-4, FLAT = 0.3
cdef int MAX_LINE_TRIALS = 40


cdef struct Problem:
    Loss loss
    Py_ssize_t n, d
    const double* y
    const double* c
    double l2, curvature, unit
    bint fit_intercept, rests


cdef struct Work:
    double* z  # scores
    double* theta  # pulls
    double* dz  # scores of the direction
    double* r  # scratch


cdef double dot(Py_ssize_t n, const double* a, const double* b) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n):
        total += a[i] * b[i]
    return total


cdef void all_scores(Rows rows, const double[:, ::1] W, double* z) noexcept nogil:
    cdef Py_ssize_t start = 0
    while start < rows.n_rows:
        scores(rows, start, min(start + rows.block_size, rows.n_rows), W, z + start)
        start += rows.block_size


cdef void felt(
    Rows rows, Problem q, const double* theta, double* r, double[:, ::1] v
) noexcept nogil:
    """v = [X 1]'c theta."""
    cdef Py_ssize_t start = 0, i
    for i in range(q.n):
        r[i] = q.c[i] * theta[i]
    v[:] = 0
    while start < q.n:
        add_gradient(rows, start, min(start + rows.block_size, q.n), r + start, v)
        start += rows.block_size


cdef double losses(Problem q, Work k) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(q.n):
        k.theta[i] = loss_pull(q.loss, q.y[i], k.z[i])
        total += q.c[i] * loss_value(q.loss, q.y[i], k.z[i])
    return total


cdef bint take_best_intercept(Problem q, Work k, double[:, ::1] W) noexcept nogil:
    """Newton steps on the intercept in a bracket; False if they do not arrive."""
    cdef double low = -INFINITY, high = INFINITY, shift = 0, imbalance, bent, size, theta, new
    cdef Py_ssize_t i
    cdef int _step
    cdef bint arrived = not q.fit_intercept
    for _step in range(MAX_SHIFTS if q.fit_intercept else 0):
        imbalance = bent = size = 0
        for i in range(q.n):
            theta = loss_pull(q.loss, q.y[i], k.z[i] + shift)
            imbalance += q.c[i] * theta
            size += q.c[i] * fabs(theta)
            bent += q.c[i] * loss_curvature(q.loss, q.y[i], theta)
        if not fabs(imbalance) > BALANCED * size:
            arrived = True
            break
        if imbalance > 0:
            low = shift
        else:
            high = shift
        new = shift + imbalance / (bent if bent > 0 else q.curvature)
        if not low < new < high or fabs(new) == INFINITY:
            new = 0.5 * (low + high)
        if not low < new < high or fabs(new) == INFINITY:
            break
        shift = new
    W[q.d, 0] += shift
    for i in range(q.n if shift != 0 else 0):
        k.z[i] += shift
    return arrived


cdef void fill_curvatures(Problem q, Work k, bint is_far) noexcept nogil:
    """r = c h. Far away the models of `newton.curvatures`, which hold rows on flat parts."""
    cdef Py_ssize_t i
    cdef double h
    for i in range(q.n):
        h = q.curvature
        if not (is_far and q.rests):
            h = loss_curvature(q.loss, q.y[i], k.theta[i])
            if is_far:
                h = fmax(h, loss_secant(q.loss, q.y[i], k.z[i], k.theta[i]))
            h = fmax(h, LEAST_CURVATURE * q.curvature)
        k.r[i] = q.c[i] * h


cdef bint solve(
    Rows rows, Problem q, Work k, double[:, ::1] H, const double[:, ::1] G, const double[:, ::1] W,
    double[:, ::1] V,
) noexcept nogil:
    """V = -(H + l2)^-1 (G + l2 w); False without a Cholesky factor."""
    cdef Py_ssize_t start = 0, j
    cdef int lead = <int>q.d + 1, side = <int>q.d + q.fit_intercept, one = 1, info
    H[:] = 0
    while start < q.n:
        add_gram(rows, start, min(start + rows.block_size, q.n), k.r + start, H)
        start += rows.block_size
    V[q.d, 0] = 0
    for j in range(side):
        if j < q.d:
            H[j, j] += q.l2
        H[j, j] *= 1 + RIDGE
        V[j, 0] = -G[j, 0] - (q.l2 * W[j, 0] if j < q.d else 0)
    # The lower triangle of rows is the upper one in Fortran's order.
    dpotrf(b"U", &side, &H[0, 0], &lead, &info)
    if info == 0:
        dpotrs(b"U", &side, &one, &H[0, 0], &lead, &V[0, 0], &lead, &info)
    return info == 0


cdef double step_length(
    Problem q, Work k, double objective, double slope, double rounding, double ww, double wv,
    double vv,
) noexcept nogil:
    """1, or where there is next to no slope left on the way there; 0 if nothing falls.

    minimize_along of _optim/line_search.py, its first trial the whole step.
    """
    cdef double low = 0, high = 1, t = 1, slope_low = slope, best = objective, best_t = 0
    cdef double rise, slope_t, theta, f, fraction
    cdef bint falls
    cdef Py_ssize_t i
    cdef int trial
    for trial in range(MAX_LINE_TRIALS + 1):
        rise = 0.5 * q.l2 * (ww + 2 * t * wv + t * t * vv) - objective
        slope_t = q.l2 * (wv + t * vv)
        for i in range(q.n):
            f = k.z[i] + t * k.dz[i]
            theta = loss_pull(q.loss, q.y[i], f)
            rise += q.c[i] * loss_value(q.loss, q.y[i], f)
            slope_t -= q.c[i] * theta * k.dz[i]
        if trial == 0:
            if rise <= ARMIJO * slope + rounding and slope_t <= -FLAT * slope:
                return 1
            t = 0.5
            continue
        falls = rise <= ARMIJO * t * slope
        if falls and objective + rise < best:
            best, best_t = objective + rise, t
            if fabs(slope_t) <= -FLAT * slope:
                break
        if slope_t <= 0:
            low, slope_low, fraction = t, slope_t, 0.5
        else:
            high = t
            if falls:  # false position on the slope
                fraction = slope_low / (slope_low - slope_t)
            else:  # minimum of the parabola through the start and t
                fraction = (0.5 * slope * t * t / (slope * t - rise) - low) / (high - low)
        if not fraction > 0.01:
            fraction = 0.01
        t = low + (high - low) * fmin(0.9, fraction)
    return best_t


cdef double gap_of(
    Rows rows, Problem q, Work k, const double[:, ::1] W, const double[:, ::1] G, double objective,
    double[:, ::1] v, double* rounding,
) noexcept nogil:
    """The gap of the balanced pulls, as `FiniteSum.evaluate` has it."""
    cdef Py_ssize_t i
    cdef double up = 0, down = 0, scores_squared = 0, pulls_squared = 0, ulp, share, gap = 0, dual
    cdef double b = fabs(W[q.d, 0])
    cdef bint is_up
    for i in range(q.n):
        scores_squared += q.c[i] * k.z[i] * k.z[i]
        pulls_squared += q.c[i] * k.theta[i] * k.theta[i]
        if k.theta[i] > 0:
            up += q.c[i] * k.theta[i]
        else:
            down -= q.c[i] * k.theta[i]
    ulp = EPS * (q.unit + 2 * b + sqrt(scores_squared))
    rounding[0] = 8 * EPS * objective + ulp * (sqrt(pulls_squared) + q.curvature * ulp)
    if q.fit_intercept and fabs(up - down) > DUAL_BALANCED * up:
        share = fmin(up, down) / fmax(up, down)
        is_up = up > down
        for i in range(q.n):
            dual = k.theta[i]
            if (dual > 0) == is_up:
                dual *= share
                gap += q.c[i] * loss_fenchel_gap(q.loss, q.y[i], k.z[i], dual)
            k.dz[i] = dual
        felt(rows, q, k.dz, k.r, v)
    else:
        for i in range(q.d + 1):
            v[i, 0] = -G[i, 0]
    for i in range(q.d):
        gap += (q.l2 * W[i, 0] - v[i, 0]) ** 2 / (2 * q.l2)
    if q.fit_intercept:  # what rounding leaves of the balance
        gap += fabs(v[q.d, 0]) * (q.unit + b)
    gap += rounding[0]
    return gap if gap < INFINITY else INFINITY


def newton(
    Rows rows not None,
    scalar_loss,
    const double[::1] y,
    const double[::1] c,
    double curvature,  # the largest or a typical one
    double l2,
    bint fit_intercept,
    double unit,  # a size that scores may have
    double tol,
    double[:, ::1] W,  # IN / OUT, one column, the intercept last
    double[:, ::1] path,  # OUT, parameters after each step
    double[:, ::1] curves,  # OUT, objectives and lower bounds after each step
):
    """Run until the gap is within tol of the objective, `path` is full or the method ends early.

    Returns the number of steps.
    """
    cdef Py_ssize_t n = y.shape[0], d = rows.n_columns, i, n_steps = 0
    cdef Problem q = Problem(
        as_loss(scalar_loss), n, d, &y[0], &c[0], l2, curvature, unit, fit_intercept,
        scalar_loss.rests
    )
    cdef double[:, ::1] by_row = np.empty((4, n))
    cdef double[:, ::1] H = np.empty((d + 1, d + 1))
    cdef double[:, ::1] G = np.empty((d + 1, 1)), V = np.empty((d + 1, 1)), v = np.empty((d + 1, 1))
    cdef Work k = Work(&by_row[0, 0], &by_row[1, 0], &by_row[2, 0], &by_row[3, 0])
    cdef double objective, before, slope, rounding, ulp = 0, gap, gap_before = INFINITY
    cdef double bound = 0, size, ww, wv, vv
    cdef bint is_far = True, is_blind
    with nogil:
        all_scores(rows, W, k.z)
        if not take_best_intercept(q, k, W):
            with gil:
                return 0
        objective = losses(q, k) + 0.5 * l2 * dot(d, &W[0, 0], &W[0, 0])
        while n_steps < path.shape[0]:
            felt(rows, q, k.theta, k.r, G)
            for i in range(d + 1):
                G[i, 0] = -G[i, 0]
            if n_steps:
                gap = gap_of(rows, q, k, W, G, objective, v, &ulp)
                bound = fmax(bound, objective - gap - ulp)
                curves[n_steps - 1, 1] = bound
                if objective - bound <= tol * objective or (is_blind and gap >= 0.5 * gap_before):
                    break
                gap_before = gap
            fill_curvatures(q, k, is_far)
            if not solve(rows, q, k, H, G, W, V):
                break
            all_scores(rows, V, k.dz)
            ww, wv = dot(d, &W[0, 0], &W[0, 0]), dot(d, &W[0, 0], &V[0, 0])
            vv = dot(d, &V[0, 0], &V[0, 0])
            slope = l2 * (wv + 0.5 * vv)
            for i in range(n):
                slope -= c[i] * k.theta[i] * k.dz[i]
            rounding = EPS * objective
            is_blind = fabs(slope) <= rounding  # objectives no longer tell; certificates may
            if not slope <= rounding:
                break
            size = 1
            if not is_blind:
                size = step_length(q, k, objective, slope, rounding, ww, wv, vv)
            if size == 0:
                break
            for i in range(d + 1):
                W[i, 0] += size * V[i, 0]
            for i in range(n):
                k.z[i] += size * k.dz[i]
            if not take_best_intercept(q, k, W):
                break
            before = objective
            objective = losses(q, k) + 0.5 * l2 * dot(d, &W[0, 0], &W[0, 0])
            if not objective < INFINITY:
                break
            is_far = objective < FAR * before or size < SHORT
            path[n_steps, :] = W[:, 0]
            curves[n_steps, 0], curves[n_steps, 1] = objective, bound
            n_steps += 1
    return n_steps
