"""Steps of loopless Katyusha and Point-SAGA, over a list of rows a call.

    minimise  sum_i c_i l_i(x_i'w + b) + g(w),   g(w) = l1 |w|_1 + l2/2 |w|^2,   sum_i c_i = 1,

with w >= 0 if asked. theta_i = -l_i'(f_i) is the pull of row i. The intercept is one more column of
constant value `unit`, free of the penalty: the last entry of the parameters, b / unit.

Katyusha, as Kovalev, Horvath and Richtarik (2020) have it, with the penalty in a prox:

    x = theta1 z + theta2 s + (1 - theta1 - theta2) y
    z+ = prox of (eta/L) g ( z - (eta/L) [gradient at x by the table of s] )
    y+ = x + theta1 (z+ - z);   the snapshot s becomes y with probability 1/n.

All coordinates move, at a cost of n_columns a step.

Point-SAGA (Defazio 2016), with the quadratic penalty, common to all f_i, in every prox and only the
losses in the table:

    z = w + gamma (g_i - G);   w+ = prox of gamma (n c_i l_i + g) (z).

w = scale u + lag G makes a step cost the support of x_i.
"""
from cython cimport floating

from sklearn_optland._loss.penalties cimport penalty_prox
from sklearn_optland._loss.scalar_losses_fast cimport Loss, as_loss, loss_implicit, loss_pull
from sklearn_optland._rows.row_access cimport row_add, row_dot, visit
from sklearn_optland._rows.rows cimport RowPointers, Rows

# A Newton step of a prox, of the margin, that ends the search.
cdef double EXACT = 1e-6
cdef double SMALL_SCALE = 1e-3


cdef struct Constants:
    RowPointers x
    Loss loss
    const double* y
    const double* c
    double unit  # 0: no intercept
    # Katyusha
    double theta1, theta2, step, l1, l2
    bint positive
    const double* correction
    # Point-SAGA
    double gamma
    const double* q


cdef class _Steps:
    cdef Constants constants
    cdef Rows rows
    cdef const double[::1] y, c

    def __init__(self, problem):
        penalty = problem.penalty
        self.rows, self.y, self.c = problem.rows, problem.y, problem.c
        self.constants.x = self.rows.pointers()
        self.constants.y, self.constants.c = &self.y[0], &self.c[0]
        self.constants.loss = as_loss(problem.loss)
        self.constants.unit = problem.unit
        self.constants.l1, self.constants.l2 = penalty.l1, penalty.l2
        self.constants.positive = penalty.positive


cdef class KatyushaSteps(_Steps):
    """Katyusha: what is the same in all steps.

    Parameters
    ----------
    problem : FiniteSum
    correction : ndarray of shape (n_samples,)
        c_i / p_i.
    theta1, theta2 : float
    step : float
        eta / L.
    """
    cdef const double[::1] correction

    def __init__(self, problem, correction, double theta1, double theta2, double step):
        super().__init__(problem)
        self.correction = correction
        self.constants.correction = &self.correction[0]
        self.constants.theta1, self.constants.theta2 = theta1, theta2
        self.constants.step = step

    def take(
        self,
        const int[::1] order,
        const double[::1] theta,  # pulls at the snapshot
        const double[::1] G,  # gradient at the snapshot
        const double[::1] snapshot,
        double[::1] here,  # IN / OUT, the paper's x
        double[::1] iterate,  # IN / OUT, the paper's y
        double[::1] z,  # IN / OUT
    ):
        """Visit rows between two snapshots; returns the sum of c_i (theta_i - pull)^2."""
        cdef double moved
        with nogil:
            if self.constants.x.values32 != NULL:
                moved = katyusha(
                    self.constants, <float>0, &order[0], order.shape[0], &theta[0], &G[0],
                    &snapshot[0], &here[0], &iterate[0], &z[0],
                )
            else:
                moved = katyusha(
                    self.constants, <double>0, &order[0], order.shape[0], &theta[0], &G[0],
                    &snapshot[0], &here[0], &iterate[0], &z[0],
                )
        return moved


cdef double katyusha(
    Constants a, floating kind, const int* order, Py_ssize_t n_steps, const double* theta,
    const double* G, const double* s, double* here, double* v, double* z,
) noexcept nogil:
    cdef RowPointers x = a.x  # its address leaves; the other constants stay in registers
    cdef const floating* row
    cdef const int* index = NULL
    cdef Py_ssize_t t, i, j, size, d = a.x.n_columns
    cdef double change, moved = 0, theta3 = 1 - a.theta1 - a.theta2
    cdef double threshold = a.step * a.l1, shrink = 1 / (1 + a.step * a.l2)
    for t in range(n_steps):
        i = order[t]
        row = visit(&x, kind, order, t, n_steps, &index, &size)
        change = loss_pull(
            a.loss, a.y[i], here[d] * a.unit + row_dot(row, index, size, here, 1)
        ) - theta[i]
        moved += a.c[i] * change * change
        change *= a.step * a.correction[i]
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


cdef class PointSagaSteps(_Steps):
    """Point-SAGA: what is the same in all steps.

    Parameters
    ----------
    problem : FiniteSum
    q : ndarray of shape (n_samples,)
        gamma n c_i (|x_i|^2 / (1 + gamma l2) + unit^2).
    gamma : float
        The step size.
    """
    cdef const double[::1] q

    def __init__(self, problem, q, double gamma):
        super().__init__(problem)
        self.q = q
        self.constants.q, self.constants.gamma = &self.q[0], gamma

    def take(
        self,
        const int[::1] order,
        double[::1] theta,  # IN / OUT
        double[::1] w,  # IN / OUT
        double[::1] G,  # IN / OUT, the table's gradient
    ):
        """Visit the rows in `order`; returns the sum of c_i (change of theta_i)^2."""
        cdef double moved
        with nogil:
            if self.constants.x.values32 != NULL:
                moved = point_saga(
                    self.constants, <float>0, &order[0], order.shape[0], &theta[0], &w[0], &G[0]
                )
            else:
                moved = point_saga(
                    self.constants, <double>0, &order[0], order.shape[0], &theta[0], &w[0], &G[0]
                )
        return moved


cdef double point_saga(
    Constants a, floating kind, const int* order, Py_ssize_t n_steps,
    double* theta, double* u, double* G,
) noexcept nogil:
    # w = scale u + lag G. After a step, with s = 1 / (1 + gamma l2) and change = new - old,
    #     w+ = s (w - gamma G + gamma n c change x),   G+ = G - c change x,
    # so scale+ = s scale, lag+ = s (lag - gamma), and u takes the rest.
    cdef RowPointers x = a.x  # its address leaves; the other constants stay in registers
    cdef const floating* row
    cdef const int* index = NULL
    cdef Py_ssize_t t, i, j, size, d = a.x.n_columns, n = a.x.n_rows
    cdef double gamma = a.gamma, shrink = 1 / (1 + gamma * a.l2)
    cdef double f, new, change, moved = 0, scale = 1, lag = 0
    for t in range(n_steps):
        i = order[t]
        row = visit(&x, kind, order, t, n_steps, &index, &size)
        f = shrink * (
            scale * row_dot(row, index, size, u, 1)
            + (lag - gamma) * row_dot(row, index, size, G, 1)
        )
        if a.unit > 0:
            f += a.unit * (u[d] - gamma * G[d])
        new = loss_implicit(a.loss, a.y[i], f, a.q[i], theta[i], EXACT)
        change = a.c[i] * (new - theta[i])
        moved += change * (new - theta[i])
        theta[i] = new
        scale *= shrink
        lag = shrink * (lag - gamma)
        row_add(row, index, size, change * (shrink * gamma * n + lag) / scale, u)
        if a.unit > 0:
            u[d] += gamma * (n * change * a.unit - G[d])
            G[d] -= change * a.unit
        row_add(row, index, size, -change, G)
        if scale < SMALL_SCALE or t == n_steps - 1:
            for j in range(d):
                u[j] = scale * u[j] + lag * G[j]
            scale, lag = 1, 0
    return moved
