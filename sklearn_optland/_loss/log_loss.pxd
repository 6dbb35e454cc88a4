# The log-loss of blocks of scores, binary (k = 1) and multinomial; the loops are in log_loss.h.
cdef extern from "log_loss.h" nogil:
    double optland_sum(long long n, const double* x)
    double optland_logistic(
        long long n, const double* z, const int* y, const double* c, double* r, double* loss
    )
    double optland_softmax_residual(
        long long n, long long k, const double* z, const int* y, const double* c, double* r,
        double* tops, double* total
    )


cdef inline double residuals(
    Py_ssize_t n, Py_ssize_t k, const double* z, const int* y, const double* c, double* r,
    double[:, ::1] scratch,
) noexcept nogil:
    """r = c (P - Y) for a block; returns the block's loss."""
    if k == 1:
        return optland_logistic(n, z, y, c, r, &scratch[0, 0])
    return optland_softmax_residual(n, k, z, y, c, r, &scratch[0, 0], &scratch[1, 0])
