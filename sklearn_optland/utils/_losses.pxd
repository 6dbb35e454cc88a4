# Losses of one margin m, as scalars; _log_loss.h has the log-loss of blocks of rows, vectorised.

cpdef double log_loss(double m) noexcept nogil
cpdef double log_loss_derivative(double m) noexcept nogil
cpdef double log_loss_curvature(double m) noexcept nogil
cpdef double log_loss_bound(double m) noexcept nogil
cpdef double log_loss_conjugate(double a) noexcept nogil
cpdef double log_loss_prox(double m, double q) noexcept nogil
