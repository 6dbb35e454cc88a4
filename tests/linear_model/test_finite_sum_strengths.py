"""The least strength at which all coefficients are zero, against independent searches."""

import warnings

import numpy as np
import pytest
from helpers import EPSILON, MARGIN_LOSSES, SEEDS, STORAGES, assert_close, loss_pull, loss_value
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from linear_model.finite_sum_helpers import SMOOTH, data, estimator
from scipy.optimize import linprog, minimize_scalar
from sklearn.linear_model import LassoCV, Ridge

from sklearn_optland._estimator.training_rows import regression_rows
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    FiniteSumClassifier,
    FiniteSumRegressor,
    alpha_max,
)
from sklearn_optland.linear_model._finite_sum.strengths import LEAST_GAIN, strengths

KINKED = ["hinge", "epsilon_insensitive"]


def weights(rng, n):
    """Some are zero."""
    return rng.integers(0, 4, size=n) * rng.uniform(0.5, 2.0, size=n)


def signs(loss, y):
    return np.where(y > 0, 1.0, -1.0) if loss in MARGIN_LOSSES else y


def best_constant(loss, y, c, fit_intercept):
    if not fit_intercept:
        return 0.0
    b = minimize_scalar(
        lambda b: c @ loss_value(loss, y, b), bounds=(-20, 20), options={"xatol": 1e-12}
    )
    return b.x


@pytest.mark.parametrize("loss", SMOOTH)
@settings.get_profile("fits")
@given(
    seed=SEEDS,
    l1_ratio=st.sampled_from([0.3, 1.0]),
    is_weighted=st.booleans(),
    fit_intercept=st.booleans(),
    positive=st.booleans(),
    storage=st.sampled_from(list(STORAGES)),
)
def test_it_is_where_coefficients_begin(
    loss, seed, l1_ratio, is_weighted, fit_intercept, positive, storage
):
    X, y = data(loss, seed)
    rng = np.random.default_rng(seed)
    weight = weights(rng, len(y)) if is_weighted else np.ones(len(y))
    targets, c = signs(loss, y), weight / weight.sum()
    assume(len(set(targets[c > 0])) > 1)
    X = STORAGES[storage](X)
    settings = {"fit_intercept": fit_intercept, "positive": positive, "l1_ratio": l1_ratio}
    model = estimator(loss, tol=1e-11, max_iter=20_000, **settings)
    found = alpha_max(model, X, y, weight)

    b = best_constant(loss, targets, c, fit_intercept)
    felt = X.T @ (c * loss_pull(loss, targets, np.full(len(y), b)))
    largest = max(felt.max(), 0.0) if positive else np.abs(felt).max()
    # the search ends some 1e-8 from the best constant
    assert found == pytest.approx(largest / l1_ratio, rel=1e-5, abs=1e-6)

    assume(found > 1e-3)
    assert not model.set_params(alpha=1.0001 * found).fit(X, y, weight).coef_.any()
    assert model.set_params(alpha=0.99 * found).fit(X, y, weight).coef_.any()


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_it_is_that_of_all_classes(loss, fit_intercept, class_weight):
    X, y = data(loss, 0, n=60, n_classes=3)
    settings = {"fit_intercept": fit_intercept, "class_weight": class_weight, "l1_ratio": 1.0}
    model = FiniteSumClassifier(loss, tol=1e-11, max_iter=20_000, random_state=0, **settings)
    found = alpha_max(model, X, y)
    assert not model.set_params(alpha=1.0001 * found).fit(X, y).coef_.any()
    assert model.set_params(alpha=0.99 * found).fit(X, y).coef_.any()


@pytest.mark.parametrize("loss", KINKED)
@settings.get_profile("fits")
@given(seed=SEEDS, is_weighted=st.booleans(), fit_intercept=st.booleans())
def test_of_a_loss_with_a_kink_a_constant_is_best_there(loss, seed, is_weighted, fit_intercept):
    X, y = data(loss, seed, n=14, d=3)
    rng = np.random.default_rng(seed)
    y = np.round(y) if loss == "epsilon_insensitive" else y  # several rows at a kink
    weight = weights(rng, len(y)) if is_weighted else np.ones(len(y))
    targets = signs(loss, y)
    assume(len(set(targets[weight > 0])) > 1)
    c = weight / weight.sum()
    alpha = alpha_max(estimator(loss, l1_ratio=1.0, fit_intercept=fit_intercept), X, y, weight)

    # Linear programs: coefficients in two parts, an intercept, and the losses of the rows.
    n, d = X.shape
    A = np.hstack([X, -X, np.full((n, 1), float(fit_intercept))])
    if loss == "hinge":
        rows, limits = -targets[:, None] * A, -np.ones(n)
        rows = np.hstack([rows, -np.eye(n)])
    else:
        rows = np.vstack([np.hstack([sign * A, -np.eye(n)]) for sign in (1, -1)])
        limits = np.concatenate([targets + EPSILON, EPSILON - targets])
    bounds = [(0, None)] * 2 * d + [(None, None)] + [(0, None)] * n

    def optimum(alpha):
        costs = np.concatenate([np.full(2 * d, alpha), [0.0], c])
        return linprog(costs, rows, limits, bounds=bounds).fun

    of_constants = optimum(1e6)
    assert optimum(alpha * (1 + 1e-9) + 1e-12) == pytest.approx(of_constants, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_it_is_that_of_scikit_learn(positive, is_weighted, fit_intercept):
    X, y = data("squared_error", 0)
    weight = weights(np.random.default_rng(0), len(y)) if is_weighted else None
    settings = {"positive": positive, "fit_intercept": fit_intercept}
    theirs = LassoCV(alphas=3, **settings).fit(X, y, weight).alphas_
    model = FiniteSumRegressor(l1_ratio=1.0, **settings)
    assert alpha_max(model, X, y, weight) == pytest.approx(theirs[0], rel=1e-10)
    rows = regression_rows(model, X, y, weight)
    assert_close(strengths(model, rows, [1.0], 3, 1e-3)[0], theirs, 1e-10)


@given(seed=SEEDS, unit=st.sampled_from([1e-8, 1.0, 1e8]), of_y=st.sampled_from([1e-8, 1.0, 1e8]))
def test_an_l2_path_begins_where_little_is_won_whatever_the_units(seed, unit, of_y):
    X, y = data("squared_error", seed)
    X, y = unit * X, of_y * y
    model = FiniteSumRegressor()
    alphas = strengths(model, regression_rows(model, X, y, None), [0.0], 4, 1e-2)[0]
    assert_close(alphas[1:] / alphas[:-1], np.full(3, 1e-4 ** (1 / 3)), 1e-10)
    strongest = Ridge(len(y) * alphas[0]).fit(X, y)
    objective = 0.5 * np.mean((y - strongest.predict(X)) ** 2)
    objective += 0.5 * alphas[0] * np.sum(strongest.coef_**2)
    constant = 0.5 * np.var(y)
    # the bound is sharp where the penalty is strong
    assert (1 - LEAST_GAIN) * constant <= objective * (1 + 1e-12)
    assert objective <= (1 - 0.3 * LEAST_GAIN) * constant


@pytest.mark.parametrize("loss", [*SMOOTH, *KINKED])
def test_columns_of_no_use_leave_a_path_to_zero(loss):
    y = data(loss, 0)[1]
    X = np.zeros((len(y), 2))
    assert alpha_max(estimator(loss, l1_ratio=1.0), X, y) == 0.0
    model = estimator(loss)
    if loss not in MARGIN_LOSSES:
        rows = regression_rows(model, X, y, None)
        np.testing.assert_array_equal(strengths(model, rows, [0.0, 1.0], 1, 1e-3), 1.0)


@pytest.mark.parametrize("loss", MARGIN_LOSSES)
@pytest.mark.parametrize("only", [0, 1])
def test_one_class_with_weight_is_a_constant(loss, only):
    X, y = data(loss, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert alpha_max(estimator(loss, l1_ratio=1.0), X, y, y == only) < 1e-100


def test_what_is_refused():
    X, y = data("log_loss", 0)
    with pytest.raises(ValueError, match="estimator: found BoundMajorization"):
        alpha_max(BoundMajorizationLogisticRegression(), X, y)
    with pytest.raises(ValueError, match="l1_ratio: found 0; allowed"):
        alpha_max(FiniteSumClassifier(), X, y)
    with pytest.raises(ValueError, match="'loss' parameter"):
        alpha_max(FiniteSumClassifier("huber", l1_ratio=1.0), X, y)
    with pytest.raises(ValueError, match="X: its products overflow"):
        alpha_max(FiniteSumRegressor(l1_ratio=1.0), 1e200 * X, y)
