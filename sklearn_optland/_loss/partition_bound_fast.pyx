"""Algorithm 1 of Jebara and Choromanska (2012): a quadratic bound on a log-partition function.

With z kept as its logarithm: z -> 0+, mu = 0, Sigma = 0; for each y, alpha = h(y) exp(theta'f(y)),
l = f(y) - mu, Sigma += tanh(log(alpha / z) / 2) / (2 log(alpha / z)) l l',
mu += alpha / (z + alpha) l, z += alpha.
"""
from libc.math cimport INFINITY, exp, fabs, log1p, tanh

import numpy as np

from sklearn_optland._loss.scalar_losses_fast cimport sigmoid


cdef inline double tightest_curvature(double r) noexcept nogil:
    """tanh(r / 2) / (2 r): of the quadratic that touches log(1 + exp(-r)) at r and lies above."""
    if fabs(r) < 1e-4:
        return 0.25 - r * r / 48
    return tanh(0.5 * r) / (2 * r)


cdef inline double log_add(double a, double b) noexcept nogil:
    """log(exp(a) + exp(b)); a may be -infinity."""
    return b + log1p(exp(a - b)) if b > a else a + log1p(exp(b - a))


def partition_bound(
    const double[:, ::1] features,
    const double[::1] log_alpha,
    const Py_ssize_t[::1] order,
    double[::1] mu,  # IN / OUT
    double[:, ::1] sigma,  # IN / OUT
):
    """Visit the y in `order`; returns log z."""
    cdef Py_ssize_t i, y, a, b, d = features.shape[1]
    cdef double log_z = -INFINITY, r, ratio, share
    cdef double[::1] step = np.empty(d)  # l = f(y) - mu
    with nogil:
        for i in range(order.shape[0]):
            y = order[i]
            if log_alpha[y] == -INFINITY:
                continue
            r = log_alpha[y] - log_z
            ratio, share = tightest_curvature(r), sigmoid(r)
            for a in range(d):
                step[a] = features[y, a] - mu[a]
            for a in range(d):
                for b in range(d):
                    sigma[a, b] += ratio * (step[a] * step[b])
                mu[a] += share * step[a]
            log_z = log_add(log_z, log_alpha[y])
    return log_z


def jc12_curvature(
    const double[:, ::1] Z, const Py_ssize_t[:, ::1] order, double[:, :, ::1] S  # OUT
):
    """Algorithm 1 for each row of scores with the unit vectors as features.

    The curvature of a row's log-loss in W is then S_i kron x_i x_i'. Only the classes already
    met have a share in l, so step a costs a^2. `order` lists each row's classes; descending scores
    give the tightest bound.
    """
    cdef Py_ssize_t i, a, b, e, y, u, v, k = Z.shape[1]
    cdef double log_z, r, ratio, share
    cdef double[::1] mu = np.empty(k)
    with nogil:
        S[:, :, :] = 0
        for i in range(Z.shape[0]):
            mu[:] = 0
            log_z = -INFINITY
            for a in range(k):
                y = order[i, a]
                r = Z[i, y] - log_z
                ratio, share = tightest_curvature(r), sigmoid(r)
                mu[y] = -1  # l = e_y - mu, so -mu holds l, up to sign, on the classes met
                for b in range(a + 1):
                    u = order[i, b]
                    for e in range(a + 1):
                        v = order[i, e]
                        S[i, u, v] += ratio * (mu[u] * mu[v])
                mu[y] = 0
                for b in range(a):
                    mu[order[i, b]] *= 1 - share
                mu[y] = share
                log_z = log_add(log_z, Z[i, y])
