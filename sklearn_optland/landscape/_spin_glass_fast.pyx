"""Energy, gradient and Hessian of a spherical p-spin glass, in symmetric slabs.

The energy is a homogeneous polynomial of degree p with one coefficient for each i_1 >= ... >= i_p.
A slab has those of one prefix i_1 >= ... >= i_q, q = p - 2: the rest is a quadratic form in the
first m = i_q + 1 spins, all n if q = 0, whose symmetric m x m matrix M is stored densely. So

    H(s) = sum over prefixes of w v,    w = s_{i_1} ... s_{i_q},    v = s_{<m}' M s_{<m},

and one product M S serves all replicas, the columns of S: n^p / p! * 2 multiplications a replica.
With w_a and w_ab, the products w without the factors a, and a and b,

    dH/ds_j += 2 w (M s)_j,    dH/ds_{i_a} += w_a v,
    d2H/ds_j ds_k += 2 w M_jk,    d2H/ds_{i_a} ds_j += 2 w_a (M s)_j and its transpose,
    d2H/ds_{i_a} ds_{i_b} += w_ab v,  a != b.
"""
from sklearn_optland._rows.blas cimport gemm


cdef inline double product_without(
    const int* prefix, int q, const double[:, ::1] S, Py_ssize_t r, int a, int b
) noexcept nogil:
    """The product of the prefix' spins of replica r, but for the factors a and b."""
    cdef double w = 1.0
    cdef int c
    for c in range(q):
        if c != a and c != b:
            w *= S[prefix[c], r]
    return w


def energies_and_gradients(
    const double[::1] slabs,
    const int[:, ::1] prefixes,  # q + 1 columns: i_1, ..., i_q, and m
    const double[:, ::1] S,  # n x replicas
    double[::1] energies,  # OUT
    double[:, ::1] G,  # OUT n x replicas
    double[:, ::1] Y,  # scratch n x replicas
    double[::1] v,  # scratch replicas
):
    """Energies and gradients of all replicas."""
    cdef Py_ssize_t slab, j, r, n_replicas = S.shape[1], at = 0
    cdef int a, m, q = <int>prefixes.shape[1] - 1
    cdef const int* prefix
    cdef double w
    if n_replicas == 0:
        return
    energies[:] = 0
    G[:, :] = 0
    with nogil:
        for slab in range(prefixes.shape[0]):
            prefix = &prefixes[slab, 0]
            m = prefix[q]
            Y[:m, :] = 0
            gemm(False, m, <int>n_replicas, m, &slabs[at], &S[0, 0], &Y[0, 0])
            at += <Py_ssize_t>m * m
            v[:] = 0
            for j in range(m):
                for r in range(n_replicas):
                    v[r] += S[j, r] * Y[j, r]
            for a in range(q):
                for r in range(n_replicas):
                    G[prefix[a], r] += product_without(prefix, q, S, r, a, a) * v[r]
            for r in range(n_replicas):
                w = product_without(prefix, q, S, r, -1, -1)
                energies[r] += w * v[r]
                v[r] = 2 * w
            for j in range(m):
                for r in range(n_replicas):
                    G[j, r] += v[r] * Y[j, r]


def hessian(
    const double[::1] slabs,
    const int[:, ::1] prefixes,
    const double[:, ::1] s,  # n x 1
    double[:, ::1] H,  # OUT n x n
    double[::1] y,  # scratch n
):
    """The Hessian at one point."""
    cdef Py_ssize_t slab, j, k, at = 0
    cdef int a, b, m, q = <int>prefixes.shape[1] - 1
    cdef const int* prefix
    cdef const double* row
    cdef double w, v, total
    H[:, :] = 0
    with nogil:
        for slab in range(prefixes.shape[0]):
            prefix = &prefixes[slab, 0]
            m = prefix[q]
            w = 2 * product_without(prefix, q, s, 0, -1, -1)
            v = 0
            for j in range(m):
                row = &slabs[at]
                total = 0
                for k in range(m):
                    total += row[k] * s[k, 0]
                    H[j, k] += w * row[k]
                y[j] = total
                v += s[j, 0] * total
                at += m
            for a in range(q):
                w = 2 * product_without(prefix, q, s, 0, a, a)
                for j in range(m):
                    H[prefix[a], j] += w * y[j]
                    H[j, prefix[a]] += w * y[j]
                for b in range(q):
                    if b != a:
                        H[prefix[a], prefix[b]] += v * product_without(prefix, q, s, 0, a, b)
