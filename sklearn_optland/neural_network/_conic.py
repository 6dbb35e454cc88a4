"""Conic particle gradient descent: sparse measures from many particles."""

import numpy as np

MAX_HALVINGS = 40


def conic_steps(evaluate, retract, weights, positions, free, alpha):
    """Steps of conic particle gradient descent with a backtracked step.

    In the metric of the cone over the positions (Chizat 2019, with alpha = 1/4, beta = 1 there) a
    weight moves by w <- w exp(-4 s (J + alpha)) and its position by -s grad J, J being the first
    variation of the loss.

    Parameters
    ----------
    evaluate : callable
        Takes weights, positions and free parameters; returns the objective, J (m,), its gradient
        in the positions (m, n_coordinates) and the gradient in the free parameters.
    retract : callable
        Takes positions that a step has moved, and puts them back where positions are.
    weights : ndarray of shape (m,)
        Positive.
    positions : ndarray of shape (m, n_coordinates)
    free : ndarray
        Parameters that move by plain gradient steps.
    alpha : float
        What a unit of mass costs.

    Yields
    ------
    weights, positions, free, value, passes, done
    """
    state = weights, positions, free
    value, J, slope, pull = evaluate(*state)
    passes, t = 1, 1.0
    while True:
        weights, positions, free = state
        for _ in range(MAX_HALVINGS):
            trial = (
                weights * np.exp(np.clip(-4 * t * (J + alpha), -30.0, 1.0)),
                retract(positions - t * slope),
                free - t * pull,
            )
            new = evaluate(*trial)
            passes += 1
            promise = t * (
                4 * weights @ (J + alpha) ** 2
                + weights @ np.einsum("ij,ij->i", slope, slope)
                + pull @ pull
            )
            if new[0] < value and new[0] <= value - 0.3 * promise:
                break
            t *= 0.5
        else:
            yield *state, value, passes, True
            return
        state, (value, J, slope, pull) = trial, new
        yield *state, value, passes, False
        t *= 1.5
