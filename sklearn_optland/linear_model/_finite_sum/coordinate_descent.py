"""Proximal Newton by coordinate descent, as a solver of finite sums."""

from sklearn_optland.linear_model._finite_sum.coordinate_models import (
    FEW,
    GRAM_SHARE,
    MAX_GRAM_COLUMNS,
    GramModels,
    WorkingSetModels,
)
from sklearn_optland.linear_model._finite_sum.newton import ProximalNewton
from sklearn_optland.linear_model._finite_sum.softmax_models import SoftmaxModels


class CoordinateDescent(ProximalNewton):
    """Proximal Newton, its models minimised by coordinate descent."""

    @staticmethod
    def minimizer(problem, tol, n_fits=1):
        if problem.k > 1:
            return SoftmaxModels(problem, tol)
        d, n = problem.n_features, problem.n_samples
        n_uses = n_fits if problem.loss.is_square else 1
        has_gram = d <= max(FEW, min(GRAM_SHARE * n * n_uses, MAX_GRAM_COLUMNS))
        return (GramModels if has_gram else WorkingSetModels)(problem, tol)
