"""Symmetric tensors of order three as sums of lambda_j a_j (x) a_j (x) a_j.

Jennrich's algorithm: on the span of the a_j, two random contractions T(., ., u) = A D_u A' and
T(., ., v) = A D_v A' have a quotient with the a_j as eigenvectors. Alternating least squares then
fits all of T; Anandkumar et al. (2014) survey both.
"""

import numpy as np

# Pairs of contractions that Jennrich's algorithm tries.
TRIALS = 10
# Of a move: below it the residual no longer falls but for rounding.
LEAST_SHARE = 1e-3


def contract(T, v):
    """T(., ., v)."""
    return np.tensordot(T, v, axes=(2, 0))


def weights_of(T, A):
    """The best lambda for unit columns A, and the residual's norm."""
    gram = (A.T @ A) ** 3
    inner = np.einsum("abc,aj,bj,cj->j", T, A, A, A, optimize=True)
    weights = np.linalg.lstsq(gram, inner, rcond=None)[0]
    square = np.vdot(T, T) - 2 * weights @ inner + weights @ gram @ weights
    return weights, float(np.sqrt(max(square, 0.0)))


def jennrich(T, k, rng):
    """Unit columns a_j of a tensor of rank k; the best of a few random pairs of contractions."""
    side = len(T)
    values, vectors = np.linalg.eigh(np.einsum("abc,dbc->ad", T, T))
    U = with_fixed_signs(vectors[:, np.argsort(values)[::-1][:k]])
    core = np.einsum("abc,ai,bj,ck->ijk", T, U, U, U, optimize=True)
    best, least = U, np.inf
    for _ in range(TRIALS):
        u, v = rng.standard_normal((2, k))
        A = np.linalg.eig(contract(core, u) @ np.linalg.pinv(contract(core, v)))[1].real
        A = unit_columns(U @ A)
        residual = weights_of(T, A)[1]
        if residual < least:
            best, least = A, residual
    return best.reshape(side, k)


def with_fixed_signs(V):
    """Columns whose largest entry is positive: eigenvectors that do not hang on rounding."""
    if not V.size:
        return V
    return V * np.where(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])] < 0, -1.0, 1.0)


def als(T, A):
    """Sweeps of damped alternating least squares from unit columns A.

    The factor of one mode is solved for, N = T(., a_j, a_j) (A'A)^-2 by entries, and all three
    modes move towards it together. That is a descent direction, but all of it may overshoot: the
    share taken is halved until the residual does not rise.

    Yields
    ------
    A, weights : ndarray
    residual : float
        Of T, relative to its norm.
    """
    norm = max(float(np.linalg.norm(T)), np.finfo(float).tiny)
    weights, residual = weights_of(T, A)
    share = 1.0
    while True:
        yield A, weights, residual / norm
        images = np.einsum("abc,bj,cj->aj", T, A, A, optimize=True)
        move = images @ np.linalg.pinv((A.T @ A) ** 2) - A * weights
        move = np.divide(move, weights, out=np.zeros_like(A), where=weights != 0)
        share = min(1.0, 2 * share)
        while share > LEAST_SHARE:
            trial = unit_columns(A + share * move, A)
            found, left = weights_of(T, trial)
            if left <= residual:
                A, weights, residual = trial, found, left
                break
            share /= 2


def unit_columns(A, otherwise=None):
    """Columns of length 1; those of no length are replaced."""
    lengths = np.linalg.norm(A, axis=0)
    lost = ~(lengths > np.finfo(float).tiny)
    A = A / np.where(lost, 1.0, lengths)
    if lost.any():
        A[:, lost] = np.eye(*A.shape)[:, lost] if otherwise is None else otherwise[:, lost]
    return A
