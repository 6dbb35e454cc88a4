"""Preconditioned conjugate gradients."""

import numpy as np


def conjugate_gradients(
    product, V, residual, solve, is_done, *, max_iter, directions=None, moved=None
):
    """Solve H V = b, from V on, for a positive semi-definite H.

    Parameters
    ----------
    product : callable
        V -> H V.
    V, residual : ndarray
        Where to start, and b - H V there.
    solve : callable
        Applies the inverse of the preconditioner.
    is_done : callable
        Takes V, the residual, its square in the preconditioner's norm, and that of the first one.
    max_iter : int
    directions : list, default=None
        Takes the conjugate directions p, H p and p'H p, as vectors.
    moved : callable, default=None
        Told the length of each step along the direction that `product` saw last.

    Returns
    -------
    V, residual : ndarray
    """
    S = solve(residual)
    P = S
    rho = first = np.vdot(residual, S)
    for _ in range(max_iter):
        if rho <= 0:  # a zero gradient, or the end of the arithmetic
            break
        Q = product(P)
        curvature = np.vdot(P, Q)
        if not curvature > 0:
            break
        step = rho / curvature
        if directions is not None:
            directions.append((P.ravel(), Q.ravel(), curvature))
        V = V + step * P
        residual = residual - step * Q
        if moved is not None:
            moved(step)
        S = solve(residual)
        previous, rho = rho, np.vdot(residual, S)
        if is_done(V, residual, rho, first):
            break
        P = S + (rho / previous) * P
    return V, residual
