"""The rows that a pass of a stochastic solver visits, and in which order."""
from libc.stdint cimport uint64_t

import numpy as np

from sklearn_optland._rows.random cimport next_below, next_uniform, skip


def shuffle(int[::1] order, uint64_t seed):  # IN / OUT
    """Permute the rows at random (Fisher and Yates)."""
    cdef Py_ssize_t i, j
    cdef int swap
    with nogil:
        for i in range(order.shape[0] - 1, 0, -1):
            j = next_below(&seed, i + 1)
            swap = order[i]
            order[i] = order[j]
            order[j] = swap


def draw(int[::1] order, const double[::1] keep, const int[::1] alias, uint64_t seed):  # OUT
    """Draw rows with replacement by Walker's alias method; an empty table means uniformly."""
    cdef Py_ssize_t t, n = keep.shape[0]
    cdef int i
    with nogil:
        for t in range(order.shape[0]):
            i = <int>next_below(&seed, n)
            order[t] = i if next_uniform(&seed) < keep[i] else alias[i]


def alias_table(const double[::1] chances):
    """Walker's table for `draw`: row i stands for itself with chance keep_i, else for alias_i."""
    cdef Py_ssize_t n = chances.shape[0], n_small = 0, n_large = 0, i, j
    keep_array, alias_array = np.empty(n), np.arange(n, dtype=np.int32)
    stack = np.empty(n, dtype=np.int32)
    cdef double[::1] keep = keep_array
    cdef int[::1] alias = alias_array
    cdef int[::1] rows = stack  # small ones from the left, large ones from the right
    with nogil:
        for i in range(n):
            keep[i] = chances[i] * n
            if keep[i] < 1:
                rows[n_small] = <int>i
                n_small += 1
            else:
                n_large += 1
                rows[n - n_large] = <int>i
        while n_small > 0 and n_large > 0:
            n_small -= 1
            i, j = rows[n_small], rows[n - n_large]
            alias[i] = <int>j
            keep[j] -= 1 - keep[i]
            if keep[j] < 1:
                n_large -= 1
                rows[n_small] = <int>j
                n_small += 1
        for i in range(n_small):  # 1 but for rounding
            keep[rows[i]] = 1
        for i in range(n_large):
            keep[rows[n - 1 - i]] = 1
    return keep_array, alias_array


def draw_rows(
    const double[::1] c,
    const double[::1] squares,
    double even,
    double by_squares,
    uint64_t seed,
    uint64_t start=0,
):
    """Draw row i with probability min(1, c_i (even + by_squares squares_i)), each on its own.

    With the same seed, each row always has the same random number, so that more likely rows are
    added to those already drawn. These may be a part of all rows: `start` is the number of the
    first, and its random number does not depend on the part. Returns the rows' numbers, from 0,
    and probabilities.
    """
    cdef Py_ssize_t i, m = 0, n = c.shape[0]
    index, probability = np.empty(n, dtype=np.intp), np.empty(n)
    cdef Py_ssize_t[::1] row = index
    cdef double[::1] p = probability
    cdef double chance
    with nogil:
        skip(&seed, start)
        for i in range(n):
            chance = min(1.0, c[i] * (even + by_squares * squares[i]))
            if next_uniform(&seed) < chance:
                row[m] = i
                p[m] = chance
                m += 1
    return index[:m], probability[:m]
