"""Train the model that ranks the candidates of `search_fast`.

A row x trains its candidates, its own classes, of which it has any number, and N_NEGATIVES random
other ones.

softmax         sum_k -log sum_{c of k} exp(s_c) / sum_c exp(s_c), k being the row's classes: a step
                of AdaGrad by coordinate (Duchi, Hazan and Singer 2011).

squared hinge   |w_c|^2 / 2 + C sum_x max(0, 1 - y_c s_c)^2 for each c, y_c = 1 for the row's
                classes, else -1: an exact step in the dual variables alpha >= 0 of this row and
                its candidates (Hsieh et al. 2008, algorithm 1), w_c = sum_x alpha_c y_c x,
                  alpha_c <- max(0, alpha_c + (1 - y_c s_c - alpha_c / 2C) / (|x|^2 + 1 / 2C)).
                A row's candidates have to be the same in each pass: row i draws the random ones
                from seed + i. If leaves have scores, those that candidates are at home in learn
                as well: y = 1 for those of the row's classes.
"""
from libc.math cimport INFINITY, exp, log, sqrtf
from libc.stdint cimport int64_t, uint64_t

import numpy as np

from sklearn_optland._rows.random cimport next_below
from sklearn_optland._rows.rows cimport RowPointers, Rows
from sklearn_optland.tree._forest.search_fast cimport (
    N_NEGATIVES, LabelForest, Scratch, entry, gather, join, join_homes, load, put, scratch_for,
)

cdef extern from "label_rows.h" nogil:
    void optland_dense_scores(
        int64_t n, const float* x, const float* w, int64_t n_listed, const int* listed,
        float* scores
    )
    void optland_sparse_scores(
        int64_t size, const int* columns, const float* x, const int64_t* start, const float* w,
        int64_t n_listed, const int* listed, float* scores
    )
    void optland_adagrad(
        int64_t n, const float* x, float g, float rate, float* w, float* squares
    )

# A softmax gradient whose square is below this moves nothing: most candidates of a learned row.
cdef float SMALL = 1e-6
# Added to the sum of squared gradients.
cdef float TINY = 1e-20
# alpha / 2C is what the margin misses at the optimum. It stays bounded also where weights that are
# shared by a hash let steps go too far.
cdef double LARGEST_MISS = 100
# Of a row of next to no weight.
cdef double SMALLEST_C = 1e-30


cdef inline void score(
    LabelForest f, Scratch s, Py_ssize_t size, const float* w, const int64_t* start, Py_ssize_t n
) noexcept nogil:
    """Scores of n candidates while they are learned."""
    if start != NULL:
        optland_sparse_scores(
            size, &s.column[0], &s.x[0], start, w, n, &s.candidate[0], &s.score[0]
        )
    else:
        optland_dense_scores(f.n_z, &s.z[0, 0], w, n, &s.candidate[0], &s.score[0])


cdef Py_ssize_t join_own(
    LabelForest f, Scratch s, Py_ssize_t n, const int* own, Py_ssize_t n_own
) noexcept nogil:
    """Put the row's own prototypes behind n candidates, and mark their classes."""
    cdef Py_ssize_t p, tree
    cdef int code
    for p in range(n_own):
        put(entry(s.own, s.mask, own[p], s.turn[0]), s.turn[0], own[p], p)
        if f.has_scored_leaves:
            for tree in range(f.n_trees):
                code = <int>f.n_prototypes + f.homes[own[p], tree]
                put(entry(s.own, s.mask, code, s.turn[0]), s.turn[0], code, p)
        code = f.class_of[own[p]]
        put(entry(s.place_of_class, s.mask, code, s.turn[0]), s.turn[0], code, p)
        n = join(s, n, own[p])
    return n


cdef double softmax_gradients(
    LabelForest f, Scratch s, Py_ssize_t n, Py_ssize_t n_own, double weight
) noexcept nogil:
    """Replace the scores of n candidates by gradients; returns the loss."""
    cdef Py_ssize_t c, k
    cdef int code
    cdef int* of_class
    cdef double top = -INFINITY, total = 0, loss = 0, g
    for k in range(n_own):
        s.mass[k] = 0
    for c in range(n):
        top = max(top, s.score[c])
    for c in range(n):
        s.score[c] = <float>exp(s.score[c] - top)
        total += s.score[c]
        code = f.class_of[s.candidate[c]]
        of_class = entry(s.place_of_class, s.mask, code, s.turn[0])
        if of_class[0] == s.turn[0]:
            s.mass[of_class[2]] += s.score[c]
    for k in range(n_own):
        s.mass[k] = max(s.mass[k], 1e-30)
        loss += log(total / s.mass[k])
    for c in range(n):
        g = n_own * s.score[c] / total
        code = f.class_of[s.candidate[c]]
        of_class = entry(s.place_of_class, s.mask, code, s.turn[0])
        if of_class[0] == s.turn[0]:
            g -= s.score[c] / s.mass[of_class[2]]
        s.score[c] = <float>(g * weight) if g * g > SMALL else 0
    return weight * loss


cdef double dual_steps(
    LabelForest f, Scratch s, Py_ssize_t n, double square, double C, float* alpha
) noexcept nogil:
    """Replace the scores of n candidates by what x is added to w_c times; returns the loss before.

    Other prototypes of the row's classes are neither right nor wrong.
    """
    cdef Py_ssize_t c
    cdef int code
    cdef double loss = 0, sign, miss, goal, ridge = 0.5 / C
    for c in range(n):
        code = f.class_of[s.candidate[c]] if s.candidate[c] < f.n_prototypes else -1
        if entry(s.own, s.mask, s.candidate[c], s.turn[0])[0] == s.turn[0]:
            sign = 1
        elif entry(s.place_of_class, s.mask, code, s.turn[0])[0] != s.turn[0]:
            sign = -1
        else:
            s.score[c] = 0
            continue
        miss = 1 - sign * s.score[c]
        loss += max(0, miss) ** 2
        goal = alpha[c] + (miss - ridge * alpha[c]) / (square + ridge)
        goal = min(max(goal, 0), 2 * C * LARGEST_MISS)
        s.score[c] = <float>(sign * (goal - alpha[c]))
        alpha[c] = <float>goal
    return loss


cdef Py_ssize_t moving(Scratch s, Py_ssize_t n) noexcept nogil:
    """Put the candidates first whose steps are not zero; returns their number."""
    cdef Py_ssize_t c, n_moved = 0
    for c in range(n):
        if s.score[c] != 0:
            s.candidate[n_moved], s.score[n_moved] = s.candidate[c], s.score[c]
            n_moved += 1
    return n_moved


cdef void adagrad(
    LabelForest f, Scratch s, Py_ssize_t size, Py_ssize_t n, const int64_t* start, float rate,
    float* w, float* squares,
) noexcept nogil:
    """Steps of n candidates with their gradients."""
    cdef Py_ssize_t c, p
    cdef int64_t at
    cdef float gradient
    for p in range(size):
        for c in range(n):
            at = start[s.column[p]] + s.candidate[c]
            gradient = s.score[c] * s.x[p]
            squares[at] += gradient * gradient
            w[at] -= rate * gradient / sqrtf(squares[at] + TINY)
    if start == NULL:
        for c in range(n):
            at = s.candidate[c] * f.n_z
            optland_adagrad(f.n_z, &s.z[0, 0], s.score[c], rate, w + at, squares + at)


cdef void add_row(
    LabelForest f, Scratch s, Py_ssize_t size, Py_ssize_t n, const int64_t* start, float* w
) noexcept nogil:
    """Add multiples of the row to the weights of n candidates."""
    cdef Py_ssize_t c, p
    cdef int64_t at
    for p in range(size):
        at = start[s.column[p]]
        for c in range(n):
            w[at + s.candidate[c]] += s.score[c] * s.x[p]
    if start == NULL:
        for c in range(n):
            at = s.candidate[c] * f.n_z
            for p in range(f.n_z):
                w[at + p] += s.score[c] * s.z[0, p]


cdef double squared_length(
    LabelForest f, Scratch s, Py_ssize_t size, const int64_t* start
) noexcept nogil:
    """Of the row, its constant included."""
    cdef Py_ssize_t p
    cdef double total = 0
    for p in range(size):
        total += s.x[p] * s.x[p]
    if start == NULL:
        for p in range(f.n_z):
            total += s.z[0, p] * s.z[0, p]
    return total


def train(
    LabelForest forest,
    Rows rows,
    const int[::1] order,
    const int[:, ::1] leaves,
    const int[::1] own_start,
    const int[::1] own,  # prototypes of row i: those from own_start[i] to own_start[i + 1]
    const double[::1] weight,
    const int64_t[::1] start,  # of a sparse feature's weights; empty if w has rows that score z
    uint64_t seed,
    float rate,  # of the softmax; with 0, nothing moves
    double C,  # of the squared hinge
    float[::1] w,  # IN / OUT
    float[::1] squares,  # IN / OUT, sums of squared gradients of the softmax; or empty
    float[:, ::1] alpha,  # IN / OUT, dual variables of a row's candidates; empty for the softmax
    int[:, ::1] moved,  # OUT, the prototypes whose weights row t of `order` has changed; or empty
):
    """A step for each row of `order`; returns the sum of their weighted losses."""
    cdef RowPointers x = rows.pointers()
    cdef Scratch s = scratch_for(forest, rows, np.diff(own_start).max())
    cdef Py_ssize_t t, i, n, c, size, n_own, _negative
    cdef bint is_dual = alpha.shape[0] > 0, is_told = moved.shape[0] > 0
    cdef double loss = 0, C_row
    cdef uint64_t draws = seed
    cdef const int64_t* starts = &start[0] if start.shape[0] > 0 else NULL
    cdef float* squared = &squares[0] if squares.shape[0] > 0 else NULL
    with nogil:
        for t in range(order.shape[0]):
            i = order[t]
            n_own = own_start[i + 1] - own_start[i]
            size = load(forest, s, &x, i, starts == NULL, 0)
            size = size if starts != NULL else 0
            n = gather(forest, s, &leaves[i, 0])
            n = join_own(forest, s, n, &own[0] + own_start[i], n_own)
            if is_dual:
                draws = seed + <uint64_t>i
            for _negative in range(N_NEGATIVES):
                n = join(s, n, <int>next_below(&draws, forest.n_prototypes))
            if is_dual:
                n = join_homes(forest, s, n)
            score(forest, s, size, &w[0], starts, n)
            if is_dual:
                C_row = max(C * weight[i], SMALLEST_C)
                loss += weight[i] * dual_steps(
                    forest, s, n, squared_length(forest, s, size, starts), C_row, &alpha[i, 0]
                )
                n = moving(s, n)
                add_row(forest, s, size, n, starts, &w[0])
            else:
                loss += softmax_gradients(forest, s, n, n_own, weight[i])
                n = moving(s, n) if rate > 0 else 0
                adagrad(forest, s, size, n, starts, rate, &w[0], squared)
            if is_told:
                for c in range(n):
                    moved[t, c] = s.candidate[c]
    return loss
