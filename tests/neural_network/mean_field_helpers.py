"""Two-layer nets of known objective, and data for them."""

import numpy as np
from scipy.special import log_softmax

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem

SOLVERS = ["particles", "flow", "conic", "sliding-frank-wolfe"]


def curve(n=60, d=1, seed=0, noise=0.2):
    """Rows and targets that no line fits."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    return X, np.sin(3 * X[:, 0]) + noise * rng.randn(n) + 2


def make_problem(seed=0, n=30, d=3, k=1, *, is_log_loss=False, fit_intercept=True, **settings):
    rng = np.random.RandomState(seed)
    X, c = rng.randn(n, d), rng.rand(n) + 0.1
    Y = rng.randn(n, k) + 1
    if is_log_loss:
        Y = (Y > 1) * 1.0 if k == 1 else np.eye(k)[rng.randint(k, size=n)]
    settings = {
        "alpha": 0.1,
        "is_log_loss": is_log_loss,
        "fit_intercept": fit_intercept,
        **settings,
    }
    X = X.astype(settings.pop("dtype", np.float64))
    return problem_of(X, Y, c / c.sum(), **settings)


def problem_of(X, Y, c, Problem=TwoLayerProblem, **settings):
    """A problem of rows in this process."""
    return Problem(ArraySource(X, Y=Y, c=c), Y.shape[1], X.dtype, **settings)


def plain_loss(F, Y, c, is_log_loss):
    """Mean loss, written plainly."""
    if not is_log_loss:
        return 0.5 * c @ ((F - Y) ** 2).sum(axis=1)
    if F.shape[1] == 1:
        return c @ np.logaddexp(0, -(2 * Y[:, 0] - 1) * F[:, 0])
    return -c @ (Y * log_softmax(F, axis=1)).sum(axis=1)


def plain_objective(X, Y, c, coefs, intercepts, alpha, is_log_loss):
    """The estimators' objective in the user's units, written plainly."""
    F = np.maximum(X @ coefs[0] + intercepts[0], 0) @ coefs[1] + intercepts[1]
    lengths = np.linalg.norm(np.vstack([coefs[0], intercepts[0]]), axis=0)
    norm = lengths @ np.linalg.norm(coefs[1], axis=1)
    return plain_loss(F, Y, c, is_log_loss) + alpha * norm
