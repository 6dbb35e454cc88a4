"""Tensors: weights of nets from moments, and nets that are tensor decompositions."""

from sklearn_optland.tensor._matricization import matricization_rank, random_tensor
from sklearn_optland.tensor._nn_lift import NNLiftRegressor
from sklearn_optland.tensor._tensor_net import TensorNetClassifier, TensorNetRegressor

__all__ = [
    "NNLiftRegressor",
    "TensorNetClassifier",
    "TensorNetRegressor",
    "matricization_rank",
    "random_tensor",
]
