"""Tensors: weights of nets from moments, and nets that are tensor decompositions."""

from sklearn_optland.tensor._nn_lift import NNLiftRegressor

__all__ = ["NNLiftRegressor"]
