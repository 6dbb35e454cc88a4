"""Losses, and rows with targets for steps of finite-sum solvers."""

import numpy as np
import pytest
from helpers import targets

from sklearn_optland.linear_model._finite_sum import steps_fast as kernels

by_loss = pytest.mark.parametrize("loss", kernels.LOSSES)


def problem(seed, loss="log_loss", n=12, d=5, density=0.6):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) * (rng.random((n, d)) < density)).astype(np.float32).astype(float)
    X[n // 2], X[:, d - 1] = 0.0, 0.0
    y, c = targets(loss, n, rng), rng.random(n) + 0.1
    return X, y, c / c.sum(), rng


def soft(v, threshold, positive=False):
    return (
        np.maximum(v - threshold, 0)
        if positive
        else np.sign(v) * np.maximum(np.abs(v) - threshold, 0)
    )
