"""Search label trees whose leaves name candidate classes, and rank the candidates.

A row x is standardised and padded: z. Of a dense row z = ((x - shift) scale, 1); of a sparse one,
z = (x scale, 1) P with a narrow matrix P, whose last direction is the constant 1.

search   A node sends z right if w'z > 0. Where it would go is free, the other side costs
         (w'z)^2 / 2: in coordinates of unit covariance that is the log-likelihood by which a class
         on the boundary loses. Each tree is searched best first until it has shown `beam` leaves.
         The classes that these leaves list, each once, are the candidates.

score    A dot product a candidate: w_c'z with rows of w. Sparse rows have another one as well, or
         instead, of all their values: sum_j x_j scale_j w[start_j + c]. That table w is exact if
         start_j = j n, n classes; a shorter one, with hashed starts, is shared by all pairs (j, c)
         (Weinberger et al. 2009).
         To it comes vote_factor times what the leaves say of the class: a number for each entry of
         a list, and one for each class.
         Of sparse rows with several labels, leaf l has a score of its own, with the weights of
         class n + l: that of having a label that the leaf was grown with. To a class comes
         HOME_SHARE times the mean over trees of the leaves that it is at home in.

What is called a class above is a prototype: a class may have several, and scores what the best of
them does. `class_of` names a prototype's class.
"""
from cython cimport floating
from libc.limits cimport INT_MIN
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import numpy as np

from sklearn_optland._rows.row_access cimport OPTLAND_PREFETCH, row_at
from sklearn_optland._rows.rows cimport RowPointers, Rows

cdef extern from "label_rows.h" nogil:
    enum:
        OPTLAND_FLOATS  # rows are padded to a multiple of twice it
    void optland_word_scores(
        int64_t n, const float* x, const int* w, const float* scale, const float* bias,
        int64_t n_listed, const int* listed, float* scores
    )
    void optland_sparse_scores(
        int64_t size, const int* columns, const float* x, const int64_t* start, const float* w,
        int64_t n_listed, const int* listed, float* scores
    )
    void optland_project(
        int64_t size, const int* columns, const float* x, const float* projection, int64_t n,
        float* z
    )
    void optland_fetch_row(int64_t n, const float* row)
    void optland_standardise_float32(
        int64_t n, const float* x, const float* shift, const float* scale, float limit, float* out
    )
    void optland_standardise_float64(
        int64_t n, const double* x, const double* shift, const double* scale, float limit,
        float* out
    )

# What a visit to a leaf counts, and what it says, if it is not the row's nearest of the tree.
LATER_VISIT = 0.3
cdef float LATER = LATER_VISIT
# What the scores of leaves count beside those of the classes that are at home there.
HOME_SHARE = 0.3
cdef float HOME = HOME_SHARE

cdef enum:
    EXHAUSTED = INT_MIN  # a tree that has shown all its leaves
    SIDE_BY_SIDE = 8  # rows that are searched at a time

# Scaled values are held within this, which keeps all sums finite.
cdef float LIMIT = 1e3


def padded(n):
    """Entries of a padded row of n."""
    return -(-n // (2 * OPTLAND_FLOATS)) * 2 * OPTLAND_FLOATS


cdef class ShortRows:
    """Rows of 16-bit integers, each times its scale, and a bias each.

    They are read in random order, which takes as long as there is memory to read.

    Parameters
    ----------
    words : ndarray of shape (n_rows, n / 2), int32
        Two integers each, as `optland_word_scores` wants them.
    scale, bias : ndarray of shape (n_rows,), float32
    """

    def __init__(self, *, words, scale, bias):
        self.words, self.scale, self.bias = words, scale, bias

    cdef void score(
        self, const float* z, Py_ssize_t n_listed, const int* listed, float* scores
    ) noexcept nogil:
        """scores_c = z'row_c + bias_c for the listed rows."""
        optland_word_scores(
            2 * self.words.shape[1], z, &self.words[0, 0], &self.scale[0], &self.bias[0], n_listed,
            listed, scores,
        )

    cdef void prefetch(self, Py_ssize_t row) noexcept nogil:
        """Ask for a row before it is needed."""
        optland_fetch_row(self.words.shape[1], <const float*>&self.words[row, 0])
        OPTLAND_PREFETCH(&self.scale[row])
        OPTLAND_PREFETCH(&self.bias[row])


def as_short_rows(rows, bias):
    """What ShortRows takes, for rows of floats; the error is at most 2^-16 of a row's largest."""
    scale = np.abs(rows).max(axis=1, initial=0) / np.iinfo(np.int16).max
    scale[scale < np.finfo(np.float32).tiny] = 1
    whole = np.zeros((len(rows), padded(rows.shape[1])), dtype=np.int32)
    whole[:, : rows.shape[1]] = np.rint(rows / scale[:, None])
    pairs = whole.reshape(len(rows), whole.shape[1] // (2 * OPTLAND_FLOATS), 2, OPTLAND_FLOATS)
    words = (pairs[:, :, 0] & 0xFFFF | pairs[:, :, 1] << 16).reshape(len(rows), whole.shape[1] // 2)
    scale, bias = (np.ascontiguousarray(part, dtype=np.float32) for part in (scale, bias))
    return {"words": words, "scale": scale, "bias": bias}


def as_floats(words, scale):
    """The padded rows that `as_short_rows` has rounded, float64; parameters as of ShortRows."""
    pairs = words.reshape(len(words), -1, 1, OPTLAND_FLOATS)
    whole = np.concatenate([pairs << 16 >> 16, pairs >> 16], axis=2)
    return whole.reshape(len(words), -1) * np.asarray(scale, dtype=np.float32)[:, None]


cdef class LabelForest:
    """The trees, the lists of their leaves and the way to z, as the kernels read them.

    Parameters
    ----------
    column_of : ndarray, int32
        Of sparse data, what the columns of rows are here, -1 for what no training row had.
    shift, scale : ndarray of shape (n_columns,), float64
    projection : ndarray of shape (n_columns + 1, n_z), float32
        The matrix P; empty for dense data.
    constant : int
        Where the constant of sparse rows is among the rows of P. What comes behind are columns.
    nodes : dict
        Of the inner nodes, as `as_short_rows` returns them.
    children : ndarray of shape (n_nodes, 2), int32
        Left and right; a leaf l is -1 - l.
    roots : ndarray of shape (n_trees,), int32
    leaf_start : ndarray of shape (n_leaves + 1,), int32
    leaf_members : ndarray, int32
        The prototypes that leaf l lists are those from leaf_start[l] to leaf_start[l + 1].
    longest : int
        The most prototypes of a leaf.
    votes : ndarray, float32
        What leaves say of the prototypes that they list; as `leaf_members`.
    prior_votes : ndarray of shape (n_prototypes,), float32
        What is said of a prototype that no leaf lists.
    vote_factor : float
    class_of : ndarray of shape (n_prototypes,), int32
    n_classes, depth, beam : int
        `depth` is that of the deepest leaf.
    homes : ndarray of shape (n_prototypes, n_trees), int32, default=None
        The leaves that prototypes are at home in, of sparse data whose leaves have scores.
    """

    def __init__(
        self, *, column_of, shift, scale, projection, constant, nodes, children, roots,
        leaf_start, leaf_members, longest, votes, prior_votes, vote_factor, class_of, n_classes,
        depth, beam, homes=None,
    ):
        self.column_of = column_of
        self.shift, self.scale, self.projection = shift, scale, projection
        self.nodes, self.children, self.roots = ShortRows(**nodes), children, roots
        self.leaf_start, self.leaf_members, self.class_of = leaf_start, leaf_members, class_of
        self.votes, self.prior_votes, self.vote_factor = votes, prior_votes, vote_factor
        self.n_classes, self.depth = n_classes, depth
        self.beam = min(beam, len(leaf_start) - 1)
        self.n_columns, self.n_prototypes = len(scale), len(class_of)
        self.constant = constant
        self.is_sparse = projection.shape[0] > 0
        if not self.is_sparse:
            largest = np.finfo(np.float32).max
            self.shift32 = np.clip(shift, -largest, largest).astype(np.float32)
            self.scale32 = np.minimum(scale, largest).astype(np.float32)
        self.n_z = projection.shape[1] if self.is_sparse else padded(self.n_columns + 1)
        self.n_trees = len(roots)
        self.max_candidates = min(self.n_prototypes, self.n_trees * self.beam * longest)
        self.max_trained = self.max_candidates + N_NEGATIVES
        self.has_scored_leaves = homes is not None
        self.n_scored = self.n_prototypes
        if self.has_scored_leaves:
            self.homes, self.n_scored = homes, self.n_prototypes + len(leaf_start) - 1

    def max_scored(self, most_own):
        """The most scores of a row that is learned, and has up to `most_own` classes."""
        n = self.max_trained + most_own
        return n + min(n * self.n_trees, self.n_scored - self.n_prototypes)


cdef class Scratch:
    """What a thread needs to work on a row, or to learn one that has up to `most_own` classes."""

    def __init__(self, LabelForest forest, longest_row, most_own):
        def ints(*shape):
            return np.zeros(shape, dtype=np.int32)

        def floats(*shape):
            return np.zeros(shape, dtype=np.float32)

        n_walks, n_open = SIDE_BY_SIDE * forest.n_trees, forest.depth * forest.beam + 1
        self.z, self.x = floats(SIDE_BY_SIDE, forest.n_z), floats(longest_row + 1)
        self.column = ints(longest_row + 1)
        n = forest.max_scored(most_own)
        self.candidate, self.score, self.score_of_z = ints(n), floats(n), floats(n)
        self.turn, self.mass = ints(1), np.zeros(most_own)
        size = 1 << (2 * n).bit_length()
        self.place, self.place_of_class, self.own = ints(size, 3), ints(size, 3), ints(size, 3)
        self.mask = size - 1
        self.node, self.n_open, self.cost = ints(n_walks), ints(n_walks), floats(n_walks)
        self.open_node, self.open_cost = ints(n_walks, n_open), floats(n_walks, n_open)
        self.active, self.asked = ints(forest.n_trees), ints(forest.n_trees)
        self.margin = floats(forest.n_trees)


cdef Scratch scratch_for(LabelForest forest, Rows rows, Py_ssize_t most_own=0):
    """Scratch that the longest of the rows fits into."""
    cdef RowPointers x = rows.pointers()
    cdef Py_ssize_t i, longest = 0
    if forest.is_sparse:
        for i in range(x.n_rows):
            longest = max(longest, x.indptr[i + 1] - x.indptr[i])
    return Scratch(forest, longest, most_own)


cdef Py_ssize_t standardise(
    LabelForest f, Scratch s, const floating* x, const int* index, Py_ssize_t size, bint with_z,
    Py_ssize_t slot,
) noexcept nogil:
    """What `load` does with the values of a row."""
    cdef Py_ssize_t p, n = 0, d = f.n_columns
    cdef int column
    cdef double value
    cdef float* z = &s.z[slot, 0]
    if not f.is_sparse:
        if floating is float:
            optland_standardise_float32(d, x, &f.shift32[0], &f.scale32[0], LIMIT, z)
        else:
            optland_standardise_float64(d, x, &f.shift[0], &f.scale[0], LIMIT, z)
        z[d] = 1
        return 0
    for p in range(size):
        column = f.column_of[index[p]]
        if column < 0:
            continue
        s.column[n] = column
        value = x[p] * f.scale[column]
        s.x[n] = <float>min(max(value, -LIMIT), LIMIT)
        n += 1
    s.column[n] = <int>f.constant
    s.x[n] = 1
    n += 1
    if with_z:
        memset(z, 0, f.n_z * sizeof(float))
        optland_project(n, &s.column[0], &s.x[0], &f.projection[0, 0], f.n_z, z)
    return n


cdef Py_ssize_t load(
    LabelForest f, Scratch s, const RowPointers* x, Py_ssize_t i, bint with_z, Py_ssize_t slot
) noexcept nogil:
    """Standardise row i.

    Fills z of this slot, and the entries of a sparse row, whose number it returns; z of a sparse
    row only if it is asked for.
    """
    cdef const float* narrow
    cdef const double* wide
    cdef const int* index
    cdef Py_ssize_t size
    if x.values32 != NULL:
        narrow = row_at(x, <float>0, i, &index, &size)
        return standardise(f, s, narrow, index, size, with_z, slot)
    wide = row_at(x, <double>0, i, &index, &size)
    return standardise(f, s, wide, index, size, with_z, slot)


cdef inline void fetch(
    LabelForest f, const RowPointers* x, Py_ssize_t i, const int* leaves
) noexcept nogil:
    """Ask for the lists of a row's leaves, and for a dense row, before they are needed."""
    cdef Py_ssize_t e
    for e in range(f.n_trees * f.beam):
        if leaves[e] >= 0:
            OPTLAND_PREFETCH(&f.leaf_members[0] + f.leaf_start[leaves[e]])
    if not f.is_sparse:
        if x.values32 != NULL:
            optland_fetch_row(f.n_columns, x.values32 + i * f.n_columns)
        else:
            optland_fetch_row(2 * f.n_columns, <const float*>(x.values64 + i * f.n_columns))


cdef Py_ssize_t descend(LabelForest f, Scratch s, Py_ssize_t slot) noexcept nogil:
    """The trees of a row go down a level, as far as they are at inner nodes; returns how many."""
    cdef Py_ssize_t walk, t, e, first = slot * f.n_trees, n_active = 0
    cdef float margin
    cdef bint right
    cdef int* node = &s.node[0]
    cdef int* active = &s.active[0]
    cdef int* asked = &s.asked[0]
    cdef float* margins = &s.margin[0]
    for walk in range(first, first + f.n_trees):
        active[n_active], asked[n_active] = <int>walk, node[walk]
        n_active += node[walk] >= 0
    if n_active == 0:
        return 0
    f.nodes.score(&s.z[slot, 0], n_active, asked, margins)
    for t in range(n_active):
        walk, margin = active[t], margins[t]
        right = margin > 0
        e = s.n_open[walk]
        s.open_node[walk, e] = f.children[asked[t], 1 - right]
        s.open_cost[walk, e] = s.cost[walk] + 0.5 * margin * margin
        s.n_open[walk] = <int>e + 1
        node[walk] = f.children[asked[t], right]
        fetch_node(f, node[walk])
    return n_active


cdef inline void fetch_node(LabelForest f, int node) noexcept nogil:
    """Ask for an inner node before its turn."""
    if node >= 0:
        f.nodes.prefetch(node)
        OPTLAND_PREFETCH(&f.children[node, 0])


cdef void search(LabelForest f, Scratch s, Py_ssize_t n_rows, int* leaves) noexcept nogil:
    """The leaves that each tree shows to the rows in z, `beam` a tree, -1 where it has no more.

    All trees of all rows go down one level at a time: memory sends the nodes of some while others
    go on. Each goes a walk of its own, n_trees of the first row, then those of the second.
    """
    cdef Py_ssize_t walk, slot, turn, e, best, n_active
    cdef int* node = &s.node[0]
    cdef int* open_node
    cdef float* open_cost
    for walk in range(n_rows * f.n_trees):
        node[walk], s.cost[walk], s.n_open[walk] = f.roots[walk % f.n_trees], 0, 0
    for turn in range(f.beam):
        n_active = 1
        while n_active:
            n_active = 0
            for slot in range(n_rows):
                n_active += descend(f, s, slot)
        for walk in range(n_rows * f.n_trees):
            leaves[walk * f.beam + turn] = -1 if node[walk] == EXHAUSTED else -1 - node[walk]
        if turn == f.beam - 1:
            return
        for walk in range(n_rows * f.n_trees):  # on with the cheapest alternative
            if s.n_open[walk] == 0:
                node[walk] = EXHAUSTED
                continue
            open_node, open_cost = &s.open_node[walk, 0], &s.open_cost[walk, 0]
            best = 0
            for e in range(1, s.n_open[walk]):
                best = e if open_cost[e] < open_cost[best] else best
            node[walk], s.cost[walk] = open_node[best], open_cost[best]
            s.n_open[walk] -= 1
            e = s.n_open[walk]
            open_node[best], open_cost[best] = open_node[e], open_cost[e]
            fetch_node(f, node[walk])


cdef void search_rows(
    LabelForest f, Scratch s, const RowPointers* x, Py_ssize_t first, Py_ssize_t last,
    int[:, ::1] leaves, float[:, ::1] kept
) noexcept nogil:
    """The leaves of rows first to last, and, if it is not empty, their z in `kept`."""
    cdef Py_ssize_t slot, n_rows
    while first < last:
        n_rows = min(SIDE_BY_SIDE, last - first)
        for slot in range(n_rows):
            load(f, s, x, first + slot, True, slot)
            if kept.shape[0] > 0:
                memcpy(&kept[first + slot, 0], &s.z[slot, 0], f.n_z * sizeof(float))
        search(f, s, n_rows, &leaves[first, 0])
        first += n_rows


cdef Py_ssize_t join(Scratch s, Py_ssize_t n, int c) noexcept nogil:
    """Put a prototype behind n candidates, unless it is one; returns their number."""
    cdef int* found = entry(s.place, s.mask, c, s.turn[0])
    if found[0] == s.turn[0]:
        return n
    put(found, s.turn[0], c, n)
    s.candidate[n] = c
    return n + 1


cdef Py_ssize_t gather(LabelForest f, Scratch s, const int* leaves) noexcept nogil:
    """The prototypes that the leaves list, each once, in a turn of their own."""
    cdef Py_ssize_t e, n = 0
    cdef int p
    s.turn[0] += 1
    for e in range(f.n_trees * f.beam):
        if leaves[e] < 0:
            continue
        for p in range(f.leaf_start[leaves[e]], f.leaf_start[leaves[e] + 1]):
            n = join(s, n, f.leaf_members[p])
    return n


cdef Py_ssize_t join_homes(LabelForest f, Scratch s, Py_ssize_t n) noexcept nogil:
    """Put the leaves that n candidates are at home in behind them; returns the number of all."""
    cdef Py_ssize_t c, tree, n_all = n
    if f.has_scored_leaves:
        for c in range(n):
            for tree in range(f.n_trees):
                n_all = join(s, n_all, <int>f.n_prototypes + f.homes[s.candidate[c], tree])
    return n_all


cdef void add_homes(LabelForest f, Scratch s, Py_ssize_t n) noexcept nogil:
    """Add to the scores of the n candidates those of their homes."""
    cdef Py_ssize_t c, tree
    cdef int key
    cdef float total
    if f.has_scored_leaves:
        for c in range(n):
            total = 0
            for tree in range(f.n_trees):
                key = <int>f.n_prototypes + f.homes[s.candidate[c], tree]
                total += s.score[entry(s.place, s.mask, key, s.turn[0])[2]]
            s.score[c] += HOME * total / f.n_trees


cdef void add_votes(LabelForest f, Scratch s, const int* leaves, Py_ssize_t n) noexcept nogil:
    """Add to the scores of the n candidates what the leaves say."""
    cdef Py_ssize_t e, c
    cdef int p
    cdef int* member
    cdef float share = f.vote_factor * (1 + LATER * (f.beam - 1))
    for c in range(n):
        s.score[c] += share * f.prior_votes[s.candidate[c]]
    for e in range(f.n_trees * f.beam):
        if leaves[e] < 0:
            continue
        share = f.vote_factor * (LATER if e % f.beam else 1)
        for p in range(f.leaf_start[leaves[e]], f.leaf_start[leaves[e] + 1]):
            member = entry(s.place, s.mask, f.leaf_members[p], s.turn[0])
            s.score[member[2]] += share * f.votes[p]


def route(LabelForest forest, Rows rows, Py_ssize_t first, Py_ssize_t last, int[:, ::1] leaves):
    """The leaves of rows first to last."""
    cdef RowPointers x = rows.pointers()
    cdef Scratch scratch = scratch_for(forest, rows)
    cdef float[:, ::1] nothing = np.empty((0, 0), dtype=np.float32)
    with nogil:
        search_rows(forest, scratch, &x, first, last, leaves, nothing)


def count_visits(
    const int[:, ::1] leaves,
    Py_ssize_t beam,
    const int[::1] own_start,
    const int[::1] own,
    const double[::1] weight,
    int[:, ::1] members,  # IN / OUT, the prototypes that each leaf lists
    float[:, ::1] counts,  # IN / OUT, their visits
):
    """Count visits of rows to leaves in the lists of these.

    A prototype that a leaf does not list takes the place, and the count, of the one with the fewest
    visits: whoever has more than 1 / width of a leaf's visits is listed (Metwally, Agrawal and El
    Abbadi 2005).
    """
    cdef Py_ssize_t i, e, p, slot, least, width = members.shape[1]
    cdef int leaf
    cdef float share
    with nogil:
        for i in range(leaves.shape[0]):
            for e in range(leaves.shape[1]):
                leaf = leaves[i, e]
                if leaf < 0:
                    continue
                share = <float>weight[i] * (LATER if e % beam else 1)
                for p in range(own_start[i], own_start[i + 1]):
                    least = 0
                    for slot in range(width):
                        if members[leaf, slot] == own[p]:
                            least = slot
                            break
                        if counts[leaf, slot] < counts[leaf, least]:
                            least = slot
                    members[leaf, least] = own[p]
                    counts[leaf, least] += share


cdef Py_ssize_t to_classes(LabelForest f, Scratch s, Py_ssize_t n) noexcept nogil:
    """Prototypes become classes, in place, and score what the best of them does."""
    cdef Py_ssize_t c, m = 0
    cdef int code
    cdef int* found
    if f.n_prototypes == f.n_classes:  # one each
        for c in range(n):
            s.candidate[c] = f.class_of[s.candidate[c]]
        return n
    for c in range(n):
        code = f.class_of[s.candidate[c]]
        found = entry(s.place_of_class, s.mask, code, s.turn[0])
        if found[0] != s.turn[0]:
            put(found, s.turn[0], code, m)
            s.candidate[m], s.score[m] = code, s.score[c]
            m += 1
        elif s.score[c] > s.score[found[2]]:
            s.score[found[2]] = s.score[c]
    return m


def best_classes(
    LabelForest forest,
    Rows rows,
    ShortRows ranking,  # scores z; of sparse data, it may be empty
    const float[::1] table,  # scores the values of sparse rows; or empty
    const int64_t[::1] start,
    int[:, ::1] codes,  # OUT, -1 where a row has fewer candidates
    float[:, ::1] scores,  # OUT
):
    """The candidates of the highest scores, best first; of equal ones the first code."""
    cdef RowPointers x = rows.pointers()
    cdef Scratch s = scratch_for(forest, rows)
    cdef Py_ssize_t i, t, n, c, m, slot, size, width = codes.shape[1]
    cdef bint has_table = table.shape[0] > 0, has_ranking = ranking.words.shape[0] > 0
    cdef int code
    cdef float value
    cdef bint keeps_z = has_ranking and forest.is_sparse  # to project rows takes long
    cdef float* z = &s.z[0, 0]
    cdef float* of_z = &s.score_of_z[0] if has_table else &s.score[0]
    cdef float[:, ::1] kept = np.empty((x.n_rows if keeps_z else 0, forest.n_z), dtype=np.float32)
    cdef int[:, ::1] leaves = np.empty((x.n_rows, forest.n_trees * forest.beam), dtype=np.int32)
    cdef int[::1] order = np.empty(x.n_rows, dtype=np.int32)
    cdef int[::1] first = np.zeros(forest.leaf_start.shape[0] + 1, dtype=np.int32)
    with nogil:
        # Rows are scored in the order of their leaves in the first tree: they share most
        # candidates with the row before.
        search_rows(forest, s, &x, 0, x.n_rows, leaves, kept)
        for i in range(x.n_rows):
            first[leaves[i, 0] + 1] += 1
        for c in range(first.shape[0] - 1):
            first[c + 1] += first[c]
        for i in range(x.n_rows):
            order[first[leaves[i, 0]]] = <int>i
            first[leaves[i, 0]] += 1
        for t in range(x.n_rows):
            i = order[t]
            if t + 1 < x.n_rows:
                fetch(forest, &x, order[t + 1], &leaves[order[t + 1], 0])
                if keeps_z:
                    optland_fetch_row(forest.n_z, &kept[order[t + 1], 0])
            size = load(forest, s, &x, i, False, 0) if has_table or not keeps_z else 0
            z = &kept[i, 0] if keeps_z else z
            n = gather(forest, s, &leaves[i, 0])
            if has_table:
                optland_sparse_scores(
                    size, &s.column[0], &s.x[0], &start[0], &table[0], join_homes(forest, s, n),
                    &s.candidate[0], &s.score[0],
                )
                add_homes(forest, s, n)
            if has_ranking:
                ranking.score(z, n, &s.candidate[0], of_z)
                if has_table:
                    for c in range(n):
                        s.score[c] += of_z[c]
            if forest.vote_factor > 0:
                add_votes(forest, s, &leaves[i, 0], n)
            m = to_classes(forest, s, n)
            n = 0
            for c in range(m):  # insertion into a sorted list
                code, value = s.candidate[c], s.score[c]
                if n == width and not (
                    value > scores[i, n - 1] or value == scores[i, n - 1] and code < codes[i, n - 1]
                ):
                    continue
                n += n < width
                slot = n - 1
                while slot > 0 and (
                    value > scores[i, slot - 1]
                    or value == scores[i, slot - 1] and code < codes[i, slot - 1]
                ):
                    codes[i, slot], scores[i, slot] = codes[i, slot - 1], scores[i, slot - 1]
                    slot -= 1
                codes[i, slot], scores[i, slot] = code, value
            for c in range(n, width):
                codes[i, c], scores[i, c] = -1, -INFINITY
