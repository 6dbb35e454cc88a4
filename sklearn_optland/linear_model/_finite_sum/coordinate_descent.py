"""Proximal Newton by coordinate descent, as a solver of finite sums."""

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
from sklearn_optland.linear_model._finite_sum.newton import ProximalNewton
from sklearn_optland.linear_model._finite_sum.softmax_models import SoftmaxModels
from sklearn_optland.linear_model._finite_sum.working_set_models import WorkingSetModels


class CoordinateDescent(ProximalNewton):
    """Proximal Newton, its models minimised by coordinate descent."""

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


def _has_gram(problem, n_fits):
    """Whether the Gram matrix of all columns is made."""
    d, n = problem.n_features, problem.n_samples
    n_uses = n_fits if problem.loss.is_square else 1
    return d <= max(FEW, min(GRAM_SHARE * n * n_uses, MAX_GRAM_COLUMNS))
