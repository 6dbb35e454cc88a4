"""Neural networks: deep ones by splitting, wide two-layer ones as measures."""

from sklearn_optland.neural_network._deep.convergence import convergence_conditions
from sklearn_optland.neural_network._deep.estimators import ADMMNetClassifier, ADMMNetRegressor
from sklearn_optland.neural_network._mean_field.conic import conic_descent
from sklearn_optland.neural_network._mean_field.estimators import (
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
    MeanFieldTwoLayerNetRegressor,
)

__all__ = [
    "ADMMNetClassifier",
    "ADMMNetRegressor",
    "MeanFieldTwoLayerNet",
    "MeanFieldTwoLayerNetClassifier",
    "MeanFieldTwoLayerNetRegressor",
    "conic_descent",
    "convergence_conditions",
]
