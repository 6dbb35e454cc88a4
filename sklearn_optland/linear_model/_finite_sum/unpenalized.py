"""Dual points of finite sums without a penalty: pulls that no column feels.

Without a penalty the dual's constraint is sum_i c_i theta_i (x_i, 1) = 0 instead of a term of the
objective. Pulls near an optimum nearly keep it. They are moved by theta_i -= room_i (x_i, 1)'u with

    [sum_i c_i room_i (x_i, 1)(x_i, 1)'] u = sum_i c_i theta_i (x_i, 1),

where room_i is 0 at the ends of the conjugate's domain: affine scaling, and for the log-loss, whose
room is p (1 - p), Newton's step in the dual. The gap that follows is then half the square of the
Newton decrement, and like it depends neither on the columns' units nor on their offsets. At kinks,
where a gradient says nothing, theta comes from the solver, and the rows at the kinks have room.
"""

import numpy as np

from sklearn_optland._loss.intercept import solve_semidefinite

# Parameters up to which the matrix costs no more than a few passes.
NARROW = 128
# The first step does it near the optimum, the second takes rounding; more are for far away.
MAX_ROUNDS = 4
# What columns may feel, relative to the most that they could: rounding.
UNFELT = 1e-12
# Of the way to the end of a conjugate's domain that a step may go.
MOST_ROOM = 0.95


def cancelling_pulls(problem, W, theta):
    """Move pulls until no column feels them, or none with w > 0 under w >= 0, and the others < 0.

    Parameters
    ----------
    problem : FiniteSum
    W : ndarray
        Parameters.
    theta : ndarray
        Pulls in the domains of the conjugates.

    Returns
    -------
    theta : ndarray or None
        None if they could not be found.
    left : ndarray of the shape of W
        What rounding leaves; of a coefficient that may not be negative, all that it feels.
    pulled : ndarray of the shape of W
        What the parameters felt of the pulls that were handed in.
    """
    pulled = left = problem.pull(theta)
    for _ in range(MAX_ROUNDS):
        bound = _free(problem, W, left)
        if np.all(np.abs(np.where(bound, left, 0.0)) <= UNFELT * _most(problem, theta)):
            return theta, left, pulled
        theta = _moved(problem, theta, left, bound)
        left = problem.pull(theta)
    return None, left, pulled


def _free(problem, W, left):
    """The parameters that must not feel the pulls."""
    free = np.ones(W.shape, dtype=bool)
    if problem.penalty.positive:
        free[:-1] = (W[:-1] > 0) | (left[:-1] > 0)
    free[-1] = problem.fit_intercept
    return free


def _most(problem, theta):
    """What the parameters would feel at most of pulls of this size."""
    size = np.sqrt(np.sum((problem.c * (theta * theta).T).T, axis=0))
    return np.multiply.outer(np.sqrt(np.append(problem.column_squares, 1.0)), size)


def _moved(problem, theta, left, free):
    chosen = np.flatnonzero(free)
    step = np.zeros(free.size)
    matrix = problem.metric(theta)[np.ix_(chosen, chosen)]
    step[chosen] = solve_semidefinite(matrix, left.ravel()[chosen])
    z = problem.scores(step.reshape(free.shape))
    return problem.moved(theta, z)
