"""LowRankImputer: its optimum, new rows, weights, and scikit-learn's conventions of imputers."""

import numpy as np
import pytest
from _low_rank.completion_oracle import complete, random_table
from helpers import SEEDS, fit_quietly
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import KNNImputer, SimpleImputer

from sklearn_optland.impute import LowRankImputer


def table(seed=0, n=80, d=10, rank=3, **options):
    return random_table(np.random.default_rng(seed), n, d, rank, **options)


def test_the_optimum_is_the_oracle_s():
    X = 5.0 * table() + 3.0
    model = LowRankImputer(0.2, debias=False, clip=False, tol=1e-9).fit(X)
    mean, deviation = np.nanmean(X, axis=0), np.nanstd(X, axis=0)
    assert_allclose(model.mean_, mean)
    assert_allclose(model.scale_, deviation)
    best, Z = complete((X - mean) / deviation, np.full(80, 1 / 80), 0.2)
    gap = model.certificate_
    assert gap.scope == "global"
    assert gap.reached
    objective = model.history_["objective"][-1]
    assert -1e-9 <= objective - best <= gap.value + 1e-9
    assert_allclose(model.transform(X), np.where(np.isnan(X), Z * deviation + mean, X), atol=1e-3)
    assert_allclose(model.polar_, 1.0, atol=1e-4)
    singular = np.linalg.svd(Z / np.sqrt(80))[1]
    assert model.rank_ == np.sum(singular > 1e-3)
    assert_allclose(model.singular_values_, singular[: model.rank_], atol=1e-3)
    # at the optimum, components are balanced with the rows
    squares = np.einsum("ij,ij->i", model.components_, model.components_)
    assert_allclose(np.sort(squares)[::-1], model.singular_values_, atol=1e-3)


def test_new_rows_are_filled_like_those_of_the_fit():
    X = table()
    model = LowRankImputer(0.2).fit(X)
    whole = model.transform(X)
    for rows in (slice(0, 1), slice(3, 20)):
        assert_allclose(model.transform(X[rows]), whole[rows])
    seen = ~np.isnan(X)
    assert_array_equal(whole[seen], X[seen])
    nothing = np.full((1, 10), np.nan)
    assert_allclose(model.transform(nothing)[0], model.mean_)


@settings(max_examples=15)
@given(SEEDS)
def test_weights_are_repeated_rows(seed):
    rng = np.random.default_rng(seed)
    X = random_table(rng, 20, 5, 2)
    X[0] = rng.normal(size=5)  # each column has an observed entry
    weights = rng.integers(0, 3, 20)
    weights[0] = 1
    model = LowRankImputer(0.3, tol=0.0, max_iter=300)
    weighted = fit_quietly(clone(model), X, sample_weight=weights)
    repeated = fit_quietly(clone(model), np.repeat(X, weights, axis=0))
    assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-6, atol=1e-6)


def test_units_and_offsets_of_columns_do_not_matter_nor_does_the_order_of_rows():
    X = table(1)
    units, offsets = np.logspace(-6, 6, 10), np.linspace(-5, 5, 10)
    order = np.random.default_rng(0).permutation(len(X))
    plain = LowRankImputer(0.2).fit_transform(X)
    other = LowRankImputer(0.2).fit_transform((X * units + offsets)[order])
    assert_allclose((other - offsets) / units, plain[order], atol=1e-5)
    by_cv, shuffled = LowRankImputer().fit(X), LowRankImputer().fit(X[order])
    assert_allclose(by_cv.alpha_, shuffled.alpha_)


def test_cross_validation_finds_a_strength_that_beats_the_mean_and_neighbours():
    X = table(2, n=300, d=20, observed=1.0)
    rng = np.random.default_rng(0)
    hidden = rng.random(X.shape) < 0.3
    holes = np.where(hidden, np.nan, X)
    errors = []
    for rival in (LowRankImputer(), KNNImputer(), SimpleImputer()):
        filled = rival.fit(holes[:200]).transform(holes[200:])
        errors.append(np.sqrt(np.mean((filled - X[200:])[hidden[200:]] ** 2)))
    assert errors[0] < 0.6 * errors[1]
    assert errors[0] < 0.4 * errors[2]
    model = LowRankImputer().fit(holes)
    assert model.alpha_ in model.alphas_
    assert model.errors_.shape == model.alphas_.shape
    assert not hasattr(model.set_params(alpha=0.1).fit(holes), "alphas_")


def test_max_rank_is_kept_and_the_certificate_says_what_it_costs():
    X = table(3)
    with pytest.warns(ConvergenceWarning, match="raise max_rank"):
        model = LowRankImputer(0.1, max_rank=1, max_iter=50).fit(X)
    assert model.rank_ == 1
    assert model.components_.shape == (1, 10)
    assert model.polar_ > 1.5
    assert not model.certificate_.reached
    best = LowRankImputer(0.1, tol=1e-8).fit(X)
    missing = model.history_["objective"][-1] - best.history_["objective"][-1]
    assert 0 < missing <= model.certificate_.value


def test_indicator_names_and_empty_columns():
    X = table(4)
    X[:, 2] = np.nan
    names = [f"x{j}" for j in range(10)]
    indicated = [f"missingindicator_x{j}" for j in range(10)]
    model = LowRankImputer(0.2, add_indicator=True).fit(X)
    out = model.transform(X)
    assert list(model.get_feature_names_out()) == names[:2] + names[3:] + indicated
    assert out.shape == (80, 19)
    assert_array_equal(out[:, 9:], np.isnan(X))
    kept = LowRankImputer(0.2, keep_empty_features=True).fit(X)
    assert list(kept.get_feature_names_out()) == names
    assert_array_equal(kept.transform(X)[:, 2], 0.0)
    assert_allclose(np.delete(kept.transform(X), 2, axis=1), out[:, :9])


def test_debiased_rows_are_conditional_means():
    """Of a normal distribution: the completed table's moment in the range, and noise alpha^2."""
    X = table()
    settings = {"scale": False, "clip": False, "tol": 1e-10}
    model = LowRankImputer(0.2, **settings).fit(X)
    plain = LowRankImputer(0.2, debias=False, **settings).fit(X)
    assert plain.certificate_ == model.certificate_
    assert_array_equal(plain.components_, model.components_)
    Y = plain.transform(X) - plain.mean_
    directions = np.linalg.svd(plain.components_, full_matrices=False)[2]
    moment = directions @ (Y.T @ Y / len(Y)) @ directions.T
    covariance = directions.T @ moment @ directions + 0.2**2 * np.eye(X.shape[1])
    for row, filled in zip(X[:20] - model.mean_, model.transform(X[:20]), strict=True):
        m = np.isnan(row)
        weights = np.linalg.solve(covariance[np.ix_(~m, ~m)], row[~m])
        assert_allclose(filled[m] - model.mean_[m], covariance[np.ix_(m, ~m)] @ weights, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filled_values_stay_within_the_columns_range(dtype):
    X = (5.0 * table() + 3.0).astype(dtype)
    free = LowRankImputer(0.2, clip=False).fit(X)
    model = LowRankImputer(0.2).fit(X)
    assert free.certificate_ == model.certificate_
    low, high = np.nanmin(X, axis=0), np.nanmax(X, axis=0)
    assert_array_equal(model.data_min_, low)
    assert_array_equal(model.data_max_, high)
    new = 3.0 * X  # beyond the range: what is observed stays
    filled, predicted = model.transform(new), free.transform(new)
    missing = np.isnan(X)
    assert_array_equal(filled[~missing], new[~missing])
    limited = np.where(missing, np.clip(predicted, low, high), new)
    assert_array_equal(filled, limited)
    assert (limited != predicted).any()


@pytest.mark.parametrize("value", [-1, 0.0, 1e9])
def test_another_number_may_stand_for_what_is_missing(value):
    X = table(5)
    expected = LowRankImputer(0.2).fit_transform(X)
    coded = np.where(np.isnan(X), value, X)
    before = coded.copy()
    assert_array_equal(LowRankImputer(0.2, missing_values=value).fit_transform(coded), expected)
    assert_array_equal(coded, before)


def test_without_scale_columns_are_centred_only():
    X = table(6) * np.logspace(0, 2, 10)
    model = LowRankImputer(1.0, scale=False, tol=1e-8).fit(X)
    assert_array_equal(model.scale_, 1.0)
    best, _ = complete(X - np.nanmean(X, axis=0), np.full(80, 1 / 80), 1.0)
    assert_allclose(model.history_["objective"][-1], best, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept_and_constant_columns_are_no_trouble(dtype):
    X = table(7).astype(dtype)
    X[:, 1] = np.where(np.isnan(X[:, 1]), np.nan, 1e6)
    out = LowRankImputer(0.2).fit_transform(X)
    assert out.dtype == dtype
    assert_allclose(out[:, 1], 1e6)


def test_an_alpha_above_the_largest_gives_means():
    X = table(8)
    model = LowRankImputer(100.0).fit(X)
    assert model.rank_ == 0
    assert model.certificate_.reached
    assert_allclose(model.transform(X), SimpleImputer().fit_transform(X))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.full((3, 2), np.nan), "^X: found missing values only"),
        (np.array([[1e200, 1.0], [np.nan, 2.0]]), r"^X: found a value of size 1e\+200"),
        (np.array([[np.inf, 1.0], [np.nan, 2.0]]), "infinity"),
    ],
)
def test_refusals(X, message):
    with pytest.raises(ValueError, match=message):
        LowRankImputer().fit(X)


def test_values_of_any_size_neither_overflow_nor_hang():
    for size in (1e-140, 1e140):
        X = size * table(9)
        out = fit_quietly(LowRankImputer(0.2), X).transform(X)
        assert_allclose(out / size, LowRankImputer(0.2).fit_transform(X / size), atol=1e-3)


def test_a_strength_that_overflows_is_refused():
    X = random_table(np.random.default_rng(0), 20, 5, 2, 0.7)
    with pytest.raises(ValueError, match=r"^alpha: found 1e-300"):
        LowRankImputer(alpha=1e-300).fit(X)


@pytest.mark.parametrize(("dtype", "factor"), [(np.float32, 1e30), (np.float64, 1e145)])
def test_rows_too_large_for_the_fit_s_units_are_refused(dtype, factor):
    X = random_table(np.random.default_rng(1), 20, 4, 1, 0.7)
    X[:, :2] *= factor
    X[:, 2:] /= factor
    imputer = LowRankImputer(alpha=0.1).fit(X.astype(dtype))
    new = np.array([[np.nan, np.nan, factor, factor]], dtype=dtype)
    with pytest.raises(ValueError, match=r"^X: found values whose completion overflows"):
        imputer.transform(new)


@pytest.mark.parametrize("max_iter", [1, 3])
def test_a_fit_that_ends_before_its_rows_are_solved_for_has_a_certificate(max_iter):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 3)) @ rng.normal(size=(3, 90)) + 0.3 * rng.normal(size=(150, 90))
    X[rng.random(X.shape) < 0.45] = np.nan
    best = LowRankImputer(0.3, tol=1e-6).fit(X)
    assert best.certificate_.reached
    assert np.isnan(best.history_["certificate"][0])
    with pytest.warns(ConvergenceWarning):
        model = LowRankImputer(0.3, tol=1e-6, max_iter=max_iter).fit(X)
    missing = model.history_["objective"][-1] - best.history_["objective"][-1]
    assert 0 < missing <= model.certificate_.value
    assert model.polar_ > 1


@pytest.mark.parametrize("unit", [1e-100, 1e100, 1e149])
def test_columns_that_are_not_scaled_may_have_any_unit(unit):
    X = table(n=40, d=6)
    X /= np.nanmax(np.abs(X))
    model = LowRankImputer(0.05, scale=False).fit(X)
    scaled = LowRankImputer(0.05 * unit, scale=False).fit(unit * X)
    assert_allclose(scaled.singular_values_ / unit, model.singular_values_, rtol=1e-8)
    assert_allclose(scaled.transform(unit * X) / unit, model.transform(X), rtol=1e-6, atol=1e-9)
