"""Bound majorization as in the papers, as generators of steps.

A generator computes one iteration each time it is asked, and ends where float64 does: when no
step lowers the objective any more. A problem has `evaluate(W)`, which returns a point with `W`,
`objective` and `gradient`; a curvature has `solve(G)` and, if it `follows` the parameters,
`refresh(point)`.
"""

from dataclasses import dataclass

import numpy as np

# What float64 leaves open of an objective, relative to it: a sum of many terms.
ROUNDING = 4 * np.finfo(float).eps


@dataclass
class MetricStep:
    """A point and the metric it was reached in; `full` if it was measured on all rows."""

    point: object
    curvature: object
    full: bool = True
    decrement: float | None = None  # gradient' metric^-1 gradient, if it is known
    dual: np.ndarray | None = None  # logarithms of a dual point, an entry for each score
    lower_bound: float | None = None  # on the optimum, if the step has proven one
    later_bound: float = 0.0  # that steps to come have proven already

    @property
    def expected_gap(self):
        """Half of gradient' metric^-1 gradient: what the metric expects to be left."""
        if self.decrement is not None:
            return 0.5 * self.decrement
        gradient = self.point.gradient
        return 0.5 * np.vdot(gradient, self.curvature.solve(gradient))


def majorize(problem, point, curvature, refresh):
    """The recursion of bound majorization: theta - curvature^-1 gradient, again and again.

    A curvature older than one iteration need not majorize any more: if the objective rises, it
    is renewed and the step is taken again.
    """
    age, previous = 0, np.inf
    while True:
        fresh = curvature.follows and age % refresh == 0
        if fresh:
            curvature.refresh(point)
        direction = -curvature.solve(point.gradient)
        decrement = -np.vdot(point.gradient, direction)
        new = problem.evaluate(point.W + direction)
        if not new.objective <= (1 + ROUNDING) * point.objective:
            if fresh or not curvature.follows:
                return
            age = 0
            continue
        if decrement <= ROUNDING * point.objective and not decrement < previous:
            return
        point, age, previous = new, age + 1, decrement
        yield MetricStep(point, curvature)


def accelerated(problem, W, curvature):
    """Nesterov's extrapolation in a fixed metric; restarts when the objective would rise."""
    point = ahead = problem.evaluate(W)
    t, previous = 1.0, np.inf
    while True:
        direction = -curvature.solve(ahead.gradient)
        decrement = -np.vdot(ahead.gradient, direction)
        new = problem.evaluate(ahead.W + direction)
        rises = not new.objective <= (1 + ROUNDING) * point.objective
        if rises or (decrement <= ROUNDING * point.objective and not decrement < previous):
            if ahead is point:
                return
            ahead, t = point, 1.0
            continue
        t_next = (1.0 + np.sqrt(1.0 + 4.0 * t * t)) / 2.0
        ahead = problem.evaluate(new.W + (t - 1.0) / t_next * (new.W - point.W))
        point, t, previous = new, t_next, decrement
        yield MetricStep(point, curvature)


def on_samples(samples, W):
    """Majorization steps, one on each sample of the data.

    Parameters
    ----------
    samples : iterator of (problem, curvature)
        The problem on a sample of the rows, and its curvature.
    W : ndarray

    Yields
    ------
    step : MetricStep
        Measured on the sample: not `full`.

    Returns
    -------
    W : ndarray
    """
    for sample, curvature in samples:
        point = sample.evaluate(W)
        if curvature.follows:
            curvature.refresh(point)
        W = W - curvature.solve(point.gradient)
        point.W = W
        yield MetricStep(point, curvature, full=False)
    return W
