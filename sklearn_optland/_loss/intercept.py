"""The best shift of all scores, an intercept without a penalty: there the residuals balance.

A Newton iteration whose line search looks at slopes alone: of a convex loss they are monotone, so
that a bracket always closes, also where scores of thousands make the loss a polyhedron and its
values have lost the digits that matter.
"""

import numpy as np

MAX_STEPS = 200
# Where all rows are certain of their class the Hessian is next to nothing, and says as little:
# curvature is added for which a step is about as long as the latest, and at least so long.
LEAST_REACH = 30.0
# A step must leave at most this share of the slope along it.
SHARE = 0.4
# On a flat a Newton step changes the imbalance e-fold; where steps are short, it squares it, and
# after the shortest rounding is left.
SHORT, SHORTEST = 1e-2, 1e-8
# Brackets double until they hold the minimum, and are halved until no number is left in them.
MAX_TRIALS = 100
EPS, TINY = np.finfo(float).eps, 1e-300


def best_shift(balance, shift):
    """Minimise a convex loss of scores over a shift of all of them.

    Parameters
    ----------
    balance : callable
        Takes a shift of shape (k,), and returns the imbalance of shape (k,), minus the gradient of
        the loss; the Hessian of shape (k, k); and an imbalance that one more step takes to
        rounding. NaN means too far.
    shift : ndarray of shape (k,)
        The start.

    Returns
    -------
    shift : ndarray of shape (k,)
    """
    at, reach = balance(shift), LEAST_REACH
    for _ in range(MAX_STEPS):
        imbalance, hessian, balanced = at
        size = np.abs(imbalance)
        added = (size + EPS * size.max()) / reach
        # A constant shift of all classes changes nothing, and what rounding says of it is noise.
        constant = np.diag(hessian).mean() * (len(size) > 1)
        step = solve_semidefinite(hessian + np.diag(added) + constant, imbalance)
        if not imbalance @ step > 0:  # rounding has left a Hessian that is not semi-definite
            step = imbalance / np.maximum(added, TINY)
        if len(step) > 1:
            step -= step.mean()
        longest = np.abs(step).max()
        if longest <= SHORTEST or (size.max() <= balanced and longest <= SHORT):
            return shift + step
        slope = imbalance @ step
        if not slope > 0:
            break
        length, at = _search(balance, shift, step, slope)
        if at is None:
            break
        step *= length
        shift, reach = shift + step, max(np.abs(step).max(), LEAST_REACH)
    return shift


def _search(balance, shift, step, slope):
    """A length at which little of the slope is left, and the balance there, None if none is."""
    low, high, length = 0.0, np.inf, 1.0
    resolution = EPS * (1 + np.abs(shift).max()) / np.abs(step).max()
    for _ in range(MAX_TRIALS):
        if not high - low > resolution:
            break
        at = balance(shift + length * step)
        left = at[0] @ step
        if abs(left) <= SHARE * slope:
            return length, at
        if left > 0:
            low = length
        else:
            high = length
        length = 2 * length if high == np.inf else 0.5 * (low + high)
    return length, None


def solve_semidefinite(A, rhs):
    """Solve A u = rhs for a semi-definite A: of several classes, up to a constant."""
    if len(rhs) == 1:
        with np.errstate(over="ignore"):
            return np.divide(rhs, A[0], out=np.zeros_like(rhs), where=A[0] > 0)
    scale = np.sqrt(np.maximum(np.diag(A), TINY))
    with np.errstate(over="ignore"):  # an infinite step is refused by who asked for it
        rhs = np.clip(rhs / scale, -1e300, 1e300)
        return np.linalg.lstsq(A / np.outer(scale, scale), rhs, rcond=None)[0] / scale
