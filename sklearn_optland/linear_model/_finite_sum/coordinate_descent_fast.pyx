"""Coordinate descent on a quadratic model with an elastic net: the steps of proximal Newton.

    min_w  -v'(w - w0) + (w - w0)'H(w - w0) / 2 + l1 |w|_1 + l2/2 |w|^2,  w >= 0 if asked

Each step minimises in one coordinate. Epochs go over the coordinates that are not zero until none
of them violates its optimality by more than `tol`; then one over all decides whether that was the
end. A violation is (H_jj + l2) |step|.

    count_chosen, chosen_columns
                      columns of X from its rows
    scaled_columns    rows of A from columns of X
    descend_gram      H as a matrix; a step that moves costs a row of it
    descend_columns   H = A (I - ss') A', s a unit vector or 0, from the rows of A: columns of X
                      times the roots of the curvatures; a step costs a row of A. An intercept
                      takes the residuals' part along s, so that columns are centred without a copy
"""
from cython cimport floating
from libc.math cimport fabs
from scipy.linalg.cython_blas cimport daxpy, ddot

from sklearn_optland._loss.penalties cimport penalty_prox
from sklearn_optland._rows.row_access cimport row_add, row_at, row_dot
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef inline double coordinate_step(
    double w, double pull, double curvature, double l1, double l2, bint positive
) noexcept nogil:
    """What takes w to the minimum in its coordinate; 0 if nothing there bends."""
    if curvature + l2 <= 0:
        return 0
    return penalty_prox(curvature * w + pull, l1, positive) / (curvature + l2) - w


def count_chosen(const int[::1] indices, const int[::1] place, long long[::1] counts):
    """Count the entries of a CSR matrix in chosen columns, whose place is not -1."""
    cdef Py_ssize_t p
    cdef int at
    with nogil:
        for p in range(indices.shape[0]):
            at = place[indices[p]]
            if at >= 0:
                counts[at] += 1


def chosen_columns(
    const floating[::1] values,
    const int[::1] indices,
    const long long[::1] indptr,
    const int[::1] place,
    long long[::1] ends,  # IN / OUT: where each column begins, then where it ends
    double[::1] out,  # OUT
    int[::1] out_rows,  # OUT
):
    """Collect the entries of a CSR matrix in chosen columns, column by column."""
    cdef Py_ssize_t i
    cdef long long p, target
    cdef int at
    with nogil:
        for i in range(indptr.shape[0] - 1):
            for p in range(indptr[i], indptr[i + 1]):
                at = place[indices[p]]
                if at >= 0:
                    target = ends[at]
                    out[target], out_rows[target] = values[p], i
                    ends[at] = target + 1


def scaled_columns(
    const double[::1] values,
    const int[::1] rows,
    const long long[::1] begins,
    const long long[::1] ends,
    const int[::1] places,
    const double[::1] roots,
    const double[::1] s,
    const long long[::1] out_indptr,
    double[::1] out,  # OUT
    int[::1] out_rows,  # OUT
    double[::1] sums,  # OUT: A s
    double[::1] squares,  # OUT: of the rows of A
):
    """A = some columns, their entries times the roots of their rows."""
    cdef Py_ssize_t j
    cdef long long p, at
    cdef double value, total, square
    with nogil:
        for j in range(places.shape[0]):
            at, total, square = out_indptr[j], 0, 0
            for p in range(begins[places[j]], ends[places[j]]):
                value = values[p] * roots[rows[p]]
                out[at], out_rows[at] = value, rows[p]
                total += value * s[rows[p]]
                square += value * value
                at += 1
            sums[j], squares[j] = total, square


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
    """Descend with H as a matrix; returns the epochs."""
    cdef Py_ssize_t d = w.shape[0], epoch = 0, j
    cdef int size = <int>d, one = 1
    cdef double step, worst = 0
    cdef bint over_all = True
    with nogil:
        while epoch < max_epochs:
            epoch += 1
            worst = 0
            for j in range(d):
                if not over_all and w[j] == 0:
                    continue
                step = coordinate_step(w[j], v[j], H[j, j], l1, l2, positive)
                if step != 0:
                    w[j] += step
                    worst = max(worst, (H[j, j] + l2) * fabs(step))
                    step = -step
                    daxpy(&size, &step, <double*>&H[j, 0], &one, &v[0], &one)
            if worst <= tol:
                if over_all:
                    break
                over_all = True
            else:
                over_all = False
    return epoch


def descend_columns(
    Rows A not None,
    const double[::1] s,
    const double[::1] sums,  # A s
    const double[::1] curvatures,  # the diagonal of H
    double[::1] u,  # IN / OUT: residuals, of which A u are the pulls
    double[::1] w,  # IN / OUT
    double l1,
    double l2,
    bint positive,
    double tol,
    Py_ssize_t max_epochs,
):
    """Descend with the rows of A; returns the epochs."""
    cdef Py_ssize_t d = w.shape[0], epoch = 0, j, length
    cdef int size = <int>u.shape[0], one = 1
    cdef double step, pull, along, worst = 0
    cdef const double* a
    cdef const int* index
    cdef RowPointers x
    cdef bint over_all = True, is_dense
    if d == 0:
        return 1
    x = A.pointers()
    is_dense = x.indptr == NULL
    with nogil:
        along = ddot(&size, <double*>&s[0], &one, &u[0], &one)
        while epoch < max_epochs:
            epoch += 1
            worst = 0
            for j in range(d):
                if not over_all and w[j] == 0:
                    continue
                a = row_at(&x, <double>0, j, &index, &length)
                if is_dense:
                    pull = ddot(&size, <double*>a, &one, &u[0], &one)
                else:
                    pull = row_dot(a, index, length, &u[0], 1)
                pull -= along * sums[j]
                step = coordinate_step(w[j], pull, curvatures[j], l1, l2, positive)
                if step != 0:
                    w[j] += step
                    along -= step * sums[j]
                    worst = max(worst, (curvatures[j] + l2) * fabs(step))
                    step = -step
                    if is_dense:
                        daxpy(&size, &step, <double*>a, &one, &u[0], &one)
                    else:
                        row_add(a, index, length, step, &u[0])
            if worst <= tol:
                if over_all:
                    break
                over_all = True
            else:
                over_all = False
    return epoch
