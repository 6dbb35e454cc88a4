cdef struct Penalty:
    double l1, l2
    bint positive


cdef struct Model:
    Py_ssize_t d
    const double* H
    double* v  # the pulls v - H (w - w0)
    double* w
    double* factor  # scratch: d x d
    double* step  # scratch: d
    int* support  # scratch: d


cdef Model model_of(
    const double[:, ::1] H, double[::1] v, double[::1] w, double[::1] scratch, int[::1] support
)
cdef void add_row(Model q, Py_ssize_t j, double factor) noexcept nogil
cdef void move(Model q, Py_ssize_t j, double step) noexcept nogil
cdef Py_ssize_t support_of(Model q) noexcept nogil
cdef double step_on(Model q, Penalty p, Py_ssize_t k, bint has_signs) noexcept nogil
cdef double tolerated(Model q, Penalty p, double gap, double felt) noexcept nogil
cdef Py_ssize_t minimize(
    Model q, Penalty p, double gap, double felt, double least
) noexcept nogil
