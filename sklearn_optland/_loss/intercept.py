"""The best shift of all scores, an intercept without a penalty: there the residuals balance."""

import numpy as np

MAX_STEPS = 50
# Where all rows are certain of their class the Hessian is next to nothing, and says as little.
LONGEST_STEP = 30.0
# A step is cut to a quarter so many times, then the arithmetic is at its end.
MAX_TRIALS = 30
# A rise of the loss, relative to it, that is no rise: on a flat that float64 does not resolve
# Newton's step is right all the same.
ROUNDING = 1e-12


def best_shift(loss, balance, shift):
    """Minimise a convex loss of scores over a shift of all of them, by a damped Newton iteration.

    Parameters
    ----------
    loss : callable
        Takes a shift of shape (k,), returns a float.
    balance : callable
        Takes a shift, and returns the imbalance of shape (k,), minus the gradient of the loss; the
        Hessian of shape (k, k); and an imbalance that one more step takes to rounding.
    shift : ndarray of shape (k,)
        The start.

    Returns
    -------
    shift : ndarray of shape (k,)
    """
    value = loss(shift)
    for _ in range(MAX_STEPS):
        imbalance, hessian, balanced = balance(shift)
        step = solve_semidefinite(hessian, imbalance)
        longest = np.abs(step).max()
        if longest > LONGEST_STEP:
            step = step * (LONGEST_STEP / longest)
        for _ in range(MAX_TRIALS):
            new = loss(shift + step)
            if new <= value * (1 + ROUNDING):
                break
            step = step / 4
        else:
            break
        shift = shift + step
        if np.abs(imbalance).max() <= balanced:
            break
        value = new
    return shift


def solve_semidefinite(A, rhs):
    """Solve A u = rhs for a semi-definite A: of several classes, up to a constant."""
    scale = np.sqrt(np.maximum(np.diag(A), 1e-300))
    with np.errstate(over="ignore"):  # an infinite step is refused by who asked for it
        rhs = np.clip(rhs / scale, -1e300, 1e300)
        return np.linalg.lstsq(A / np.outer(scale, scale), rhs, rcond=None)[0] / scale
