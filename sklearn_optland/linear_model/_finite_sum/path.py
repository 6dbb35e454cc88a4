"""Paths of finite sums along alpha, by a proximal Newton method that goes on where it was."""

from dataclasses import replace

import numpy as np

from sklearn_optland.linear_model._finite_sum.newton import proximal_newton, start_of


def points_along(problem, penalties, minimize, *, tol, max_passes):
    """Yield the point at which a fit with each penalty ends, and its passes.

    Scores, pulls, working sets and Gram matrices stay; nothing is validated anew.

    Parameters
    ----------
    problem : FiniteSum
        With one penalty after the other.
    penalties : iterable of ElasticNet
    minimize : callable
        As `proximal_newton` takes it.
    tol : float
        Of the gap, relative to the objective.
    max_passes : int
    """
    point = start_of(problem, problem.zeros())
    for penalty in penalties:
        problem.penalty, problem.lower_bound, problem.passes = penalty, 0.0, 0.0
        loss, _ = problem.losses(point.scores)
        objective = loss + penalty.value(point.W[:-1])
        point = replace(point, objective=objective, certificate=np.inf)
        for following in proximal_newton(problem, point, minimize):
            point = following
            if point.certificate <= tol * point.objective or problem.passes >= max_passes:
                break
        yield point, problem.passes
