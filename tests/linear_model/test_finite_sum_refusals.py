"""Finite-sum estimators: impossible choices, odd data, errors."""

import warnings
from itertools import product

import numpy as np
import pytest
from helpers import fit_quietly
from linear_model.finite_sum_helpers import (
    PENALTIES,
    allowed,
    data,
    estimator,
    losses_of,
    objective,
)
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS


@pytest.mark.parametrize(("solver", "loss", "penalty"), list(product(SOLVERS, LOSSES, PENALTIES)))
def test_impossible_triples_are_refused_with_the_names_of_solvers_that_can(solver, loss, penalty):
    X, y = data(loss, 0, n=10)
    l1_ratio, positive = PENALTIES[penalty]
    model = estimator(loss, solver=solver, l1_ratio=l1_ratio, positive=positive, max_iter=1)
    if allowed(solver, loss, penalty):
        fit_quietly(model, X, y)
        return
    with pytest.raises(ValueError, match=f"solver='{solver}' .*solvers that can: ") as error:
        model.fit(X, y)
    able = [other for other in SOLVERS if allowed(other, loss, penalty)]
    assert str(able) in str(error.value)


@pytest.mark.parametrize("solver", ["katyusha", "point-saga"])
def test_multinomial_is_refused_where_it_is_not_written(solver):
    with pytest.raises(ValueError, match="multinomial"):
        FiniteSumClassifier(solver=solver).fit(*load_iris(return_X_y=True))


def odd(kind, X, rng):
    X = X.copy()
    match kind:
        case "unscaled":
            X *= np.geomspace(1e-6, 1e6, X.shape[1])
        case "duplicated":
            X[:, 1] = X[:, 0]
        case "zero column":
            X[:, 0] = 0
        case "zero row":
            X[3] = 0
        case "all zero":
            X[:] = 0
        case "huge":
            X *= 1e100
        case "tiny":
            X *= 1e-100
        case "one outlier":
            X[5] *= 1e5
    return X


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("sampling", ["uniform", "lipschitz"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    "kind",
    ["as is", "unscaled", "duplicated", "zero column", "zero row", "all zero", "huge", "tiny",
     "one outlier"],
)  # fmt: skip
def test_odd_data_converge_or_warn_and_are_never_nan(
    kind, storage, sampling, solver, global_random_seed
):
    # Issue's item 4: unscaled data, and weights from 0 to 1e6.
    losses = losses_of(solver, ("log_loss", "huber", "squared_error"))
    for loss, weighted in product(losses, (False, True)):
        X, y = data(loss, global_random_seed, n=60, d=7)
        rng = np.random.RandomState(global_random_seed)
        X = odd(kind, X, rng)
        s = np.append(np.zeros(3), 10 ** rng.uniform(-6, 6, len(y) - 3)) if weighted else None
        model = estimator(loss, solver=solver, alpha=1e-3, sampling=sampling, max_iter=60)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(storage(X), y, sample_weight=s)
        assert all(issubclass(w.category, ConvergenceWarning) for w in caught)
        assert model.certificate_.reached or str(model.certificate_) in str(caught[0].message)
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.intercept_).all()
        for curve in model.history_.values():
            assert not np.isnan(curve).any()
        assert model.certificate_.value >= 0
        zero = fit_quietly(
            estimator(loss, solver="sdca", alpha=1e12, fit_intercept=False, max_iter=1), X, y,
            sample_weight=s,
        )  # fmt: skip
        # no solver ends worse than it began
        zero.alpha, zero.coef_ = 1e-3, np.zeros_like(model.coef_)
        assert objective(model, X, y, s) <= objective(zero, X, y, s) * (1 + 1e-9)


def test_a_step_that_is_too_long_is_cut():
    X, y = data("squared_error", 0, n=200)
    model = FiniteSumRegressor(solver="saga", step_size=1e3, alpha=0.01, random_state=0)
    model.fit(X, y)
    assert model.certificate_.reached


@pytest.mark.parametrize("value", [1e300, -1e200])
def test_values_whose_squares_overflow_are_refused(value):
    X, y = data("squared_error", 0)
    X[:, 1] *= value
    with pytest.raises(ValueError, match=r"X: its products overflow float64\. Allowed"):
        FiniteSumRegressor().fit(X, y)
    with pytest.raises(ValueError, match="y: found magnitudes up to"):
        FiniteSumRegressor().fit(np.ones_like(X), y * value)


def test_coefficients_that_overflow_float32_are_refused():
    X, y = data("squared_error", 0)
    with pytest.raises(ValueError, match=r"X: with this y, coefficients up to .* overflow"):
        FiniteSumRegressor().fit(X.astype(np.float32), 1e100 * y)
    FiniteSumRegressor().fit(X, 1e100 * y)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_values_whose_squares_are_subnormal_are_as_good_as_zero(
    fit_intercept, solver, global_random_seed
):
    if solver == "interior-point":
        pytest.skip("is for other losses")
    X, y = data("squared_error", global_random_seed)
    model = FiniteSumRegressor(solver=solver, fit_intercept=fit_intercept, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prediction = model.fit(1e-160 * X, y).predict(1e-160 * X)
    # the objective is quadratic in the intercept
    errors = 0.5 * (prediction - fit_intercept * y.mean()) ** 2
    assert (errors <= model.certificate_.value + 1e-100).all()


@pytest.mark.parametrize(
    ("parameters", "weights", "message"),
    [
        ({}, [0] * 6, "at least one non-zero"),
        ({}, [1e308] * 6, "sample_weight: found a sum of inf"),
        ({}, [-1.0] * 6, "Negative values"),
        ({"alpha": -1.0}, None, "'alpha' parameter"),
        ({"l1_ratio": 1.5}, None, "'l1_ratio' parameter"),
        ({"solver": "adam"}, None, "'solver' parameter"),
        ({"loss": "huber"}, None, "'loss' parameter"),
        ({"step_size": 0.0}, None, "'step_size' parameter"),
        ({"solver": "sdca", "alpha": 0.0}, None, "needs an L2 part.*'catalyst'"),
    ],
)
def test_errors_name_what_was_found(parameters, weights, message):
    X, y = np.arange(12.0).reshape(6, 2), np.repeat(["a", "b"], 3)
    with pytest.raises(ValueError, match=message):
        FiniteSumClassifier(**parameters).fit(X, y, sample_weight=weights)
