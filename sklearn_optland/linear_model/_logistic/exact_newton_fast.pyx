"""Newton's method with the exact Hessian, for few parameters, in one call.

The Hessian of the log-loss is a Laplacian over pairs of classes a < b: M = sum_i c_i p_ia p_ib x_i
x_i' is added to the blocks (a, a) and (b, b) and taken from (a, b). Steps are centred over the
classes: what is added in the direction of a shift of all classes changes no step, and makes the
Hessian definite without a penalty too. It is the mean diagonal of each column, times 11'.
"""
from libc.math cimport fmax, INFINITY
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs

import numpy as np

from sklearn_optland.linear_model._logistic.class_major_fast cimport (
    ROUNDING,
    Problem,
    Work,
    dot,
    dual_gap,
    evaluate,
    gradient,
    problem_of,
    room,
    search,
    weighted_gram,
    work_of,
)


cdef extern from "class_major.h" nogil:
    void optland_pair_weights(
        long long n, const double* c, const double* p_a, const double* p_b, double* h)

# Steps to the end of the arithmetic once the gap is within tol: quadratic convergence needs two.
cdef int POLISHING_STEPS = 4
# Of the Hessian's diagonal: keeps its factor definite.
cdef double RIDGE = 1e-13


cdef void add_pairs(Problem q, Work w, double* H) noexcept nogil:
    """Add the loss' part of the Hessian at w.p, the lower triangle of H."""
    cdef int a, b, i, j, side = q.k * q.d
    cdef double value
    for a in range(q.k):
        for b in range(a + 1, q.k):
            optland_pair_weights(q.n, q.c, w.p + a * q.n, w.p + b * q.n, w.by_row)
            weighted_gram(q, w)
            for i in range(q.d):
                for j in range(i + 1):
                    value = w.matrix[i * q.d + j]
                    H[(a * q.d + i) * side + a * q.d + j] += value
                    H[(b * q.d + i) * side + b * q.d + j] += value
                    H[(b * q.d + i) * side + a * q.d + j] -= value
                    if i > j:
                        H[(b * q.d + j) * side + a * q.d + i] -= value


cdef int factor(Problem q, double* H) noexcept nogil:
    """Cholesky factor of the Hessian, of the loss' part of it; not 0 if it is not definite."""
    cdef int a, b, i, j, side = q.k * q.d, info = 0
    cdef double mean
    for a in range(q.k):
        for j in range(q.n_penalised):
            i = a * q.d + j
            H[i * side + i] += q.l2
    for j in range(q.d):
        mean = 0
        for a in range(q.k):
            i = a * q.d + j
            mean += H[i * side + i] / q.k
        for a in range(q.k):
            for b in range(a + 1):
                H[(a * q.d + j) * side + b * q.d + j] += mean
    for i in range(side):
        H[i * side + i] *= 1 + RIDGE
    # The lower triangle of rows is the upper one in Fortran's order.
    dpotrf(b"U", &side, H, &side, &info)
    return info


cdef int factor_hessian(Problem q, Work w, double* H) noexcept nogil:
    cdef Py_ssize_t i, side = q.k * q.d
    for i in range(side * side):
        H[i] = 0
    add_pairs(q, w, H)
    return factor(q, H)


def exact_newton(
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
    """Run Newton's method until the gap is within tol of the objective, then to the last bits.

    The polishing steps belong to the last one; the Hessian hardly changes in them. Returns the
    number of steps, and whether the method ended well, within tol, or for tol = 0 at the end of the
    arithmetic; else it ended there too early, `path` is full, or there is no Cholesky factor or no
    step that lowers the objective.
    """
    cdef Problem q = problem_of(X, X_transposed, y, c, <int>W.shape[0], l2, fit_intercept)
    cdef Py_ssize_t side = q.k * q.d
    cdef double[::1] memory = np.zeros(room(q) + side * side + 3 * side)
    cdef Work w = work_of(q, &memory[0])
    cdef double* H = &memory[0] + room(q)
    cdef double* G = H + side * side
    cdef double* V = G + side
    cdef double* new = V + side
    cdef double* at = &W[0, 0]
    cdef double objective, slope, previous = INFINITY, bound = 0, t = 1
    cdef int i, n_steps = 0, polishing = 0, one = 1, info, n_parameters = <int>side
    cdef int max_steps = <int>path.shape[0]
    cdef bint ended_well = False, within_tol, at_the_end
    with nogil:
        objective = evaluate(q, w, at)
        while True:
            gradient(q, w, at, G)
            if polishing < 2 and factor_hessian(q, w, H) != 0:
                break
            for i in range(n_parameters):
                V[i] = -G[i]
            dpotrs(b"U", &n_parameters, &one, H, &n_parameters, V, &n_parameters, &info)
            slope = dot(n_parameters, G, V)
            if -slope <= 8 * tol * objective:
                bound = fmax(bound, objective - dual_gap(q, w, at, V, new) - 2e-15 * objective)
            if n_steps > 0:
                curves[n_steps - 1, 1] = bound
            at_the_end = -slope <= ROUNDING * objective and not -slope < previous
            within_tol = objective - bound <= tol * objective
            ended_well = polishing == POLISHING_STEPS or (at_the_end and (within_tol or tol == 0))
            if ended_well or at_the_end or (n_steps == max_steps and not within_tol):
                break
            polishing += within_tol
            previous = -slope
            if search(q, w, at, V, slope, &objective, new, &t) == 0:
                break
            for i in range(n_parameters):
                at[i] = new[i]
            if polishing == 0 or n_steps == 0:
                n_steps += 1
            for i in range(n_parameters):
                (&path[n_steps - 1, 0, 0])[i] = at[i]
            curves[n_steps - 1, 0], curves[n_steps - 1, 1] = objective, bound
            curves[n_steps - 1, 2] = 2 * n_steps  # the evaluation, and the Hessian
    return n_steps, ended_well
