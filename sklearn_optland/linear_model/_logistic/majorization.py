"""Bound majorization as in the papers, as generators of steps.

A generator computes one iteration each time it is asked, and ends where float64 does: when no
step lowers the objective any more.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_optland.linear_model._logistic.curvatures import KroneckerCurvature
from sklearn_optland.linear_model._logistic.problem import ROUNDING, Point

# "growing": part of the data for the first batch, and the factor between two batches. The error of
# a batch gradient falls with the root of its size, so 1.5 a step follows a linear rate of 0.8
# without an extra pass.
FIRST_BATCH = 64
GROWTH = 1.5


@dataclass
class Step:
    """A point and the metric it was reached in; `full` if it was measured on all rows."""

    point: Point
    curvature: object
    full: bool = True
    decrement: float | None = None  # gradient' metric^-1 gradient, if it is known
    dual: np.ndarray | None = None  # (n_samples, k), logarithms of a dual point

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
    follows = not isinstance(curvature, KroneckerCurvature)
    age, previous = 0, np.inf
    while True:
        fresh = follows and age % refresh == 0
        if fresh:
            curvature.refresh(point)
        direction = -curvature.solve(point.gradient)
        decrement = -np.vdot(point.gradient, direction)
        new = problem.evaluate(point.W + direction)
        if not new.objective <= (1 + ROUNDING) * point.objective:
            if fresh or not follows:
                return
            age = 0
            continue
        if decrement <= ROUNDING * point.objective and not decrement < previous:
            return
        point, age, previous = new, age + 1, decrement
        yield Step(point, curvature)


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
        yield Step(point, curvature)


def growing(problem, W, metric, refresh, rng):
    """The semi-stochastic method: a majorization step on a batch, and the batch grows.

    The curvature of a batch of m rows gets a ridge of d/m of the bound's diagonal: the error that a
    sample leaves in directions it has not seen. From the whole data on it is `majorize`.
    """
    n = problem.n_samples
    order = rng().permutation(n)
    size = max(10 * problem.n_classes, n // FIRST_BATCH)
    while size < n:
        sample = problem.sample(np.sort(order[:size]))
        point = sample.evaluate(W)
        curvature = metric(sample, ridge=sampling_ridge(problem, size, metric))
        if metric is not KroneckerCurvature:
            curvature.refresh(point)
        W = W - curvature.solve(point.gradient)
        yield Step(Point(W, point.Z, point.objective, point.gradient), curvature, full=False)
        size = int(np.ceil(GROWTH * size))
    yield from majorize(problem, after_samples(problem, W), metric(problem), refresh)


def after_samples(problem, W):
    """Evaluate where samples have led, or zero if that is better."""
    point = problem.evaluate(W)
    return point if point.objective <= problem.at_zero else problem.evaluate(problem.zeros())


def sampling_ridge(problem, size, metric):
    """What a sample of `size` rows may miss of the curvature, for each column."""
    ridge = 0.25 * min(1.0, problem.n_features / size) * problem.column_squares
    if not problem.fit_intercept:
        ridge[-1] = 0.0
    return ridge.mean() if metric is KroneckerCurvature else ridge
