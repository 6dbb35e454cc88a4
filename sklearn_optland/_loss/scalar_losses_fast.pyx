"""Losses of all rows: values and pulls, Fenchel gaps, the domains of the conjugates."""
import numpy as np

cdef extern from "log_loss.h" nogil:
    double optland_logistic_pulls(
        long long n, const double* z, const double* s, const double* c, double* theta, double* loss
    )
    double optland_logistic_fenchel_gap(
        long long n, const double* z, const double* s, const double* c, const double* theta,
        double* terms
    )


def pulls(
    scalar_loss,
    const double[::1] y,
    const double[::1] c,
    const double[::1] f,
    double[::1] theta,  # OUT
):
    """theta_i = -l_i'(f_i); returns the sum of c_i l_i(f_i)."""
    cdef Loss loss = as_loss(scalar_loss)
    cdef double total = 0
    cdef Py_ssize_t i, n = f.shape[0]
    cdef double[::1] terms
    if loss.kind == LOG:
        terms = np.empty(n)
        with nogil:
            total = optland_logistic_pulls(n, &f[0], &y[0], &c[0], &theta[0], &terms[0])
        return total
    with nogil:
        for i in range(n):
            theta[i] = loss_pull(loss, y[i], f[i])
            total += c[i] * loss_value(loss, y[i], f[i])
    return total


def curvatures(scalar_loss, const double[::1] y, const double[::1] theta):
    """Return second derivatives of a smooth loss where its pulls are these."""
    cdef Loss loss = as_loss(scalar_loss)
    cdef Py_ssize_t i
    values = np.empty(theta.shape[0])
    cdef double[::1] out = values
    with nogil:
        for i in range(theta.shape[0]):
            out[i] = loss_curvature(loss, y[i], theta[i])
    return values


def secants(scalar_loss, const double[::1] y, const double[::1] f, const double[::1] theta):
    """Return curvatures of parabolas that touch the losses and end where they do."""
    cdef Loss loss = as_loss(scalar_loss)
    cdef Py_ssize_t i
    values = np.empty(theta.shape[0])
    cdef double[::1] out = values
    with nogil:
        for i in range(theta.shape[0]):
            out[i] = loss_secant(loss, y[i], f[i], theta[i])
    return values


def fenchel_gap(
    scalar_loss,
    const double[::1] y,
    const double[::1] c,
    const double[::1] f,
    const double[::1] theta,
):
    """Sum of c_i [l_i(f_i) + l_i*(-theta_i) + theta_i f_i], the losses' part of the gap."""
    cdef Loss loss = as_loss(scalar_loss)
    cdef double total = 0
    cdef Py_ssize_t i, n = f.shape[0]
    cdef double[::1] terms
    if loss.kind == LOG:
        terms = np.empty(n)
        with nogil:
            total = optland_logistic_fenchel_gap(n, &f[0], &y[0], &c[0], &theta[0], &terms[0])
        return total
    with nogil:
        for i in range(n):
            total += c[i] * loss_fenchel_gap(loss, y[i], f[i], theta[i])
    return total


def in_domain(scalar_loss, const double[::1] y, const double[::1] theta):
    """Return the pulls nearest to theta at which the conjugates are finite."""
    cdef Loss loss = as_loss(scalar_loss)
    cdef Py_ssize_t i
    nearest = np.empty(theta.shape[0])
    cdef double[::1] out = nearest
    with nogil:
        for i in range(theta.shape[0]):
            out[i] = loss_in_domain(loss, y[i], theta[i])
    return nearest
