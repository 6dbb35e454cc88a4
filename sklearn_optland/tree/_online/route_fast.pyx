"""Read a tree that does not learn meanwhile: where rows go, and what leaves have counted.

The arrays may be read-only.
"""
from libc.stdint cimport uint32_t, uint64_t

import numpy as np

from sklearn_optland._rows.rows cimport RowPointers, Rows
from sklearn_optland.tree._online.tree cimport (
    Counters, Node, Row, Slot, Tree, lend, load, margin_of,
)


def route(
    arrays, Rows rows, const int[::1] order, Py_ssize_t start, Py_ssize_t stop,
    int[::1] leaves,  # OUT
):
    """Compute the leaves of the rows order[start:stop]."""
    cdef const Node[::1] nodes = arrays["nodes"]
    cdef const Slot[::1] slots = arrays["slots"]
    cdef const float[::1] weights = arrays["weights"], intercepts = arrays["intercepts"]
    cdef const Counters[::1] counters = arrays["counters"]
    cdef Py_ssize_t d = rows.n_columns, i
    cdef float[::1] values = np.empty(d, np.float32)
    cdef int[::1] places = np.empty(d if counters[0].n_bits else 0, np.int32)
    cdef RowPointers pointers = rows.pointers()
    cdef Tree tree
    cdef Row row
    cdef int node
    lend(&tree, nodes, slots, weights, intercepts, counters, places)
    tree.n_features = d
    with nogil:
        for i in range(start, stop):
            load(&pointers, &order[0], i, stop, &values[0], &row)
            node = tree.counters.root
            while tree.nodes[node].left >= 0:
                if margin_of(&tree, &row, tree.nodes[node].regressor) < 0:
                    node = tree.nodes[node].left
                else:
                    node = tree.nodes[node].right
            leaves[i] = node


def read_counts(
    arrays, const int[::1] leaves, const long long[::1] first,
    int[::1] classes, double[::1] n,  # OUT
):
    """Copy the classes and counts of leaf l to the places from first[l] on."""
    cdef const Node[::1] nodes = arrays["nodes"]
    cdef const Slot[::1] slots = arrays["slots"]
    cdef Py_ssize_t i, entry
    cdef uint64_t place
    with nogil:
        for i in range(leaves.shape[0]):
            place, entry = nodes[leaves[i]].first, first[i]
            while place:
                classes[entry] = <int>(<uint32_t>slots[place - 1].key)
                n[entry] = slots[place - 1].n
                place, entry = slots[place - 1].next, entry + 1
