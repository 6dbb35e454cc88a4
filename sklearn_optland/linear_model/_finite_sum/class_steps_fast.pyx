"""Steps with the multinomial log-loss, a pass over a list of rows a call.

The problems, the duals and the steps are those of saga_fast.pyx and sdca_fast.pyx, but a row has k
scores, and its pull is theta_i = e_y - p_i with probabilities p_i.

    SagaClassSteps   SAG, SAGA and SVRG
    SdcaClassSteps   SDCA and MISO. The conjugate is finite for probabilities. A step of SDCA makes
                     p_i the maximiser of the dual's lower model, which is

                         p_i = softmax(f_i + q_i (old - p_i)),   f_i = w'x_i + b

                     (softmax_implicit.h). Where Newton does not arrive, for very large q_i, the
                     step of MISO that cannot lower the dual stands in, theta_i += delta (-l_i'(f_i)
                     - theta_i) with delta = 1 / (1 + q_i/2).

The classes of a row are vectors of 8 numbers (lanes.h), of SDCA and MISO in float32 or float64: a
step is a chain of short loops over them.
"""
from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memset

import numpy as np

from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef extern from "class_rows.h" nogil:
    enum:
        OPTLAND_WIDTH
        OPTLAND_ROW_VECTORS
    ctypedef struct optland_class_rows:
        const float* values32
        const double* values64
        const int* indices
        const long long* indptr
        int64_t n_columns
        const int* codes
        int64_t k, groups
        double* theta
        void* row
        void* room

cdef extern from "sdca_classes.h" nogil:
    ctypedef struct optland_classes:
        optland_class_rows rows
        const double* c
        const double* q
        const double* knee
        const double* delta
        double threshold, inverse_l2, inverse_rho
        int positive, is_quadratic
        void* w
        void* b
    double optland_classes_take_double(const optland_classes* a, const int* order, int64_t n)
    double optland_classes_take_float(const optland_classes* a, const int* order, int64_t n)

cdef extern from "saga_classes.h" nogil:
    ctypedef struct optland_vector_double:
        pass
    ctypedef struct optland_saga:
        optland_class_rows rows
        const double* c
        const double* correction
        double gamma, l1, unit
        int positive, frozen
        double* steps
        optland_vector_double* columns
        optland_vector_double* bias
    double optland_saga_take(const optland_saga* a, const int* order, int64_t n)


def vectors(size):
    """Room for numbers of either kind, whole vectors of them, from a cache line on."""
    room = np.empty(8 * size + 64, np.uint8)
    return room[-room.ctypes.data % 64:]


cdef class _ClassSteps:
    """What the steps know of the rows."""
    cdef Rows rows
    cdef Py_ssize_t n_columns, k, lanes
    cdef const double[::1] c
    cdef const int[::1] codes
    cdef unsigned char[::1] row, room

    cdef optland_class_rows rows_of(self, problem):
        cdef RowPointers x
        cdef optland_class_rows a
        self.rows, self.codes, self.c = problem.rows, problem.y, problem.c
        x = self.rows.pointers()
        a.values32, a.values64, a.indices, a.indptr = x.values32, x.values64, x.indices, x.indptr
        a.n_columns, a.codes = x.n_columns, &self.codes[0]
        a.k, a.groups = problem.k, -(-problem.k // OPTLAND_WIDTH)
        self.n_columns, self.k, self.lanes = a.n_columns, a.k, a.groups * OPTLAND_WIDTH
        self.row, self.room = vectors(a.n_columns), vectors(OPTLAND_ROW_VECTORS * self.lanes)
        a.row, a.room, a.theta = &self.row[0], &self.room[0], NULL
        return a


cdef class SdcaClassSteps(_ClassSteps):
    """SDCA or MISO, of k scores a row: what is the same in all steps.

    Parameters
    ----------
    problem : SoftmaxSum
    q : ndarray of shape (n_samples,)
    delta : ndarray of shape (n_samples,), or empty
        Step sizes of MISO; none for SDCA.
    l2 : float
        Of the problem, and what Catalyst adds to it.
    rho : float
        0: no intercept.

    Attributes
    ----------
    in_float32 : bool
        Whether steps are made in float32; False at first.
    """
    cdef public bint in_float32
    cdef optland_classes constants
    cdef double l2
    cdef const double[::1] q, knee, delta
    cdef unsigned char[::1] w, b

    def __init__(self, problem, q, delta, double l2, double rho):
        cdef optland_classes* a = &self.constants
        penalty = problem.penalty
        a.rows = self.rows_of(problem)
        self.q, self.knee, self.delta = q, -np.log1p(q), delta
        a.c, a.q, a.knee = &self.c[0], &self.q[0], &self.knee[0]
        a.delta = &self.delta[0] if self.delta.shape[0] else NULL
        self.l2, a.inverse_l2, a.threshold = l2, 1 / l2, penalty.l1 / l2
        a.inverse_rho = 1 / rho if rho > 0 else 0.0
        a.positive, a.is_quadratic = penalty.positive, penalty.is_quadratic
        self.w, self.b = vectors(self.n_columns * self.lanes), vectors(self.lanes)
        a.w, a.b = &self.w[0], &self.b[0]

    def take(
        self,
        const int[::1] order,
        double[::1] theta,  # IN / OUT: k of each row
        double[::1] v,  # IN / OUT: k of each column, l2 w before the threshold
        double[::1] b,  # IN / OUT: k
    ):
        """Visit the rows in `order`; returns the sum of c_i |change of theta_i|^2."""
        cdef double moved
        cdef optland_classes* a = &self.constants
        cdef Py_ssize_t n_steps = order.shape[0], d = self.n_columns, k = self.k
        cdef Py_ssize_t lanes = self.lanes
        a.rows.theta = &theta[0]
        with nogil:
            if self.in_float32:
                widen(d, k, lanes, a.inverse_l2, &v[0], <float*>a.w)
                widen(1, k, lanes, 1.0, &b[0], <float*>a.b)
                moved = optland_classes_take_float(a, &order[0], n_steps)
                narrow(d, k, lanes, self.l2, <float*>a.w, &v[0])
                narrow(1, k, lanes, 1.0, <float*>a.b, &b[0])
            else:
                widen(d, k, lanes, a.inverse_l2, &v[0], <double*>a.w)
                widen(1, k, lanes, 1.0, &b[0], <double*>a.b)
                moved = optland_classes_take_double(a, &order[0], n_steps)
                narrow(d, k, lanes, self.l2, <double*>a.w, &v[0])
                narrow(1, k, lanes, 1.0, <double*>a.b, &b[0])
        return moved


cdef class SagaClassSteps(_ClassSteps):
    """SAG, SAGA or SVRG, of k scores a row: what is the same in all steps.

    Parameters
    ----------
    problem : SoftmaxSum
    correction : ndarray of shape (n_samples,)
        c_i / p_i, or c_i for SAG.
    gamma : float
        The step size.
    frozen : bool
        Whether the table stays as it is: SVRG.
    """
    cdef optland_saga constants
    cdef const double[::1] correction
    cdef unsigned char[::1] steps, columns, bias

    def __init__(self, problem, correction, double gamma, bint frozen):
        cdef optland_saga* a = &self.constants
        penalty = problem.penalty
        a.rows = self.rows_of(problem)
        self.correction = correction
        a.c, a.correction = &self.c[0], &self.correction[0]
        a.gamma, a.l1 = gamma, penalty.l1
        a.unit, a.positive, a.frozen = problem.unit, penalty.positive, frozen
        self.steps = vectors(2 * self.n_columns)
        self.columns, self.bias = vectors(2 * self.n_columns * self.lanes), vectors(2 * self.lanes)
        a.steps = <double*>&self.steps[0]
        a.columns = <optland_vector_double*>&self.columns[0]
        a.bias = <optland_vector_double*>&self.bias[0]

    def take(
        self,
        const int[::1] order,
        double[::1] theta,  # IN / OUT: k of each row
        double[::1] state,  # IN / OUT: k of w, k of G, gamma D, 1 / (1 + gamma D l2) of each column
        double[::1] bias,  # IN / OUT: k of b / unit, k of their G
    ):
        """Visit the rows in `order`; returns the sum of c_i |change of theta_i|^2."""
        cdef double moved
        cdef optland_saga* a = &self.constants
        cdef double* columns = <double*>a.columns
        cdef Py_ssize_t d = self.n_columns, k = self.k, lanes = self.lanes, fields = 2 * k + 2, j
        a.rows.theta = &theta[0]
        with nogil:
            for j in range(d):
                a.steps[2 * j] = state[j * fields + 2 * k]
                a.steps[2 * j + 1] = state[j * fields + 2 * k + 1]
                widen(2, k, lanes, 1.0, &state[j * fields], columns + 2 * j * lanes)
            widen(2, k, lanes, 1.0, &bias[0], <double*>a.bias)
            moved = optland_saga_take(a, &order[0], order.shape[0])
            for j in range(d):
                narrow(2, k, lanes, 1.0, columns + 2 * j * lanes, &state[j * fields])
            narrow(2, k, lanes, 1.0, <double*>a.bias, &bias[0])
        return moved


cdef void widen(
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t lanes, double scale, const double* rows, floating* out
) noexcept nogil:
    """Rows of k numbers, scaled, as rows of whole vectors."""
    cdef Py_ssize_t i, j
    memset(out, 0, n * lanes * sizeof(floating))
    for i in range(n):
        for j in range(k):
            out[i * lanes + j] = <floating>(scale * rows[i * k + j])


cdef void narrow(
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t lanes, double scale, const floating* rows, double* out
) noexcept nogil:
    """The numbers of rows of whole vectors, scaled."""
    cdef Py_ssize_t i, j
    for i in range(n):
        for j in range(k):
            out[i * k + j] = scale * rows[i * lanes + j]
