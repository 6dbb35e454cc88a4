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
"""
from cython cimport floating

from sklearn_optland._loss.penalties cimport DualPenalty, penalty_prox
from sklearn_optland._loss.scalar_losses_fast cimport Loss, as_loss, loss_implicit, loss_pull
from sklearn_optland._rows.row_access cimport row_add, row_dot, visit
from sklearn_optland._rows.rows cimport RowPointers, Rows

# The dual need not be maximised to the last digit in one row, since it is in the limit. A Newton
# step of the margin no longer than this ends the search.
cdef double COARSE = 0.3


cdef struct Constants:
    RowPointers x
    DualPenalty penalty
    Loss loss
    const double* y
    const double* c
    const double* q
    const double* delta  # NULL: SDCA


cdef class SdcaSteps:
    """SDCA or MISO, of one score a row: what is the same in all steps.

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

    def __init__(self, problem, q, delta, double l2, double rho):
        penalty = problem.penalty
        self.rows, self.c, self.q, self.delta = problem.rows, problem.c, q, delta
        self.constants.x = self.rows.pointers()
        self.constants.penalty = DualPenalty(
            penalty.l1, l2, rho, penalty.positive, penalty.is_quadratic
        )
        self.constants.c, self.constants.q = &self.c[0], &self.q[0]
        self.constants.delta = &self.delta[0] if self.delta.shape[0] else NULL
        self.y = problem.y
        self.constants.y = &self.y[0]
        self.constants.loss = as_loss(problem.loss)

    def take(
        self,
        const int[::1] order,
        double[::1] theta,  # IN / OUT
        double[::1] v,  # IN / OUT: l2 w before the threshold
        double[::1] b,  # IN / OUT: one
    ):
        """Visit the rows in `order`; returns the sum of c_i |change of theta_i|^2."""
        cdef double moved
        cdef Py_ssize_t n_steps = order.shape[0]
        with nogil:
            if self.constants.x.values32 != NULL:
                moved = sdca(
                    self.constants, <float>0, &order[0], n_steps, &theta[0], &v[0], &b[0]
                )
            else:
                moved = sdca(
                    self.constants, <double>0, &order[0], n_steps, &theta[0], &v[0], &b[0]
                )
        return moved


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
