"""Least squares for one penalty after the other, by the Gram matrix alone.

With centred columns and targets, H = X'CX, v = X'Cy and |y|^2 the mean square of the targets, the
residuals' mean square is |y|^2 - w'(v + v - H w), and with that the duality gap is known.

    gram_path   minima of the lasso are on a line as l1 changes and the support stays: the next one
                begins where that through the last two leads. An active-set method goes on: columns
                that violate their optimality enter with a coordinate step, a projected Newton step
                on the support follows, and coefficients that it takes through 0 leave; it is halved
                until the objective falls. The support's inverse Hessian follows by updates of rank
                one,
                    a column enters   G += u u' / s,  u = (G h, -1),  s = H_jj + l2 - h'G h
                    a column leaves   G -= g g' / g_j,  g its column
                Where s is 0 the column is a combination of the others: scores stay along u, and
                coefficients move there until one of them is 0 and leaves.
                What updates lose, and the l2 that it was made with, cost steps but not accuracy:
                pulls are those of H. Where this stalls, coordinate descent does it.
"""
from libc.math cimport fabs, fmax, fmin, sqrt, INFINITY
from libc.string cimport memcpy, memset
from scipy.linalg.cython_blas cimport ddot, dsymv, dsyr
from scipy.linalg.cython_lapack cimport dpotrf, dpotri

import numpy as np

from sklearn_optland._loss.penalties cimport coordinate_step, penalty_fenchel_gap
from sklearn_optland.linear_model._finite_sum.gram_descent_fast cimport (
    Model,
    Penalty,
    add_row,
    minimize,
    model_of,
    move,
    step_on,
    support_of,
    tolerated,
)

# Of the tolerance: the gap that a model may leave at first; and how often less is tried.
cdef double GAP = 0.3
cdef int MAX_TRIALS = 6
# Of the last step: how far a start goes on along it.
cdef double MOST_FORWARD = 2
# Of the targets' mean square: what the differences above may lose; and of that of the columns
# before they are centred, times their coefficients.
cdef double EPS = 2.0 ** -52
cdef double ROUNDING = 16 * EPS, OF_COLUMNS = 2 * EPS
# Of a column's square: what is left of it beside others that it is no combination of.
cdef double INDEPENDENT = 1e-12
# Newton steps for one penalty; how often one is halved, or the range of violations that may enter.
# Violators that enter beside k columns are MOST_NEW + k / 2 at most, the worst ones, and MOST_NEW
# where others then have to leave.
cdef int MAX_ROUNDS = 200, MAX_HALVINGS = 20
cdef Py_ssize_t MOST_NEW = 16
# Of a violation: what a Newton step that is worth its inverse leaves of it.
cdef double CONTRACTS = 0.5


cdef struct Inverse:
    Py_ssize_t k, most  # columns that there are, and that can be independent
    double l2  # that it was made with
    double* G  # k x k, its lower triangle in rows of length d
    int* columns  # of the k places
    int* places  # of the d columns, or -1
    double* h  # scratch: d
    double* u  # scratch: d
    double* w  # scratch: d
    double* v  # scratch: d


cdef class SupportInverse:
    """The inverse Hessian of a support, for d columns of at most some rank; that of none at first.

    `smaller` is that of the first ones of these columns, which it starts from.
    """

    cdef Inverse inverse
    cdef double[::1] values
    cdef int[::1] numbers

    def __init__(self, Py_ssize_t d, Py_ssize_t rank, SupportInverse smaller=None):
        cdef Py_ssize_t i, before
        self.values, self.numbers = np.zeros(d * (d + 4)), np.full(2 * d, -1, dtype=np.int32)
        cdef double* G = &self.values[0]
        cdef double* scratch = G + d * d
        cdef int* columns = &self.numbers[0]
        self.inverse = Inverse(
            0, min(d, rank), 0, G, columns, columns + d,
            scratch, scratch + d, scratch + 2 * d, scratch + 3 * d,
        )
        if smaller is None:
            return
        before = smaller.numbers.shape[0] // 2
        self.inverse.k, self.inverse.l2 = smaller.inverse.k, smaller.inverse.l2
        for i in range(smaller.inverse.k):
            memcpy(G + i * d, smaller.inverse.G + i * before, (i + 1) * sizeof(double))
            columns[i] = smaller.inverse.columns[i]
            columns[d + columns[i]] = <int>i


cdef bint enter(Model q, Inverse* inverse, Py_ssize_t j) noexcept nogil:
    """Whether a column is no combination of the others, and is among them; u is made."""
    cdef Py_ssize_t i, k = inverse.k
    cdef int size = <int>k, lda = <int>q.d, one_step = 1
    cdef double one = 1, zero = 0, left = q.H[j * q.d + j] + inverse.l2
    cdef double square = left
    for i in range(k):
        inverse.h[i] = q.H[j * q.d + inverse.columns[i]]
    if k:
        dsymv(
            b"U", &size, &one, inverse.G, &lda, inverse.h, &one_step, &zero, inverse.u, &one_step
        )
        left -= ddot(&size, inverse.h, &one_step, inverse.u, &one_step)
    inverse.u[k] = -1
    if k == inverse.most or not left > INDEPENDENT * square:
        return False
    memset(inverse.G + k * q.d, 0, (k + 1) * sizeof(double))
    size += 1
    left = 1 / left
    dsyr(b"U", &size, &left, inverse.u, &one_step, inverse.G, &lda)
    inverse.columns[k], inverse.places[j] = <int>j, <int>k
    inverse.k += 1
    return True


cdef void leave(Model q, Inverse* inverse, Py_ssize_t j) noexcept nogil:
    cdef Py_ssize_t i, at = inverse.places[j], last = inverse.k - 1
    cdef int size = <int>inverse.k, lda = <int>q.d, one_step = 1
    cdef double factor
    cdef double* G = inverse.G
    for i in range(inverse.k):
        inverse.u[i] = G[at * q.d + i] if i <= at else G[i * q.d + at]
    factor = -1 / inverse.u[at]
    dsyr(b"U", &size, &factor, inverse.u, &one_step, G, &lda)
    if at != last:  # which takes the place
        memcpy(G + at * q.d, G + last * q.d, at * sizeof(double))
        G[at * q.d + at] = G[last * q.d + last]
        for i in range(at + 1, last):
            G[i * q.d + at] = G[last * q.d + i]
        inverse.columns[at] = inverse.columns[last]
        inverse.places[inverse.columns[at]] = <int>at
    inverse.places[j] = -1
    inverse.k = last


cdef bint invert(Model q, Penalty p, Inverse* inverse) noexcept nogil:
    """Make the inverse anew; False if there is none, and it is that of no columns."""
    cdef Py_ssize_t i, j, k = support_of(q)
    cdef int size = <int>k, lda = <int>q.d, info = 0
    cdef double* row
    for i in range(inverse.k):
        inverse.places[inverse.columns[i]] = -1
    inverse.k, inverse.l2 = 0, p.l2
    for i in range(k):
        row = inverse.G + i * q.d
        for j in range(i + 1):
            row[j] = q.H[q.support[i] * q.d + q.support[j]]
        row[i] += p.l2
    if k:
        dpotrf(b"U", &size, inverse.G, &lda, &info)
        if info != 0:
            return False
        for i in range(k):
            j = q.support[i]
            row = inverse.G + i * q.d
            if not row[i] * row[i] > INDEPENDENT * (q.H[j * q.d + j] + p.l2):
                return False
        dpotri(b"U", &size, inverse.G, &lda, &info)
        if info != 0:
            return False
    for i in range(k):
        inverse.columns[i] = q.support[i]
        inverse.places[q.support[i]] = <int>i
    inverse.k = k
    return True


cdef void exchange(Model q, Inverse* inverse, Py_ssize_t j) noexcept nogil:
    """Move along u, of columns whose sum is 0, until a coefficient is 0 and its column leaves.

    To the side to which the L1 norm does not rise.
    """
    cdef Py_ssize_t i, at, k = inverse.k
    cdef double slope = 0, length = INFINITY, step
    inverse.columns[k] = <int>j
    for i in range(k + 1):
        slope += inverse.u[i] if q.w[inverse.columns[i]] > 0 else -inverse.u[i]
    if slope > 0 or (slope == 0 and q.w[j] < 0):
        for i in range(k + 1):
            inverse.u[i] = -inverse.u[i]
    for i in range(k + 1):
        at, step = inverse.columns[i], inverse.u[i]
        if step * q.w[at] < 0:
            length = fmin(length, -q.w[at] / step)
    if not length < INFINITY:  # u is not finite
        move(q, j, -q.w[j])
        q.w[j] = 0
        return
    for i in range(k + 1):
        at, step = inverse.columns[i], inverse.u[i]
        if step * q.w[at] < 0 and -q.w[at] / step <= length:
            move(q, at, -q.w[at])
            q.w[at] = 0
        else:
            move(q, at, length * step)
    for i in range(k - 1, -1, -1):
        if q.w[inverse.columns[i]] == 0:
            leave(q, inverse, inverse.columns[i])


cdef void follow(Model q, Penalty p, Inverse* inverse) noexcept nogil:
    """Make the inverse that of the support, by as few updates as that takes, or anew.

    Columns leave the support until those left are independent.
    """
    cdef Py_ssize_t j, changes = 0, k = support_of(q)
    for j in range(q.d):
        changes += (q.w[j] != 0) != (inverse.places[j] >= 0)
    # with too small an l2 steps diverge
    if (changes > MOST_NEW + k / 4 or not p.l2 <= inverse.l2) and invert(q, p, inverse):
        return
    for j in range(q.d):
        if q.w[j] == 0 and inverse.places[j] >= 0:
            leave(q, inverse, j)
    for j in range(q.d):
        while q.w[j] != 0 and inverse.places[j] < 0 and not enter(q, inverse, j):
            exchange(q, inverse, j)


cdef struct LeastSquares:
    const double* pulls  # at w = 0
    const double* lengths  # of the columns before they are centred
    double square  # the targets' mean square


cdef double violation(Model q, Penalty p, Py_ssize_t j) noexcept nogil:
    """By how much a coefficient violates its optimality."""
    if q.w[j] != 0:
        return fabs(q.v[j] - (p.l1 if q.w[j] > 0 else -p.l1) - p.l2 * q.w[j])
    return fmax(0, (q.v[j] if p.positive else fabs(q.v[j])) - p.l1)


cdef void felt(Model q, LeastSquares s) noexcept nogil:
    """v = pulls - H w."""
    cdef Py_ssize_t j
    for j in range(q.d):
        q.v[j] = s.pulls[j]
    for j in range(q.d):
        if q.w[j] != 0:
            add_row(q, j, -q.w[j])


cdef double residual_squares(Model q, LeastSquares s) noexcept nogil:
    cdef Py_ssize_t j
    cdef double gain = 0
    for j in range(q.d):
        gain += q.w[j] * (s.pulls[j] + q.v[j])
    return s.square - gain


cdef double value(Model q, Penalty p) noexcept nogil:
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(q.d):
        total += p.l1 * fabs(q.w[j]) + 0.5 * p.l2 * q.w[j] * q.w[j]
    return total


cdef double objective_of(Model q, Penalty p, LeastSquares s) noexcept nogil:
    return 0.5 * residual_squares(q, s) + value(q, p)


cdef int newton_step(Model q, Penalty p, LeastSquares s, Inverse* inverse) noexcept nogil:
    """Go towards the minimum on the support; what would go through 0 stays there.

    1 if all signs held on the whole step, 0 if not, -1 if no step lets the objective fall.
    """
    cdef Py_ssize_t i, j
    cdef int size = <int>inverse.k, lda = <int>q.d, one_step = 1, _halving
    cdef double one = 1, zero = 0, before = objective_of(q, p, s), share = 1
    cdef bint is_whole = True
    for i in range(inverse.k):
        j = inverse.columns[i]
        inverse.h[i] = q.v[j] - (p.l1 if q.w[j] > 0 else -p.l1) - p.l2 * q.w[j]
    dsymv(b"U", &size, &one, inverse.G, &lda, inverse.h, &one_step, &zero, inverse.u, &one_step)
    memcpy(inverse.w, q.w, q.d * sizeof(double))
    memcpy(inverse.v, q.v, q.d * sizeof(double))
    for _halving in range(MAX_HALVINGS):
        for i in range(inverse.k):
            j = inverse.columns[i]
            if not (q.w[j] + share * inverse.u[i]) * q.w[j] > 0:
                is_whole = False
                move(q, j, -q.w[j])
                q.w[j] = 0
            else:
                move(q, j, share * inverse.u[i])
        if is_whole or objective_of(q, p, s) < before:
            return is_whole
        memcpy(q.w, inverse.w, q.d * sizeof(double))
        memcpy(q.v, inverse.v, q.d * sizeof(double))
        share *= 0.5
    return -1


cdef Py_ssize_t count_new(Model q, Penalty p, double least) noexcept nogil:
    """Coefficients that are 0 and violate their optimality by more than `least`."""
    cdef Py_ssize_t j, n_new = 0
    for j in range(q.d):
        n_new += q.w[j] == 0 and violation(q, p, j) > least
    return n_new


cdef bint minimize_on_supports(
    Model q, Penalty p, LeastSquares s, Inverse* inverse, double gap, double felt
) noexcept nogil:
    """Whether no violations are left but such that cost about a gap; settings of `minimize`."""
    cdef Py_ssize_t j, k, n_new, room
    cdef int _round, _halving, held = 0
    cdef double worst, tol, least, last = INFINITY
    cdef bint is_new = False
    for _round in range(MAX_ROUNDS):
        tol = tolerated(q, p, gap, felt)
        worst, k = 0, 0
        for j in range(q.d):
            worst = fmax(worst, violation(q, p, j))
            k += q.w[j] != 0
        if worst <= tol:
            return True
        least, n_new = tol, count_new(q, p, tol)
        room = min(MOST_NEW + k // 2, max(MOST_NEW, inverse.most - k))
        for _halving in range(MAX_HALVINGS):
            if n_new <= room:
                break
            least = 0.5 * (least + worst)
            n_new = count_new(q, p, least)
        if held == 1 and n_new == 0 and worst > CONTRACTS * last:
            if is_new:
                return False
            invert(q, p, inverse)
            is_new = True
        else:
            is_new = False
        last = worst
        for j in range(q.d if n_new > 0 else 0):
            if room > 0 and q.w[j] == 0 and violation(q, p, j) > least:
                move(q, j, coordinate_step(0, q.v[j], q.H[j * q.d + j], p.l1, p.l2, p.positive))
                room -= 1
        follow(q, p, inverse)
        held = newton_step(q, p, s, inverse)
        if held < 0:
            return False
    return False


cdef double certify(Model q, Penalty p, LeastSquares s, double* objective) noexcept nogil:
    """The duality gap at w by its own residuals, scaled where the penalty asks for it.

    Of residuals times t the losses' part of the gap is (1 - t)^2 / 2 of their squares. Infinite
    where rounding hides it.
    """
    cdef Py_ssize_t j
    cdef double squares, rounding, length = 0, polar = 0, scale = 1, gap = 0
    felt(q, s)  # anew: steps have left their rounding
    squares = residual_squares(q, s)
    for j in range(q.d):
        length += fabs(q.w[j]) * s.lengths[j]
        polar = fmax(polar, q.v[j] if p.positive else fabs(q.v[j]))
    rounding = ROUNDING * s.square + OF_COLUMNS * length * length
    if p.l2 == 0 and polar > 0:  # the last ulp must not leave the set
        scale = fmin(1, p.l1 / polar * (1 - 2 * EPS))
    for j in range(q.d):
        gap += penalty_fenchel_gap(q.w[j], scale * q.v[j], p.l1, p.l2, p.positive)
    # not below the true one, lest another point's bound leave nothing of the gap
    objective[0] = 0.5 * squares + value(q, p) + rounding
    if not rounding < squares < INFINITY:
        return INFINITY
    return gap + 0.5 * (1 - scale) * (1 - scale) * squares + rounding


cdef double solve_for(
    Model q, Penalty p, LeastSquares s, Inverse* inverse, double tol, double* objective
) noexcept nogil:
    """Go on from w to about the minimum with a penalty; returns the gap."""
    cdef double squares = fmax(residual_squares(q, s), 0), gap = INFINITY, size, scaled
    cdef double allowed = GAP * tol * (0.5 * squares + value(q, p))
    cdef Py_ssize_t j
    cdef int _trial
    for _trial in range(MAX_TRIALS):
        size = -1
        if p.l1 == 0 and not p.positive:
            for j in range(q.d):
                q.support[j] = <int>j
            size = step_on(q, p, q.d, False)
        # what scaling by l1 / (l1 + violation) costs of the losses, also where all of w is 0
        scaled = sqrt(0.5 * allowed * squares) / p.l1 if p.l1 > 0 else 0
        if size < 0 and not minimize_on_supports(q, p, s, inverse, allowed, scaled):
            felt(q, s)
            minimize(q, p, allowed, scaled, 0)
        gap = certify(q, p, s, objective)
        if gap <= tol * objective[0]:
            break
        allowed *= 0.1
    return gap


cdef void go_on(
    Model q, Penalty p, LeastSquares s, double factor, const double* w, const double* v,
    const double* w_last, const double* v_last,
) noexcept nogil:
    """Go on from w, v in a straight line from w_last, v_last, if the objective falls there.

    A coefficient goes as far as 0, and one that is 0 stays.
    """
    cdef Py_ssize_t j
    cdef double before = objective_of(q, p, s), there
    for j in range(q.d):
        q.w[j] += factor * (w[j] - w_last[j])
        q.v[j] += factor * (v[j] - v_last[j])
    for j in range(q.d):
        if q.w[j] != 0 and not q.w[j] * w[j] > 0:
            there = q.w[j]
            q.w[j] = 0
            add_row(q, j, there)
    if not objective_of(q, p, s) < before:
        memcpy(q.w, w, q.d * sizeof(double))
        memcpy(q.v, v, q.d * sizeof(double))


def gram_path(
    const double[:, ::1] H,
    const double[::1] pulls,
    const double[::1] lengths,
    double square,
    const double[:, ::1] strengths,  # l1 and l2 of each penalty
    bint positive,
    double tol,
    double[::1] w,  # IN / OUT
    SupportInverse inverse,  # IN / OUT
    double[:, ::1] coefs,  # OUT, of each penalty, in the first columns
    double[:, ::1] curves,  # OUT, objective and gap of each
    Py_ssize_t first,  # of those to minimise for now
    Py_ssize_t end,
):
    """Minimise for some penalties in turn, each from where the last ones lead."""
    cdef Py_ssize_t d = w.shape[0], i, j
    cdef double step, factor
    cdef double[::1] scratch = np.empty(d * d + 2 * d), latest = np.empty(4 * d)
    cdef double* here = &latest[0]  # w and v of the last minimum, and of that before it
    cdef double* last = here + 2 * d
    cdef int[::1] support = np.empty(d, dtype=np.int32)
    cdef Model q = model_of(H, scratch[d * d + d:], w, scratch, support)
    cdef LeastSquares s = LeastSquares(&pulls[0], &lengths[0], square)
    with nogil:
        if first >= 2:
            for j in range(d):
                last[j], here[j] = coefs[first - 2, j], w[j]
            memcpy(q.w, last, d * sizeof(double))
            felt(q, s)
            memcpy(last + d, q.v, d * sizeof(double))
            memcpy(q.w, here, d * sizeof(double))
        felt(q, s)
        for i in range(first, end):
            memcpy(here, q.w, d * sizeof(double))
            memcpy(here + d, q.v, d * sizeof(double))
            if i >= 2:
                step = strengths[i - 1, 0] - strengths[i - 2, 0]
                factor = (strengths[i, 0] - strengths[i - 1, 0]) / step if step != 0 else 0
                if 0 < factor <= MOST_FORWARD:
                    go_on(
                        q, Penalty(strengths[i, 0], strengths[i, 1], positive), s, factor,
                        here, here + d, last, last + d,
                    )
            here, last = last, here
            curves[i, 1] = solve_for(
                q, Penalty(strengths[i, 0], strengths[i, 1], positive), s, &inverse.inverse, tol,
                &curves[i, 0],
            )
            for j in range(d):
                coefs[i, j] = w[j]
