"""Train the model that ranks the candidates of `search_fast`.

One pass of AdaGrad by coordinate (Duchi, Hazan and Singer 2011) over rows in a given
order. A row trains its candidates, its own class and N_NEGATIVES random other ones:
  squared hinge   sum_c max(0, 1 - y_c s_c)^2, y_c = 1 for the row's class, else -1;
  softmax         -log sum_{c of the class} exp(s_c) / sum_c exp(s_c).
"""
from libc.math cimport INFINITY, exp, log, sqrtf
from libc.stdint cimport int64_t, uint64_t

from sklearn_optland._rows.random cimport next_below
from sklearn_optland._rows.rows cimport RowPointers, Rows
from sklearn_optland.tree._forest.search_fast cimport (
    N_NEGATIVES, LabelForest, Scratch, gather, load, scratch_for,
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


cdef inline void score(
    LabelForest f, Scratch s, Py_ssize_t size, const float* w, const int64_t* start, Py_ssize_t n
) noexcept nogil:
    """Scores of n candidates while they are learned."""
    if f.is_sparse:
        optland_sparse_scores(
            size, &s.column[0], &s.x[0], start, w, n, &s.candidate[0], &s.score[0]
        )
    else:
        optland_dense_scores(f.n_z, &s.z[0], w, n, &s.candidate[0], &s.score[0])


cdef double softmax_gradients(
    LabelForest f, Scratch s, Py_ssize_t n, int code, double weight
) noexcept nogil:
    """Replace the scores of n candidates by gradients; returns the loss."""
    cdef Py_ssize_t c
    cdef double top = -INFINITY, total = 0, mine = 0, g
    for c in range(n):
        top = max(top, s.score[c])
    for c in range(n):
        s.score[c] = <float>exp(s.score[c] - top)
        total += s.score[c]
        if f.class_of[s.candidate[c]] == code:
            mine += s.score[c]
    mine = max(mine, 1e-30)
    for c in range(n):
        g = s.score[c] / total
        if f.class_of[s.candidate[c]] == code:
            g -= s.score[c] / mine
        s.score[c] = <float>(g * weight) if g * g > SMALL else 0
    return weight * log(total / mine)


cdef double hinge_gradients(
    LabelForest f, Scratch s, Py_ssize_t n, int own, double weight
) noexcept nogil:
    """Replace the scores of n candidates by gradients; returns the loss.

    Other prototypes of the row's class are neither right nor wrong.
    """
    cdef Py_ssize_t c
    cdef int code = f.class_of[own]
    cdef double loss = 0, miss
    for c in range(n):
        if s.candidate[c] == own:
            miss = max(0, 1 - s.score[c])
            s.score[c] = <float>(-2 * weight * miss)
        elif f.class_of[s.candidate[c]] != code:
            miss = max(0, 1 + s.score[c])
            s.score[c] = <float>(2 * weight * miss)
        else:
            miss = s.score[c] = 0
        loss += weight * miss * miss
    return loss


cdef void sparse_steps(
    Scratch s, Py_ssize_t size, Py_ssize_t n, const int64_t* start, float rate, float* w,
    float* squares,
) noexcept nogil:
    """AdaGrad steps of n candidates with their gradients, for the entries of a sparse row."""
    cdef Py_ssize_t c, p, n_moved = 0
    cdef int64_t at
    cdef float gradient
    for c in range(n):  # those that move come first
        if s.score[c] != 0:
            s.candidate[n_moved], s.score[n_moved] = s.candidate[c], s.score[c]
            n_moved += 1
    for p in range(size):
        for c in range(n_moved):
            at = start[s.column[p]] + s.candidate[c]
            gradient = s.score[c] * s.x[p]
            squares[at] += gradient * gradient
            w[at] -= rate * gradient / sqrtf(squares[at] + TINY)


def train(
    LabelForest forest,
    Rows rows,
    bint softmax,
    float rate,
    const int[::1] order,
    const int[:, ::1] leaves,
    const int[::1] prototype,  # of each row
    const double[::1] weight,
    const int64_t[::1] start,
    uint64_t seed,
    float[::1] w,  # IN / OUT
    float[::1] squares,  # IN / OUT, sums of squared gradients
):
    """A step for each row of `order`; returns the sum of their weighted losses."""
    cdef RowPointers x = rows.pointers()
    cdef Scratch s = scratch_for(forest, rows)
    cdef Py_ssize_t t, i, n, c, size, _negative
    cdef int own, code, other
    cdef double loss = 0
    cdef int64_t at
    cdef const int64_t* starts = &start[0] if forest.is_sparse else NULL
    with nogil:
        for t in range(order.shape[0]):
            i = order[t]
            own = prototype[i]
            code = forest.class_of[own]
            size = load(forest, s, &x, i, False)
            n = gather(forest, s, &leaves[i, 0])
            if s.stamp[own] != s.turn[0]:
                s.stamp[own] = s.turn[0]
                s.candidate[n] = own
                n += 1
            for _negative in range(N_NEGATIVES):
                other = <int>next_below(&seed, forest.n_prototypes)
                if s.stamp[other] != s.turn[0]:
                    s.stamp[other] = s.turn[0]
                    s.candidate[n] = other
                    n += 1
            score(forest, s, size, &w[0], starts, n)
            if softmax:
                loss += softmax_gradients(forest, s, n, code, weight[i])
            else:
                loss += hinge_gradients(forest, s, n, own, weight[i])
            if forest.is_sparse:
                sparse_steps(s, size, n, starts, rate, &w[0], &squares[0])
                continue
            for c in range(n):
                if s.score[c] != 0:
                    at = s.candidate[c] * forest.n_z
                    optland_adagrad(forest.n_z, &s.z[0], s.score[c], rate, &w[at], &squares[at])
    return loss
