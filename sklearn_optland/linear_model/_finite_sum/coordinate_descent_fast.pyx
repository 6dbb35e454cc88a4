"""Coordinate descent on a quadratic model with an elastic net: the steps of proximal Newton.

    min_w  -(v + tilt)'(w - w0) + (w - w0)'H(w - w0) / 2 + l1 |w|_1 + l2/2 |w|^2,  w >= 0 if asked

where tilt is 0 unless the penalty is not convex.

Each step minimises in one coordinate. Epochs go over the coordinates that are not zero until none
of them violates its optimality by more than `tol`; then one over all decides whether that was the
end. A violation is (H_jj + l2) |step|.

    count_columns, copy_columns
                      columns of X from its rows
    scaled_columns    rows of A from columns of X
    descend_columns   H = A (I - ss') A', s a unit vector or 0, from the rows of A: columns of X
                      times the roots of the curvatures; a step costs a row of A. An intercept
                      takes the residuals' part along s, so that columns are centred without a copy
    columns_felt, columns_changes
                      products with some rows of A
    softmax_curvatures, softmax_changes, softmax_felt, softmax_metric, descend_softmax
                      several scores a row, whose curvatures are c (diag p - p p'). A coordinate is
                      a column for one class a; with z the change of the scores, its pull is
                      sum_i x_i c_i [theta_ia - p_ia (z_ia - p_i'z_i)]. Rows of A are columns of X
                      times the roots of c, and so are
                          r_a = sqrt(c) (theta_a - p_a z_a),   s = sqrt(c) sum_a p_a z_a
                      of which A (r_a + p_a s) are the pulls; a step costs a row of A
"""
from cython cimport floating
from libc.math cimport fabs
from scipy.linalg.cython_blas cimport daxpy, ddot

from sklearn_optland._loss.penalties cimport coordinate_step
from sklearn_optland._rows.row_access cimport row_add, row_at, row_dot, values_of
from sklearn_optland._rows.rows cimport RowPointers, Rows


def count_columns(
    Rows X not None,  # sparse
    long long[::1] out,  # IN / OUT
):
    """Add the numbers of the columns' entries."""
    cdef RowPointers x = X.pointers()
    cdef long long p
    with nogil:
        for p in range(x.indptr[x.n_rows]):
            out[x.indices[p]] += 1


cdef void copy_entries(
    const RowPointers* x, floating kind, long long* ends, double* values, int* rows
) noexcept nogil:
    cdef const floating* entries = values_of(x, kind)
    cdef Py_ssize_t i
    cdef long long p, at
    for i in range(x.n_rows):
        for p in range(x.indptr[i], x.indptr[i + 1]):
            at = ends[x.indices[p]]
            ends[x.indices[p]] = at + 1
            values[at], rows[at] = entries[p], <int>i


def copy_columns(
    Rows X not None,  # sparse
    long long[::1] ends,  # IN / OUT: where columns begin, and then where they end
    double[::1] values,  # OUT
    int[::1] rows,  # OUT
):
    """Copy X by columns, the rows of each in order."""
    cdef RowPointers x = X.pointers()
    if rows.shape[0] == 0:
        return
    with nogil:
        if x.values64 == NULL:
            copy_entries(&x, <float>0, &ends[0], &values[0], &rows[0])
        else:
            copy_entries(&x, <double>0, &ends[0], &values[0], &rows[0])


def scaled_columns(
    const double[::1] values,
    const int[::1] rows,
    const long long[::1] indptr,
    const long long[::1] chosen,
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
        for j in range(chosen.shape[0]):
            at, total, square = out_indptr[j], 0, 0
            for p in range(indptr[chosen[j]], indptr[chosen[j] + 1]):
                value = values[p] * roots[rows[p]]
                out[at], out_rows[at] = value, rows[p]
                total += value * s[rows[p]]
                square += value * value
                at += 1
            sums[j], squares[j] = total, square


def descend_columns(
    Rows A not None,
    const double[::1] s,
    const double[::1] sums,  # A s
    const double[::1] curvatures,  # the diagonal of H
    double[::1] u,  # IN / OUT: residuals, of which A u are the pulls
    double[::1] w,  # IN / OUT
    const double[::1] tilt,  # what is added to the pulls
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
                pull += tilt[j] - along * sums[j]
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


def columns_felt(
    Rows A not None,
    const long long[::1] chosen,
    const double[::1] u,
    double[::1] out,  # OUT
):
    """A u, of some rows of A."""
    cdef Py_ssize_t t, length
    cdef const double* a
    cdef const int* index
    cdef RowPointers x = A.pointers()
    with nogil:
        for t in range(chosen.shape[0]):
            a = row_at(&x, <double>0, chosen[t], &index, &length)
            out[t] = row_dot(a, index, length, &u[0], 1)


def columns_changes(
    Rows A not None,
    const long long[::1] chosen,
    const double[::1] step,
    double[::1] out,  # IN / OUT
):
    """out += A' step, of some rows of A."""
    cdef Py_ssize_t t, length
    cdef const double* a
    cdef const int* index
    cdef RowPointers x = A.pointers()
    with nogil:
        for t in range(chosen.shape[0]):
            a = row_at(&x, <double>0, chosen[t], &index, &length)
            row_add(a, index, length, step[t], &out[0])


cdef inline double softmax_pull(
    const double* a, const int* index, Py_ssize_t size, const double* r, const double* p,
    const double* s,
) noexcept nogil:
    """a'(r + p s)."""
    cdef double one = 0, other = 0
    cdef Py_ssize_t t = 0
    cdef int i, j
    if index == NULL:
        while t + 2 <= size:
            one += a[t] * (r[t] + p[t] * s[t])
            other += a[t + 1] * (r[t + 1] + p[t + 1] * s[t + 1])
            t += 2
        for t in range(t, size):
            one += a[t] * (r[t] + p[t] * s[t])
        return one + other
    while t + 2 <= size:
        i, j = index[t], index[t + 1]
        one += a[t] * (r[i] + p[i] * s[i])
        other += a[t + 1] * (r[j] + p[j] * s[j])
        t += 2
    for t in range(t, size):
        i = index[t]
        one += a[t] * (r[i] + p[i] * s[i])
    return one + other


cdef inline void softmax_move(
    const double* a, const int* index, Py_ssize_t size, double step, double* r, const double* p,
    double* s,
) noexcept nogil:
    """z += step a."""
    cdef Py_ssize_t t, i
    cdef double moved
    for t in range(size):
        i = t if index == NULL else index[t]
        moved = step * a[t] * p[i]
        r[i] -= moved
        s[i] += moved


def softmax_curvatures(
    Rows A not None,
    const int[::1] columns,  # of the coordinates: rows of A
    const int[::1] classes,  # of the coordinates
    const double[:, ::1] P,  # classes x rows
    double[::1] out,  # OUT
):
    """The diagonal of H: A^2 (p (1 - p))."""
    cdef Py_ssize_t j, t, i, length
    cdef const double* a
    cdef const int* index
    cdef const double* p
    cdef double total
    cdef RowPointers x = A.pointers()
    with nogil:
        for j in range(columns.shape[0]):
            a = row_at(&x, <double>0, columns[j], &index, &length)
            p = &P[classes[j], 0]
            total = 0
            for t in range(length):
                i = t if index == NULL else index[t]
                total += a[t] * a[t] * p[i] * (1 - p[i])
            out[j] = total


def softmax_changes(
    Rows A not None,
    const int[::1] columns,
    const int[::1] classes,
    const double[::1] step,
    double[:, ::1] Z,  # IN / OUT: classes x rows
):
    """Z_a += A' step, of the coordinates of each class a."""
    cdef Py_ssize_t j, t, length
    cdef const double* a
    cdef const int* index
    cdef double* z
    cdef RowPointers x = A.pointers()
    with nogil:
        for j in range(step.shape[0]):
            a = row_at(&x, <double>0, columns[j], &index, &length)
            z = &Z[classes[j], 0]
            for t in range(length):
                z[t if index == NULL else index[t]] += step[j] * a[t]


def softmax_felt(
    Rows A not None,
    const int[::1] columns,
    const int[::1] classes,
    const double[:, ::1] R,  # classes x rows
    double[::1] out,  # OUT
):
    """A R_a, of the coordinates of each class a."""
    cdef Py_ssize_t j, length
    cdef const double* a
    cdef const int* index
    cdef RowPointers x = A.pointers()
    with nogil:
        for j in range(out.shape[0]):
            a = row_at(&x, <double>0, columns[j], &index, &length)
            out[j] = row_dot(a, index, length, &R[classes[j], 0], 1)


def softmax_metric(const double[:, ::1] P, double[:, ::1] Z):  # Z: IN / OUT
    """(diag p - p p') z of each row."""
    cdef Py_ssize_t n = P.shape[1], k = P.shape[0], e, i, first, last
    cdef double s[512]
    with nogil:
        for first in range(0, n, 512):
            last = min(first + 512, n)
            for i in range(last - first):
                s[i] = 0
            for e in range(k):
                for i in range(first, last):
                    s[i - first] += P[e, i] * Z[e, i]
            for e in range(k):
                for i in range(first, last):
                    Z[e, i] = P[e, i] * (Z[e, i] - s[i - first])


def descend_softmax(
    Rows A not None,
    const int[::1] columns,
    const int[::1] classes,
    const double[:, ::1] P,
    const double[::1] curvatures,  # of the coordinates, then of the intercepts
    const double[::1] roots,  # of c: the column of the intercepts; empty without
    double[:, ::1] r,  # IN / OUT
    double[::1] s,  # IN / OUT
    double[::1] w,  # IN / OUT
    double[::1] b,  # IN / OUT: the changes of the intercepts
    const double[::1] tilt,
    double l1,
    double l2,
    bint positive,
    double tol,
    Py_ssize_t max_epochs,
):
    """Descend in columns for single classes, and in each epoch in all intercepts; the epochs."""
    cdef Py_ssize_t d = w.shape[0], n = s.shape[0], k = P.shape[0], epoch = 0, j, e, length
    cdef double step, pull, worst = 0
    cdef const double* a
    cdef const int* index
    cdef RowPointers x = A.pointers()
    cdef bint over_all = True
    with nogil:
        while epoch < max_epochs:
            epoch += 1
            worst = 0
            for e in range(k if roots.shape[0] else 0):
                if curvatures[d + e] > 0:
                    pull = softmax_pull(&roots[0], NULL, n, &r[e, 0], &P[e, 0], &s[0])
                    step = pull / curvatures[d + e]
                    b[e] += step
                    worst = max(worst, fabs(pull))
                    softmax_move(&roots[0], NULL, n, step, &r[e, 0], &P[e, 0], &s[0])
            for j in range(d):
                if not over_all and w[j] == 0:
                    continue
                e = classes[j]
                a = row_at(&x, <double>0, columns[j], &index, &length)
                pull = tilt[j] + softmax_pull(a, index, length, &r[e, 0], &P[e, 0], &s[0])
                step = coordinate_step(w[j], pull, curvatures[j], l1, l2, positive)
                if step != 0:
                    w[j] += step
                    worst = max(worst, (curvatures[j] + l2) * fabs(step))
                    softmax_move(a, index, length, step, &r[e, 0], &P[e, 0], &s[0])
            if worst <= tol:
                if over_all:
                    break
                over_all = True
            else:
                over_all = False
    return epoch
