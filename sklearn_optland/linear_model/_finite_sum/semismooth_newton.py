"""Elastic nets of few rows by their dual: as many variables as rows, however many columns.

    minimise  |t - B'w|^2 / 2 + l1 |w|_1 + l2/2 |w|^2 - tilt'w,   w >= 0 if asked,

B = A (I - ss') has a row for each column, centred; A stays sparse if the data are. The proximal
point method adds |w - center|^2 / (2 sigma) with a growing sigma, and center moves to the minimum.
The dual of that has a gradient at y, the residual t - B'w at the optimum, that is
linear in pieces:

    y - t + B'w(y),   w(y) = soft(B y + tilt + center / sigma, l1) / (l2 + 1 / sigma),

so that Newton's method ends after a few steps, each with the columns in use (Li, Sun and Toh 2018,
"A highly efficient semismooth Newton augmented Lagrangian method for solving lasso problems", SIAM
J. Optim. 28). Coordinate descent, which changes a support by one column at a time, takes thousands
of epochs where rows are few and l2 is small.
"""

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import row_norms

from sklearn_optland._optim.line_search import ARMIJO
from sklearn_optland.linear_model._finite_sum.problem import inverse_of

# Of the mean eigenvalue of B'B: 1 / sigma at first, and at least. What a proximal step divides it
# by.
FIRST, LEAST, FALL = 0.1, 1e-12, 3.0
# The most Newton steps, and of a proximal step.
MAX_STEPS, MAX_NEWTON = 300, 30
# Of the violation that is allowed: what a proximal step leaves of its gradient. The shortest step.
SOLVED, SHORTEST = 0.1, 1e-4


def semismooth_newton(A, s, t, w, tilt, penalty, enough):
    """Minimise.

    Parameters
    ----------
    A : ndarray or csr_array of shape (n_columns, n_rows)
    s : ndarray of shape (n_rows,)
        Of length 1, or 0 if nothing is centred.
    t : ndarray of shape (n_rows,)
        Centred.
    w, tilt : ndarray of shape (n_columns,)
        The start, and a slope.
    penalty : ElasticNet
    enough : callable
        The violation of the optimality of a coefficient that w may leave.

    Returns
    -------
    w : ndarray
    n_steps : int
        Of Newton's method.
    """
    l1, l2, positive = penalty.l1, penalty.l2, penalty.positive
    squares, tiny = row_norms(A, squared=True) - (A @ s) ** 2, np.finfo(float).tiny
    mean = max(squares.sum() / min(A.shape), tiny)
    extent = np.sqrt(max(squares.max(initial=0.0), tiny))
    kappa, n_steps = FIRST * mean, 0
    y = t - centred(w @ A, s)
    while n_steps < MAX_STEPS:
        allowed = enough(w)
        if violation(A @ centred(y, s) + tilt - l2 * w, w, l1, positive) <= allowed:
            break
        shift, curvature = tilt + kappa * w, l2 + kappa

        def primal(y, shift=shift, curvature=curvature):
            v = A @ centred(y, s) + shift
            v = np.maximum(v, 0.0) if positive else v
            return np.sign(v) * np.maximum(np.abs(v) - l1, 0.0) / curvature

        def value(y, w, curvature=curvature):
            return 0.5 * np.vdot(y, y) - np.vdot(t, y) + 0.5 * curvature * np.vdot(w, w)

        center, w = w, primal(y)
        for _ in range(MAX_NEWTON):
            gradient = y - t + centred(w @ A, s)
            if np.linalg.norm(gradient) * extent <= SOLVED * allowed:
                break
            step, n_steps = newton_step(A[w != 0], s, gradient, curvature), n_steps + 1
            size, before, slope = 1.0, value(y, w), np.vdot(gradient, step)
            while size > SHORTEST:
                following = y + size * step
                w = primal(following)
                rise = value(following, w) - before
                if rise <= ARMIJO * size * slope + 1e-14 * abs(before):
                    break
                size *= 0.5
            y = following
        else:  # too far for Newton's method
            kappa, w = FALL**3 * kappa, center
        y = t - centred(w @ A, s)
        kappa = max(kappa / FALL, LEAST * mean)
    return w, n_steps


def newton_step(A, s, gradient, curvature):
    """-(I + B'B / curvature)^{-1} gradient, by the smaller of BB' and B'B."""
    if A.shape[0] > A.shape[1]:
        gram = centred(centred(dense(A.T @ A), s).T, s)
        np.einsum("ii->i", gram)[:] += curvature
        return -curvature * inverse_of(gram)(gradient)
    B = centred(dense(A), s)
    gram = B @ B.T
    np.einsum("ii->i", gram)[:] += curvature
    return inverse_of(gram)(B @ gradient) @ B - gradient if len(B) else -gradient


def centred(y, s):
    """y (I - ss'), of a row or of several."""
    return y - np.multiply.outer(y @ s, s)


def dense(A):
    """An array of a matrix that may be sparse."""
    return A.toarray() if sparse.issparse(A) else A


def violation(v, w, l1, positive):
    """How far the pulls v are from the subgradient of l1 |w|_1, at most."""
    at_zero = np.maximum((v if positive else np.abs(v)) - l1, 0.0)
    return np.max(np.where(w != 0, np.abs(v - l1 * np.sign(w)), at_zero), initial=0.0)
