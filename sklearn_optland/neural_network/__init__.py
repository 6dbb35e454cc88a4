"""Neural networks: deep ones by splitting, wide two-layer ones as measures."""

from sklearn_optland.neural_network._admm_net import ADMMNetClassifier, ADMMNetRegressor

__all__ = ["ADMMNetClassifier", "ADMMNetRegressor"]
