"""Linear models."""

from sklearn_optland.linear_model._bound_majorization import (
    BoundMajorizationLogisticRegression,
    partition_function_bound,
)
from sklearn_optland.linear_model._finite_sum import (
    FiniteSumClassifier,
    FiniteSumRegressor,
    SAGAClassifier,
    SAGARegressor,
    SDCAClassifier,
    SDCARegressor,
    SVRGClassifier,
    SVRGRegressor,
    finite_sum,
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
