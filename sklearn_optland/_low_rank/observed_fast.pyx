"""Observed entries of a matrix, by rows: scores of factors, and the best factors of rows.

A row i has the entries k = indptr[i], ..., indptr[i + 1] - 1 in the columns indices[k], with losses
l_k of scores offset_k + u_i'v_j, pulls theta_k = -l_k' and curvatures h_k. The best u_i for fixed V
minimises sum_k c_k l_k + alpha/2 |u_i|^2, which is strongly convex: Newton's steps

    (sum_k c_k h_k v_j v_j' + alpha I) p = sum_k c_k theta_k v_j - alpha u_i,

halved until they satisfy Armijo's condition. For the squared error the first one arrives.

With a penalty sum_a w_a |u_a| or u_i >= 0, a step goes to the minimum of the same quadratic model
plus the penalty, by coordinate descent: the proximal Newton method (Lee, Sun and Saunders 2014).
"""
from libc.math cimport exp, fabs, fmax, log1p
from scipy.linalg.cython_blas cimport ddot
from scipy.linalg.cython_lapack cimport dposv

import numpy as np

from sklearn_optland._loss.scalar_losses_fast cimport (
    HUBER,
    LOG,
    POISSON,
    Loss,
    as_loss,
    loss_pull,
    loss_value,
)

cdef int MAX_STEPS = 1000
cdef int MAX_HALVINGS = 60
cdef double ARMIJO = 1e-4
# The slope at which a row has arrived, relative to its value.
cdef double FLAT = 1e-15
# Sweeps of coordinate descent over a row's factors, and the relative move that ends them.
cdef int MAX_SWEEPS = 1000
cdef double MOVE = 1e-12


def scores(
    const int[::1] indptr,
    const int[::1] indices,
    const double[:, ::1] U,
    const double[:, ::1] V,
    double[::1] f,  # OUT
):
    """f_k = u_i'v_j."""
    cdef Py_ssize_t i, k
    cdef int rank = <int>U.shape[1], one = 1
    if rank == 0:
        f[:] = 0
        return
    with nogil:
        for i in range(U.shape[0]):
            for k in range(indptr[i], indptr[i + 1]):
                f[k] = ddot(&rank, <double*>&U[i, 0], &one, <double*>&V[indices[k], 0], &one)


cdef inline double value(Loss loss, double y, double f) noexcept nogil:
    if loss.kind == LOG:
        return fmax(-y * f, 0) + log1p(exp(-fabs(f)))
    return loss_value(loss, y, f)


cdef inline double curvature(Loss loss, double y, double pull) noexcept nogil:
    """The second derivative where the pull is this."""
    if loss.kind == LOG:
        return fabs(pull) * (1 - fabs(pull))
    if loss.kind == POISSON:
        return fmax(y - pull, 0)
    if loss.kind == HUBER:
        return 1.0 if fabs(pull) < loss.epsilon else 0.0
    return 1.0


cdef double row_value(
    Loss loss, Py_ssize_t first, Py_ssize_t last, const double* y, const double* c,
    const double* f, const double* along, double size, double alpha, int rank, const double* l1,
    double* u, double* p,
) noexcept nogil:
    """The objective of a row at u + size p, whose scores are f + size along."""
    cdef double total = 0, entry
    cdef Py_ssize_t k
    cdef int a
    for k in range(first, last):
        total += c[k] * value(loss, y[k], f[k] + size * along[k])
    for a in range(rank):
        entry = u[a] + size * p[a]
        total += 0.5 * alpha * entry * entry + l1[a] * fabs(entry)
    return total


cdef void coordinate_descent(
    double[:, ::1] H, const double* g, const double* l1, bint positive, int rank, const double* u,
    double* p,  # OUT
) noexcept nogil:
    """p = argmin of p'Hp / 2 - g'p + sum_a l1_a |u_a + p_a|, u + p >= 0 if positive."""
    cdef int a, b, _sweep
    cdef double slope, before, at, move, largest
    for a in range(rank):
        p[a] = 0
    for _sweep in range(MAX_SWEEPS):
        move = largest = 0
        for a in range(rank):
            if H[a, a] <= 0:  # no entry is seen here: u_a is 0
                continue
            slope = g[a]
            for b in range(rank):
                slope -= (H[a, b] if b <= a else H[b, a]) * p[b]
            before = u[a] + p[a]
            slope += H[a, a] * before
            at = fmax(fabs(slope) - l1[a], 0) / H[a, a]
            if slope < 0:
                at = 0 if positive else -at
            p[a] = at - u[a]
            move = fmax(move, fabs(at - before))
            largest = fmax(largest, fabs(at))
        if move <= MOVE * largest:
            return


def row_factors(
    const int[::1] indptr,
    const int[::1] indices,
    const double[::1] y,
    const double[::1] c,
    const double[::1] offsets,
    scalar_loss,
    const double[:, ::1] V,
    double alpha,
    const double[::1] l1,
    bint positive,
    double[:, ::1] U,  # OUT
):
    """U = the best factors of the rows.

    l1 are the weights w. Return the number of systems that were not definite.
    """
    cdef Loss loss = as_loss(scalar_loss)
    cdef Py_ssize_t i, k, a, b, first, last
    cdef int rank = <int>V.shape[1], one = 1, info, _step, _halving, n_failed = 0
    cdef double theta, h, now, new, slope, size
    cdef bint is_smooth = not positive and not np.any(l1), is_bound
    cdef double[:, ::1] H = np.empty((max(rank, 1), max(rank, 1)))
    cdef double[::1] p = np.zeros(rank + 1), g = np.empty(rank + 1)
    cdef double[::1] f = np.array(offsets), along = np.zeros(f.shape[0] + 1)
    cdef const double* v
    if rank == 0 or y.shape[0] == 0:
        U[:, :] = 0
        return 0
    with nogil:
        for i in range(U.shape[0]):
            for a in range(rank):
                U[i, a] = 0
            first, last = indptr[i], indptr[i + 1]
            now = row_value(
                loss, first, last, &y[0], &c[0], &f[0], &along[0], 0, alpha, rank, &l1[0],
                &U[i, 0], &p[0])
            for _step in range(MAX_STEPS):
                for a in range(rank):
                    for b in range(a + 1):  # the lower triangle of rows is Fortran's upper one
                        H[a, b] = 0
                    H[a, a] = alpha
                    p[a] = -alpha * U[i, a]
                for k in range(first, last):
                    theta = loss_pull(loss, y[k], f[k])
                    # Huber's is 0 where it is linear: its bound keeps the model bounded below
                    is_bound = loss.kind == HUBER and not is_smooth
                    h = c[k] * (1.0 if is_bound else curvature(loss, y[k], theta))
                    theta *= c[k]
                    v = &V[indices[k], 0]
                    for a in range(rank):
                        p[a] += theta * v[a]
                        for b in range(a + 1):
                            H[a, b] += h * v[a] * v[b]
                for a in range(rank):
                    g[a] = p[a]
                if is_smooth:
                    dposv(b"U", &rank, &one, &H[0, 0], &rank, &p[0], &rank, &info)
                    if info != 0:
                        n_failed += 1
                        break
                else:
                    coordinate_descent(H, &g[0], &l1[0], positive, rank, &U[i, 0], &p[0])
                slope = -ddot(&rank, &g[0], &one, &p[0], &one)
                for a in range(rank):
                    slope += l1[a] * (fabs(U[i, a] + p[a]) - fabs(U[i, a]))
                if not slope < -FLAT * now:
                    break
                for k in range(first, last):
                    along[k] = ddot(&rank, &p[0], &one, <double*>&V[indices[k], 0], &one)
                size = 1
                for _halving in range(MAX_HALVINGS):
                    new = row_value(
                        loss, first, last, &y[0], &c[0], &f[0], &along[0], size, alpha, rank,
                        &l1[0], &U[i, 0], &p[0])
                    if new <= now + ARMIJO * size * slope:
                        break
                    size *= 0.5
                else:  # rounding
                    break
                now = new
                for a in range(rank):
                    U[i, a] += size * p[a]
                for k in range(first, last):
                    f[k] += size * along[k]
    return n_failed
