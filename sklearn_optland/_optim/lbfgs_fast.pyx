"""The two loops of limited-memory BFGS (Nocedal 1980) on flat arrays.

With pairs s_k, y_k of steps and gradient changes, the newest first, and the inverse metric M that
they correct,

    backward   a_k = s_k'q / s_k'y_k,   q -= a_k y_k;
    forward    the oldest first:   q += (a_k - y_k'q / s_k'y_k) s_k,

q being the gradient, and M q in between.
"""

from cython cimport floating
from scipy.linalg.cython_blas cimport daxpy, ddot, saxpy, sdot


cdef inline floating dot(int n, const floating* x, const floating* y) noexcept nogil:
    cdef int one = 1
    if floating is float:
        return sdot(&n, <float*>x, &one, <float*>y, &one)
    else:
        return ddot(&n, <double*>x, &one, <double*>y, &one)


cdef inline void axpy(int n, floating alpha, const floating* x, floating* y) noexcept nogil:
    cdef int one = 1
    if floating is float:
        saxpy(&n, &alpha, <float*>x, &one, y, &one)
    else:
        daxpy(&n, &alpha, <double*>x, &one, y, &one)


def backward(
    const floating[:, ::1] S,  # steps, in a ring
    const floating[:, ::1] Y,  # changes of the gradient
    const floating[::1] curvatures,  # S_k' Y_k > 0
    floating[::1] shares,  # OUT, a_k
    Py_ssize_t newest,
    Py_ssize_t count,
    floating[::1] q,  # IN / OUT
):
    """The first loop, from the newest pair to the oldest."""
    cdef Py_ssize_t size = S.shape[0], age, k
    cdef int n = <int>q.shape[0]
    with nogil:
        for age in range(count):
            k = (newest - age + size) % size
            shares[k] = dot(n, &S[k, 0], &q[0]) / curvatures[k]
            axpy(n, -shares[k], &Y[k, 0], &q[0])


def forward(
    const floating[:, ::1] S,
    const floating[:, ::1] Y,
    const floating[::1] curvatures,
    const floating[::1] shares,
    Py_ssize_t newest,
    Py_ssize_t count,
    double scale,  # of M
    floating[::1] q,  # IN / OUT
):
    """The second loop, from the oldest pair to the newest."""
    cdef Py_ssize_t size = S.shape[0], age, k, i
    cdef int n = <int>q.shape[0]
    with nogil:
        for i in range(n):
            q[i] = <floating>(q[i] * scale)
        for age in range(count - 1, -1, -1):
            k = (newest - age + size) % size
            axpy(n, shares[k] - dot(n, &Y[k, 0], &q[0]) / curvatures[k], &S[k, 0], &q[0])
