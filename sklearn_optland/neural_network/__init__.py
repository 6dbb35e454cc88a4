"""Neural networks: deep ones by splitting, wide two-layer ones as measures."""

from sklearn_optland.neural_network._admm_net import ADMMNetClassifier, ADMMNetRegressor
from sklearn_optland.neural_network._splitting import convergence_conditions

__all__ = ["ADMMNetClassifier", "ADMMNetRegressor", "convergence_conditions"]
