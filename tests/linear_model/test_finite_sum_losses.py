"""Losses with a log link and of quantiles, against scikit-learn's classes for them."""

import numpy as np
import pytest
from helpers import STORAGES, loss_value
from hypothesis import given
from hypothesis import strategies as st
from linear_model.finite_sum_helpers import data
from sklearn.linear_model import GammaRegressor, PoissonRegressor, QuantileRegressor

from sklearn_optland.linear_model import FiniteSumRegressor, FiniteSumRegressorCV, SDCARegressor

THEIRS = {"poisson": PoissonRegressor, "gamma": GammaRegressor}


@given(
    loss=st.sampled_from(list(THEIRS)),
    solver=st.sampled_from(["auto", "newton", "cd", "catalyst"]),
    storage=st.sampled_from(list(STORAGES.values())),
    alpha=st.sampled_from([1e-2, 1.0]),
    fit_intercept=st.booleans(),
    is_weighted=st.booleans(),
    seed=st.integers(0, 999),
)
def test_log_links_are_generalized_linear_models(
    loss, solver, storage, alpha, fit_intercept, is_weighted, seed
):
    X, y = data(loss, seed)
    X = X.astype(np.float32).astype(float)  # float32 storages hold the same numbers
    s = np.random.default_rng(seed).uniform(0.2, 3, len(y)) if is_weighted else None
    settings = {"alpha": alpha, "fit_intercept": fit_intercept}
    ours = FiniteSumRegressor(loss, solver=solver, tol=1e-9, max_iter=3000, **settings)
    ours.fit(storage(X), y, sample_weight=s)
    theirs = THEIRS[loss](solver="newton-cholesky", tol=1e-10, max_iter=10_000, **settings)
    theirs.fit(X, y, sample_weight=s)
    np.testing.assert_allclose(ours.predict(storage(X)), theirs.predict(X), rtol=2e-3)
    rows = [loss_value(loss, y, np.log(one.predict(X))) for one in (ours, theirs)]
    values = [
        np.average(losses, weights=s) + 0.5 * alpha * np.vdot(one.coef_, one.coef_)
        for losses, one in zip(rows, (ours, theirs), strict=True)
    ]
    rounding = 1e-5 if ours.coef_.dtype == np.float32 else 1e-9
    assert values[0] - values[1] <= ours.certificate_.value + rounding * (1 + values[1])


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_smooth_quantiles_end_at_quantile_regression(quantile):
    rng = np.random.RandomState(0)
    X = rng.randn(150, 4)
    y = X @ [1.0, -2.0, 0.5, 0.0] + rng.standard_t(2, 150)
    theirs = QuantileRegressor(quantile=quantile, alpha=0.0, solver="highs").fit(X, y)

    def value(model):
        r = y - model.predict(X)
        return np.mean(np.maximum(quantile * r, (quantile - 1) * r))

    best = value(theirs)
    for epsilon in (1.0, 0.1, 1e-3):
        ours = FiniteSumRegressor(
            "smooth_quantile", quantile=quantile, epsilon=epsilon, alpha=1e-9, tol=1e-8
        ).fit(X, y)
        assert ours.certificate_.reached
        # the smooth loss is lower by epsilon / 2 at most, so its optimum is no worse than that
        assert best - 1e-9 <= value(ours) <= best + epsilon / 2
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=5e-3)


@pytest.mark.parametrize("loss", THEIRS)
def test_means_do_not_depend_on_the_unit_of_targets(loss):
    X, y = data(loss, 0, n=100)
    one = FiniteSumRegressor(loss, alpha=1e-6, tol=1e-10).fit(X, y)
    other = FiniteSumRegressor(loss, alpha=1e-6 * (1e6 if loss == "poisson" else 1), tol=1e-10)
    other.fit(X, 1e6 * y)
    np.testing.assert_allclose(other.predict(X), 1e6 * one.predict(X), rtol=1e-4)


@pytest.mark.parametrize("loss", THEIRS)
@pytest.mark.parametrize("value", [1.0, 5.0])
def test_equal_targets_are_fitted_by_a_constant(loss, value):
    X = np.random.RandomState(0).rand(7, 3)
    model = FiniteSumRegressor(loss).fit(X, np.full(7, value))
    assert model.certificate_.reached
    np.testing.assert_allclose(model.predict(X), value, rtol=1e-6)
    single = FiniteSumRegressor(loss).fit(X[:1], [value])
    np.testing.assert_allclose(single.predict(X[:1]), value, rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "y", "found"),
    [
        ("poisson", [1.0, -2.0], "values down to -2"),
        ("poisson", [0.0, 0.0], "nothing but zeros"),
        ("gamma", [1.0, 0.0], "values down to 0"),
    ],
)
def test_targets_that_no_mean_explains_are_refused(loss, y, found):
    with pytest.raises(ValueError, match=f"y: found {found}; loss='{loss}' allows"):
        FiniteSumRegressor(loss).fit(np.eye(2), y)


def test_a_quantile_needs_a_width():
    with pytest.raises(ValueError, match="epsilon: found 0; loss='smooth_quantile' allows"):
        FiniteSumRegressor("smooth_quantile", epsilon=0.0).fit(np.eye(2), [1.0, 2.0])


@pytest.mark.parametrize("loss", THEIRS)
def test_cross_validation_predicts_means(loss):
    X, y = data(loss, 0, n=90)
    model = FiniteSumRegressorCV(loss, alphas=4, cv=3).fit(X, y)
    one = FiniteSumRegressor(loss, alpha=model.alpha_).fit(X, y)
    np.testing.assert_allclose(model.predict(X), one.predict(X), rtol=1e-3)
    assert (model.predict(X) > 0).all()


@pytest.mark.parametrize("loss", THEIRS)
def test_a_start_with_huge_scores_does_no_harm(loss):
    X, y = data(loss, 0)
    model = SDCARegressor(loss, alpha=0.1, warm_start=True, max_iter=2000).fit(X, y)
    expected = model.coef_.copy()
    model.coef_ = model.coef_ + 1e3
    model.fit(X, y)
    assert model.certificate_.reached
    np.testing.assert_allclose(model.coef_, expected, atol=1e-2)
