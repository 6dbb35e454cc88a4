"""Steps of SDCA and MISO, a pass over a list of rows a call.

    minimise  sum_i c_i l_i(x_i'w + b) + g(w),   g(w) = l1 |w|_1 + l2/2 |w|^2,   sum_i c_i = 1,

with w >= 0 if asked. theta_i = -l_i'(f_i) is the pull of row i, and the dual variable of the row:
v = sum_i c_i theta_i x_i is minus the gradient of the losses, w = grad g*(v) at the optimum.

SDCA is dual coordinate ascent (Shalev-Shwartz and Zhang 2013; with g not quadratic, their Prox-SDCA
of 2014). A step makes theta_i the maximiser of the dual's lower model

    -c_i l_i*(-theta_i) - c_i theta_i f_i - c_i q_i/2 (theta_i - old)^2,

q_i = c_i (|x_i|^2 / l2 + 1 / rho), and v follows. Only the support of x_i moves. Of the intercept,
rho/2 (b - anchor)^2 is added to the objective: b = anchor + sum_i c_i theta_i / rho.

MISO (Mairal 2015; Lin, Mairal and Harchaoui 2015) is the same with a short step towards the pull at
the current w, theta_i += delta_i (-l_i'(f_i) - theta_i), in place of the maximiser: its surrogates'
linear terms are l2 z_i = theta_i x_i.

With the multinomial log-loss a row has k scores, theta_i = e_y - p with p probabilities, and the
conjugate is finite for those.
"""
from cython cimport floating
from libc.math cimport INFINITY, log, sqrt

import numpy as np

from sklearn_optland._loss.penalties cimport DualPenalty, penalty_prox
from sklearn_optland._loss.scalar_losses_fast cimport Loss, as_loss, loss_implicit, loss_pull
from sklearn_optland._rows.row_access cimport row_add, row_dot, visit
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef extern from "softmax_implicit.h" nogil:
    void optland_softmax_pull(double* z, Py_ssize_t k, int own, double* pull)
    int optland_softmax_newton_of_level(
        Py_ssize_t k, int own, double q, const double* m, double* s, double* p, double* u,
        double* w, int max_steps, double coarse, double magnified, double ceiling,
    )

cdef enum:
    MAX_NEWTON_STEPS = 60

# The dual need not be maximised to the last digit in one row, since it is in the limit. A Newton
# step no longer than this ends the search: a step of the margin, and of logarithms.
cdef double COARSE = 0.3
cdef double COARSE_SOFTMAX = 0.1
cdef double CORNER = 1e-9  # probabilities that are too small to start from


cdef struct Constants:
    RowPointers x
    DualPenalty penalty
    Loss loss
    const double* y
    const int* codes
    Py_ssize_t k
    const double* c
    const double* q
    const double* delta  # NULL: SDCA
    double* work  # 7 k


cdef class SdcaSteps:
    """SDCA or MISO, of one score a row or of k: what is the same in all steps.

    Parameters
    ----------
    problem : FiniteSum
    q : ndarray of shape (n_samples,)
    delta : ndarray of shape (n_samples,), or empty
        Step sizes of MISO; none for SDCA.
    l2 : float
        Of the problem, and what Catalyst adds to it.
    rho : float
        0: no intercept.
    """
    cdef Constants constants
    cdef Rows rows
    cdef const double[::1] y, c, q, delta
    cdef const int[::1] codes
    cdef double[::1] work

    def __init__(self, problem, q, delta, double l2, double rho):
        penalty = problem.penalty
        self.rows, self.c, self.q, self.delta = problem.rows, problem.c, q, delta
        self.constants.x = self.rows.pointers()
        self.constants.penalty = DualPenalty(
            penalty.l1, l2, rho, penalty.positive, penalty.is_quadratic
        )
        self.constants.c, self.constants.q = &self.c[0], &self.q[0]
        self.constants.delta = &self.delta[0] if self.delta.shape[0] else NULL
        self.constants.k = problem.k
        if problem.k > 1:
            self.codes, self.work = problem.y, np.empty(7 * problem.k)
            self.constants.codes, self.constants.work = &self.codes[0], &self.work[0]
        else:
            self.y = problem.y
            self.constants.y = &self.y[0]
            self.constants.loss = as_loss(problem.loss)

    def take(
        self,
        const int[::1] order,
        double[::1] theta,  # IN / OUT: k of each row
        double[::1] v,  # IN / OUT: k of each column, l2 w before the threshold
        double[::1] b,  # IN / OUT: k
    ):
        """Visit the rows in `order`; returns the sum of c_i |change of theta_i|^2."""
        cdef double moved
        cdef Py_ssize_t n_steps = order.shape[0]
        with nogil:
            if self.constants.x.values32 != NULL:
                moved = take(
                    self.constants, <float>0, &order[0], n_steps, &theta[0], &v[0], &b[0]
                )
            else:
                moved = take(
                    self.constants, <double>0, &order[0], n_steps, &theta[0], &v[0], &b[0]
                )
        return moved


cdef double take(
    Constants a, floating kind, const int* order, Py_ssize_t n_steps,
    double* theta, double* v, double* b,
) noexcept nogil:
    if a.k > 1:
        return sdca_softmax(a, kind, order, n_steps, theta, v, b)
    return sdca(a, kind, order, n_steps, theta, v, b)


cdef double sdca(
    Constants a, floating kind, const int* order, Py_ssize_t n_steps,
    double* theta, double* v, double* b,
) noexcept nogil:
    cdef RowPointers x = a.x  # its address leaves; the other constants stay in registers
    cdef const floating* row
    cdef const int* index = NULL
    cdef DualPenalty g = a.penalty
    cdef Py_ssize_t t, i, size
    cdef double f, new, change, moved = 0
    for t in range(n_steps):
        i = order[t]
        row = visit(&x, kind, order, t, n_steps, &index, &size)
        if g.is_quadratic:
            f = row_dot(row, index, size, v, 1)
        else:
            f = thresholded_dot(row, index, size, v, g.l1, g.positive)
        f = b[0] + f / g.l2
        if a.delta == NULL:
            new = loss_implicit(a.loss, a.y[i], f, a.q[i], theta[i], COARSE)
        else:
            new = theta[i] + a.delta[i] * (loss_pull(a.loss, a.y[i], f) - theta[i])
        change = a.c[i] * (new - theta[i])
        moved += change * (new - theta[i])
        theta[i] = new
        if change == 0:
            continue
        if g.rho > 0:
            b[0] += change / g.rho
        row_add(row, index, size, change, v)
    return moved


cdef inline double thresholded_dot(
    const floating* x, const int* index, Py_ssize_t size, const double* v, double l1, bint positive
) noexcept nogil:
    """x' soft(v, l1): w is never stored, which halves what a step reads and writes."""
    cdef double a = 0, b = 0
    cdef Py_ssize_t p, last = size - size % 2
    for p in range(0, last, 2):
        a += x[p] * penalty_prox(v[p if index == NULL else index[p]], l1, positive)
        b += x[p + 1] * penalty_prox(v[p + 1 if index == NULL else index[p + 1]], l1, positive)
    for p in range(last, size):
        a += x[p] * penalty_prox(v[p if index == NULL else index[p]], l1, positive)
    return a + b


cdef double sdca_softmax(
    Constants a, floating kind, const int* order, Py_ssize_t n_steps,
    double* theta, double* v, double* b,
) noexcept nogil:
    cdef RowPointers x = a.x  # its address leaves; the other constants stay in registers
    cdef const floating* row
    cdef const int* index = NULL
    cdef DualPenalty g = a.penalty
    cdef Py_ssize_t t, i, p, e, size, k = a.k
    cdef double moved = 0, value
    cdef double* column
    cdef double* z = a.work
    cdef double* new = a.work + k
    cdef double* old
    for t in range(n_steps):
        i = order[t]
        row = visit(&x, kind, order, t, n_steps, &index, &size)
        old = theta + i * k
        for e in range(k):
            z[e] = b[e] * g.l2
        for p in range(size):
            column = v + (p if index == NULL else index[p]) * k
            value = row[p]
            if g.is_quadratic:
                for e in range(k):
                    z[e] += value * column[e]
            else:
                for e in range(k):
                    z[e] += value * penalty_prox(column[e], g.l1, g.positive)
        for e in range(k):
            z[e] /= g.l2
        if a.delta == NULL:
            softmax_implicit(z, k, a.codes[i], a.q[i], old, new, a.work + 2 * k)
        else:
            optland_softmax_pull(z, k, a.codes[i], new)
            for e in range(k):
                new[e] = old[e] + a.delta[i] * (new[e] - old[e])
        for e in range(k):
            value = new[e]
            new[e] = a.c[i] * (value - old[e])
            moved += new[e] * (value - old[e])
            old[e] = value
        if g.rho > 0:
            for e in range(k):
                b[e] += new[e] / g.rho
        for p in range(size):
            column = v + (p if index == NULL else index[p]) * k
            value = row[p]
            for e in range(k):
                column[e] += new[e] * value
    return moved


cdef void softmax_implicit(
    double* z, Py_ssize_t k, int own, double q, const double* theta, double* new, double* work
) noexcept nogil:
    """new = e_own - p, where p = softmax(z + q (new - theta)): the multinomial `loss_implicit`.

    If Newton does not arrive, for very large q, the step of MISO that cannot lower the dual stands
    in, delta = 1 / (1 + q/2). `work` has room for 5 k.
    """
    cdef double* s = work
    cdef double* p = work + k
    cdef double* pull = work + 2 * k
    # a step's error is of second order, q times in the scores
    cdef double magnified = sqrt(1 + q), total = 0
    cdef Py_ssize_t j
    cdef bint is_corner = False
    for j in range(k):
        s[j] = z[j]
        p[j] = (1 if j == own else 0) - theta[j]
        is_corner |= p[j] < CORNER
    optland_softmax_pull(s, k, own, pull)
    for j in range(k):
        if is_corner:  # log p is no start: the pull at z is
            p[j] = max((1 if j == own else 0) - pull[j], 1e-300)
        z[j] += q * ((1 if j == own else 0) - theta[j])
        s[j] = log(p[j])
    if not optland_softmax_newton_of_level(
        k, own, q, z, s, p, work + 3 * k, work + 4 * k, MAX_NEWTON_STEPS, COARSE_SOFTMAX,
        magnified, INFINITY,
    ):
        for j in range(k):
            new[j] = theta[j] + (pull[j] - theta[j]) / (1 + 0.5 * q)
        return
    for j in range(k):
        total += p[j]
    for j in range(k):
        new[j] = -p[j] / total
    new[own] = (total - p[own]) / total
