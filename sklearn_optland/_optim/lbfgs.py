"""Limited-memory BFGS: the latest steps and gradient changes correct a metric."""

import numpy as np


def remember(memory, step, change, size):
    """The memory with one more pair, unless rounding left no curvature in it.

    Parameters
    ----------
    memory : list of (ndarray, ndarray)
        Pairs, the oldest first.
    step, change : ndarray of the parameters' shape
        What the parameters and the gradient changed by.
    size : int
        The most pairs that are kept.

    Returns
    -------
    memory : list of (ndarray, ndarray)
    """
    curvature = np.vdot(step, change)
    if curvature > 1e-10 * np.sqrt(np.vdot(step, step)) * np.sqrt(np.vdot(change, change)):
        return [*memory[1 - size :], (step, change)]
    return memory


def solve(memory, metric, gradient, scale=1.0):
    """Apply the inverse metric that the memory corrects: the two-loop recursion.

    Parameters
    ----------
    memory : list of (ndarray, ndarray)
        Of `remember`.
    metric : callable
        Applies the inverse of the metric without a memory.
    gradient : ndarray of the parameters' shape
    scale : float, default=1.0
        Factor of `metric`.

    Returns
    -------
    ndarray of the parameters' shape
        Minus a descent direction.
    """
    q, scratch, shares = gradient.copy(), np.empty_like(gradient), []
    for step, change in reversed(memory):
        share = np.vdot(step, q) / np.vdot(step, change)
        q -= np.multiply(share, change, out=scratch)
        shares.append(share)
    q = metric(q)
    q *= scale
    for (step, change), share in zip(memory, reversed(shares), strict=True):
        q += np.multiply(share - np.vdot(change, q) / np.vdot(step, change), step, out=scratch)
    return q
