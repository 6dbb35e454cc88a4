"""Small fitted nets of all kinds, and their surfaces."""

import numpy as np
from helpers import fit_quietly
from sklearn.datasets import load_digits, load_iris
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from sklearn_optland.landscape import LossSurface


def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def digits(n):
    X, y = load_digits(return_X_y=True)
    return X[:n] / 16, y[:n]


def classifier(X, y, width=4, seed=0, **settings):
    settings = {"activation": "tanh", "solver": "lbfgs", "max_iter": 500} | settings
    return fit_quietly(MLPClassifier((width,), random_state=seed, **settings), X, y)


def regressor(X, y, width=4, seed=0, **settings):
    settings = {"activation": "tanh", "solver": "lbfgs", "max_iter": 500} | settings
    net = MLPRegressor(hidden_layer_sizes=(width,), random_state=seed, **settings)
    return fit_quietly(net, X, y)


def iris_surface(**settings):
    X, y = iris()
    return LossSurface(classifier(X, y, **settings), X, y)


def drawn(surface, seed, scale=0.3):
    """A point near the fit."""
    rng = np.random.RandomState(seed)
    return surface.theta_ + scale * rng.randn(surface.n_parameters_)
