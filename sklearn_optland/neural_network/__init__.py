"""Neural networks: deep ones by splitting, wide two-layer ones as measures."""

from sklearn_optland.neural_network._admm_net import ADMMNetClassifier, ADMMNetRegressor
from sklearn_optland.neural_network._conic import conic_descent
from sklearn_optland.neural_network._mean_field import (
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)
from sklearn_optland.neural_network._splitting import convergence_conditions

__all__ = [
    "ADMMNetClassifier",
    "ADMMNetRegressor",
    "MeanFieldTwoLayerNet",
    "MeanFieldTwoLayerNetClassifier",
    "conic_descent",
    "convergence_conditions",
]
