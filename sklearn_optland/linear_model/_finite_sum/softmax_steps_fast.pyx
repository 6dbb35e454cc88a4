"""Steps of SDCA, MISO, SAG, SAGA and SVRG with the multinomial log-loss.

They are those of `_finite_sum_fast`, with k scores a row: the dual variable of a row is
theta_i = e_y - p, p probabilities, and its conjugate is finite for those.
"""
from cython cimport floating
from libc.math cimport exp, fabs, log, sqrt

import numpy as np

from sklearn_optland._loss.penalties cimport DualPenalty, penalty_prox
from sklearn_optland._loss.scalar_losses cimport clip, optland_exp_negative
from sklearn_optland._rows.row_access cimport visit
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef enum:
    MAX_NEWTON_STEPS = 60

# The dual need not be maximised to the last digit in one row: it is in the limit.
cdef double COARSE = 0.1
cdef double LONGEST = 3.0  # a step of log p
cdef double CORNER = 1e-9  # probabilities that are too small to start from


cdef void softmax_pull(double* z, Py_ssize_t k, int own, double* pull) noexcept nogil:
    """pull = e_own - softmax(z); z becomes exp(z - max)."""
    cdef Py_ssize_t j
    cdef double top = z[0], total = 0
    for j in range(1, k):
        top = max(top, z[j])
    for j in range(k):
        z[j] = optland_exp_negative(z[j] - top)
        total += z[j]
    for j in range(k):
        pull[j] = -z[j] / total
    pull[own] = (total - z[own]) / total


cdef void softmax_implicit(
    double* z, Py_ssize_t k, int own, double q, const double* theta, double* new, double* work
) noexcept nogil:
    """new = e_own - p, where p = softmax(z + q (new - theta)): the multinomial `loss_implicit`.

    With m = z + q (e_own - theta), s = log p solves s + q exp(s) = m - t for the t that makes the
    sum of p 1: Newton on s and t together. If it does not arrive, for very large q, the step of
    MISO that cannot lower the dual stands in, delta = 1 / (1 + q/2). `work` has room for 3 k.
    """
    cdef double* s = work
    cdef double* p = work + k
    cdef double* pull = work + 2 * k
    cdef double t, total, weight, shift, residual, step, longest = 1
    cdef double magnified = sqrt(1 + q)  # a step's error is of second order, q times in the scores
    cdef Py_ssize_t j, _i
    cdef bint is_corner = False
    for j in range(k):
        s[j] = z[j]
        p[j] = (1 if j == own else 0) - theta[j]
        is_corner |= p[j] < CORNER
    softmax_pull(s, k, own, pull)
    for j in range(k):
        if is_corner:  # log p is no start: the pull at z is
            p[j] = max((1 if j == own else 0) - pull[j], 1e-300)
        z[j] += q * ((1 if j == own else 0) - theta[j])
        s[j] = log(p[j])
    t = z[own] - s[own] - q * p[own]
    for _i in range(MAX_NEWTON_STEPS):
        total = weight = shift = longest = 0
        for j in range(k):
            total += p[j]
            weight += p[j] / (1 + q * p[j])
            shift += p[j] * (z[j] - t - s[j] - q * p[j]) / (1 + q * p[j])
        t += clip((total - 1 + shift) / weight, -LONGEST * (1 + q), LONGEST * (1 + q))
        for j in range(k):
            residual = z[j] - t - s[j] - q * p[j]
            step = clip(residual / (1 + q * p[j]), -LONGEST, LONGEST)
            s[j] += step
            longest = max(longest, fabs(step) * magnified if p[j] > CORNER or step > 0 else 0.0)
            p[j] = exp(min(s[j], 0.0))
        longest = max(longest, fabs(total - 1) * (1 + q))  # the sum of p must not undo the steps
        if longest <= COARSE:
            break
    if not longest <= COARSE:
        for j in range(k):
            new[j] = theta[j] + (pull[j] - theta[j]) / (1 + 0.5 * q)
        return
    total = 0
    for j in range(k):
        total += p[j]
    for j in range(k):
        new[j] = -p[j] / total
    new[own] = (total - p[own]) / total


cdef void row_scores(
    const floating* row, const int* index, Py_ssize_t size, const double* W, Py_ssize_t stride,
    Py_ssize_t k, const double* b, double unit, double* z,
) noexcept nogil:
    """z = W'x + unit b, W's rows `stride` apart."""
    cdef Py_ssize_t p, c
    cdef const double* w
    cdef double value
    for c in range(k):
        z[c] = unit * b[c]
    for p in range(size):
        w = W + (p if index == NULL else index[p]) * stride
        value = row[p]
        for c in range(k):
            z[c] += value * w[c]


cdef double sdca_softmax_steps(
    const RowPointers* x, floating kind, DualPenalty g, Py_ssize_t k, const int* order,
    Py_ssize_t n_steps, const int* y, const double* c, const double* q, const double* delta,
    double* theta, double* v, double* b, double* work,
) noexcept nogil:
    cdef const floating* row
    cdef const int* index = NULL
    cdef Py_ssize_t t, i, p, e, size
    cdef double moved = 0, value
    cdef double* column
    cdef double* z = work
    cdef double* new = work + k
    cdef double* old
    for t in range(n_steps):
        i = order[t]
        row = visit(x, kind, order, t, n_steps, &index, &size)
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
        if delta == NULL:
            softmax_implicit(z, k, y[i], q[i], old, new, work + 2 * k)
        else:
            softmax_pull(z, k, y[i], new)
            for e in range(k):
                new[e] = old[e] + delta[i] * (new[e] - old[e])
        for e in range(k):
            value = new[e]
            new[e] = c[i] * (value - old[e])
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


def sdca_softmax(
    Rows rows not None,
    _kind,
    double _epsilon,
    const int[::1] order,
    const int[::1] y,
    const double[::1] c,
    const double[::1] q,
    const double[::1] delta,
    double l1,
    double l2,
    bint positive,
    double rho,
    double[:, ::1] theta,  # IN / OUT
    double[:, ::1] v,  # IN / OUT
    double[::1] b,  # IN / OUT
):
    """`sdca` with the multinomial log-loss."""
    cdef RowPointers x = rows.pointers()
    cdef DualPenalty g = DualPenalty(l1, l2, rho, positive, l1 == 0 and not positive)
    cdef const double* deltas = &delta[0] if delta.shape[0] else NULL
    cdef Py_ssize_t k = theta.shape[1]
    cdef double[::1] work = np.empty(5 * k)
    cdef double moved
    with nogil:
        if x.values32 != NULL:
            moved = sdca_softmax_steps(
                &x, <float>0, g, k, &order[0], order.shape[0], &y[0], &c[0], &q[0], deltas,
                &theta[0, 0], &v[0, 0], &b[0], &work[0],
            )
        else:
            moved = sdca_softmax_steps(
                &x, <double>0, g, k, &order[0], order.shape[0], &y[0], &c[0], &q[0], deltas,
                &theta[0, 0], &v[0, 0], &b[0], &work[0],
            )
    return moved


cdef double saga_softmax_steps(
    const RowPointers* x, floating kind, Py_ssize_t k, const int* order, Py_ssize_t n_steps,
    const int* y, const double* c, const double* correction,
    double gamma, double l1, bint positive, double unit, bint frozen,
    double* theta, double* state, double* bias, double* work,
) noexcept nogil:
    cdef const floating* row
    cdef const int* index = NULL
    cdef double* column
    cdef double* z = work
    cdef double* new = work + k
    cdef double* old
    cdef Py_ssize_t t, i, p, e, size, fields = 2 * k + 2
    cdef double value, step, table, moved = 0
    for t in range(n_steps):
        i = order[t]
        row = visit(x, kind, order, t, n_steps, &index, &size)
        old = theta + i * k
        row_scores(row, index, size, state, fields, k, bias, unit, z)
        softmax_pull(z, k, y[i], new)
        for e in range(k):
            value = new[e]
            new[e] -= old[e]
            moved += c[i] * new[e] * new[e]
            if not frozen:
                old[e] = value
        step = gamma * correction[i]
        table = 0 if frozen else c[i]
        for p in range(size):
            column = state + (p if index == NULL else index[p]) * fields
            value = row[p]
            for e in range(k):
                column[e] = penalty_prox(
                    column[e] + step * value * new[e] - column[2 * k] * column[k + e],
                    column[2 * k] * l1, positive,
                ) * column[2 * k + 1]
                column[k + e] -= table * value * new[e]
        if unit > 0:
            for e in range(k):
                bias[e] += step * unit * new[e] - gamma * bias[k + e]
                bias[k + e] -= table * unit * new[e]
    return moved


def saga_softmax(
    Rows rows not None,
    _kind,
    double _epsilon,
    const int[::1] order,
    const int[::1] y,
    const double[::1] c,
    const double[::1] correction,
    double gamma,
    double l1,
    bint positive,
    double unit,
    bint frozen,
    double[:, ::1] theta,  # IN / OUT
    double[:, ::1] state,  # IN / OUT: k of w, k of G, gamma D, 1 / (1 + gamma D l2)
    double[::1] bias,  # IN / OUT: k of b / unit, k of their G
):
    """`saga` with the multinomial log-loss."""
    cdef RowPointers x = rows.pointers()
    cdef Py_ssize_t k = theta.shape[1]
    cdef double[::1] work = np.empty(2 * k)
    cdef double moved
    with nogil:
        if x.values32 != NULL:
            moved = saga_softmax_steps(
                &x, <float>0, k, &order[0], order.shape[0], &y[0], &c[0], &correction[0],
                gamma, l1, positive, unit, frozen, &theta[0, 0], &state[0, 0], &bias[0], &work[0],
            )
        else:
            moved = saga_softmax_steps(
                &x, <double>0, k, &order[0], order.shape[0], &y[0], &c[0], &correction[0],
                gamma, l1, positive, unit, frozen, &theta[0, 0], &state[0, 0], &bias[0], &work[0],
            )
    return moved
