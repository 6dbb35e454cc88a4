"""Linear models."""

from sklearn_optland.linear_model._bound_majorization import BoundMajorizationLogisticRegression
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
from sklearn_optland.linear_model._partition_function_bound import partition_function_bound

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
