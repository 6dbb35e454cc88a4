"""Targets for kernels of the log-loss, and the log-loss in NumPy.

Not in the folder `_loss`: a compiled module of scikit-learn before 1.9 takes that name.
"""

import numpy as np
import pytest
from helpers import read_only
from scipy.special import expit, log_expit, logsumexp, softmax

scores = pytest.mark.parametrize("k", [1, 2, 5])


def classes(rng, n, k):
    """Class numbers and positive weights."""
    return read_only(rng.integers(0, max(k, 2), n, dtype=np.int32), rng.random(n) + 0.1)


def residuals(Z, y, c):
    """c (P - Y) in NumPy."""
    if Z.shape[1] == 1:
        return c[:, None] * (expit(Z) - y[:, None])
    return c[:, None] * (softmax(Z, axis=1) - np.eye(Z.shape[1])[y])


def loss(Z, y, c):
    """Log-loss in NumPy."""
    if Z.shape[1] == 1:
        return -c @ log_expit(np.where(y, 1, -1) * Z[:, 0])
    return c @ (logsumexp(Z, axis=1) - np.take_along_axis(Z, y[:, None], axis=1)[:, 0])
