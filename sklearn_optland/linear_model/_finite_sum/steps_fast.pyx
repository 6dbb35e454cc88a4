"""Steps of the finite-sum solvers with one score a row, a pass over a list of rows a call.

    minimise  sum_i c_i l_i(x_i'w + b) + g(w),   g(w) = l1 |w|_1 + l2/2 |w|^2,   sum_i c_i = 1,

with w >= 0 if asked. theta_i = -l_i'(f_i) is the pull of row i, and the dual variable of the row:
v = sum_i c_i theta_i x_i is minus the gradient of the losses, w = grad g*(v) at the optimum.
Which rows are visited, in which order, the caller says in `order`. In the primal methods the
intercept is one more column of constant value `unit`, free of the penalty.

sdca   Dual coordinate ascent (Shalev-Shwartz and Zhang 2013; with g not quadratic, their
       Prox-SDCA of 2014). A step makes theta_i the maximiser of the dual's lower model
           -c_i l_i*(-theta_i) - c_i theta_i f_i - c_i q_i/2 (theta_i - old)^2,
       q_i = c_i (|x_i|^2 / l2 + 1 / rho), and v follows. Only the support of x_i moves. Of the
       intercept, rho/2 (b - anchor)^2 is added to the objective: b = anchor + sum c theta / rho.
       MISO (Mairal 2015; Lin, Mairal and Harchaoui 2015) is the same with a short step towards
       the pull at the current w, theta_i += delta_i (-l_i'(f_i) - theta_i), in place of the
       maximiser: its surrogates' linear terms are l2 z_i = theta_i x_i.

saga   With G = -sum_i c_i theta_i x_i, the table's gradient, a step at row i of chance p_i is
           w <- prox of gamma D g ( w - gamma [ (c_i/p_i) (theta_i - new) x_i + D G ] )
       on the support of x_i alone: D_j = 1 / sum of p_i over the rows with an x_ij, so that D G
       has the mean G (Leblond, Pedregosa and Lacoste-Julien 2017, sparse SAGA, their D_jj =
       n / n_j for p_i = 1/n). On dense rows D = 1: SAGA of Defazio, Bach and Lacoste-Julien
       (2014). SAG (Schmidt, Le Roux and Bach 2017) has c_i in place of c_i/p_i, that is the new
       mean gradient. SVRG (Johnson and Zhang 2013) leaves the table as it is.

katyusha   Loopless Katyusha of Kovalev, Horvath and Richtarik (2020), with the penalty in a prox:
           x = theta1 z + theta2 s + (1 - theta1 - theta2) y
           z+ = prox of (eta/L) g ( z - (eta/L) [gradient at x by the table of s] )
           y+ = x + theta1 (z+ - z);   the snapshot s becomes y with probability 1/n.
       All coordinates move, at a cost of n_columns a step.

point_saga   Point-SAGA (Defazio 2016) with the quadratic penalty, common to all f_i, in every prox
       and only the losses in the table:
           z = w + gamma (g_i - G);   w+ = prox of gamma (n c_i l_i + g) (z).
       w = scale u + lag G makes a step cost the support of x_i.
"""
from cython cimport floating

import numpy as np

from sklearn_optland._loss.penalties cimport DualPenalty, penalty_prox
from sklearn_optland._loss.scalar_losses cimport (
    Loss,
    LossKind,
    loss_fenchel_gap,
    loss_implicit,
    loss_pull,
    loss_value,
)
from sklearn_optland._rows.row_access cimport row_add, row_dot, visit
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef extern from "log_loss.h" nogil:
    double optland_logistic_pulls(
        long long n, const double* z, const double* s, const double* c, double* theta, double* loss
    )
    double optland_logistic_fenchel_gap(
        long long n, const double* z, const double* s, const double* c, const double* theta,
        double* terms
    )

cdef enum:
    FIELDS = 4  # of a column in the state of saga: w, G, gamma D, 1 / (1 + gamma D l2)

# The dual need not be maximised to the last digit in one coordinate: a Newton step no longer than
# this, of the margin, ends the search. It is exact in the limit.
cdef double COARSE = 0.3
cdef double EXACT = 1e-6
cdef double SMALL_SCALE = 1e-3

LOSSES = {
    "log_loss": LossKind.LOG,
    "squared_hinge": LossKind.SQUARED_HINGE,
    "smooth_hinge": LossKind.SMOOTH_HINGE,
    "hinge": LossKind.HINGE,
    "squared_error": LossKind.SQUARED_ERROR,
    "huber": LossKind.HUBER,
    "epsilon_insensitive": LossKind.EPSILON_INSENSITIVE,
}


# SDCA and MISO


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


cdef double sdca_steps(
    const RowPointers* x, floating kind, Loss loss, DualPenalty g, const int* order,
    Py_ssize_t n_steps, const double* y, const double* c, const double* q, const double* delta,
    double* theta, double* v, double* b,
) noexcept nogil:
    cdef const floating* row
    cdef const int* index = NULL
    cdef Py_ssize_t t, i, size
    cdef double f, new, change, moved = 0
    for t in range(n_steps):
        i = order[t]
        row = visit(x, kind, order, t, n_steps, &index, &size)
        if g.is_quadratic:
            f = row_dot(row, index, size, v, 1)
        else:
            f = thresholded_dot(row, index, size, v, g.l1, g.positive)
        f = b[0] + f / g.l2
        if delta == NULL:
            new = loss_implicit(loss, y[i], f, q[i], theta[i], COARSE)
        else:
            new = theta[i] + delta[i] * (loss_pull(loss, y[i], f) - theta[i])
        change = c[i] * (new - theta[i])
        moved += change * (new - theta[i])
        theta[i] = new
        if change == 0:
            continue
        if g.rho > 0:
            b[0] += change / g.rho
        row_add(row, index, size, change, v)
    return moved


def sdca(
    Rows rows not None,
    loss_kind,
    double epsilon,
    const int[::1] order,
    const double[::1] y,
    const double[::1] c,
    const double[::1] q,
    const double[::1] delta,  # of MISO; empty for SDCA
    double l1,
    double l2,
    bint positive,
    double rho,  # 0: no intercept
    double[::1] theta,  # IN / OUT
    double[::1] v,  # IN / OUT, l2 w before the threshold
    double[::1] b,  # IN / OUT, one entry
):
    """Steps of SDCA or MISO; returns the sum of c_i (change of theta_i)^2."""
    cdef RowPointers x = rows.pointers()
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef DualPenalty g = DualPenalty(l1, l2, rho, positive, l1 == 0 and not positive)
    cdef const double* deltas = &delta[0] if delta.shape[0] else NULL
    cdef double moved
    with nogil:
        if x.values32 != NULL:
            moved = sdca_steps(
                &x, <float>0, loss, g, &order[0], order.shape[0], &y[0], &c[0], &q[0], deltas,
                &theta[0], &v[0], &b[0],
            )
        else:
            moved = sdca_steps(
                &x, <double>0, loss, g, &order[0], order.shape[0], &y[0], &c[0], &q[0], deltas,
                &theta[0], &v[0], &b[0],
            )
    return moved


# SAG, SAGA and SVRG


cdef double saga_steps(
    const RowPointers* x, floating kind, Loss loss, const int* order, Py_ssize_t n_steps,
    const double* y, const double* c, const double* correction,
    double gamma, double l1, bint positive, double unit, bint frozen,
    double* theta, double* state, double* bias,
) noexcept nogil:
    cdef const floating* row
    cdef const int* index = NULL
    cdef double* column
    cdef Py_ssize_t t, i, j, p, size
    cdef double new, change, step, table, moved = 0
    cdef bint thresholds = l1 > 0 or positive
    for t in range(n_steps):
        i = order[t]
        row = visit(x, kind, order, t, n_steps, &index, &size)
        new = loss_pull(
            loss, y[i], bias[0] * unit + row_dot(row, index, size, state, FIELDS)
        )
        change = new - theta[i]
        moved += c[i] * change * change
        step = gamma * correction[i] * change
        table = 0 if frozen else c[i] * change
        if not frozen:
            theta[i] = new
        if thresholds:
            for p in range(size):
                j = p if index == NULL else index[p]
                column = state + FIELDS * j
                column[0] = penalty_prox(
                    column[0] + step * row[p] - column[2] * column[1], column[2] * l1, positive
                ) * column[3]
                column[1] -= table * row[p]
        else:
            for p in range(size):
                j = p if index == NULL else index[p]
                column = state + FIELDS * j
                column[0] = (column[0] + step * row[p] - column[2] * column[1]) * column[3]
                column[1] -= table * row[p]
        if unit > 0:
            bias[0] += step * unit - gamma * bias[1]
            bias[1] -= table * unit
    return moved


def saga(
    Rows rows not None,
    loss_kind,
    double epsilon,
    const int[::1] order,
    const double[::1] y,
    const double[::1] c,
    const double[::1] correction,  # c_i / p_i, or c_i for SAG
    double gamma,
    double l1,
    bint positive,
    double unit,  # 0: no intercept
    bint frozen,
    double[::1] theta,  # IN / OUT
    double[:, ::1] state,  # IN / OUT: w, G, gamma D, 1 / (1 + gamma D l2) of each column
    double[::1] bias,  # IN / OUT: b / unit and its G
):
    """Steps of SAG, SAGA or (frozen) SVRG; returns the sum of c_i (change of theta_i)^2."""
    cdef RowPointers x = rows.pointers()
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef double moved
    with nogil:
        if x.values32 != NULL:
            moved = saga_steps(
                &x, <float>0, loss, &order[0], order.shape[0], &y[0], &c[0], &correction[0],
                gamma, l1, positive, unit, frozen, &theta[0], &state[0, 0], &bias[0],
            )
        else:
            moved = saga_steps(
                &x, <double>0, loss, &order[0], order.shape[0], &y[0], &c[0], &correction[0],
                gamma, l1, positive, unit, frozen, &theta[0], &state[0, 0], &bias[0],
            )
    return moved


# Loopless Katyusha


cdef struct Katyusha:
    double theta1, theta2, step, l1, l2, unit
    bint positive


cdef double katyusha_steps(
    const RowPointers* x, floating kind, Loss loss, Katyusha a, const int* order,
    Py_ssize_t n_steps, const double* y, const double* c, const double* correction,
    const double* theta, const double* G, const double* s, double* here, double* v, double* z,
) noexcept nogil:
    cdef const floating* row
    cdef const int* index = NULL
    cdef Py_ssize_t t, i, j, size, d = x.n_columns
    cdef double change, moved = 0, theta3 = 1 - a.theta1 - a.theta2
    cdef double threshold = a.step * a.l1, shrink = 1 / (1 + a.step * a.l2)
    for t in range(n_steps):
        i = order[t]
        row = visit(x, kind, order, t, n_steps, &index, &size)
        change = loss_pull(
            loss, y[i], here[d] * a.unit + row_dot(row, index, size, here, 1)
        ) - theta[i]
        moved += c[i] * change * change
        change *= a.step * correction[i]
        row_add(row, index, size, change, z)
        for j in range(d):
            z[j] = penalty_prox(z[j] - a.step * G[j], threshold, a.positive) * shrink
            v[j] = a.theta1 * z[j] + a.theta2 * s[j] + theta3 * v[j]
            here[j] = a.theta1 * z[j] + a.theta2 * s[j] + theta3 * v[j]
        if a.unit > 0:
            z[d] += change * a.unit - a.step * G[d]
            v[d] = a.theta1 * z[d] + a.theta2 * s[d] + theta3 * v[d]
            here[d] = a.theta1 * z[d] + a.theta2 * s[d] + theta3 * v[d]
    return moved


def katyusha(
    Rows rows not None,
    loss_kind,
    double epsilon,
    const int[::1] order,
    const double[::1] y,
    const double[::1] c,
    const double[::1] correction,  # c_i / p_i
    double theta1,
    double theta2,
    double step,  # eta / L
    double l1,
    double l2,
    bint positive,
    double unit,  # 0: no intercept
    const double[::1] theta,  # pulls at the snapshot
    const double[::1] G,  # gradient at the snapshot, the last entry the intercept's
    const double[::1] snapshot,  # parameters, the last b / unit; so are the three below
    double[::1] here,  # IN / OUT, the paper's x
    double[::1] iterate,  # IN / OUT, the paper's y
    double[::1] z,  # IN / OUT
):
    """Steps of Katyusha between two snapshots; returns the sum of c_i (theta_i - pull)^2."""
    cdef RowPointers x = rows.pointers()
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef Katyusha a = Katyusha(theta1, theta2, step, l1, l2, unit, positive)
    cdef double moved
    with nogil:
        if x.values32 != NULL:
            moved = katyusha_steps(
                &x, <float>0, loss, a, &order[0], order.shape[0], &y[0], &c[0], &correction[0],
                &theta[0], &G[0], &snapshot[0], &here[0], &iterate[0], &z[0],
            )
        else:
            moved = katyusha_steps(
                &x, <double>0, loss, a, &order[0], order.shape[0], &y[0], &c[0], &correction[0],
                &theta[0], &G[0], &snapshot[0], &here[0], &iterate[0], &z[0],
            )
    return moved


# Point-SAGA


cdef double point_saga_steps(
    const RowPointers* x, floating kind, Loss loss, const int* order, Py_ssize_t n_steps,
    const double* y, const double* c, const double* q, double gamma, double l2, double unit,
    double* theta, double* u, double* G,
) noexcept nogil:
    # w = scale u + lag G. After a step, with s = 1 / (1 + gamma l2) and change = new - old,
    #     w+ = s (w - gamma G + gamma n c change x),   G+ = G - c change x,
    # so scale+ = s scale, lag+ = s (lag - gamma), and u takes the rest.
    cdef const floating* row
    cdef const int* index = NULL
    cdef Py_ssize_t t, i, j, size, d = x.n_columns, n = x.n_rows
    cdef double f, new, change, moved = 0, scale = 1, lag = 0, shrink = 1 / (1 + gamma * l2)
    for t in range(n_steps):
        i = order[t]
        row = visit(x, kind, order, t, n_steps, &index, &size)
        f = shrink * (
            scale * row_dot(row, index, size, u, 1)
            + (lag - gamma) * row_dot(row, index, size, G, 1)
        )
        if unit > 0:
            f += unit * (u[d] - gamma * G[d])
        new = loss_implicit(loss, y[i], f, q[i], theta[i], EXACT)
        change = c[i] * (new - theta[i])
        moved += change * (new - theta[i])
        theta[i] = new
        scale *= shrink
        lag = shrink * (lag - gamma)
        row_add(row, index, size, change * (shrink * gamma * n + lag) / scale, u)
        if unit > 0:
            u[d] += gamma * (n * change * unit - G[d])
            G[d] -= change * unit
        row_add(row, index, size, -change, G)
        if scale < SMALL_SCALE or t == n_steps - 1:
            for j in range(d):
                u[j] = scale * u[j] + lag * G[j]
            scale, lag = 1, 0
    return moved


def point_saga(
    Rows rows not None,
    loss_kind,
    double epsilon,
    const int[::1] order,
    const double[::1] y,
    const double[::1] c,
    const double[::1] q,  # gamma n c_i (|x_i|^2 / (1 + gamma l2) + unit^2)
    double gamma,
    double l2,
    double unit,  # 0: no intercept
    double[::1] theta,  # IN / OUT
    double[::1] w,  # IN / OUT, the last entry b / unit
    double[::1] G,  # IN / OUT, the table's gradient
):
    """Steps of Point-SAGA; returns the sum of c_i (change of theta_i)^2."""
    cdef RowPointers x = rows.pointers()
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef double moved
    with nogil:
        if x.values32 != NULL:
            moved = point_saga_steps(
                &x, <float>0, loss, &order[0], order.shape[0], &y[0], &c[0], &q[0], gamma, l2,
                unit, &theta[0], &w[0], &G[0],
            )
        else:
            moved = point_saga_steps(
                &x, <double>0, loss, &order[0], order.shape[0], &y[0], &c[0], &q[0], gamma, l2,
                unit, &theta[0], &w[0], &G[0],
            )
    return moved


# The certificate


def pulls(
    loss_kind,
    double epsilon,
    const double[::1] y,
    const double[::1] c,
    const double[::1] f,
    double[::1] theta,  # OUT
):
    """theta_i = -l_i'(f_i); returns the sum of c_i l_i(f_i)."""
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef double total = 0
    cdef Py_ssize_t i, n = f.shape[0]
    cdef double[::1] terms
    if loss.kind == LossKind.LOG:
        terms = np.empty(n)
        with nogil:
            total = optland_logistic_pulls(n, &f[0], &y[0], &c[0], &theta[0], &terms[0])
        return total
    with nogil:
        for i in range(f.shape[0]):
            theta[i] = loss_pull(loss, y[i], f[i])
            total += c[i] * loss_value(loss, y[i], f[i])
    return total


def fenchel_gap(
    loss_kind,
    double epsilon,
    const double[::1] y,
    const double[::1] c,
    const double[::1] f,
    const double[::1] theta,
):
    """Sum of c_i [l_i(f_i) + l_i*(-theta_i) + theta_i f_i], the losses' part of the gap."""
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef double total = 0
    cdef Py_ssize_t i, n = f.shape[0]
    cdef double[::1] terms
    if loss.kind == LossKind.LOG:
        terms = np.empty(n)
        with nogil:
            total = optland_logistic_fenchel_gap(n, &f[0], &y[0], &c[0], &theta[0], &terms[0])
        return total
    with nogil:
        for i in range(f.shape[0]):
            total += c[i] * loss_fenchel_gap(loss, y[i], f[i], theta[i])
    return total


def implicit_pulls(
    loss_kind,
    double epsilon,
    const double[::1] y,
    const double[::1] f,
    const double[::1] q,
    double[::1] theta,  # IN / OUT
):
    """theta_i = -l_i'(f_i + q_i (theta_i - old)), as an exact step of SDCA has it; for tests."""
    cdef Loss loss = Loss(loss_kind, epsilon)
    cdef Py_ssize_t i
    with nogil:
        for i in range(f.shape[0]):
            theta[i] = loss_implicit(loss, y[i], f[i], q[i], theta[i], EXACT)
