# Label trees, what a thread works with, and how a row comes to its candidates.
from libc.stdint cimport uint64_t

from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef enum:
    N_NEGATIVES = 16  # that a row trains besides its candidates and its own class


cdef class ShortRows:
    cdef const int[:, ::1] words
    cdef const float[::1] scale, bias

    cdef void score(
        self, const float* z, Py_ssize_t n_listed, const int* listed, float* scores
    ) noexcept nogil
    cdef void prefetch(self, Py_ssize_t row) noexcept nogil


cdef class LabelForest:
    cdef const double[::1] shift, scale
    cdef const float[::1] shift32, scale32
    cdef const float[:, ::1] projection
    cdef ShortRows nodes
    cdef const int[:, ::1] children
    cdef const int[::1] roots, leaf_start, leaf_members, class_of, column_of
    cdef const float[::1] votes, prior_votes
    cdef readonly float vote_factor
    cdef readonly Py_ssize_t n_classes, depth, beam, n_columns, constant, n_z, n_prototypes, n_trees
    cdef readonly Py_ssize_t max_candidates, max_trained  # the latter besides a row's own
    cdef readonly bint is_sparse
    cdef const int[:, ::1] homes
    cdef readonly bint has_scored_leaves
    cdef readonly Py_ssize_t n_scored  # prototypes, and the leaves with scores


cdef class Scratch:
    # Of the row, and of those that are searched with it.
    cdef float[:, ::1] z
    # Of the row.
    cdef float[::1] x
    cdef int[::1] column
    # The candidates; where they are, by their number and by that of their class; and the own ones
    # of a learned row. The tables are as `entry` wants them.
    cdef int[::1] candidate
    cdef int[:, ::1] place, place_of_class, own
    cdef Py_ssize_t mask
    cdef float[::1] score, score_of_z
    cdef double[::1] mass  # of each class of the row that is learned
    cdef int[::1] turn  # of the row; one entry
    # Of the search, for each tree of each row: where it is, and the alternatives.
    cdef int[::1] node, n_open, active, asked
    cdef float[::1] cost, margin
    cdef int[:, ::1] open_node
    cdef float[:, ::1] open_cost


cdef Scratch scratch_for(LabelForest forest, Rows rows, Py_ssize_t most_own=*)
cdef Py_ssize_t load(
    LabelForest f, Scratch s, const RowPointers* x, Py_ssize_t i, bint with_z, Py_ssize_t slot
) noexcept nogil
cdef Py_ssize_t join(Scratch s, Py_ssize_t n, int c) noexcept nogil
cdef inline int* entry(int[:, ::1] table, Py_ssize_t mask, int key, int turn) noexcept nogil:
    # Where the key is in a hash table, or where it should go: then [0] is not this turn.
    #
    # Entries are a turn, a key and a value. What earlier turns have left there counts as empty, so
    # that a row takes no time for the classes that it does not meet. The size is mask + 1, a power
    # of 2.
    cdef Py_ssize_t at = (<uint64_t>key * <uint64_t>0x9E3779B97F4A7C15 >> 32) & mask
    cdef int* found = &table[at, 0]
    while found[0] == turn and found[1] != key:
        at = (at + 1) & mask
        found = &table[at, 0]
    return found


cdef inline void put(int* found, int turn, int key, Py_ssize_t value) noexcept nogil:
    found[0], found[1], found[2] = turn, key, <int>value


cdef Py_ssize_t gather(LabelForest f, Scratch s, const int* leaves) noexcept nogil
cdef Py_ssize_t join_homes(LabelForest f, Scratch s, Py_ssize_t n) noexcept nogil
