"""Columns of a CSR matrix that are the same: a hash of each, and the proof that it was right."""
from cython cimport floating
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

import numpy as np

from sklearn_optland._rows.random cimport mix


def column_hashes(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr, Py_ssize_t d
):
    """A sum over the entries of each column of hashes of the row's number and the value."""
    hashes = np.zeros(d, dtype=np.uint64)
    cdef uint64_t[::1] h = hashes
    cdef uint64_t row, bits
    cdef double value
    cdef Py_ssize_t i
    cdef long long p
    with nogil:
        for i in range(indptr.shape[0] - 1):
            row = mix(<uint64_t>i + 1)
            for p in range(indptr[i], indptr[i + 1]):
                value = data[p]
                memcpy(&bits, &value, sizeof(double))
                h[indices[p]] += mix(row + bits)
    return hashes


def are_same(
    const floating[::1] data, const int[::1] indices, const long long[::1] indptr,
    const int[::1] group,  # of each column
    const int[::1] sizes,  # columns of each group
):
    """Whether the columns of each group are the same, entry by entry."""
    result = np.ones(sizes.shape[0], dtype=bool)
    cdef unsigned char[::1] same = result.view(np.uint8)
    cdef int[::1] count = np.zeros(sizes.shape[0], dtype=np.int32)  # in a row
    cdef double[::1] first = np.empty(sizes.shape[0])
    cdef Py_ssize_t i, g
    cdef long long p
    with nogil:
        for i in range(indptr.shape[0] - 1):
            for p in range(indptr[i], indptr[i + 1]):
                g = group[indices[p]]
                if count[g] == 0:
                    first[g] = data[p]
                elif first[g] != data[p]:
                    same[g] = 0
                count[g] += 1
            for p in range(indptr[i], indptr[i + 1]):
                g = group[indices[p]]
                if count[g] != 0 and count[g] != sizes[g]:
                    same[g] = 0
                count[g] = 0
    return result
