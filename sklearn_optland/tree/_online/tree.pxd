# What the kernels of the online tree share: nodes, rows, and the margin of a row at a node.
from libc.math cimport fabs
from libc.stdint cimport int32_t, uint32_t, uint64_t

from sklearn_optland._rows.random cimport mix
from sklearn_optland._rows.row_access cimport row_dot, visit
from sklearn_optland._rows.rows cimport RowPointers

cdef extern from "float_rows.h" nogil:
    float optland_float_dot(long long n, const float* x, const float* w)

cdef extern from *:
    """
    #define OPTLAND_LARGEST_MARGIN 1e30
    """
    # Margins beyond this are cut, and what is not a number is 0: sums of them stay finite.
    double LARGEST_MARGIN "OPTLAND_LARGEST_MARGIN"

# A node, one cache line.
cdef struct Node:
    double margins  # E
    double n  # at a leaf, the rows that a fit has counted, and those since; else 0
    double min_count, max_count
    int32_t parent, left, right  # -1: none
    int32_t regressor
    int32_t majority  # the class predicted here, ties to the lower number
    int32_t n_classes  # classes met since the node became a leaf
    uint32_t name  # of the node in the table of (node, class)
    uint32_t first  # at a leaf, the place of one of its slots, plus 1; 0: none

# What a node knows of a class. At an internal node the sum of its margins and their number; at a
# leaf, n counts its rows, and its slots are a chain.
cdef struct Slot:
    uint64_t key  # name << 32 | class; 0: empty
    double margins, n
    uint64_t next  # at a leaf, the place of the next of its slots, plus 1; 0: none

cdef struct Counters:
    double rows  # total weight of the rows that feature statistics have seen
    double values  # of their entries, zeros of sparse rows aside
    double q, q_rows  # sum of q, and of the weights it was summed with
    double mistakes, visits  # rows at a leaf of another majority, and all, in this pass
    int32_t root, n_nodes, n_regressors, n_swaps
    uint32_t next_name
    int32_t n_slots, n_bits
    int32_t n_features  # that had an entry
    int32_t is_single  # whether q was summed for rows that are visited once
    int32_t unused


cdef struct Row:
    const float* x
    const float* scaled  # z
    const int* index  # columns; NULL: all of them
    Py_ssize_t size
    double q, c


cdef struct Tree:
    Node* nodes
    Slot* slots
    uint64_t mask
    float* weights
    float* intercepts
    Counters* counters
    int* places  # of a hashed row's weights
    Py_ssize_t n_features, max_nodes, max_regressors
    int n_bits


cdef inline void lend(
    Tree* tree, const Node[::1] nodes, const Slot[::1] slots, const float[::1] weights,
    const float[::1] intercepts, const Counters[::1] counters, int[::1] places,
) noexcept:
    """Point to the arrays; who only reads them lends read-only ones."""
    tree.nodes, tree.slots = <Node*>&nodes[0], <Slot*>&slots[0]
    tree.mask = slots.shape[0] - 1
    tree.weights = <float*>&weights[0] if weights.shape[0] else NULL
    tree.intercepts = <float*>&intercepts[0] if intercepts.shape[0] else NULL
    tree.counters = <Counters*>&counters[0]
    tree.places = &places[0] if places.shape[0] else NULL
    tree.n_bits = counters[0].n_bits
    tree.max_nodes, tree.max_regressors = nodes.shape[0], intercepts.shape[0]


cdef inline double bounded(double margin) noexcept nogil:
    if fabs(margin) < LARGEST_MARGIN:
        return margin
    return LARGEST_MARGIN if margin > 0 else (-LARGEST_MARGIN if margin < 0 else 0)


cdef inline void load(
    const RowPointers* rows, const int* order, Py_ssize_t t, Py_ssize_t stop, float* values,
    Row* row,
) noexcept nogil:
    """Point to row order[t] of those before `stop`; float64 is converted into `values`."""
    cdef const double* wide
    cdef Py_ssize_t p
    if rows.values32 != NULL:
        row.x = visit(rows, <float>0, order, t, stop, &row.index, &row.size)
        return
    wide = visit(rows, <double>0, order, t, stop, &row.index, &row.size)
    for p in range(row.size):
        values[p] = <float>wide[p]
    row.x = values


cdef inline int hashed_place(
    Py_ssize_t regressor, Py_ssize_t column, int n_bits
) noexcept nogil:
    """Where the weight of a regressor and a feature is in a table of 2^n_bits.

    A feature's weights stand side by side, so that nodes of a path share what is fetched.
    """
    cdef uint64_t first = mix(<uint64_t>column) >> (64 - n_bits)
    return <int>((first + <uint64_t>regressor) & ((<uint64_t>1 << n_bits) - 1))


cdef inline const int* locate(
    const Tree* tree, const Row* row, int regressor, float** weights
) noexcept nogil:
    """Where the regressor's weights of the row are: at `weights` + the returned places."""
    cdef Py_ssize_t p
    if tree.n_bits == 0:
        weights[0] = tree.weights + regressor * tree.n_features
        return row.index
    weights[0] = tree.weights
    for p in range(row.size):
        tree.places[p] = hashed_place(
            regressor, p if row.index == NULL else row.index[p], tree.n_bits
        )
    return tree.places


cdef inline double margin_at(
    const Row* row, const float* weights, const int* places, double intercept
) noexcept nogil:
    cdef double margin
    if places == NULL:
        margin = optland_float_dot(row.size, row.x, weights) + intercept
    else:
        margin = row_dot(row.x, places, row.size, weights, 1) + intercept
    return bounded(margin)


cdef inline double margin_of(const Tree* tree, const Row* row, int regressor) noexcept nogil:
    cdef float* weights
    cdef const int* places = locate(tree, row, regressor, &weights)
    return margin_at(row, weights, places, tree.intercepts[regressor])
