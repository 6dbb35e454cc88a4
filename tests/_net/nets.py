"""Small nets, and the objective of one as the docstrings write it."""

import numpy as np
from scipy.special import expit
from sklearn.preprocessing import StandardScaler

ACTIVATIONS = {
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "identity": lambda z: z,
}


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y
