"""What the estimators of finite sums allow, data for them, and their objective."""

import numpy as np
from helpers import EPSILON, QUANTILE, loss_value
from scipy import sparse

from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor

CLASSIFIES = ["log_loss", "squared_hinge", "smooth_hinge", "hinge"]
SMOOTH = [name for name, loss in LOSSES.items() if loss.is_smooth]
# Of these, the losses whose second derivatives have no bound.
UNBOUNDED = ["poisson", "gamma"]
FULL_BATCH = ["newton", "cd", "interior-point"]
PENALTIES = {  # l1_ratio, positive
    "l2": (0.0, False),
    "elastic net": (0.4, False),
    "l1": (1.0, False),
    "non-negative": (0.0, True),
    "non-negative elastic net": (0.6, True),
}


def losses_of(solver, losses):
    """Of some losses those that a solver takes; those with a kink for one that takes no others."""
    return [loss for loss in losses if allowed(solver, loss, "l2")] or [
        "hinge",
        "epsilon_insensitive",
    ]


def estimator(loss, **parameters):
    """The estimator for a loss."""
    if loss in CLASSIFIES:
        return FiniteSumClassifier(loss, random_state=0, **parameters)
    return FiniteSumRegressor(
        loss, epsilon=EPSILON, quantile=QUANTILE, random_state=0, **parameters
    )


def allowed(solver, loss, penalty, n_classes=2):
    """Whether the issue allows the triple: the table of the user guide."""
    l1_ratio, positive = PENALTIES[penalty]
    if loss not in SMOOTH and solver not in ("interior-point", "sdca", "point-saga", "catalyst"):
        return False
    if loss in SMOOTH and solver == "interior-point":
        return False
    if loss in UNBOUNDED and solver in ("sag", "saga", "svrg", "miso", "katyusha"):
        return False
    if solver in ("newton", "sag", "point-saga") and (l1_ratio or positive):
        return False
    if solver in ("sdca", "miso", "katyusha") and l1_ratio == 1:
        return False
    return not (n_classes > 2 and loss == "log_loss" and solver in ("katyusha", "point-saga"))


def data(loss, seed, *, n=40, d=4, n_classes=2):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d) * (rng.rand(n, d) < 0.7)
    scores = X @ rng.randn(d, n_classes if n_classes > 2 else 1) + 0.5
    noisy = scores + rng.randn(*scores.shape)
    if loss == "poisson":
        return X, np.append(rng.poisson(np.exp(0.5 * scores[1:, 0])), 1).astype(float)
    if loss not in CLASSIFIES:
        return X, np.exp(0.5 * noisy[:, 0]) if loss == "gamma" else noisy[:, 0]
    y = noisy.argmax(axis=1) if n_classes > 2 else (noisy[:, 0] > 0).astype(int)
    y[:n_classes] = np.arange(n_classes)
    return X, y


def objective(model, X, y, sample_weight=None):
    """The objective of the class docstring, in float64, from the fitted attributes."""
    X = X.toarray() if sparse.issparse(X) else X
    s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
    coef = np.atleast_2d(model.coef_).astype(float)
    scores = X.astype(float) @ coef.T + np.asarray(model.intercept_, dtype=float)
    penalty = model.l1_ratio * np.abs(coef).sum() + 0.5 * (1 - model.l1_ratio) * np.sum(coef**2)
    if model.loss not in CLASSIFIES:
        rows = loss_value(model.loss, y, scores.ravel())
    elif len(model.classes_) == 2:
        rows = loss_value(model.loss, np.where(y == model.classes_[1], 1, -1), scores.ravel())
    elif model.loss == "log_loss":
        codes = np.searchsorted(model.classes_, y)
        rows = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    else:
        signs = np.where(y[:, None] == model.classes_, 1, -1)
        rows = loss_value(model.loss, signs, scores).sum(axis=1)
    return s @ rows / s.sum() + model.alpha * penalty
