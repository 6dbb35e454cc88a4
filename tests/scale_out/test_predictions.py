"""Predictions for Dask's collections: lazy, by partition, and those of arrays."""

import dask
import dask.array as da
import numpy as np
import pytest
from scale_out.data import PARTITIONS, as_array, as_csr, as_frame, two_or_more_classes
from scipy import sparse

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
    LatentLogisticRegression,
)
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor
from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier
from sklearn_optland.utils.discovery import all_estimators

MODELS = [
    BoundMajorizationLogisticRegression(tol=1e-3),
    FiniteSumClassifier(tol=1e-3),
    LatentLogisticRegression(max_iter=3, tol=0.5),
    ADMMNetClassifier((3,), max_iter=2, tol=1.0),
    LOMForestClassifier(n_estimators=2),
    LOMTreeClassifier(),
    FiniteSumRegressor(tol=1e-3),
    ADMMNetRegressor((3,), max_iter=2, tol=1.0),
]
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "predict_top_k",
    "component_proba",
    "candidate_scores",
    "apply",
    "decision_path",
)
SIZES = PARTITIONS["seven"]


def dense(A):
    return A.toarray() if sparse.issparse(A) else A


def same(found, expected):
    """Equal, but for the rounding of products with fewer rows."""
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    else:
        np.testing.assert_array_equal(found, expected)


def fitted(model, n_classes):
    X, y, _ = two_or_more_classes(n_classes, 0)
    y = X[:, 0] + X[:, 1] if "Regressor" in type(model).__name__ else y
    return model.fit(X, y), X, y


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_lazy_predictions(model, n_classes):
    model, X, y = fitted(model, n_classes)
    found = [name for name in METHODS if hasattr(model, name)]
    assert "predict" in found
    for name in found:
        expected = getattr(model, name)(X)
        for collection in (as_array(X, SIZES, split_columns=True), as_frame(X, SIZES)):
            lazy = getattr(model, name)(collection)
            assert isinstance(lazy, da.Array)
            assert lazy.dtype == expected.dtype or expected.dtype.kind == "U"
            assert lazy.ndim == expected.ndim
            (found_values,) = dask.compute(lazy)
            same(dense(found_values), dense(expected))
        known = getattr(model, name)(as_array(X, SIZES))
        assert known.shape == expected.shape
    dX, dy = as_array(X, SIZES), as_array(y, SIZES)
    weights = np.arange(600.0)
    assert model.score(dX, dy) == pytest.approx(model.score(X, y), rel=1e-14)
    weighted = model.score(as_frame(X, SIZES), as_frame(y, SIZES), as_array(weights, SIZES))
    assert weighted == pytest.approx(model.score(X, y, weights), rel=1e-14)


def test_blocks_of_csr():
    model, X, _ = fitted(BoundMajorizationLogisticRegression(), 3)
    lazy = model.predict_proba(as_csr(X, SIZES))
    np.testing.assert_allclose(lazy.compute(), model.predict_proba(X), rtol=1e-12)


def test_predictions_are_of_the_model_at_the_time():
    model, X, y = fitted(BoundMajorizationLogisticRegression(), 2)
    before, lazy = model.predict_proba(X), model.predict_proba(as_array(X, SIZES))
    model.fit(X, y[::-1])
    same(lazy.compute(), before)


def test_what_does_not_fit_is_refused_at_once():
    model, X, _ = fitted(BoundMajorizationLogisticRegression(), 2)
    with pytest.raises(ValueError, match="X has 4 features"):
        model.predict(as_array(X[:, :4], SIZES))
    with pytest.raises(ValueError, match="two dimensions"):
        model.predict(as_array(X[:, 0], SIZES))


@pytest.mark.parametrize(("name", "Estimator"), all_estimators())
def test_every_estimator_with_predictions_has_lazy_ones(name, Estimator):
    """Or takes sequences, which are no collections of rows."""
    if "CRF" in name or "Vectorizer" in name:
        return
    for method in METHODS:
        if hasattr(Estimator, method):
            assert hasattr(getattr(Estimator, method), "__wrapped__"), method
