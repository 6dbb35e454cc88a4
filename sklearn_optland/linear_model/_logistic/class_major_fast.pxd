cdef double ROUNDING


cdef struct Problem:
    int n, d, k, n_penalised
    double l2
    const double* x  # n x d
    const double* xt  # d x n
    const double* c
    const int* y


cdef struct Work:
    double* z  # k x n; also scores of a step
    double* p  # k x n
    double* r  # k x n
    double* by_row  # 3 n
    double* matrix  # d x d
    double* panels  # two of optland_gram_double


cdef Problem problem_of(
    const double[:, ::1] X, const double[:, ::1] X_transposed, const int[::1] y,
    const double[::1] c, int k, double l2, bint fit_intercept,
)
cdef Py_ssize_t room(Problem q)
cdef Work work_of(Problem q, double* memory)
cdef double dot(int n, const double* a, const double* b) noexcept nogil
cdef void scores(Problem q, const double* W, double* z) noexcept nogil
cdef double evaluate(Problem q, Work w, const double* W) noexcept nogil
cdef void centre(Problem q, double* G) noexcept nogil
cdef void gradient(Problem q, Work w, const double* W, double* G) noexcept nogil
cdef void class_product(Problem q, Work w, const double* V) noexcept nogil
cdef void weighted_gram(Problem q, Work w) noexcept nogil
cdef double dual_gap(Problem q, Work w, const double* W, const double* V, double* G) noexcept nogil
cdef int search(
    Problem q, Work w, const double* W, const double* V, double slope, double* objective,
    double* new, double* step,
) noexcept nogil
