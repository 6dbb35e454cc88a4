"""Fits from scratch at more and more iterations: what a level of the objective takes."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from common.measure import first_count, log, wall_seconds

PATIENCE = 8  # fits without progress that end a sweep
ROUNDING = 1e-12  # of the objective, granted to the checks


@dataclass
class Point:
    """One fit of a sweep."""

    n_iter: int
    seconds: float
    value: float  # the objective
    bound: float  # the solver's own on objective - optimum, or NaN


@dataclass
class Entrant:
    """A solver on one problem and the points of its sweep."""

    solver: object
    points: list = field(default_factory=list)

    def time(self, n_iter):
        return wall_seconds(lambda: self.solver.run(n_iter))

    def sweep(self, objective, target, max_seconds, max_total=np.inf):
        """Fit at each count of the grid: to the target, until it is too long or stalls."""
        n_iter, total = 0, 0.0
        while True:
            n_iter = self.solver.get_next(n_iter)
            seconds = self.time(n_iter)
            total += seconds
            point = Point(n_iter, seconds, **objective.evaluate_result(**self.solver.get_result()))
            self.points.append(point)
            if point.value <= target or seconds > max_seconds or total > max_total:
                return
            if self._stalls():
                return

    def _stalls(self):
        values = [point.value for point in self.points]
        before, recent = values[:-PATIENCE], values[-PATIENCE:]
        return bool(before) and min(recent) >= min(before)

    def first(self, target):
        """The first point that is not above the target, or None."""
        return next((point for point in self.points if point.value <= target), None)

    def faults(self, optimum):
        """What the sweep shows against the solver's promises, or "none"."""
        slack = ROUNDING * optimum
        rises = any(b.value > a.value + slack for a, b in pairwise(self.points))
        return ", ".join(["not monotone"] * rises + ["false bound"] * self.lies(optimum)) or "none"

    def lies(self, optimum):
        """Whether a bound of the solver's is below what is missing."""
        slack = ROUNDING * optimum
        return any(point.value - optimum > point.bound + slack for point in self.points)


def enter(solver, objective):
    """The solver, set up and warm; None and a message if it does not take the problem."""
    arguments = objective.get_objective()
    skip, reason = solver.skip(**arguments)
    if skip:
        log(f"    {solver}: skipped, {reason}")
        return None
    solver.set_objective(**arguments)
    solver.warm_up()
    return Entrant(solver)


def fewest_iterations(grid, objective, level, most):
    """(solver, iterations) of a grid's solver that needs the fewest to the level; None if none."""
    best = None
    for solver in grid:
        solver.set_objective(**objective.get_objective())

        def value(count, solver=solver):
            solver.run(count)
            return objective.evaluate_result(**solver.get_result())["value"]

        count = first_count(value, level, best[1] if best else most)
        log(f"    {solver}: {count} iterations")
        if count is not None:
            best = solver, count
    return best
