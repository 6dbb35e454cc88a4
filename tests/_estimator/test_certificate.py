"""What a certificate holds, and which one an estimator has."""

import dataclasses
import pickle
import re

import numpy as np
import pytest
from helpers import fit_quietly
from sklearn.base import is_regressor
from sklearn.utils._testing import set_random_state

from sklearn_optland import Certificate
from sklearn_optland._estimator.certificate import QUANTITIES, ratio
from sklearn_optland.langevin import LangevinRegressor
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    MaxMarginClassifier,
)
from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)
from sklearn_optland.tensor import NNLiftRegressor
from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier
from sklearn_optland.utils.discovery import all_estimators

ESTIMATORS = [cls for _, cls in all_estimators(["classifier", "regressor"])]
# One estimator for each quantity.
MEASURES = {
    "duality gap": BoundMajorizationLogisticRegression(),
    "optimality gap": ADMMNetRegressor(()),
    "Newton decrement": BoundMajorizationLogisticRegression(C=np.inf, max_iter=1),
    "gradient norm": FiniteSumClassifier(alpha=0),
    "prox-gradient norm": FiniteSumClassifier(alpha=0, positive=True),
    "KKT residual": ADMMNetClassifier((3,)),
    "margin gap": MeanFieldTwoLayerNetClassifier(10, solver="margin-ascent"),
    "leaf entropy": LOMTreeClassifier(),
    "mean loss": LOMForestClassifier(),
    "tensor residual": NNLiftRegressor(),
    "R-hat excess": LangevinRegressor(max_iter=200),
}


@pytest.mark.parametrize(
    ("value", "tolerance", "reached"),
    [
        (2e-7, 1e-6, True),
        (1e-6, 1e-6, True),
        (0.0, 0.0, True),
        (1.5, 1e-6, False),
        (np.inf, 1e-6, False),
        (np.nan, 1e-6, False),
        (0.0, None, None),
        (np.nan, None, None),
    ],
)
def test_reached_is_within_the_tolerance_if_there_is_one(value, tolerance, reached):
    assert Certificate("duality gap", value, tolerance, "global", 1.0).reached is reached


@pytest.mark.parametrize(
    ("quantity", "scope", "relative", "text"),
    [
        ("duality gap", "global", 1.2e-7, "duality gap 1.2e-07 of the objective (global)"),
        ("duality gap", "global", np.inf, "duality gap inf of the objective (global)"),
        ("optimality gap", "global", 0.0, "optimality gap 0.0e+00 of the objective (global)"),
        ("KKT residual", "stationary", 1e-3, "KKT residual 1.0e-03 (stationary)"),
    ],
)
def test_words_are_those_of_the_relative_value(quantity, scope, relative, text):
    certificate = Certificate(quantity, 7.0, None, scope, relative)
    assert repr(certificate) == str(certificate) == text
    assert repr(pickle.loads(pickle.dumps(certificate))) == text


def test_certificate_is_frozen():
    certificate = Certificate("gradient norm", 1.0, 0.1, "stationary", 0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.value = 0.0
    assert certificate == Certificate("gradient norm", 1.0, 0.1, "stationary", 0.5)


@pytest.mark.parametrize(
    ("value", "reference", "expected"),
    [(1.0, 4.0, 0.25), (0.0, 0.0, 0.0), (1.0, 0.0, np.inf), (0.0, np.inf, 0.0)],
)
def test_ratio(value, reference, expected):
    assert ratio(value, reference) == expected


def fitted(model, n_columns=2):
    """A fit to few rows of two classes, or of their scores.

    A plane does not separate the classes, but for the classifier that asks for it.
    """
    set_random_state(model)
    rng = np.random.RandomState(0)
    X = rng.randn(40, n_columns)
    noise = 0.0 if isinstance(model, MaxMarginClassifier) else rng.randn(40)
    scores = X.sum(axis=1) + noise
    return fit_quietly(model, X, scores if is_regressor(model) else (scores > 0).astype(int))


# Four columns and a bias feature are more than a mean-field net can prove a gap for.
@pytest.mark.parametrize("n_columns", [2, 4])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_certificate_of_defaults(estimator, n_columns):
    certificate = fitted(estimator(), n_columns).certificate_
    assert certificate.quantity in QUANTITIES
    assert certificate.value >= 0
    assert certificate.relative >= 0
    # What is an estimate was not asked for by `tol`; what is proven was.
    assert (certificate.reached is None) == (certificate.scope == "estimate")
    assert re.fullmatch(
        rf"{certificate.quantity} \d\.\de[+-]\d+ .*\({certificate.scope}\)", repr(certificate)
    )


# Trees and forests have no `tol`.
@pytest.mark.parametrize("estimator", [cls for cls in ESTIMATORS if hasattr(cls(), "tol")])
def test_tol_0_asks_for_nothing(estimator):
    certificate = fitted(estimator(tol=0, max_iter=20)).certificate_
    assert certificate.tolerance is None
    assert certificate.reached is None


@pytest.mark.parametrize("estimator", [ADMMNetClassifier, ADMMNetRegressor])
def test_early_stopping_asks_for_nothing(estimator):
    certificate = fitted(estimator((3,), early_stopping=True)).certificate_
    assert certificate.reached is None


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_is_measured(quantity):
    n_columns = 130 if quantity.endswith("gradient norm") else 2  # fewer have a duality gap
    certificate = fitted(MEASURES[quantity], n_columns=n_columns).certificate_
    assert certificate.quantity == quantity


def test_the_solver_that_stops_on_an_estimate_has_a_tolerance():
    net = MeanFieldTwoLayerNet(solver="sliding-frank-wolfe", max_iter=5)
    certificate = fitted(net, n_columns=4).certificate_
    assert certificate.scope == "estimate"
    assert certificate.reached is not None
