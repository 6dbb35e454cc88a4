"""Newton's method with conjugate gradients, for some hundreds to thousands of parameters.

Directions solve H V = -G roughly while far from the optimum, and better near it. The Hessian's
products run in float32 tiles (softmax_tiles.h), on the rows that hold all but a small part of its
trace. Conjugate gradients are preconditioned with the Hessian's diagonal blocks, one a class,
M_a = X' diag(h_a) X + l2 with h_a = c p_a (1 - p_a) k / (k - 1): at W = 0 they are the Hessian
itself on what is centred over the classes. They are renewed when a direction has taken many
products. Objectives, gradients and bounds are in float64. After a step that had to be cut, the
Hessian's probabilities are mixed with even ones.

Near the optimum the direction's intercept is made exact, so that its dual point is feasible; the
gap is then what the rest of the residual r leaves, |r|^2 / (2 l2), and a little.
"""
from libc.math cimport fmax, fmin, INFINITY
from scipy.linalg.cython_blas cimport dsymv
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs

import numpy as np

from sklearn_optland.linear_model._logistic.class_major_fast cimport (
    ROUNDING,
    Problem,
    Work,
    centre,
    class_product,
    dot,
    dual_gap,
    evaluate,
    gradient,
    problem_of,
    room,
    search,
    work_of,
)
from sklearn_optland.linear_model._logistic.hessian_tiles_fast cimport (
    Tiles,
    fill_tiles,
    gather,
    hessian_product,
    invert_blocks,
    share_tiles,
    tiles_room,
)


# Share of even probabilities in the Hessian after a step that had to be cut: Newton's curvature of
# rows that are certain, and wrong, is next to none. Its factors after such a step and after others.
cdef double LEAST_EVEN = 1e-3
cdef double MORE_EVEN = 4
cdef double LESS_EVEN = 0.25
# The residual of a direction in the preconditioner's norm, for a decrement above FAR of the
# objective and below; products of a direction at most, and those that are no excess; blocks are
# renewed once the excess has cost this part of new ones.
cdef double FAR = 1e-2
cdef double FAR_TOLERANCE = 0.5
cdef double TOLERANCE = 0.2
cdef int MAX_PRODUCTS = 60
cdef int FEW_PRODUCTS = 3
cdef double EXCESS = 0.4
# A bound is tried at decrements up to so many tolerances, and the residual may take this share.
cdef double NEAR = 30
cdef double SHARE = 0.2


cdef struct Vectors:
    double* v
    double* residual
    double* solved
    double* direction
    double* product
    double* blocks  # k of d x d, the inverses of M_a
    double* classes  # k x k


cdef void solve_blocks(
    Problem q, const double* blocks, const double* G, double* out
) noexcept nogil:
    cdef int a, one = 1
    cdef double unit = 1, zero = 0
    for a in range(q.k):
        dsymv(
            b"U", &q.d, &unit, <double*>blocks + a * q.d * q.d, &q.d, <double*>G + a * q.d, &one,
            &zero, out + a * q.d, &one,
        )
    centre(q, out)


cdef int find_direction(
    Problem q, Tiles t, Vectors s, const double* G, double tolerance, double near, double enough
) noexcept nogil:
    """Solve H V = -G; returns the number of products, -1 if the preconditioner is not definite.

    If the decrement is at most `near`, half the squared residual over l2 must be `enough` too.
    """
    cdef int i, n_products = 0, size = q.k * q.d
    cdef double rz, new, first, alpha
    for i in range(size):
        s.v[i] = 0
        s.residual[i] = -G[i]
    solve_blocks(q, s.blocks, s.residual, s.direction)
    first = rz = dot(size, s.residual, s.direction)
    if not first >= 0:
        return -1
    while n_products < MAX_PRODUCTS and rz > 0:
        hessian_product(q, t, s.direction, s.product)
        n_products += 1
        alpha = rz / dot(size, s.direction, s.product)
        for i in range(size):
            s.v[i] += alpha * s.direction[i]
            s.residual[i] -= alpha * s.product[i]
        solve_blocks(q, s.blocks, s.residual, s.solved)
        new = dot(size, s.residual, s.solved)
        if new <= tolerance * tolerance * first and (
            -dot(size, G, s.v) > near
            or dot(size, s.residual, s.residual) <= 2 * q.l2 * enough
        ):
            break
        for i in range(size):
            s.direction[i] = s.solved[i] + new / rz * s.direction[i]
        rz = new
    return n_products


cdef bint balance(Problem q, Work w, Vectors s, const double* G) noexcept nogil:
    """Make the intercept of the direction exact, given the rest of it."""
    cdef int a, b, i, info = 0, one = 1, last = q.d - 1
    cdef double total, mean = 0
    # Its row of the residual -G - H V, in float64.
    class_product(q, w, s.v)
    for a in range(q.k):
        total = 0
        for i in range(q.n):
            total += w.r[a * q.n + i]
        s.solved[a] = -G[a * q.d + last] - total
    for a in range(q.k):
        for b in range(a):
            total = 0
            for i in range(q.n):
                total -= q.c[i] * w.p[a * q.n + i] * w.p[b * q.n + i]
            s.classes[a * q.k + b] = s.classes[b * q.k + a] = total
        s.classes[a * q.k + a] = 0
    for a in range(q.k):
        total = 0
        for b in range(q.k):
            total -= s.classes[a * q.k + b]
        s.classes[a * q.k + a] = total
        mean += total / q.k
    # Along a shift of all classes there is no curvature.
    for a in range(q.k):
        for b in range(q.k):
            s.classes[a * q.k + b] += mean / q.k
    dpotrf(b"U", &q.k, s.classes, &q.k, &info)
    if info != 0:
        return False
    dpotrs(b"U", &q.k, &one, s.classes, &q.k, s.solved, &q.k, &info)
    for a in range(q.k):
        s.v[a * q.d + last] += s.solved[a]
    return True


def truncated_newton(
    const double[:, ::1] X,
    const double[:, ::1] X_transposed,
    const int[::1] y,
    const double[::1] c,
    double[:, ::1] W,  # IN / OUT, of shape (classes, columns), centred over the classes
    double l2,
    bint fit_intercept,
    double tol,
    double[:, :, ::1] path,  # OUT, parameters after each step
    double[:, ::1] curves,  # OUT, objectives, lower bounds and passes after each step
):
    """Run truncated Newton steps until the gap is within tol of the objective.

    Returns the number of steps, and whether the method ended well, within tol, or for tol = 0 at
    the end of the arithmetic; else it ended there too early, `path` is full, or there is no
    Cholesky factor or no step that lowers the objective.
    """
    cdef Problem q = problem_of(X, X_transposed, y, c, <int>W.shape[0], l2, fit_intercept)
    cdef Py_ssize_t side = q.k * q.d
    cdef double[::1] memory = np.zeros(room(q) + 7 * side + side * q.d + q.k * q.k + q.d + q.n)
    cdef Work w = work_of(q, &memory[0])
    cdef int[::1] rows = np.empty(q.n + 1, dtype=np.int32)
    cdef Vectors s
    cdef Tiles all, t
    cdef double* G = &memory[0] + room(q)
    cdef double* new = G + side
    s.v = new + side
    s.residual = s.v + side
    s.solved = s.residual + side
    s.direction = s.solved + side
    s.product = s.direction + side
    s.blocks = s.product + side
    s.classes = s.blocks + side * q.d
    cdef float[::1] memory32 = np.zeros(tiles_room(q), dtype=np.float32)
    cdef double* scale = s.classes + q.k * q.k
    share_tiles(q, &memory32[0], scale, scale + q.d, &all, &t)
    cdef double* at = &W[0, 0]
    cdef double objective, slope, previous = INFINITY, bound = 0, step = 1
    cdef double price = 0, passes = 1, even = 0
    cdef int i, n_trials, n_steps = 0, n_products, excess = 0, size = <int>side
    cdef int max_steps = <int>path.shape[0]
    cdef bint ended_well = False, at_the_end, is_zero = not np.any(W)
    with nogil:
        fill_tiles(q, all)
        objective = evaluate(q, w, at)
        slope = -objective
        while True:
            gradient(q, w, at, G)
            t.n_rows = gather(q, w, all, t, even, &rows[0])
            if n_steps == 0 or excess > EXCESS * price:
                excess = 0
                if invert_blocks(
                    q, w, t, s.blocks, is_zero and n_steps == 0, &rows[0], &price
                ) != 0:
                    break
            n_products = find_direction(
                q, t, s, G, FAR_TOLERANCE if -slope > FAR * objective else TOLERANCE,
                NEAR * tol * objective, SHARE * tol * objective,
            )
            if n_products < 0:
                break
            excess += max(0, n_products - FEW_PRODUCTS)
            passes += n_products
            slope = dot(size, G, s.v)
            if -slope <= NEAR * tol * objective and (not fit_intercept or balance(q, w, s, G)):
                passes += 1
                slope = dot(size, G, s.v)
                bound = fmax(bound, objective - dual_gap(q, w, at, s.v, new) - 2e-15 * objective)
            ended_well = objective - bound <= tol * objective
            at_the_end = -slope <= ROUNDING * objective and not -slope < previous
            ended_well |= at_the_end and tol == 0
            if n_steps == 0 and ended_well:
                for i in range(size):
                    (&path[0, 0, 0])[i] = at[i]
                curves[0, 0], n_steps = objective, 1
            if n_steps > 0:
                curves[n_steps - 1, 1], curves[n_steps - 1, 2] = bound, passes
            if ended_well or at_the_end or n_steps == max_steps or not slope < 0:
                break
            previous = -slope
            n_trials = search(q, w, at, s.v, slope, &objective, new, &step)
            passes += n_trials
            if n_trials == 0:
                break
            even = fmin(fmax(MORE_EVEN * even, LEAST_EVEN), 1) if step < 1 else even * LESS_EVEN
            if even < LEAST_EVEN:
                even = 0
            for i in range(size):
                at[i] = new[i]
                (&path[n_steps, 0, 0])[i] = at[i]
            curves[n_steps, 0], curves[n_steps, 1], curves[n_steps, 2] = objective, bound, passes
            n_steps += 1
            ended_well = objective - bound <= tol * objective
            if ended_well:
                break
    return n_steps, ended_well
