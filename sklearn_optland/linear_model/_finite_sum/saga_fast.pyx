"""Steps of SAG, SAGA and SVRG, a pass over a list of rows a call.

    minimise  sum_i c_i l_i(x_i'w + b) + g(w),   g(w) = l1 |w|_1 + l2/2 |w|^2,   sum_i c_i = 1,

with w >= 0 if asked. theta_i = -l_i'(f_i) is the pull of row i; the table has an older one of each
row, and G = -sum_i c_i theta_i x_i is its gradient. The intercept is one more column of constant
value `unit`, free of the penalty. A step at row i of chance p_i is

    w <- prox of gamma D g ( w - gamma [ (c_i/p_i) (theta_i - new) x_i + D G ] )

on the support of x_i alone: D_j = 1 / sum of p_i over the rows with an x_ij, so that D G has the
mean G (Leblond, Pedregosa and Lacoste-Julien 2017, sparse SAGA, their D_jj = n / n_j for
p_i = 1/n). On dense rows D = 1: SAGA of Defazio, Bach and Lacoste-Julien (2014). SAG (Schmidt, Le
Roux and Bach 2017) has c_i in place of c_i/p_i, that is the new mean gradient. SVRG (Johnson and
Zhang 2013) leaves the table as it is.
"""
from cython cimport floating

from sklearn_optland._loss.penalties cimport penalty_prox
from sklearn_optland._loss.scalar_losses_fast cimport Loss, as_loss, loss_pull
from sklearn_optland._rows.row_access cimport row_dot, visit
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef enum:
    FIELDS = 4  # of a column in the state: w, G, gamma D, 1 / (1 + gamma D l2)


cdef struct Constants:
    RowPointers x
    Loss loss
    const double* y
    const double* c
    const double* correction
    double gamma, l1, unit
    bint positive, frozen


cdef class SagaSteps:
    """SAG, SAGA or SVRG, of one score a row: what is the same in all steps.

    Parameters
    ----------
    problem : FiniteSum
    correction : ndarray of shape (n_samples,)
        c_i / p_i, or c_i for SAG.
    gamma : float
        The step size.
    frozen : bool
        Whether the table stays as it is: SVRG.
    """
    cdef Constants constants
    cdef Rows rows
    cdef const double[::1] y, c, correction

    def __init__(self, problem, correction, double gamma, bint frozen):
        penalty = problem.penalty
        self.rows, self.c, self.correction = problem.rows, problem.c, correction
        self.constants.x = self.rows.pointers()
        self.constants.c, self.constants.correction = &self.c[0], &self.correction[0]
        self.constants.gamma, self.constants.l1 = gamma, penalty.l1
        self.constants.unit = problem.unit  # 0: no intercept
        self.constants.positive, self.constants.frozen = penalty.positive, frozen
        self.y = problem.y
        self.constants.y = &self.y[0]
        self.constants.loss = as_loss(problem.loss)

    def take(
        self,
        const int[::1] order,
        double[::1] theta,  # IN / OUT
        double[::1] state,  # IN / OUT: w, G, gamma D, 1 / (1 + gamma D l2) of each column
        double[::1] bias,  # IN / OUT: b / unit, its G
    ):
        """Visit the rows in `order`; returns the sum of c_i |change of theta_i|^2."""
        cdef double moved
        cdef Py_ssize_t n_steps = order.shape[0]
        with nogil:
            if self.constants.x.values32 != NULL:
                moved = saga(
                    self.constants, <float>0, &order[0], n_steps, &theta[0], &state[0], &bias[0]
                )
            else:
                moved = saga(
                    self.constants, <double>0, &order[0], n_steps, &theta[0], &state[0], &bias[0]
                )
        return moved


cdef double saga(
    Constants a, floating kind, const int* order, Py_ssize_t n_steps,
    double* theta, double* state, double* bias,
) noexcept nogil:
    cdef RowPointers x = a.x  # its address leaves; the other constants stay in registers
    cdef const floating* row
    cdef const int* index = NULL
    cdef double* column
    cdef Py_ssize_t t, i, j, p, size
    cdef double new, change, step, table, moved = 0
    cdef bint thresholds = a.l1 > 0 or a.positive
    for t in range(n_steps):
        i = order[t]
        row = visit(&x, kind, order, t, n_steps, &index, &size)
        new = loss_pull(
            a.loss, a.y[i], bias[0] * a.unit + row_dot(row, index, size, state, FIELDS)
        )
        change = new - theta[i]
        moved += a.c[i] * change * change
        step = a.gamma * a.correction[i] * change
        table = 0 if a.frozen else a.c[i] * change
        if not a.frozen:
            theta[i] = new
        if thresholds:
            for p in range(size):
                j = p if index == NULL else index[p]
                column = state + FIELDS * j
                column[0] = penalty_prox(
                    column[0] + step * row[p] - column[2] * column[1], column[2] * a.l1,
                    a.positive,
                ) * column[3]
                column[1] -= table * row[p]
        else:
            for p in range(size):
                j = p if index == NULL else index[p]
                column = state + FIELDS * j
                column[0] = (column[0] + step * row[p] - column[2] * column[1]) * column[3]
                column[1] -= table * row[p]
        if a.unit > 0:
            bias[0] += step * a.unit - a.gamma * bias[1]
            bias[1] -= table * a.unit
    return moved
