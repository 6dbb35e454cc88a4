"""Limited-memory BFGS: the latest steps and gradient changes correct a metric."""

from copy import copy
from math import ulp

import numpy as np

from sklearn_optland._optim.lbfgs_fast import backward, forward
from sklearn_optland._optim.line_search import backtrack
from sklearn_optland._optim.step import Step

# The least curvature of a pair, relative to its step and change: less is rounding.
LEAST_CURVATURE = 1e-10
# Squares below it have lost their digits: the gradient of separated classes falls without end.
TINY = 1e-290
# Changes of a value by less than this share of it are mostly rounding.
ROUNDED = 1e-13
# Trials of a step of `minimize`.
MAX_TRIALS = 40


class Memory:
    """The latest pairs of steps and gradient changes, in a ring.

    Parameters
    ----------
    size : int
        The most pairs that are kept.
    """

    def __init__(self, size):
        self.size, self._steps = size, None
        self.forget()

    def __len__(self):
        return self.count

    def forget(self):
        """Drop all pairs."""
        self.newest, self.count = -1, 0

    def astype(self, dtype):
        """The same memory in another precision."""
        other = copy(self)
        if self._steps is not None:
            for name in ("_steps", "_changes", "_curvatures", "_shares"):
                setattr(other, name, getattr(self, name).astype(dtype))
        return other

    def remember(self, step, change):
        """Add a pair, unless rounding left no curvature in it.

        Parameters
        ----------
        step, change : ndarray of the parameters' shape
            What the parameters and the gradient changed by.
        """
        curvature, square = np.vdot(step, change), np.vdot(change, change)
        least = LEAST_CURVATURE * np.sqrt(np.vdot(step, step)) * np.sqrt(square)
        if not (curvature > least and square > TINY):
            return
        if self._steps is None:
            # Zeros: to change the type of what has no value yet may warn.
            shape = self.size, step.size
            self._steps, self._changes = (np.zeros(shape, step.dtype) for _ in range(2))
            self._curvatures, self._shares = (np.zeros(self.size, step.dtype) for _ in range(2))
        self.newest = (self.newest + 1) % self.size
        self.count = min(self.count + 1, self.size)
        self._steps[self.newest], self._changes[self.newest] = step.ravel(), change.ravel()
        self._curvatures[self.newest] = curvature
        self._identity_scale = float(curvature) / float(square)

    def scale(self, metric=None):
        """s'y / y'M y of the newest pair, which gives the inverse metric M its size.

        Parameters
        ----------
        metric : callable, default=None
            Applies M to an array; None is the identity. It sees a flat array.
        """
        if not self.count:
            return 1.0
        if metric is None:
            return self._identity_scale
        change = self._changes[self.newest]
        return float(self._curvatures[self.newest] / np.vdot(change, metric(change)))

    def solve(self, gradient, metric=None, scale=1.0):
        """Apply the inverse metric that the memory corrects: the two-loop recursion.

        Parameters
        ----------
        gradient : ndarray of the parameters' shape
        metric : callable, default=None
            Applies the inverse metric without a memory to an array of that shape; None is the
            identity.
        scale : float, default=1.0
            Factor of `metric`.

        Returns
        -------
        ndarray of the parameters' shape
            Minus a descent direction.
        """
        q = gradient.copy()
        if self.count:
            pairs = self._steps, self._changes, self._curvatures, self._shares
            backward(*pairs, self.newest, self.count, q.reshape(-1))
        q = q if metric is None else metric(q)
        if not self.count:
            return q if scale == 1.0 else scale * q
        q = np.ascontiguousarray(q)
        forward(*pairs, self.newest, self.count, scale, q.reshape(-1))
        return q


def minimize(function, theta, memory, metric=None):
    """Steps of L-BFGS with backtracking.

    Parameters
    ----------
    function : callable
        Value and gradient at a flat array.
    theta : ndarray
        Where to start.
    memory : Memory
        What is known of the function; the steps add to it.
    metric : callable, default=None
        Applies the inverse of the metric that the memory corrects. None is the identity, scaled.

    Yields
    ------
    step : Step
        Parameters and value, with the curves "objective" and "passes", which counts evaluations.
        Done where rounding leaves no step.
    """
    value, gradient = function(theta)
    passes = 1

    def evaluate(size):
        trial = theta + theta.dtype.type(size) * direction
        new, new_gradient = function(trial)
        seen = new
        if abs(new - value) <= ROUNDED * abs(value):
            # Rounding hides the change of the value; the slopes at both ends tell it.
            seen = value + 0.5 * size * (slope + float(new_gradient @ direction))
            new = min(new, value)
        return seen, (trial, new, new_gradient)

    def as_step(done=False):
        return Step(theta, {"objective": value, "passes": passes}, value, done=done)

    while True:
        scale = memory.scale() if metric is None else 1.0
        direction = -memory.solve(gradient, metric, scale)
        size = 1.0
        if metric is None and not memory:
            size = min(1.0, 1 / max(float(np.linalg.norm(gradient)), 1e-300))
        slope = float(gradient @ direction)
        settings = {"size": size, "slack": ulp(value) / 2, "max_trials": MAX_TRIALS}
        _, trial, n_trials = backtrack(evaluate, value, slope, **settings)
        passes += n_trials
        if trial is None or np.array_equal(trial[0], theta):
            if not memory:
                yield as_step(done=True)
                return
            memory.forget()
            continue
        memory.remember(trial[0] - theta, trial[2] - gradient)
        theta, value, gradient = trial
        yield as_step()
