"""Split a set of classes in two by the LOM objective.

Of a class y only its mean m_y, in coordinates in which the rows of every class have covariance I,
and its prior pi_y are known. With the hyperplane w'z > b, |w| = 1, a row of class y goes right
with probability P_y = Phi(w'm_y - b), P = sum_y pi_y P_y, and the objective of Choromanska and
Langford (2015),

    J = 2 sum_y pi_y |P - P_y|  in [0, 1],

is in closed form. The search for its maximum is local, from a random pair of classes:

    1. two-means: the classes are assigned to the nearer of two centres, which move;
    2. ascent: with s_y = sign(P_y - P) the gradient in w is
           2 sum_y pi_y (s_y - sum_u pi_u s_u) phi(w'm_y - b) m_y,
       followed at a width of Phi that falls to 1: far classes have no gradient at first;
    3. the cut b with the largest J, among those that leave at least MIN_SHARE of the mass on each
       side: a tree of such splits has depth O(log k).

The best of several restarts is kept.
"""
from libc.math cimport M_SQRT1_2, erfc, exp, fabs, sqrt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from sklearn_optland._rows.random cimport next_below

cdef extern from "class_sums.h" nogil:
    void optland_project_rows(
        int64_t n, int64_t r, const double* rows, const double* w, double* t
    )
    void optland_add_rows(
        int64_t n, int64_t r, const double* rows, const double* factor, const unsigned char* side,
        double* sums
    )

cdef enum:
    TWO_MEANS_STEPS = 12
    ASCENT_STEPS = 12
    MAX_CUTS = 32

cdef double MIN_SHARE = 0.2
# J of two cuts or restarts that differ by less is the same: rounding should not choose.
cdef double TIE = 1e-9
# Of the ascent, relative to |w| = 1.
cdef double FIRST_STEP = 0.5
cdef double LAST_STEP = 0.05


# Phi at multiples of 1 / STEPS, for the search: straight lines between them are off by 2e-6.
cdef enum:
    FARTHEST = 8
    STEPS = 128
cdef double[2 * FARTHEST * STEPS + 2] PHI


cdef inline double exact_cdf(double t) noexcept nogil:
    return 0.5 * erfc(-t * M_SQRT1_2)


for _i in range(2 * FARTHEST * STEPS + 2):
    PHI[_i] = exact_cdf(<double>_i / STEPS - FARTHEST)


cdef inline double normal_cdf(double t) noexcept nogil:
    cdef double place = (max(-FARTHEST, min(t, FARTHEST)) + FARTHEST) * STEPS
    cdef Py_ssize_t left = <Py_ssize_t>place
    return PHI[left] + (place - left) * (PHI[left + 1] - PHI[left])


cdef double objective(
    const double* t, const double* prior, Py_ssize_t n, double b, double* right, bint exact=False
) noexcept nogil:
    """J of the cut b; `right` is scratch."""
    cdef Py_ssize_t i
    cdef double P = 0, J = 0
    for i in range(n):
        right[i] = exact_cdf(t[i] - b) if exact else normal_cdf(t[i] - b)
        P += prior[i] * right[i]
    for i in range(n):
        J += prior[i] * fabs(P - right[i])
    return 2 * J


cdef double project(
    const double* means, const double* prior, Py_ssize_t n, Py_ssize_t r, const double* w,
    double* t,
) noexcept nogil:
    """t = means w; returns their mean."""
    cdef Py_ssize_t i
    cdef double mean = 0
    optland_project_rows(n, r, means, w, t)
    for i in range(n):
        mean += prior[i] * t[i]
    return mean


cdef double normalise(double* w, Py_ssize_t r) noexcept nogil:
    cdef Py_ssize_t j
    cdef double norm = 0
    for j in range(r):
        norm += w[j] * w[j]
    norm = sqrt(norm)
    if norm > 0:
        for j in range(r):
            w[j] /= norm
    return norm


cdef void two_means(
    const double* means, const double* prior, Py_ssize_t n, Py_ssize_t r, double* w, double* t,
    double* centres, unsigned char* sides,
) noexcept nogil:
    """Move w, at first the difference of two classes, to that of two centres."""
    cdef Py_ssize_t i, j, _step
    cdef double b
    cdef double[2] mass
    b = project(means, prior, n, r, w, t)
    for _step in range(TWO_MEANS_STEPS):
        memset(centres, 0, 2 * r * sizeof(double))
        mass[0] = mass[1] = 0
        for i in range(n):
            sides[i] = t[i] > b
            mass[sides[i]] += prior[i]
        optland_add_rows(n, r, means, prior, sides, centres)
        if mass[0] <= 0 or mass[1] <= 0:
            return
        b = 0
        for j in range(r):
            centres[j] /= mass[0]
            centres[r + j] /= mass[1]
            w[j] = centres[r + j] - centres[j]
            b += 0.5 * w[j] * (centres[r + j] + centres[j])
        project(means, prior, n, r, w, t)


cdef void ascend(
    const double* means, const double* prior, Py_ssize_t n, Py_ssize_t r, double* w, double b,
    double* t, double* right, double* gradient, unsigned char* sides,
) noexcept nogil:
    """Ascent steps on J at a falling width."""
    cdef Py_ssize_t i, j, step
    cdef double width, centre, spread = 0, P, balance, total, u, norm, length, progress
    centre = project(means, prior, n, r, w, t)
    for i in range(n):
        spread += prior[i] * (t[i] - centre) * (t[i] - centre)
    spread = sqrt(spread)
    for step in range(ASCENT_STEPS):
        progress = (step + 1.0) / ASCENT_STEPS
        width = (1 - progress) * spread + progress if spread > 1 else 1
        length = FIRST_STEP + (LAST_STEP - FIRST_STEP) * progress
        P = balance = total = 0
        for i in range(n):
            right[i] = normal_cdf((t[i] - b) / width)
            P += prior[i] * right[i]
        for i in range(n):
            balance += prior[i] if right[i] > P else -prior[i]
        for i in range(n):
            u = (t[i] - b) / width
            right[i] = prior[i] * ((1 if right[i] > P else -1) - balance) * exp(-0.5 * u * u)
            total += right[i]
        memset(gradient, 0, r * sizeof(double))
        memset(sides, 0, n)
        optland_add_rows(n, r, means, right, sides, gradient)
        norm = normalise(gradient, r)
        if norm == 0:
            return
        for j in range(r):
            w[j] += length * gradient[j]
        b = (b - length * total / norm) / normalise(w, r)
        project(means, prior, n, r, w, t)


cdef double best_cut(
    const double* t, const double* prior, const long long* order, Py_ssize_t n, double* right,
    double* b,
) noexcept nogil:
    """The cut with the largest J; b is the midpoint of two neighbours in `order`."""
    cdef Py_ssize_t i, n_within = 0, seen = 0, every
    cdef double mass = 0, J, best = -1, cut, unbalance, least = 2
    for i in range(n - 1):
        mass += prior[order[i]]
        n_within += MIN_SHARE <= mass <= 1 - MIN_SHARE and t[order[i]] < t[order[i + 1]]
    every = (n_within + MAX_CUTS - 1) // MAX_CUTS
    mass = 0
    for i in range(n - 1):
        mass += prior[order[i]]
        if t[order[i]] >= t[order[i + 1]]:
            continue
        cut = 0.5 * (t[order[i]] + t[order[i + 1]])
        if n_within == 0:  # the most balanced one
            unbalance = fabs(mass - 0.5)
            if unbalance < least:
                least = unbalance
                best = objective(t, prior, n, cut, right)
                b[0] = cut
            continue
        if not MIN_SHARE <= mass <= 1 - MIN_SHARE:
            continue
        seen += 1
        if (seen - 1) % every:
            continue
        J = objective(t, prior, n, cut, right)
        if J > best + TIE:
            best = J
            b[0] = cut
    return best


def split_classes(
    const double[:, ::1] means, const double[::1] prior, int n_restarts, uint64_t seed
):
    """Search for the hyperplane with the largest J.

    Parameters
    ----------
    means : ndarray of shape (n, r)
        Class means in coordinates of unit covariance within classes.
    prior : ndarray of shape (n,)
        Positive, of sum 1.
    n_restarts : int
    seed : int

    Returns
    -------
    w : ndarray of shape (r,)
        Of norm 1.
    b : float
    J : float
        -1 if no hyperplane was found that separates two classes.
    """
    cdef Py_ssize_t n = means.shape[0], r = means.shape[1], j, first, second, _restart
    cdef double J, b = 0, best = -1, best_b = 0
    best_w = np.zeros(r)
    t_array = np.empty(n)
    cdef double[::1] w = np.empty(r), t = t_array, right = np.empty(n), kept = best_w
    cdef double[::1] centres = np.empty(2 * r)
    cdef unsigned char[::1] sides = np.empty(n, dtype=np.uint8)
    cdef const long long[::1] order
    if n < 2 or r == 0:
        return best_w, 0.0, -1.0
    for _restart in range(n_restarts):
        with nogil:
            first = next_below(&seed, n)
            second = (first + 1 + next_below(&seed, n - 1)) % n
            for j in range(r):
                w[j] = means[first, j] - means[second, j]
            two_means(&means[0, 0], &prior[0], n, r, &w[0], &t[0], &centres[0], &sides[0])
            if normalise(&w[0], r) == 0:
                continue
            project(&means[0, 0], &prior[0], n, r, &w[0], &t[0])
        order = np.argsort(t_array, kind="stable").astype(np.int64)
        with nogil:
            best_cut(&t[0], &prior[0], &order[0], n, &right[0], &b)
            ascend(
                &means[0, 0], &prior[0], n, r, &w[0], b, &t[0], &right[0], &centres[0], &sides[0]
            )
        order = np.argsort(t_array, kind="stable").astype(np.int64)
        with nogil:
            J = best_cut(&t[0], &prior[0], &order[0], n, &right[0], &b)
            if J > best + TIE:
                best, best_b = J, b
                memcpy(&kept[0], &w[0], r * sizeof(double))
    if best >= 0:
        with nogil:
            project(&means[0, 0], &prior[0], n, r, &kept[0], &t[0])
            best = objective(&t[0], &prior[0], n, best_b, &right[0], exact=True)
    return best_w, best_b, best
