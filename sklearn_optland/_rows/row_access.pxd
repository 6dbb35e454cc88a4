# Rows one at a time, for stochastic solvers.
from cython cimport floating

from sklearn_optland._rows.rows cimport RowPointers

cdef extern from "vector_math.h" nogil:
    void OPTLAND_PREFETCH(const void* address)

ctypedef fused weight:  # of a model; sums of products have its precision
    float
    double

cdef enum:
    AHEAD = 4  # rows that are fetched before their turn


cdef inline const floating* values_of(const RowPointers* x, floating kind) noexcept nogil:
    if floating is float:
        return x.values32
    else:
        return x.values64


cdef inline void fetch(const RowPointers* x, floating kind, Py_ssize_t i) noexcept nogil:
    """Ask for a sparse row before its turn: rows come in random order, from beyond the caches."""
    cdef const floating* values = values_of(x, kind)
    cdef long long p
    if x.indptr == NULL:
        return
    p = x.indptr[i]
    while p < x.indptr[i + 1]:  # 16 column numbers or 8 float64 are a cache line
        OPTLAND_PREFETCH(values + p)
        OPTLAND_PREFETCH(values + p + 8)
        OPTLAND_PREFETCH(x.indices + p)
        p += 16


cdef inline const floating* row_at(
    const RowPointers* x, floating kind, Py_ssize_t i, const int** index, Py_ssize_t* size
) noexcept nogil:
    """The values of row i, their columns (NULL: all of them) and their number."""
    cdef Py_ssize_t start
    if x.indptr == NULL:
        start, size[0] = i * x.n_columns, x.n_columns
    else:
        start, size[0] = x.indptr[i], x.indptr[i + 1] - x.indptr[i]
    if x.indices == NULL:
        index[0] = NULL
    else:
        index[0] = x.indices + start
    return values_of(x, kind) + start


cdef inline const floating* visit(
    const RowPointers* x, floating kind, const int* order, Py_ssize_t t, Py_ssize_t n_steps,
    const int** index, Py_ssize_t* size,
) noexcept nogil:
    """Row order[t], as `row_at` has it; the one that comes AHEAD steps later is fetched."""
    if t + AHEAD < n_steps:
        fetch(x, kind, order[t + AHEAD])
    return row_at(x, kind, order[t], index, size)


cdef inline weight row_dot(
    const floating* x, const int* index, Py_ssize_t size, const weight* w, int stride
) noexcept nogil:
    """x'w in four lanes, w's entries `stride` apart."""
    cdef weight a = 0, b = 0, c = 0, d = 0
    cdef Py_ssize_t p = 0
    if index == NULL:
        while p + 4 <= size:
            a += x[p] * w[p * stride]
            b += x[p + 1] * w[(p + 1) * stride]
            c += x[p + 2] * w[(p + 2) * stride]
            d += x[p + 3] * w[(p + 3) * stride]
            p += 4
        for p in range(p, size):
            a += x[p] * w[p * stride]
    else:
        while p + 4 <= size:
            a += x[p] * w[index[p] * stride]
            b += x[p + 1] * w[index[p + 1] * stride]
            c += x[p + 2] * w[index[p + 2] * stride]
            d += x[p + 3] * w[index[p + 3] * stride]
            p += 4
        for p in range(p, size):
            a += x[p] * w[index[p] * stride]
    return (a + b) + (c + d)


cdef inline void row_add(
    const floating* x, const int* index, Py_ssize_t size, weight t, weight* w
) noexcept nogil:
    """w += t x."""
    cdef Py_ssize_t p
    if index == NULL:
        for p in range(size):
            w[p] += t * x[p]
    else:
        for p in range(size):
            w[index[p]] += t * x[p]
