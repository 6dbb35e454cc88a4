"""`random_state=None`: NumPy's global generator is left alone, and certified fits are repeated."""

import numpy as np
import pytest
from helpers import fit_quietly
from sklearn.base import is_regressor

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
    finite_sum,
)
from sklearn_optland.utils.discovery import all_estimators


def global_state():
    return np.random.get_state()[1:3]  # noqa: NPY002, the legacy generator is the global one


def rows(model):
    rng = np.random.RandomState(0)
    X = rng.randn(60, 3)
    return X, X[:, 0] if is_regressor(model) else rng.randint(3, size=60)


@pytest.mark.parametrize(
    "Estimator", [cls for _, cls in all_estimators(["classifier", "regressor"])]
)
def test_global_generator_is_left_alone(Estimator):
    model = Estimator(max_iter=3)
    X, y = rows(model)
    before = global_state()
    fit_quietly(model, X, y)
    if hasattr(model, "partial_fit"):
        model.partial_fit(X, y)
    np.testing.assert_equal(global_state(), before)


@pytest.mark.parametrize(
    "model",
    [
        FiniteSumClassifier(solver="sag"),
        FiniteSumRegressor(),
        BoundMajorizationLogisticRegression(batch="growing"),
    ],
)
def test_certified_fits_are_the_same_each_time(model):
    X, y = rows(model)
    first = fit_quietly(model, X, y).coef_
    np.testing.assert_array_equal(fit_quietly(model, X, y).coef_, first)
    seeded = fit_quietly(model.set_params(random_state=0), X, y).coef_
    np.testing.assert_array_equal(seeded, first)


def test_function_is_the_same_each_time():
    X, y = rows(FiniteSumRegressor())
    one, other = (finite_sum("squared_error", "l2", X, y) for _ in range(2))
    np.testing.assert_array_equal(one.x, other.x)
