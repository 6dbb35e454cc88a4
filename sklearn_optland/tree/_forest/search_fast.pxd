# Label trees, what a thread works with, and how a row comes to its candidates.
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef enum:
    N_NEGATIVES = 16  # that a row trains besides its candidates and its own class


cdef class ShortRows:
    cdef const int[:, ::1] words
    cdef const float[::1] scale, bias

    cdef void score(
        self, const float* z, Py_ssize_t n_listed, const int* listed, float* scores
    ) noexcept nogil


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


cdef class Scratch:
    # Of the row.
    cdef float[::1] z, x
    cdef int[::1] column
    # Of the candidates; what is stamped with the row's turn has been met.
    cdef int[::1] candidate, stamp, slot, class_stamp, class_slot, own_stamp
    cdef float[::1] score
    cdef double[::1] mass  # of each class of the row that is learned
    cdef int[::1] turn  # one entry
    # Of the search, for each tree: where it is, and the alternatives.
    cdef int[::1] node, n_open, active, asked
    cdef float[::1] cost, margin
    cdef int[:, ::1] open_node
    cdef float[:, ::1] open_cost


cdef Scratch scratch_for(LabelForest forest, Rows rows, Py_ssize_t most_own=*)
cdef Py_ssize_t load(
    LabelForest f, Scratch s, const RowPointers* x, Py_ssize_t i, bint to_search
) noexcept nogil
cdef Py_ssize_t join(Scratch s, Py_ssize_t n, int c) noexcept nogil
cdef Py_ssize_t gather(LabelForest f, Scratch s, const int* leaves) noexcept nogil
