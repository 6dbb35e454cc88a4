"""Bounds on spherical triangles, for the maximum of ``|sum_i R_i relu(x_i't)|`` over the sphere.

A triangle is the set of unit vectors t = sum_k c_k v_k, c >= 0, of three corners v_k. Of a row,
z_k = x_i'v_k. Where all z_k <= 0 the row is silent on the triangle; where all z_k >= 0 it is
linear, and joins the triangle's matrix G = sum x_i R_i'. Else it is mixed, and

    a x't <= relu(x't) <= a x't + sum_k c_k e_k,   e_k = relu(z_k) - a z_k,

with a = 1 if sum_k z_k > 0 and else 0 (the choice with the smaller sum of e_k): relu is convex
and positively homogeneous, so it lies below its secant. Hence the sum lies in

    sum_k c_k (H'v_k + sum_i s_i e_ik R_i),   0 <= s_i <= 1,   H = G + sum over mixed a x_i R_i',

and its norm, a convex function, below sum_k c_k B_k, where B_k bounds the norm at corner k over
all s: column by column (for one column, exact) or by the triangle inequality, whichever is less.
What is left is the maximum over the triangle of a function that is linear on its cone: in closed
form. As mixed rows are few in a small triangle, and their e_k small, the bound is of second order
in the triangle's size.

A child's rows are its parent's mixed rows: the work for a level of halved triangles grows with
the number of triangles that are left, not with the rows.
"""

from libc.math cimport fabs, fmax, fmin, sqrt

import numpy as np

cdef double EPSILON = 2.220446049250313e-16
cdef double SHORT = 1e-4  # an edge so short that the closed form would lose its digits

cdef enum:
    LINEAR = 0  # H'v_k, a row for each corner
    LEAST = 3  # what the mixed rows add at least
    MOST = 6
    CENTER = 9  # the sum at the centre
    WORK_ROWS = 10


def bound_triangles(
    const double[:, ::1] X,  # n x 3
    const double[:, ::1] R,  # n x q
    const double[::1] R_norms,
    const double[:, :, ::1] corners,  # m triangles x 3 corners x 3, unit vectors
    const double[:, ::1] centers,  # m x 3, unit vectors
    const Py_ssize_t[::1] parents,
    const double[:, :, ::1] parents_linear,  # G of each parent, 3 x q
    const Py_ssize_t[::1] parents_first,  # where a parent's mixed rows begin; at last their end
    const int[::1] parents_rows,
    double[::1] bounds,  # OUT, of the norm on a triangle
    double[::1] values,  # OUT, the norm at a centre
    double[:, :, ::1] linear,  # OUT
    Py_ssize_t[::1] first,  # OUT
    int[::1] rows,  # OUT, with room for all rows of all parents
):
    """Bound the norm on each triangle, and find the rows that are mixed there."""
    cdef Py_ssize_t m = corners.shape[0], q = R.shape[1]
    cdef Py_ssize_t node, parent, position, i, j, k, n_mixed = 0
    cdef double[3] z, e, excess, corner_bounds
    cdef double z_center
    cdef bint on  # a of the docstring
    cdef const double* x
    cdef const double* v
    cdef const double* c
    cdef double[:, ::1] work = np.empty((WORK_ROWS, q))
    with nogil:
        first[0] = 0
        for node in range(m):
            parent = parents[node]
            v = &corners[node, 0, 0]
            c = &centers[node, 0]
            work[:] = 0
            for j in range(3):
                excess[j] = 0
                for k in range(q):
                    linear[node, j, k] = parents_linear[parent, j, k]
            for position in range(parents_first[parent], parents_first[parent + 1]):
                i = parents_rows[position]
                x = &X[i, 0]
                for j in range(3):
                    z[j] = dot(x, v + 3 * j)
                if z[0] <= 0 and z[1] <= 0 and z[2] <= 0:
                    continue
                if z[0] >= 0 and z[1] >= 0 and z[2] >= 0:
                    for j in range(3):
                        for k in range(q):
                            linear[node, j, k] += x[j] * R[i, k]
                    continue
                rows[n_mixed] = <int>i
                n_mixed += 1
                on = z[0] + z[1] + z[2] > 0
                for j in range(3):
                    e[j] = fmax(-z[j] if on else z[j], 0)
                    excess[j] += R_norms[i] * e[j]
                z_center = fmax(dot(x, c), 0)
                for k in range(q):
                    for j in range(3):
                        work[LEAST + j, k] += fmin(R[i, k], 0) * e[j]
                        work[MOST + j, k] += fmax(R[i, k], 0) * e[j]
                        if on:
                            work[LINEAR + j, k] += R[i, k] * z[j]
                    work[CENTER, k] += R[i, k] * z_center
            first[node + 1] = n_mixed
            for k in range(q):
                for j in range(3):
                    for i in range(3):
                        work[LINEAR + i, k] += linear[node, j, k] * v[3 * i + j]
                    work[CENTER, k] += linear[node, j, k] * c[j]
            for j in range(3):
                corner_bounds[j] = corner_bound(work, j, excess[j])
            bounds[node] = maximum_on_triangle(v, c, corner_bounds)
            values[node] = norm(work, CENTER)


cdef inline double dot(const double* a, const double* b) noexcept nogil:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


cdef double norm(const double[:, ::1] work, Py_ssize_t row) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t k
    for k in range(work.shape[1]):
        total += work[row, k] * work[row, k]
    return sqrt(total)


cdef double corner_bound(const double[:, ::1] work, Py_ssize_t j, double excess) noexcept nogil:
    """B_j, by columns or by the triangle inequality."""
    cdef double largest, total = 0
    cdef Py_ssize_t k
    for k in range(work.shape[1]):
        largest = fmax(
            work[LINEAR + j, k] + work[MOST + j, k], -work[LINEAR + j, k] - work[LEAST + j, k]
        )
        total += largest * largest
    return fmin(sqrt(total), norm(work, LINEAR + j) + excess)


cdef double maximum_on_triangle(
    const double* v, const double* center, const double* b
) noexcept nogil:
    """Maximum of sum_k t_k b_k, b >= 0, over the unit vectors sum_k t_k v_k with t >= 0.

    The sum is g't for the g with v_k'g = b_k. Its maximum is |g| if g is in the triangle's cone,
    else it is on an edge: the same rule again on the edge's plane, then at the corners.
    """
    cdef double highest = fmax(fmax(b[0], b[1]), b[2])
    # 1 >= t'c = sum_k t_k v_k'c for the centre c bounds sum_k t_k. Unless the triangle is small
    # this is loose.
    cdef double nearest = fmin(fmin(dot(v, center), dot(v + 3, center)), dot(v + 6, center))
    cdef double simple = highest / fmax(nearest, EPSILON)
    cdef double value = highest, shortest = 8, determinant = 0, edge, difference, cosine, square
    cdef double[3] g
    cdef double[9] normals
    cdef const double* p
    cdef const double* r
    cdef Py_ssize_t j, k, following, third
    cdef bint inside = True
    for j in range(3):
        g[j] = 0
    for k in range(3):  # the edge from corner k to the next, across from the third
        following, third = (k + 1) % 3, (k + 2) % 3
        p, r = v + 3 * k, v + 3 * following
        edge = 0
        for j in range(3):
            edge += (p[j] - r[j]) * (p[j] - r[j])
        shortest = fmin(shortest, edge)
        if edge < SHORT * SHORT:
            return simple
        cosine = 1 - edge / 2
        if b[k] > cosine * b[following] and b[following] > cosine * b[k]:
            difference = b[k] - b[following]
            square = 2 * difference * difference / edge + 2 * b[k] * b[following]
            value = fmax(value, sqrt(square / (2 - edge / 2)))
        normals[3 * third] = p[1] * r[2] - p[2] * r[1]
        normals[3 * third + 1] = p[2] * r[0] - p[0] * r[2]
        normals[3 * third + 2] = p[0] * r[1] - p[1] * r[0]
        for j in range(3):
            g[j] += b[third] * normals[3 * third + j]
    determinant = dot(v, normals)
    for k in range(3):
        inside = inside and dot(normals + 3 * k, g) >= 0  # t_k times the determinant's square
    if inside and determinant != 0:
        value = fmax(value, sqrt(dot(g, g)) / fabs(determinant))
    return fmin(simple, value * (1 + 64 * EPSILON / shortest))
