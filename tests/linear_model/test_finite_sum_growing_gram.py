"""Least squares by the Gram matrix of the columns in use: gaps hold, optima are right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from sklearn_optland.linear_model import FiniteSumRegressor, alpha_max, regularization_path
from sklearn_optland.linear_model._finite_sum import growing_gram


def data(seed, n=40, d=150, offset=0.0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d) + offset
    return X, X @ (rng.randn(d) * (rng.rand(d) < 0.2)) + rng.randn(n) + 3, rng.uniform(0.1, 2.0, n)


def objective(model, X, y, c, coef, intercept):
    alpha, l1 = model.alpha, model.l1_ratio
    penalty = l1 * np.abs(coef).sum() + 0.5 * (1 - l1) * coef @ coef
    return 0.5 * np.average((y - X @ coef - intercept) ** 2, weights=c) + alpha * penalty


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    fit_intercept=st.booleans(),
    positive=st.booleans(),
    l1_ratio=st.sampled_from([0.5, 1.0]),
    share=st.sampled_from([0.3, 0.03]),
    offset=st.sampled_from([0.0, 3.0]),
)
def test_the_gap_covers_what_scikit_learn_finds_at_a_tight_tolerance(
    seed, fit_intercept, positive, l1_ratio, share, offset
):
    X, y, c = data(seed, offset=offset)
    parameters = {"l1_ratio": l1_ratio, "fit_intercept": fit_intercept, "positive": positive}
    ours = FiniteSumRegressor(**parameters)
    ours.set_params(alpha=share * alpha_max(ours, X, y, c)).fit(X, y, sample_weight=c)
    assert ours.certificate_.reached
    theirs = ElasticNet(alpha=ours.alpha, tol=1e-10, max_iter=20_000, **parameters)
    theirs.fit(X, y, sample_weight=c)
    found = objective(ours, X, y, c, ours.coef_, ours.intercept_)
    least = objective(ours, X, y, c, theirs.coef_, theirs.intercept_)
    assert found - least <= ours.certificate_.value + 1e-10 * found
    assert not positive or (ours.coef_ >= 0).all()
    assert fit_intercept or str(ours.intercept_) == "0.0"


@pytest.mark.parametrize(("repeats", "end", "least"), [(False, 1e-3, 25), (True, 1e-3, 25)])
def test_as_many_coefficients_as_rows_and_columns_that_repeat(repeats, end, least):
    X, y, _ = data(0, n=30)
    if repeats:
        X = np.hstack([X, X[:, ::-1]])
    ours = FiniteSumRegressor(l1_ratio=1.0)
    path = regularization_path(ours, X, y, alpha_max(ours, X, y) * np.geomspace(1, end, 20))
    assert all(certificate.reached for certificate in path.certificates)
    assert np.count_nonzero(path.coefs[-1]) >= least


@pytest.mark.parametrize("copies", [2, 40])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_weak_penalties_on_columns_that_are_next_to_dependent(copies, positive, noise):
    X, y, _ = data(3, n=30, d=300 // copies)
    X = np.repeat(X, copies, axis=1)
    X += noise * np.random.RandomState(0).randn(*X.shape)
    ours = FiniteSumRegressor(l1_ratio=1.0, positive=positive)
    path = regularization_path(ours, X, y, alpha_max(ours, X, y) * np.geomspace(1, 1e-4, 20))
    assert all(certificate.reached for certificate in path.certificates)


@pytest.mark.parametrize("shape", [(40, 150), (100, 40)])  # a growing Gram matrix, a working set
def test_rows_whose_share_of_the_weight_underflows_do_not_count(shape):
    X, y, _ = data(4, *shape)
    c = np.where(np.arange(len(y)) < 3, 1e-200, 1e200)
    model = FiniteSumRegressor(l1_ratio=1.0, alpha=0.1).fit(X, y, sample_weight=c)
    assert model.certificate_.reached
    expected = FiniteSumRegressor(l1_ratio=1.0, alpha=0.1, tol=1e-10).fit(X[3:], y[3:])
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=0.01)


def test_a_set_that_may_not_grow_leaves_the_fit_to_other_models(monkeypatch):
    X, y, _ = data(1)
    model = FiniteSumRegressor(l1_ratio=1.0, alpha=0.05)
    expected = model.fit(X, y).coef_
    monkeypatch.setattr(growing_gram, "MAX_SET", 10)
    model.fit(X, y)
    assert model.certificate_.reached
    np.testing.assert_allclose(model.coef_, expected, atol=1e-2)


def test_float32_and_a_warm_start():
    X, y, _ = data(2)
    X = X.astype(np.float32)
    model = FiniteSumRegressor(l1_ratio=1.0, alpha=0.1, warm_start=True).fit(X, y)
    before = model.n_iter_
    model.fit(X, y)
    assert model.certificate_.reached
    assert model.coef_.dtype == np.float32
    assert model.n_iter_ <= before
