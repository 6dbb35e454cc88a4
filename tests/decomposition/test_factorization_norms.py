"""LowRankFactorization with L1 norms and non-negative factors: optima, polars, certificates."""

import numpy as np
import pytest
from _low_rank.completion_oracle import random_table
from helpers import SEEDS, fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_optland.decomposition import LowRankFactorization

L1 = ["l1_l2", "l1_l1"]
NORMS = [("l1_l2", False), ("l1_l1", True), ("nuclear", True)]
LOSSES = ["squared_error", "huber", "log_loss", "poisson"]


def table(seed=0, n=12, d=9):
    return random_table(np.random.default_rng(seed), n, d, 2)


def of_loss(X, loss):
    """Values that a loss takes."""
    return {"log_loss": np.sign(X), "poisson": np.round(np.abs(X))}.get(loss, X)


def convex_optimum(X, weights, strength, norm, positive):
    """The optimum of the squared error by rows, which L1 norms of U make independent."""
    Y = np.nan_to_num(X)
    Y = np.maximum(Y, 0) if positive else Y
    if norm == "l1_l1":
        Z = np.sign(Y) * np.maximum(np.abs(Y) - strength, 0)
    else:
        lengths = np.maximum(np.linalg.norm(Y, axis=1, keepdims=True), 1e-300)
        Z = Y * np.maximum(1 - strength / lengths, 0)
    return objective(X, Z, weights, strength, norm), Z


def objective(X, Z, weights, strength, norm):
    """Of the convex twin, in sums."""
    order = 1 if norm == "l1_l1" else 2
    losses = 0.5 * np.nan_to_num(X - Z) ** 2
    return weights @ (losses.sum(axis=1) + strength * np.linalg.norm(Z, ord=order, axis=1))


@pytest.mark.parametrize("norm", L1)
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("is_even", [False, True])
def test_l1_norms_have_the_optimum_of_their_convex_twin(norm, positive, is_even):
    X, alpha = table(), 0.3
    weights = np.ones(12) if is_even else np.random.default_rng(1).uniform(0.5, 2.0, 12)
    model = LowRankFactorization(alpha, norm=norm, positive=positive, offsets=False, tol=1e-7)
    model.fit(X, sample_weight=None if is_even else weights)
    total = weights.sum()
    best, Z = convex_optimum(X, weights, alpha * np.sqrt(total), norm, positive)
    assert model.certificate_.reached
    assert model.certificate_.scope == "global"
    assert_allclose(model.history_["objective"][-1], best / total, rtol=2e-7)
    product = model.row_factors_ @ model.components_
    assert_allclose(product, Z, atol=2e-3)
    penalty = model.singular_values_.sum() * np.sqrt(total)
    assert_allclose(penalty, gauge(Z, weights, norm), rtol=1e-3)
    assert_allclose(model.polar_, 1.0, atol=1e-4)
    if positive:
        assert (model.row_factors_ >= 0).all()
        assert (model.components_ >= 0).all()


def gauge(Z, weights, norm):
    return weights @ np.linalg.norm(Z, ord=1 if norm == "l1_l1" else 2, axis=1)


@settings(max_examples=15)
@given(SEEDS, st.sampled_from(L1), st.booleans(), st.floats(0.05, 0.6), st.integers(1, 30))
def test_the_gap_is_never_below_the_truth(seed, norm, positive, alpha, max_iter):
    X = table(seed, 8, 6)
    model = LowRankFactorization(
        alpha, norm=norm, positive=positive, offsets=False, max_iter=max_iter, max_rank=3
    )
    fit_quietly(model, X)
    best = convex_optimum(X, np.ones(8), alpha * np.sqrt(8), norm, positive)[0] / 8
    found = model.history_["objective"][-1]
    assert best <= found * (1 + 1e-9)
    assert found - best <= model.certificate_.value * (1 + 1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("norm", "positive"), NORMS)
def test_rows_of_the_fit_are_those_of_transform(loss, norm, positive):
    X = of_loss(table(2, 15, 10), loss)
    settings = {"loss": loss, "norm": norm, "positive": positive, "offsets": False}
    tol = 1e-4 if norm == "nuclear" else 1e-6  # many columns add up to non-negative ones
    model = fit_quietly(LowRankFactorization(0.1, tol=tol, **settings), X)
    assert model.rank_ > 0
    seen = ~np.isnan(X)
    product = model.row_factors_ @ model.components_
    new = model.transform(X) @ model.components_
    assert_allclose(new[seen], product[seen], atol=5e-2)
    assert_allclose(model.transform(X[3:5]) @ model.components_, new[3:5], atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("norm", "positive"), NORMS)
def test_alpha_max_is_where_the_first_column_comes(loss, norm, positive):
    X = of_loss(table(3), loss)
    model = LowRankFactorization(1e3, loss=loss, norm=norm, positive=positive).fit(X)
    assert model.rank_ == 0
    assert model.set_params(alpha=1.001 * model.alpha_max_).fit(X).rank_ == 0
    assert model.set_params(alpha=0.98 * model.alpha_max_, tol=1e-7).fit(X).rank_ >= 1
    model.set_params(warm_start=True, tol=1e-4, alpha=0.5 * model.alpha_max_)
    first = fit_quietly(model, X).history_["objective"][-1]
    assert fit_quietly(model, X).history_["objective"][0] <= first * (1 + 1e-9)


def test_parts_that_only_add_up_are_found_and_the_certificate_is_an_estimate():
    rng = np.random.default_rng(4)
    U, V = (
        rng.exponential(size=(60, 3)) * (rng.random((60, 3)) < 0.5),
        rng.exponential(size=(3, 40)),
    )
    X = np.where(rng.random((60, 40)) < 0.6, U @ V, np.nan)
    model = LowRankFactorization(0.2, positive=True, offsets=False, tol=2e-2).fit(X)
    assert model.certificate_.scope == "estimate"
    assert model.certificate_.reached
    assert (model.row_factors_ >= 0).all()
    assert (model.components_ >= 0).all()
    rows, columns = np.nonzero(np.isnan(X))
    error = model.predict_entries(rows, columns) - (U @ V)[rows, columns]
    assert np.sqrt(np.mean(error**2)) < 0.15 * np.std(U @ V)
    # without signs the optimum is at most as large
    signed = LowRankFactorization(0.2, offsets=False, tol=1e-6).fit(X)
    assert signed.history_["objective"][-1] <= model.history_["objective"][-1] * (1 + 1e-6)


def test_a_non_negative_matrix_of_rank_one_has_the_nuclear_optimum():
    rng = np.random.default_rng(5)
    X = np.outer(rng.exponential(size=10), rng.exponential(size=8))
    fits = [
        LowRankFactorization(0.1, positive=positive, offsets=False, tol=1e-8).fit(X)
        for positive in (False, True)
    ]
    assert_allclose(*(fit.history_["objective"][-1] for fit in fits), rtol=1e-6)
    assert_allclose(*(fit.row_factors_ @ fit.components_ for fit in fits), atol=1e-3)


def test_few_columns_are_sparse_and_the_certificate_says_what_they_cost():
    X = table(6, 40, 20)
    model = fit_quietly(LowRankFactorization(0.2, norm="l1_l2", max_rank=2, offsets=False), X)
    assert model.rank_ == 2
    assert model.polar_ > 1
    best = convex_optimum(X, np.ones(40), 0.2 * np.sqrt(40), "l1_l2", False)[0] / 40
    assert 0 < model.history_["objective"][-1] - best <= model.certificate_.value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("unit", [1e-130, 1e-8, 1e8, 1e130])
@pytest.mark.parametrize(("norm", "positive"), [("l1_l2", False), ("nuclear", True)])
def test_units_do_not_matter(unit, norm, positive):
    X = table(7)
    settings = {"norm": norm, "positive": positive, "tol": 1e-4}
    plain = LowRankFactorization(0.3, **settings).fit(X)
    scaled = LowRankFactorization(0.3 * unit, **settings).fit(unit * X)
    assert scaled.certificate_.reached
    assert_allclose(
        scaled.history_["objective"][-1] / unit**2, plain.history_["objective"][-1], rtol=2e-4
    )


@pytest.mark.parametrize("options", [{"norm": "l1_l1"}, {"positive": True}])
def test_debias_is_for_the_nuclear_norm(options):
    with pytest.raises(ValueError, match=r"^debias: found True with norm"):
        LowRankFactorization(debias=True, **options).fit(table())
