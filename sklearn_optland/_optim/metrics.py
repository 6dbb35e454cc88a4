"""Metrics in which steps are taken: factored matrices, and what corrects them."""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, spotrf, spotrs

# The largest side of a matrix that is factored: 5000 x 5000 float64 take 200 MB.
MAX_SIDE = 5000


def check_side(side):
    """Refuse a matrix that is too large to factor."""
    if side > MAX_SIDE:
        raise ValueError(
            f"this curvature needs a square matrix of side {side}, (n_features + 1) x n_classes or "
            f"n_features + 1; allowed is at most {MAX_SIDE} ({8 * MAX_SIDE**2 / 1e6:.0f} MB). "
            "Use curvature='auto', which never builds it."
        )


def cholesky(matrix):
    """Cholesky factor of a matrix given by its lower triangle; returns the solver.

    The matrix is scaled to a unit diagonal. One that is singular to rounding (collinear columns
    without a penalty) gets the smallest ridge that helps: a larger curvature is still a majorizer.
    """
    diagonal = diagonal_of(matrix)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))[:, None]
    matrix = matrix * scale * scale.T
    diagonal_of(matrix)[:] = 1.0
    ridge = 50 * np.finfo(matrix.dtype).eps
    potrf, potrs = (spotrf, spotrs) if matrix.dtype == np.float32 else (dpotrf, dpotrs)
    while True:
        # LAPACK itself: SciPy's functions around it take longer than a small matrix does. A lower
        # triangle in C order is an upper one in Fortran's.
        factor, failed = potrf(matrix.T, lower=0, clean=0)
        if not failed:
            return lambda G: scale * potrs(factor, scale * G, lower=0)[0]
        diagonal_of(matrix)[:] += ridge
        ridge *= 10


def newton_decrement(gradient, solve):
    """Half of gradient' H^-1 gradient: what the quadratic model of Newton's method has left.

    Near an optimum that is what is left of the objective. Unlike the gradient's norm it depends
    neither on the units of columns nor, where there is an intercept, on what is added to them.

    Parameters
    ----------
    gradient : ndarray
    solve : callable
        Applies the inverse of the Hessian H, as what `cholesky` returns does.
    """
    decrement = 0.5 * float(np.vdot(gradient, solve(gradient)))
    return 0.0 if decrement < 0 else decrement  # rounding


def diagonal_of(matrix):
    """The diagonal of a square matrix in C order, writable."""
    return matrix.reshape(-1)[:: len(matrix) + 1]


def reciprocal(x):
    """1 / x, and 0 for 0: directions that change nothing."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > 0)


def deflated(solve, directions):
    """Precondition by `solve` what conjugate directions of earlier systems leave open.

    `directions` are p, H p and p'H p, as vectors. With the same H, systems that are solved one
    after the other make one run of conjugate gradients.
    """
    if not directions:
        return solve
    P, HP, curvatures = (np.array(part) for part in zip(*directions, strict=True))

    def solve_deflated(G):
        known = (P @ G.ravel()) / curvatures
        S = solve(G - (known @ HP).reshape(G.shape)).ravel()
        return (S + (known - (HP @ S) / curvatures) @ P).reshape(G.shape)

    return solve_deflated
