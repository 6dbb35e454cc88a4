"""Modes of BoundMajorizationLogisticRegression, data for them, and its objective."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

LOADERS = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
}
MODES = {
    "auto": {},
    "jc12": {"curvature": "jc12"},
    "jc12 every 5": {"curvature": "jc12", "refresh": 5},
    "low-rank": {"curvature": "low-rank"},
    "bohning": {"curvature": "bohning"},
    "bohning-nesterov": {"curvature": "bohning-nesterov"},
    "growing": {"batch": "growing", "random_state": 0},
    "growing bohning": {"batch": "growing", "curvature": "bohning", "random_state": 0},
}
by_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def load(name, *, standardized=True):
    X, y = LOADERS[name](return_X_y=True)
    return (StandardScaler().fit_transform(X) if standardized else X), y


def objective(model, X, y, *, C=1.0, sample_weight=None):
    """The objective of the class docstring, by scikit-learn's own formula in float64."""
    scores = X @ model.coef_.T.astype(float) + model.intercept_
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    codes = np.searchsorted(model.classes_, y)
    losses = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    penalty = 0.5 * np.sum(model.coef_.astype(float) ** 2) if np.isfinite(C) else 0.0
    return penalty + (C if np.isfinite(C) else 1.0) * weights @ losses


def assert_monotone(model):
    full = np.isfinite(model.history_["certificate"])
    values = model.history_["objective"][full]
    assert np.all(values[1:] <= values[:-1] * (1 + 1e-12))


def separable(n_classes):
    X = np.random.RandomState(0).randn(120, 4)
    return X, np.digitize(X[:, 0], np.linspace(-0.5, 0.5, n_classes - 1))
