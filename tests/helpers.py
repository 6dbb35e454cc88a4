"""What several test files use; pyproject.toml puts this folder on the path."""

import warnings
from inspect import signature

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import expit, xlogy
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV

from sklearn_optland._loss.scalar_losses import LOSSES

SEEDS = st.integers(0, 2**32 - 1)
# LogisticRegressionCV with the attributes of one penalty, which scikit-learn has from 1.8 on.
ONE_PENALTY = (
    {"l1_ratios": (0.0,), "use_legacy_attributes": False}
    if "use_legacy_attributes" in signature(LogisticRegressionCV).parameters
    else {}
)
needs_attributes_of_one_penalty = pytest.mark.skipif(not ONE_PENALTY, reason="scikit-learn < 1.8")
STORAGES = {
    "dense": np.ascontiguousarray,
    "csr": sparse.csr_array,
    "dense float32": lambda X: np.ascontiguousarray(X, dtype=np.float32),
    "csr float32": lambda X: sparse.csr_array(X.astype(np.float32)),
}


def fit_quietly(model, *data, **weights):
    """Fit without the warning that some rivals and slow modes deserve."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data, **weights)


def read_only(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


def assert_close(actual, expected, rtol=1e-12):
    """Close relative to the largest entry."""
    assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=1e-300))


# The losses of finite sums, for y in {-1, 1} or real

EPSILON, QUANTILE = 0.7, 0.3
MARGIN_LOSSES = ["log_loss", "squared_hinge", "smooth_hinge", "hinge"]
LOG_LINKS = ["poisson", "gamma"]


def scalar_loss(loss):
    """The package's own, with this file's parameters."""
    return LOSSES[loss].with_parameters(EPSILON, QUANTILE)


def loss_value(loss, y, f):
    """The losses as the docstrings write them."""
    m, r = y * f, np.abs(y - f)
    return {
        "log_loss": lambda: np.logaddexp(0, -m),
        "squared_hinge": lambda: np.maximum(0, 1 - m) ** 2,
        "smooth_hinge": lambda: np.where(
            m >= 1, 0, np.where(m <= 0, 0.5 - m, 0.5 * np.clip(1 - m, 0, 1) ** 2)
        ),
        "hinge": lambda: np.maximum(0, 1 - m),
        "squared_error": lambda: 0.5 * r**2,
        "huber": lambda: np.where(r <= EPSILON, 0.5 * r**2, EPSILON * r - 0.5 * EPSILON**2),
        "epsilon_insensitive": lambda: np.maximum(0, r - EPSILON),
        "smooth_quantile": lambda: _smooth_check(y - f),
        "poisson": lambda: np.exp(f) - y * f + xlogy(y, y) - y,
        "gamma": lambda: y * np.exp(-f) + f - np.log(y) - 1,
    }[loss]()


def _smooth_check(r):
    low, high = (QUANTILE - 1) * EPSILON, QUANTILE * EPSILON
    return np.select(
        [r < low, r > high],
        [(QUANTILE - 1) * (r - low / 2), QUANTILE * (r - high / 2)],
        r**2 / (2 * EPSILON),
    )


def loss_pull(loss, y, f):
    """Minus the derivative, where there is one."""
    m, r = y * f, y - f
    return {
        "log_loss": lambda: y * expit(-m),
        "squared_hinge": lambda: 2 * y * np.maximum(0, 1 - m),
        "smooth_hinge": lambda: y * np.clip(1 - m, 0, 1),
        "hinge": lambda: y * (m < 1),
        "squared_error": lambda: r,
        "huber": lambda: np.clip(r, -EPSILON, EPSILON),
        "epsilon_insensitive": lambda: np.sign(r) * (np.abs(r) > EPSILON),
        "smooth_quantile": lambda: np.clip(r / EPSILON, QUANTILE - 1, QUANTILE),
        "poisson": lambda: y - np.exp(f),
        "gamma": lambda: y * np.exp(-f) - 1,
    }[loss]()


def conjugate(loss, y, theta):
    """l*(-theta) in its domain."""
    a = y * theta
    return {
        "log_loss": lambda: xlogy(a, a) + xlogy(1 - a, 1 - a),
        "squared_hinge": lambda: -a + a**2 / 4,
        "smooth_hinge": lambda: -a + a**2 / 2,
        "hinge": lambda: -a,
        "squared_error": lambda: 0.5 * theta**2 - theta * y,
        "huber": lambda: 0.5 * theta**2 - theta * y,
        "epsilon_insensitive": lambda: EPSILON * np.abs(theta) - theta * y,
        "smooth_quantile": lambda: 0.5 * EPSILON * theta**2 - theta * y,
        "poisson": lambda: xlogy(y - theta, y - theta) + theta - xlogy(y, y),
        "gamma": lambda: xlogy(1 + theta, 1 + theta) - theta - theta * np.log(y),
    }[loss]()


def domain(loss, y, rng):
    """Random dual variables."""
    share = rng.uniform(size=len(y))
    if loss == "squared_hinge":
        return 5 * y * share
    if loss in MARGIN_LOSSES:
        return y * share
    if loss == "smooth_quantile":
        return QUANTILE - share
    if loss == "poisson":
        return y - 5 * share
    if loss == "gamma":
        return 5 * share - 1
    return {"squared_error": 3.0, "huber": EPSILON, "epsilon_insensitive": 1.0}[loss] * (
        2 * share - 1
    )


def targets(loss, n, rng):
    if loss in MARGIN_LOSSES:
        return rng.choice([-1.0, 1.0], n)
    if loss == "poisson":
        return rng.poisson(1.5, n).astype(float)
    return rng.gamma(2.0, size=n) if loss == "gamma" else rng.normal(size=n)
