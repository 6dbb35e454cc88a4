"""How far to go along a descent direction."""

from math import isfinite

import numpy as np

# A step must bring this share of what the slope promises.
ARMIJO = 1e-4
# What a trial that is too long is cut to: between these shares, by the parabola through the start,
# its slope and the trial.
CUTS = 0.1, 0.5
# Of a search for the minimum on a line: the most trials, and the slope, relative to that at the
# start, that is as good as none.
MAX_LINE_TRIALS = 40
FLAT = 0.3


def backtrack(
    evaluate, value, slope, *, size=1.0, slack=0.0, max_trials=25, share=ARMIJO, cuts=CUTS
):
    """Shorten a step until it satisfies Armijo's condition.

    Parameters
    ----------
    evaluate : callable
        Takes the size of a step; returns the value there, and what else the caller needs of it.
    value, slope : float
        At the start, along the direction. No step is tried unless the slope is negative.
    size : float, default=1.0
        The first trial.
    slack : float, default=0.0
        Rounding of the values, which must not end the search.
    max_trials : int, default=25
    share : float, default=ARMIJO
        What a step must bring of what the slope promises.
    cuts : (float, float), default=CUTS
        What a trial that is too long is cut to, at least and at most; the same twice: to that.

    Returns
    -------
    size : float
        0 if no trial was good enough.
    point : object
        What `evaluate` returned besides the value; None if size is 0.
    n_trials : int
    """
    if not (slope < 0 and isfinite(slope)):
        return 0.0, None, 0
    least, most = cuts
    for trial in range(max_trials):
        new, point = evaluate(size)
        change = new - value
        if isfinite(change) and change <= share * size * slope + slack:
            return size, point, trial + 1
        cut = least
        if isfinite(change):
            cut = min(most, max(least, -0.5 * size * slope / (change - size * slope)))
        size *= cut
    return 0.0, None, max_trials


def minimize_along(along, value, slope):
    """Seek the minimum along a line, whose full step does not satisfy Armijo's condition.

    Parameters
    ----------
    along : callable
        Takes t in (0, 1); returns the rise of the value since the start, and its derivative.
    value, slope : float
        At the start; the slope is negative.

    Returns
    -------
    t : float or None
        The best that satisfies Armijo's condition; the first whose slope is small ends the search.
    """
    low, high, t, slope_low = 0.0, 1.0, 0.5, slope
    best, best_t = value, None
    for _ in range(MAX_LINE_TRIALS):
        rise, slope_t = along(t)
        falls = rise <= ARMIJO * t * slope
        if falls and value + rise < best:
            best, best_t = value + rise, t
            if abs(slope_t) <= -FLAT * slope:
                break
        if slope_t <= 0:
            low, slope_low, fraction = t, slope_t, 0.5
        else:
            high = t
            with np.errstate(all="ignore"):  # a fraction that is not finite becomes 0.01
                if falls:  # false position on the slope
                    fraction = slope_low / (slope_low - slope_t)
                else:  # minimum of the parabola through the start and t
                    fraction = (0.5 * slope * t * t / (slope * t - rise) - low) / (high - low)
        t = low + (high - low) * min(0.9, max(0.01, fraction))
    return best_t
