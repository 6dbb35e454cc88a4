"""Losses, and rows with targets for steps of finite-sum solvers."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import scalar_loss, targets

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.rows import as_rows
from sklearn_optland.linear_model._finite_sum.accelerated_fast import PointSagaSteps

NONE = ElasticNet(0.0, 0.0)
by_loss = pytest.mark.parametrize("loss", LOSSES)


def terms(X, y, c, loss="log_loss", *, k=1, penalty=NONE, unit=0.0):
    """What steps ask of a problem."""
    return SimpleNamespace(
        rows=as_rows(X),
        y=y,
        c=c,
        k=k,
        loss=scalar_loss(loss),
        penalty=penalty,
        unit=unit,
    )


def implicit_pulls(loss, y, f, q, theta):
    """-l'(f + q (new - theta)): what Point-SAGA does to unit rows that no step moves."""
    new, n = theta.copy(), len(y)
    steps = PointSagaSteps(terms(np.eye(n), y, np.ones(n), loss), q, 0.0)
    steps.take(np.arange(n, dtype=np.int32), new, np.append(f, 0.0), np.zeros(n + 1))
    return new


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
