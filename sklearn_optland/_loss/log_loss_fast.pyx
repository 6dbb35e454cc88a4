"""The log-loss of rows of scores: line search, curvatures, dual points, probabilities.

    sum_i c_i [log sum_y exp(z_iy) - z_iy_i],

k = 1 score being that of class 1 of two. Rows go in blocks of 1024, whose scores stay in the cache.
"""
import numpy as np

from sklearn_optland._loss.log_loss cimport residuals


cdef extern from "log_loss.h" nogil:
    void optland_logistic_curvature(
        long long n, const double* z, const double* c, const double* radius, double* h
    )
    double optland_logistic_smallest_change(long long n, const double* z, const double* dz)
    double optland_logistic_dual(
        long long n, const double* z, const double* dz, double cut, const int* y, const double* c,
        double* r, double* terms
    )
    double optland_softmax_changes(
        long long n, long long k, const double* z, const double* dz, double* p, double* change,
        double* tops, double* total
    )
    double optland_softmax_dual(
        long long n, long long k, double cut, const int* y, const double* c, const double* p,
        const double* change, double* r, double* terms
    )
    void optland_softmax_divergences(
        long long n, long long k, const double* z, const double* q, double* p, double* tops,
        double* total, double* divergences
    )
    void optland_softmax(
        long long n, long long k, const double* z, double* p, double* tops, double* total
    )


def loss_along(
    const int[::1] y,
    const double[::1] c,
    const double[:, ::1] Z,
    const double[:, ::1] dZ,
    double t,
):
    """Loss and its derivative in t at the scores Z + t dZ: a line search without a pass."""
    cdef Py_ssize_t start, i, n, k = Z.shape[1]
    cdef double[:, ::1] moved = np.empty((1024, k)), R = np.empty((1024, k))
    cdef double[:, ::1] scratch = np.empty((2, 1024))
    cdef double loss = 0, slope = 0
    cdef const double* z
    cdef const double* dz
    cdef double* z_t = &moved[0, 0]
    cdef double* r = &R[0, 0]
    with nogil:
        for start in range(0, Z.shape[0], 1024):
            n = min(1024, Z.shape[0] - start)
            z, dz = &Z[start, 0], &dZ[start, 0]
            for i in range(n * k):
                z_t[i] = z[i] + t * dz[i]
            loss += residuals(n, k, z_t, &y[start], &c[start], r, scratch)
            for i in range(n * k):
                slope += r[i] * dz[i]
    return loss, slope


def binary_curvature(
    const double[:, ::1] z, const double[::1] c, const double[::1] radius, double[::1] h  # OUT
):
    """Curvature of each row: Newton's for radius 0, JC12 for infinity, a majorizer between."""
    with nogil:
        optland_logistic_curvature(z.shape[0], &z[0, 0], &c[0], &radius[0], &h[0])


def curvature_along(
    const double[:, ::1] P,
    const double[::1] c,
    const double[:, ::1] dZ,
    double[::1] total,  # IN / OUT
):
    """Add sum_i c_i (diag p_i - p_i p_i') dz_i, dz less that of the largest p."""
    cdef Py_ssize_t i, a, top, k = P.shape[1]
    cdef double mean
    with nogil:
        for i in range(P.shape[0]):
            top, mean = 0, 0
            for a in range(1, k):
                top = a if P[i, a] > P[i, top] else top
            for a in range(k):
                mean += P[i, a] * (dZ[i, a] - dZ[i, top])
            for a in range(k):
                total[a] += c[i] * P[i, a] * (dZ[i, a] - dZ[i, top] - mean)


def smallest_change(const double[:, ::1] Z, const double[:, ::1] dZ):
    """The smallest relative change of a probability, -1 if it vanishes, by the Newton step dZ.

    p' = p + cut (diag p - pp') dz = p (1 + cut change): the step stays in the simplex for
    cut <= -1 / smallest change.
    """
    cdef Py_ssize_t start, n, k = Z.shape[1]
    cdef double[:, ::1] P, change, scratch
    cdef double smallest = 0
    if k == 1:
        with nogil:
            smallest = optland_logistic_smallest_change(Z.shape[0], &Z[0, 0], &dZ[0, 0])
        return smallest
    P, change, scratch = np.empty((1024, k)), np.empty((1024, k)), np.empty((2, 1024))
    with nogil:
        for start in range(0, Z.shape[0], 1024):
            n = min(1024, Z.shape[0] - start)
            smallest = min(smallest, optland_softmax_changes(
                n, k, &Z[start, 0], &dZ[start, 0], &P[0, 0], &change[0, 0], &scratch[0, 0],
                &scratch[1, 0],
            ))
    return smallest


def newton_dual(
    const double[:, ::1] Z,
    const double[:, ::1] dZ,
    const int[::1] y,
    const double[::1] c,
    double[:, ::1] R,  # OUT
    double cut,
):
    """Dual point of the Newton step dZ, p' = p + cut (diag p - pp') dz.

    R becomes c (p' - y); returns sum_i c_i KL(p'_i || p_i).
    """
    cdef Py_ssize_t start, n = Z.shape[0], k = Z.shape[1]
    cdef double[:, ::1] P, change, terms, scratch
    cdef double[::1] row_terms
    cdef double divergence = 0
    if k == 1:
        row_terms = np.empty(n)
        with nogil:
            divergence = optland_logistic_dual(
                n, &Z[0, 0], &dZ[0, 0], cut, &y[0], &c[0], &R[0, 0], &row_terms[0]
            )
        return divergence
    P, change = np.empty((1024, k)), np.empty((1024, k))
    terms, scratch = np.empty((1024, k)), np.empty((2, 1024))
    with nogil:
        for start in range(0, Z.shape[0], 1024):
            n = min(1024, Z.shape[0] - start)
            optland_softmax_changes(
                n, k, &Z[start, 0], &dZ[start, 0], &P[0, 0], &change[0, 0], &scratch[0, 0],
                &scratch[1, 0],
            )
            divergence += optland_softmax_dual(
                n, k, cut, &y[start], &c[start], &P[0, 0], &change[0, 0], &R[start, 0],
                &terms[0, 0],
            )
    return divergence


def softmax(const double[:, ::1] Z, double[:, ::1] P):  # OUT
    """Class probabilities of rows of scores."""
    cdef Py_ssize_t start, n, k = Z.shape[1]
    cdef double[:, ::1] scratch = np.empty((2, 1024))
    with nogil:
        for start in range(0, Z.shape[0], 1024):
            n = min(1024, Z.shape[0] - start)
            optland_softmax(n, k, &Z[start, 0], &P[start, 0], &scratch[0, 0], &scratch[1, 0])


def divergences(
    const double[:, ::1] Q, const double[:, ::1] Z, double[::1] out  # OUT
):
    """KL(q || softmax(z)) of each row."""
    cdef Py_ssize_t start, n, k = Z.shape[1]
    cdef double[:, ::1] P = np.empty((1024, k)), scratch = np.empty((2, 1024))
    with nogil:
        for start in range(0, Z.shape[0], 1024):
            n = min(1024, Z.shape[0] - start)
            optland_softmax_divergences(
                n, k, &Z[start, 0], &Q[start, 0], &P[0, 0], &scratch[0, 0], &scratch[1, 0],
                &out[start],
            )
