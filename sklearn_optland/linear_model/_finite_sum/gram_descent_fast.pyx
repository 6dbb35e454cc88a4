"""Quadratic models with an elastic net and their Hessian as a matrix, minimised in one call.

    min_w  -v'(w - w0) + (w - w0)'H(w - w0) / 2 + l1 |w|_1 + l2/2 |w|^2,  w >= 0 if asked

    descend_gram    coordinate descent: epochs over the coordinates that are not zero until none
                    violates its optimality, (H_jj + l2) |step|, by more than `tol`; then one over
                    all decides whether that was the end
    minimize_gram   descent finds the support; on it and with its signs the model is a square, and a
                    Cholesky factor takes it to the minimum there, or as far as the signs hold
"""
from libc.math cimport fabs, fmax, fmin, sqrt
from scipy.linalg.cython_blas cimport daxpy
from scipy.linalg.cython_lapack cimport dpotrf, dpotrs

import numpy as np

from sklearn_optland._loss.penalties cimport coordinate_step

# Epochs before a solution on the support, at least; the most in one minimization, in these units.
cdef Py_ssize_t EPOCHS = 10, MAX_EPOCHS = 30
# k^2 / (2 d) of this: epochs over d coordinates in the time of a factor of k columns.
cdef double FACTOR_RATE = 0.1
# Of a matrix' diagonal: keeps its factor definite.
cdef double RIDGE = 1e-13
# Of a column's square: what is left of it beside others that it is no combination of.
cdef double INDEPENDENT = 1e-12
cdef double TINY = 1e-300


cdef Model model_of(const double[:, ::1] H, double[::1] v, double[::1] w, double[::1] scratch,
                    int[::1] support):
    cdef Py_ssize_t d = w.shape[0]
    return Model(d, &H[0, 0], &v[0], &w[0], &scratch[0], &scratch[d * d], &support[0])


cdef void add_row(Model q, Py_ssize_t j, double factor) noexcept nogil:
    """v += factor H_j."""
    cdef int size = <int>q.d, one = 1
    daxpy(&size, &factor, <double*>q.H + j * q.d, &one, q.v, &one)


cdef void move(Model q, Py_ssize_t j, double step) noexcept nogil:
    """w_j += step."""
    q.w[j] += step
    add_row(q, j, -step)


cdef Py_ssize_t descend(Model q, Penalty p, double tol, Py_ssize_t max_epochs) noexcept nogil:
    cdef Py_ssize_t epoch = 0, j
    cdef double step, curvature, worst = 0
    cdef bint over_all = True
    while epoch < max_epochs:
        epoch += 1
        worst = 0
        for j in range(q.d):
            if not over_all and q.w[j] == 0:
                continue
            curvature = q.H[j * q.d + j]
            step = coordinate_step(q.w[j], q.v[j], curvature, p.l1, p.l2, p.positive)
            if step != 0:
                worst = fmax(worst, (curvature + p.l2) * fabs(step))
                move(q, j, step)
        if worst <= tol:
            if over_all:
                break
            over_all = True
        else:
            over_all = False
    return epoch


cdef Py_ssize_t support_of(Model q) noexcept nogil:
    cdef Py_ssize_t j, k = 0
    for j in range(q.d):
        if q.w[j] != 0:
            q.support[k] = <int>j
            k += 1
    return k


cdef double step_on(Model q, Penalty p, Py_ssize_t k, bint has_signs) noexcept nogil:
    """Go towards the minimum on k coordinates, as far as their signs hold; the share of the way.

    -1 if there is no Cholesky factor, or with signs one of columns that are not independent.
    """
    cdef Py_ssize_t i, j
    cdef int size = <int>k, one = 1, info = 0
    cdef double length = 1.0, sign
    cdef const double* row
    for i in range(k):
        j = q.support[i]
        row = q.H + j * q.d
        sign = (q.w[j] > 0) - (q.w[j] < 0) if has_signs else 0
        q.step[i] = q.v[j] - p.l1 * sign - p.l2 * q.w[j]
        for j in range(i + 1):
            q.factor[i * k + j] = row[q.support[j]]
        q.factor[i * k + i] = (q.factor[i * k + i] + p.l2) * (1 + RIDGE)
    # The lower triangle of rows is the upper one in Fortran's order.
    dpotrf(b"U", &size, q.factor, &size, &info)
    if info != 0:
        return -1
    for i in range(k if has_signs else 0):
        j = q.support[i]
        if not q.factor[i * k + i] ** 2 > INDEPENDENT * (q.H[j * q.d + j] + p.l2):
            return -1
    dpotrs(b"U", &size, &one, q.factor, &size, q.step, &size, &info)
    if has_signs:
        for i in range(k):
            j = q.support[i]
            if q.step[i] * q.w[j] < 0:
                length = fmin(length, -q.w[j] / q.step[i])
    for i in range(k):
        j = q.support[i]
        if has_signs and q.step[i] * q.w[j] < 0 and -q.w[j] / q.step[i] <= length:
            move(q, j, -q.w[j])
            q.w[j] = 0
        else:
            move(q, j, length * q.step[i])
    return length


cdef double tolerated(Model q, Penalty p, double gap, double felt) noexcept nogil:
    """A violation of the optimality of all coefficients that costs about this gap."""
    cdef Py_ssize_t j, k = 0
    cdef double size = 0, of_l1 = 0
    for j in range(q.d):
        size += fabs(q.w[j])
        k += q.w[j] != 0
    if k:
        of_l1 = gap / fmax(fmax(size, felt), TINY)
    return fmax(of_l1, sqrt(2 * p.l2 * gap / fmax(k, 1)))


cdef Py_ssize_t epochs_of(Model q, Py_ssize_t k) noexcept nogil:
    """Epochs in the time of a solution on k coordinates."""
    return max(EPOCHS, <Py_ssize_t>(FACTOR_RATE * k * k / (2 * q.d)))


cdef Py_ssize_t minimize(
    Model q, Penalty p, double gap, double felt, double least
) noexcept nogil:
    cdef Py_ssize_t k = support_of(q), done, spent = 0, epochs = epochs_of(q, k)
    cdef double tol
    while spent < MAX_EPOCHS * epochs_of(q, k):
        tol = fmax(least, tolerated(q, p, gap, felt))
        done = descend(q, p, tol, epochs)
        spent += done
        if done < epochs:
            break
        k = support_of(q)
        epochs = epochs_of(q, k) if step_on(q, p, k, True) == 1 else 2 * epochs
    return spent


def descend_gram(
    const double[:, ::1] H,
    double[::1] v,  # IN / OUT: v - H (w - w0)
    double[::1] w,  # IN / OUT
    double l1,
    double l2,
    bint positive,
    double tol,
    Py_ssize_t max_epochs,
):
    """Descend; returns the epochs."""
    cdef Model q
    cdef Py_ssize_t epochs
    if w.shape[0] == 0:
        return 1
    q = Model(w.shape[0], &H[0, 0], &v[0], &w[0], NULL, NULL, NULL)
    with nogil:
        epochs = descend(q, Penalty(l1, l2, positive), tol, max_epochs)
    return epochs


def minimize_gram(
    const double[:, ::1] H,
    double[::1] v,  # IN / OUT: v - H (w - w0)
    double[::1] w,  # IN / OUT
    double l1,
    double l2,
    bint positive,
    double gap,  # what may be left
    double felt,  # what a violation is multiplied with in the gap, at least
    double least,  # a violation that may be left in any case
):
    """Minimise until what violates the optimality costs no more than a gap; returns the epochs."""
    cdef Py_ssize_t d = w.shape[0], epochs
    cdef Model q
    if d == 0:
        return 1
    cdef double[::1] scratch = np.empty(d * d + d)
    cdef int[::1] support = np.empty(d, dtype=np.int32)
    q = model_of(H, v, w, scratch, support)
    with nogil:
        epochs = minimize(q, Penalty(l1, l2, positive), gap, felt, least)
    return epochs
