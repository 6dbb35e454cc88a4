"""Neural networks: deep ones by splitting, wide two-layer ones as measures."""

from sklearn_optland.neural_network._conic import conic_descent
from sklearn_optland.neural_network._mean_field import (
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)

__all__ = ["MeanFieldTwoLayerNet", "MeanFieldTwoLayerNetClassifier", "conic_descent"]
