"""Coordinate descent in groups on a quadratic model with a group lasso.

    min_w  -v'(w - w0) + (w - w0)'H(w - w0) / 2 + sum_g t_g |w_g| + l2/2 |w|^2

A group's coordinates follow each other. A step minimises with L_g I for the group's block of H, L_g
at least its largest eigenvalue (Yuan and Lin 2006; Qin, Scheinberg and Goldfarb 2013): with
z = L_g w_g + v_g

    w_g <- max(0, 1 - t_g / |z|) z / (L_g + l2)

A violation is (L_g + l2) |step|. Epochs are those of `coordinate_descent_fast`.

    group_bounds      L_g
    descend_groups    the descent; a step that moves costs the group's rows of H
"""
from libc.math cimport fabs, sqrt
from scipy.linalg.cython_blas cimport daxpy


def group_bounds(
    const double[:, ::1] H,
    const long long[::1] starts,  # of the groups, and the end of the last
    double[::1] bounds,  # OUT
):
    """The smaller one of two norms of each group's block: Frobenius', and the largest row sum."""
    cdef Py_ssize_t g, i, j
    cdef double squares, largest, row
    with nogil:
        for g in range(bounds.shape[0]):
            squares, largest = 0, 0
            for i in range(starts[g], starts[g + 1]):
                row = 0
                for j in range(starts[g], starts[g + 1]):
                    row += fabs(H[i, j])
                    squares += H[i, j] * H[i, j]
                largest = max(largest, row)
            bounds[g] = min(sqrt(squares), largest)


def descend_groups(
    const double[:, ::1] H,
    double[::1] v,  # IN / OUT: v - H (w - w0)
    double[::1] w,  # IN / OUT
    double[::1] step,  # OUT: the last one of each group
    const long long[::1] starts,  # of the groups, and the end of the last
    const double[::1] thresholds,  # t
    const double[::1] bounds,  # L
    double l2,
    double tol,
    Py_ssize_t max_epochs,
):
    """Descend; returns the epochs."""
    cdef Py_ssize_t epoch = 0, g, j
    cdef int size = <int>w.shape[0], one = 1
    cdef double square, norm, factor, felt, worst = 0
    cdef bint over_all = True, is_zero
    with nogil:
        while epoch < max_epochs:
            epoch += 1
            worst = 0
            for g in range(bounds.shape[0]):
                if bounds[g] + l2 <= 0:
                    continue
                square, is_zero = 0, True
                for j in range(starts[g], starts[g + 1]):
                    is_zero = is_zero and w[j] == 0
                    square += (bounds[g] * w[j] + v[j]) ** 2
                norm = sqrt(square)
                if is_zero and (not over_all or norm <= thresholds[g]):
                    continue
                factor = 0
                if norm > thresholds[g]:
                    factor = (1 - thresholds[g] / norm) / (bounds[g] + l2)
                square = 0
                for j in range(starts[g], starts[g + 1]):
                    step[j] = factor * (bounds[g] * w[j] + v[j]) - w[j]
                    square += step[j] * step[j]
                for j in range(starts[g], starts[g + 1]):
                    if step[j] != 0:
                        w[j] += step[j]
                        felt = -step[j]
                        daxpy(&size, &felt, <double*>&H[j, 0], &one, &v[0], &one)
                worst = max(worst, (bounds[g] + l2) * sqrt(square))
            if worst <= tol:
                if over_all:
                    break
                over_all = True
            else:
                over_all = False
    return epoch
