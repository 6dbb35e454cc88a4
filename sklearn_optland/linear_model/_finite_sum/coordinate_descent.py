"""Proximal Newton by coordinate descent, as a solver of finite sums."""

from copy import copy
from dataclasses import replace

import numpy as np

from sklearn_optland.linear_model._finite_sum.coordinate_models import (
    FEW,
    GRAM_SHARE,
    MAX_GRAM_COLUMNS,
    GramModels,
)
from sklearn_optland.linear_model._finite_sum.gram_path import gram_points, is_least_squares
from sklearn_optland.linear_model._finite_sum.group_models import GroupModels
from sklearn_optland.linear_model._finite_sum.growing_gram import (
    growing_gram_points,
    has_growing_gram,
)
from sklearn_optland.linear_model._finite_sum.newton import (
    ProximalNewton,
    proximal_newton,
    start_of,
)
from sklearn_optland.linear_model._finite_sum.softmax_models import SoftmaxModels
from sklearn_optland.linear_model._finite_sum.working_set_models import (
    MAX_ROWS,
    WorkingSetModels,
)

# Penalties fall by this factor; what their fits leave, relative to the objective.
LEVEL, LEVEL_TOL = 10.0, 1e-2


class CoordinateDescent(ProximalNewton):
    """Proximal Newton, its models minimised by coordinate descent.

    Where rows are few, a weak penalty lets in far more columns than are left in the end, and
    throwing them out one by one takes longer than the models are allowed. What has not arrived
    then comes down from strong penalties, on whose path supports stay small.
    """

    def points(self, W):
        problem, point, self.limited_by = self.problem, None, None
        for point in super().points(W):
            yield point
        reached = point is not None and point.certificate <= self.tol * point.objective
        if not reached and _has_levels(problem):
            yield from self._points_from_above()

    def _points_from_above(self):
        """Yield where fits with falling penalties end, and then all points of the last one."""
        problem, penalty = self.problem, self.problem.penalty
        W = problem.zeros()
        felt = penalty.polar(-start_of(problem, W).gradient[:-1])
        n_levels = int(np.log(max(felt / penalty.l1, 1.0)) / np.log(LEVEL))
        for level in LEVEL ** np.arange(n_levels, 0, -1.0):
            easier = copy(problem)
            easier.penalty = replace(penalty, l1=level * penalty.l1, l2=level * penalty.l2)
            easier.lower_bound, easier.passes = 0.0, 0.0
            minimize = self.minimizer(easier, LEVEL_TOL)
            for point in proximal_newton(easier, start_of(easier, W), minimize):
                W = point.W
                if point.certificate <= LEVEL_TOL * point.objective:
                    break
            problem.passes += easier.passes
            yield problem.evaluate(W)
        minimize = self.minimizer(problem, self.tol)
        yield from proximal_newton(problem, start_of(problem, W), minimize)
        if minimize.is_spent:
            self.limited_by = "coordinate descent"

    @staticmethod
    def minimizer(problem, tol, n_fits=1):
        if problem.k > 1:
            return SoftmaxModels(problem, tol)
        if not problem.penalty.is_separable:
            return GroupModels(problem, tol)
        return (GramModels if _has_gram(problem, n_fits) else WorkingSetModels)(problem, tol)

    @staticmethod
    def least_squares(problem, n_fits=1):
        if not (problem.penalty.is_separable and is_least_squares(problem)):
            return None
        if _has_gram(problem, n_fits):
            return gram_points
        return growing_gram_points if has_growing_gram(problem) else None


def _has_levels(problem):
    """Whether penalties fall to this one where a fit has not arrived."""
    penalty = problem.penalty
    is_simple = penalty.l1 > 0 and penalty.is_convex and penalty.is_separable and problem.k == 1
    return is_simple and problem.n_samples <= MAX_ROWS and not problem.is_partitioned


def _has_gram(problem, n_fits):
    """Whether the Gram matrix of all columns is made."""
    d, n = problem.n_features, problem.n_samples
    n_uses = n_fits if problem.loss.is_square else 1
    return d <= max(FEW, min(GRAM_SHARE * n * n_uses, MAX_GRAM_COLUMNS))
