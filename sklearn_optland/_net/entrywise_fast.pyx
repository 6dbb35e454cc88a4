"""Entrywise parts of a net's passes over a block of rows, fused so that each array is read once.

activate          Z <- sigma(Z + b)
times_slope       D <- D * sigma'(Z), from V = sigma(Z)
output_residuals  F <- c (dl/dF), and the sum of c l(F, Y): the losses of the output layer

weighted_squares  sum of c_i |x_i|^2 over the rows

All are vectorised in entrywise.h, for float32 and float64. Matrix products are BLAS', by NumPy.
"""
from cython cimport floating

cdef extern from "entrywise.h" nogil:
    enum:
        OPTLAND_LOGISTIC
        OPTLAND_TANH
        OPTLAND_RELU
        OPTLAND_IDENTITY
    void optland_activate_float(
        long long rows, long long width, int kind, const float* bias, float* z
    )
    void optland_activate_double(
        long long rows, long long width, int kind, const double* bias, double* z
    )
    void optland_times_slope_float(long long n, int kind, const float* v, float* d)
    void optland_times_slope_double(long long n, int kind, const double* v, double* d)
    double optland_weighted_squares_float(
        long long rows, long long width, const double* c, const float* x
    )
    double optland_weighted_squares_double(
        long long rows, long long width, const double* c, const double* x
    )
    double optland_output_residuals_float(
        long long rows, long long width, int is_log_loss, const float* y, const double* c, float* f
    )
    double optland_output_residuals_double(
        long long rows, long long width, int is_log_loss, const double* y, const double* c,
        double* f
    )

KINDS = {
    "logistic": OPTLAND_LOGISTIC,
    "tanh": OPTLAND_TANH,
    "relu": OPTLAND_RELU,
    "identity": OPTLAND_IDENTITY,
}


def activate(floating[:, ::1] Z, const floating[::1] bias, int kind):  # IN / OUT
    """Z <- sigma(Z + bias)."""
    if bias.shape[0] != Z.shape[1]:
        raise ValueError("bias and Z must have the same number of columns")
    if Z.shape[0] == 0 or Z.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            optland_activate_float(Z.shape[0], Z.shape[1], kind, &bias[0], &Z[0, 0])
        else:
            optland_activate_double(Z.shape[0], Z.shape[1], kind, &bias[0], &Z[0, 0])


def times_slope(floating[:, ::1] D, const floating[:, ::1] V, int kind):  # IN / OUT
    """D <- D * sigma', a function of the activations V."""
    if D.shape[0] != V.shape[0] or D.shape[1] != V.shape[1]:
        raise ValueError("D and V must have the same shape")
    if D.shape[0] == 0 or D.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            optland_times_slope_float(D.shape[0] * D.shape[1], kind, &V[0, 0], &D[0, 0])
        else:
            optland_times_slope_double(D.shape[0] * D.shape[1], kind, &V[0, 0], &D[0, 0])


def weighted_squares(const floating[:, ::1] X, const double[::1] c):
    """Sum of c_i |x_i|^2 over the rows."""
    cdef double total
    if c.shape[0] != X.shape[0]:
        raise ValueError("c and X must have the same number of rows")
    if X.shape[0] == 0 or X.shape[1] == 0:
        return 0.0
    with nogil:
        if floating is float:
            total = optland_weighted_squares_float(X.shape[0], X.shape[1], &c[0], &X[0, 0])
        else:
            total = optland_weighted_squares_double(X.shape[0], X.shape[1], &c[0], &X[0, 0])
    return total


def output_residuals(
    floating[:, ::1] F, const floating[:, ::1] Y, const double[::1] c, bint is_log_loss
):  # IN / OUT
    """F <- c dl/dF; return the sum of c l(F, Y).

    Y has 0 or 1 for the log-loss, one column for two classes and one-hot rows for more.
    """
    cdef double total
    if F.shape[0] != Y.shape[0] or F.shape[1] != Y.shape[1] or c.shape[0] != F.shape[0]:
        raise ValueError("F, Y and c must have the same number of rows, F and Y of columns")
    if F.shape[0] == 0 or F.shape[1] == 0:
        return 0.0
    with nogil:
        if floating is float:
            total = optland_output_residuals_float(
                F.shape[0], F.shape[1], is_log_loss, &Y[0, 0], &c[0], &F[0, 0]
            )
        else:
            total = optland_output_residuals_double(
                F.shape[0], F.shape[1], is_log_loss, &Y[0, 0], &c[0], &F[0, 0]
            )
    return total
