"""Linear models."""

from sklearn_optland.linear_model._bound_majorization import (
    BoundMajorizationLogisticRegression,
    partition_function_bound,
)

__all__ = ["BoundMajorizationLogisticRegression", "partition_function_bound"]
