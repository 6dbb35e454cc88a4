"""Linear models."""

from sklearn_optland.linear_model._bound_majorization import (
    BoundMajorizationLogisticRegression,
    partition_function_bound,
)
from sklearn_optland.linear_model._finite_sum_classifiers import (
    FiniteSumClassifier,
    SAGAClassifier,
    SDCAClassifier,
    SVRGClassifier,
)
from sklearn_optland.linear_model._finite_sum_function import finite_sum
from sklearn_optland.linear_model._finite_sum_regressors import (
    FiniteSumRegressor,
    SAGARegressor,
    SDCARegressor,
    SVRGRegressor,
)

__all__ = [
    "BoundMajorizationLogisticRegression",
    "FiniteSumClassifier",
    "FiniteSumRegressor",
    "SAGAClassifier",
    "SAGARegressor",
    "SDCAClassifier",
    "SDCARegressor",
    "SVRGClassifier",
    "SVRGRegressor",
    "finite_sum",
    "partition_function_bound",
]
