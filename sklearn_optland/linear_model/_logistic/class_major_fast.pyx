"""The log-loss of dense rows and several classes, with a row of scores for each class.

    F(W) = l2/2 |w|^2 + sum_i c_i [logsumexp(z_i) - z_i,y_i],   z_i = W x_i,

W of shape (classes, columns). With an intercept the last column of X is 1, and has no penalty.
Gradients are centred over the classes, and so are steps.

The bound is that of `dual_bound.lower_bound` at p' = p + (diag p - pp') dz, dz the scores of a
Newton step: with a step whose intercept is exact p' balances the intercept by itself.
"""
from libc.math cimport fabs, fmax, fmin, INFINITY
from scipy.linalg.cython_blas cimport ddot

from sklearn_optland._rows.blas cimport gemm


cdef extern from "class_major.h" nogil:
    double optland_class_major_loss(
        long long n, long long k, const double* z, const int* y, const double* c, double* p,
        double* work)
    void optland_class_major_residuals(
        long long n, long long k, const double* p, const int* y, const double* c, double* r,
        double* others)
    double optland_class_major_dual(
        long long n, long long k, const double* p, const double* dz, const int* y,
        const double* c, double* r, double* work)
    void optland_class_major_product(
        long long n, long long k, const double* p, const double* dz, const double* c, double* r,
        double* mean)
    long long optland_panel_stride(long long d)
    void optland_gram_double(
        long long n, long long d, const double* x, const double* h, double* c, long long ldc,
        double* plain, double* weighted)
    enum:
        OPTLAND_GRAM_ROWS


# Armijo's share of the slope; what float64 leaves open of an objective; trials of a step.
cdef double ARMIJO = 1e-4
cdef double ROUNDING = 1e-15
cdef int MAX_TRIALS = 30


cdef Problem problem_of(
    const double[:, ::1] X, const double[:, ::1] X_transposed, const int[::1] y,
    const double[::1] c, int k, double l2, bint fit_intercept,
):
    cdef Problem q
    q.n, q.d, q.k = <int>X.shape[0], <int>X.shape[1], k
    q.n_penalised, q.l2 = q.d - fit_intercept, l2
    q.x, q.xt, q.c, q.y = &X[0, 0], &X_transposed[0, 0], &c[0], &y[0]
    return q


cdef Py_ssize_t room(Problem q):
    """Doubles that `work_of` shares out."""
    cdef Py_ssize_t panels = 2 * OPTLAND_GRAM_ROWS * optland_panel_stride(q.d)
    return 3 * (q.k + 1) * <Py_ssize_t>q.n + panels + q.d * q.d


cdef Work work_of(Problem q, double* memory):
    """Scratch, zero at first."""
    cdef Work w
    cdef Py_ssize_t kn = q.k * <Py_ssize_t>q.n
    w.z = memory
    w.p = w.z + kn
    w.r = w.p + kn
    w.by_row = w.r + kn
    w.matrix = w.by_row + 3 * q.n
    w.panels = w.matrix + q.d * q.d
    return w


cdef double dot(int n, const double* a, const double* b) noexcept nogil:
    cdef int one = 1
    return ddot(&n, <double*>a, &one, <double*>b, &one)


cdef void scores(Problem q, const double* W, double* z) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(<Py_ssize_t>q.k * q.n):
        z[i] = 0
    gemm(False, q.k, q.n, q.d, W, q.xt, z)


cdef double evaluate(Problem q, Work w, const double* W) noexcept nogil:
    """The objective; fills w.z and w.p."""
    cdef double squares = 0
    cdef int a
    scores(q, W, w.z)
    for a in range(q.k):
        squares += dot(q.n_penalised, W + a * q.d, W + a * q.d)
    return 0.5 * q.l2 * squares + optland_class_major_loss(
        q.n, q.k, w.z, q.y, q.c, w.p, w.by_row
    )


cdef void centre(Problem q, double* G) noexcept nogil:
    """Take the mean over the classes from G; of a gradient it is rounding."""
    cdef int a, j
    cdef double mean
    for j in range(q.d):
        mean = 0
        for a in range(q.k):
            mean += G[a * q.d + j]
        for a in range(q.k):
            G[a * q.d + j] -= mean / q.k


cdef void penalty_plus_rows(Problem q, Work w, const double* W, double* G) noexcept nogil:
    """G = l2 W + R X, R in w.r, centred."""
    cdef int a, j
    for a in range(q.k):
        for j in range(q.d):
            G[a * q.d + j] = q.l2 * W[a * q.d + j] if j < q.n_penalised else 0.0
    gemm(False, q.k, q.d, q.n, w.r, q.x, G)
    centre(q, G)


cdef void gradient(Problem q, Work w, const double* W, double* G) noexcept nogil:
    """The gradient of the objective at W and w.p."""
    optland_class_major_residuals(q.n, q.k, w.p, q.y, q.c, w.r, w.by_row)
    penalty_plus_rows(q, w, W, G)


cdef void class_product(Problem q, Work w, const double* V) noexcept nogil:
    """w.r = c (diag p - pp') times the scores of V, at w.p."""
    scores(q, V, w.z)
    optland_class_major_product(q.n, q.k, w.p, w.z, q.c, w.r, w.by_row)


cdef void weighted_gram(Problem q, Work w) noexcept nogil:
    """The lower triangle of X' diag(h) X in w.matrix, h the first n of w.by_row."""
    cdef int i
    for i in range(q.d * q.d):
        w.matrix[i] = 0
    optland_gram_double(
        q.n, q.d, q.x, w.by_row, w.matrix, q.d,
        w.panels, w.panels + OPTLAND_GRAM_ROWS * optland_panel_stride(q.d),
    )


cdef double dual_gap(
    Problem q, Work w, const double* W, const double* V, double* G
) noexcept nogil:
    """Objective minus the value of the dual point of the step V; infinite if it has none."""
    cdef double gap, imbalance = 0, size = 0, largest = 0, total
    cdef int a, i
    scores(q, V, w.z)
    gap = optland_class_major_dual(q.n, q.k, w.p, w.z, q.y, q.c, w.r, w.by_row)
    penalty_plus_rows(q, w, W, G)
    for a in range(q.k):
        gap += 0.5 / q.l2 * dot(q.n_penalised, G + a * q.d, G + a * q.d)
    if q.n_penalised < q.d:
        for a in range(q.k):
            total = 0
            for i in range(q.n):
                total += w.r[a * q.n + i]
                size += fabs(w.r[a * q.n + i])
            imbalance = fmax(imbalance, fabs(total))
            largest = fmax(largest, fabs(W[a * q.d + q.d - 1]))
        if not imbalance <= 1e-12 * size:
            return INFINITY
        gap += imbalance * q.k * (1 + largest)
    return gap


cdef int search(
    Problem q, Work w, const double* W, const double* V, double slope, double* objective,
    double* new, double* step,
) noexcept nogil:
    """Evaluate new = W + step V for a step that lowers the objective, if only by rounding.

    Returns the number of trials; 0 if none was good enough.
    """
    cdef int i, trial
    cdef double value, parabola
    step[0] = 1
    for trial in range(1, MAX_TRIALS + 1):
        for i in range(q.k * q.d):
            new[i] = W[i] + step[0] * V[i]
        value = evaluate(q, w, new)
        if value <= objective[0] + ARMIJO * step[0] * slope + ROUNDING * objective[0]:
            objective[0] = value
            return trial
        # Minimum of the parabola through both ends and the slope.
        parabola = -slope * step[0] * step[0] / (2 * (value - objective[0] - slope * step[0]))
        step[0] = fmin(fmax(parabola, 0.1 * step[0]), 0.5 * step[0])
    return 0
