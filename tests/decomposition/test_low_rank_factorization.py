"""LowRankFactorization: its optimum, its certificate, new rows, losses, and what it refuses."""

import numpy as np
import pytest
from _low_rank.completion_oracle import complete, random_table
from helpers import SEEDS, fit_quietly, loss_value
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._loss.scalar_losses import LOSSES as LOSSES_BY_NAME
from sklearn_optland._low_rank import factors
from sklearn_optland._low_rank.norms import product_norm
from sklearn_optland._low_rank.observed import Observed
from sklearn_optland.decomposition import LowRankFactorization

LOSSES = ["squared_error", "huber", "log_loss", "poisson"]


def entries(rng, n, d, rank=2, loss="squared_error", observed=0.6):
    """A table of a loss's values, NaN where nothing is observed."""
    X = 0.7 * random_table(rng, n, d, rank, observed)
    if loss == "log_loss":
        return np.where(np.isnan(X), np.nan, np.where(rng.random(X.shape) < expit(X), 1.0, -1.0))
    if loss == "poisson":
        counts = rng.poisson(np.exp(np.nan_to_num(X)))
        return np.where(np.isnan(X), np.nan, counts)
    return X


def as_csr(X):
    rows, columns = np.nonzero(~np.isnan(X))
    return sparse.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)


def objective(model, X, loss, alpha):
    """From the fitted attributes, as the docstring writes it."""
    n = len(X)
    scores = model.intercept_ + model.row_offsets_[:, None] + model.column_offsets_
    Z = model.row_factors_ @ model.components_
    seen = ~np.isnan(X)
    total = np.sum(value_of(loss, X[seen], (scores + Z)[seen]))
    return total / n + alpha / np.sqrt(n) * np.linalg.norm(Z, "nuc")


def value_of(loss, y, f):
    """With the estimator's default epsilon."""
    if loss == "huber":
        r = np.abs(y - f)
        return np.where(r <= 1.35, 0.5 * r**2, 1.35 * r - 0.5 * 1.35**2)
    return loss_value(loss, y, f)


def test_the_optimum_is_the_oracle_s():
    X = entries(np.random.default_rng(0), 40, 25)
    model = LowRankFactorization(0.3, offsets=False, tol=1e-8).fit(as_csr(X))
    best, Z = complete(X, np.full(40, 1 / 40), 0.3)
    assert model.certificate_.reached
    assert model.certificate_.scope == "global"
    assert_allclose(objective(model, X, "squared_error", 0.3), best, rtol=2e-8)
    assert_allclose(model.row_factors_ @ model.components_, Z, atol=1e-3)
    singular = np.linalg.svd(Z / np.sqrt(40))[1]
    assert_allclose(model.singular_values_, singular[: model.rank_], atol=1e-4)
    assert model.rank_ == np.sum(singular > 1e-4)
    assert_allclose(model.polar_, 1.0, atol=1e-3)
    V, U = model.components_.T, model.row_factors_
    assert_allclose(V.T @ V, np.diag(model.singular_values_), atol=1e-9)
    assert_allclose(U.T @ U / 40, np.diag(model.singular_values_), atol=1e-9)


@settings(max_examples=10)
@given(SEEDS, st.sampled_from(LOSSES), st.floats(0.1, 0.6), st.integers(1, 30))
def test_the_gap_bounds_what_is_missing(seed, loss, alpha, max_iter):
    X = entries(np.random.default_rng(seed), 20, 12, loss=loss)
    options = {"loss": loss, "tol": 1e-6}
    short = fit_quietly(LowRankFactorization(alpha, max_iter=max_iter, **options), X)
    long = fit_quietly(LowRankFactorization(alpha, **options), X)
    best = long.history_["objective"][-1] - long.certificate_.value
    assert best <= objective(short, X, loss, alpha) * (1 + 1e-9)
    assert objective(short, X, loss, alpha) - short.certificate_.value <= (
        objective(long, X, loss, alpha) * (1 + 1e-9)
    )
    assert_allclose(short.history_["objective"][-1], objective(short, X, loss, alpha), rtol=1e-6)
    assert long.certificate_.relative < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_of_the_fit_are_those_of_transform_and_of_scipy(loss):
    X = entries(np.random.default_rng(1), 40, 25, loss=loss)
    model = LowRankFactorization(0.2, loss=loss, tol=1e-7, offsets=False).fit(X)
    U = model.transform(X)
    assert_allclose(U, model.row_factors_, atol=5e-3)
    assert_allclose(model.transform(as_csr(X[:5])), U[:5], atol=1e-9)
    V, seen = model.components_.T, ~np.isnan(X)
    for i in range(3):

        def row(u, i=i):
            f = V[seen[i]] @ u
            return value_of(loss, X[i, seen[i]], f).sum() + 0.1 * u @ u

        best = minimize(row, np.zeros(model.rank_), method="BFGS", options={"gtol": 1e-9})
        assert row(U[i]) <= best.fun + 1e-9


def test_rank_one_is_stationary_but_not_global_and_the_polar_says_so():
    X = entries(np.random.default_rng(2), 60, 30, rank=3)
    with pytest.warns(ConvergenceWarning, match="raise max_rank"):
        stuck = LowRankFactorization(0.1, max_rank=1, max_iter=200).fit(X)
    assert stuck.rank_ == 1
    assert stuck.polar_ > 1.5
    best = LowRankFactorization(0.1).fit(X).history_["objective"][-1]
    assert 0 < stuck.history_["objective"][-1] - best <= stuck.certificate_.value


@pytest.mark.parametrize("loss", LOSSES)
def test_alpha_max_is_where_the_first_column_comes_and_a_path_may_be_warm(loss):
    X = entries(np.random.default_rng(3), 30, 20, loss=loss)
    model = LowRankFactorization(1e3, loss=loss).fit(X)
    assert model.rank_ == 0
    assert model.certificate_.reached
    largest = model.alpha_max_
    assert model.set_params(alpha=1.001 * largest).fit(X).rank_ == 0
    assert model.set_params(alpha=0.98 * largest, tol=1e-6).fit(X).rank_ >= 1
    model.set_params(warm_start=True, tol=1e-4)
    for share in (0.7, 0.5, 0.35):
        model.set_params(alpha=share * largest).fit(X)
    cold = LowRankFactorization(0.35 * largest, loss=loss, tol=1e-4).fit(X)
    assert_allclose(model.history_["objective"][-1], cold.history_["objective"][-1], rtol=1e-4)
    assert model.history_["objective"][0] < cold.history_["objective"][0]


def test_large_sides_use_lanczos_and_find_the_rank_of_the_truth():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(450, 3)) @ rng.normal(size=(3, 420))
    X = np.where(rng.random(truth.shape) < 0.2, truth, np.nan)
    model = LowRankFactorization(0.1, offsets=False, tol=1e-5).fit(X)
    assert model.certificate_.reached
    assert model.rank_ == 3
    rows, columns = np.nonzero(np.isnan(X))
    error = model.predict_entries(rows, columns) - truth[rows, columns]
    assert np.sqrt(np.mean(error**2)) < 0.1
    Theta = np.where(np.isnan(X), 0.0, X - model.row_factors_ @ model.components_)
    assert_allclose(model.polar_, np.linalg.norm(Theta, 2) / (0.1 * np.sqrt(450)), rtol=1e-9)
    assert model.certificate_.scope == "global"


def test_a_singular_value_that_lanczos_misses_is_no_proof(monkeypatch):
    """Lanczos' value is one from below: a factorisation proves it, or the scope says estimate."""
    rng = np.random.default_rng(4)
    X = np.where(rng.random((450, 420)) < 0.05, rng.normal(size=(450, 420)), np.nan)
    eigsh = factors.linalg.eigsh

    def second(A, k, **settings):
        values, vectors = eigsh(A, k + 1, **settings)
        return values[:-1], vectors[:, :-1]

    model = LowRankFactorization(0.15, offsets=False)
    assert model.fit(X).certificate_.scope == "global"
    with monkeypatch.context() as patch:
        patch.setattr(factors, "MOST_DENSE_WORK", 1e6)
        certificate = model.fit(X).certificate_
        assert (certificate.scope, certificate.reached) == ("estimate", True)
    monkeypatch.setattr(factors.linalg, "eigsh", second)
    largest = model.alpha_max_
    certificate = model.set_params(alpha=0.999 * largest).fit(X).certificate_
    assert (certificate.scope, certificate.reached) == ("estimate", True)


@pytest.mark.parametrize("shape", [(450, 410), (410, 450)])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_proven_is_true_and_hardly_less_is_refused(shape, seed):
    rng = np.random.default_rng(seed)
    X = np.where(rng.random(shape) < 0.02, rng.standard_cauchy(shape), np.nan)
    largest = np.linalg.norm(np.nan_to_num(X), 2)
    observed = Observed(as_csr(X), LOSSES_BY_NAME["squared_error"])
    norm = product_norm("nuclear", False, np.ones(shape[0]), shape[1])
    problem = factors.Factorization(observed, 0.1 * largest, 5, np.random.RandomState(0), norm)
    point = problem.certify(np.zeros((shape[0], 0)), np.zeros((shape[1], 0)))[0]
    assert_allclose(point.polar, 10.0, rtol=1e-12)
    assert problem.is_proven(point)
    point.polar = 10.0 * (1 - 1e-7)
    assert not problem.is_proven(point)


@pytest.mark.parametrize("unit", [1e-100, 1e-8, 1e8])
def test_units_do_not_matter_to_lanczos(unit):
    """ARPACK takes what is small in absolute terms for converged."""
    rng = np.random.default_rng(4)
    X = np.where(rng.random((450, 420)) < 0.05, rng.normal(size=(450, 420)), np.nan)
    model = LowRankFactorization(0.15 * unit, offsets=False).fit(X * unit)
    assert (model.certificate_.scope, model.certificate_.reached) == ("global", True)
    Theta = np.where(np.isnan(X), 0.0, X - model.row_factors_ @ model.components_ / unit)
    assert_allclose(model.polar_, np.linalg.norm(Theta, 2) / (0.15 * np.sqrt(450)), rtol=1e-9)


def test_singular_values_on_which_lanczos_does_not_converge(monkeypatch):
    """At the optimum many singular values are the largest one: a dense solve takes over."""
    monkeypatch.setattr(factors, "MOST_RESTARTS", 1)
    X = sparse.random_array((500, 450), density=0.05, rng=np.random.default_rng(1), format="csr")
    model = LowRankFactorization(0.1)
    assert model.fit(X).certificate_.scope == "global"
    assert model.certificate_.reached
    assert_allclose(model.polar_, 1.0, rtol=1e-2)
    monkeypatch.setattr(factors, "MOST_DENSE_WORK", 0.0)
    assert fit_quietly(model, X).certificate_.scope == "estimate"


def test_a_warm_start_above_alpha_max_has_rank_0():
    X = entries(np.random.default_rng(9), 40, 25)
    model = LowRankFactorization(0.05, warm_start=True).fit(X)
    assert model.rank_ > 0
    assert model.set_params(alpha=1.01 * model.alpha_max_).fit(X).rank_ == 0


def test_no_entries_may_be_asked_for():
    model = LowRankFactorization(0.3).fit(entries(np.random.default_rng(8), 30, 20))
    assert model.predict_entries([], []).shape == (0,)


def test_offsets_predict_where_there_is_no_structure():
    rng = np.random.default_rng(5)
    truth = 3.0 + rng.normal(size=(60, 1)) + rng.normal(size=(1, 50))
    X = np.where(rng.random(truth.shape) < 0.7, truth, np.nan)
    model = LowRankFactorization(1.0).fit(X)
    assert model.rank_ == 0
    rows, columns = np.nonzero(np.isnan(X))
    assert np.std(model.predict_entries(rows, columns) - truth[rows, columns]) < 0.25
    new = np.where(rng.random((4, 50)) < 0.7, 3.0 + 2.0 + (truth - truth[:, :1])[:4], np.nan)
    predicted = model.predict_entries(np.arange(4), np.arange(4), new)
    assert predicted.shape == (4,)


def test_one_bit_completion_finds_the_probabilities():
    rng = np.random.default_rng(6)
    scores = 2.0 * np.outer(np.sign(rng.normal(size=150)), np.sign(rng.normal(size=100)))
    X = np.where(rng.random(scores.shape) < expit(scores), 1.0, 0.0)
    holes = np.where(rng.random(scores.shape) < 0.5, X, np.nan)
    model = LowRankFactorization(1.0, loss="log_loss").fit(holes)
    signs = LowRankFactorization(1.0, loss="log_loss").fit(2 * holes - 1)
    rows, columns = np.nonzero(np.isnan(holes))
    p = model.predict_entries(rows, columns)
    assert np.mean((p > 0.5) == (scores[rows, columns] > 0)) > 0.97
    assert_allclose(signs.predict_entries(rows, columns), p, atol=1e-6)


def test_stored_zeros_are_observed_and_arrays_are_read_like_sparse_matrices():
    X = np.round(entries(np.random.default_rng(7), 30, 20))
    dense, stored = LowRankFactorization(0.3).fit(X), LowRankFactorization(0.3).fit(as_csr(X))
    assert (as_csr(X).data == 0).any()
    assert_array_equal(dense.row_factors_, stored.row_factors_)
    assert list(stored.get_feature_names_out()) == [
        f"lowrankfactorization{k}" for k in range(stored.rank_)
    ]


@pytest.mark.parametrize(
    ("loss", "X", "message"),
    [
        ("squared_error", np.full((3, 3), np.nan), "^X: found no observed entry"),
        ("log_loss", np.array([[2.0, 1.0], [0.0, 1.0]]), "^y: found values beside"),
        ("poisson", np.array([[-2.0, 1.0], [0.0, 1.0]]), "^y: found values down to -2"),
        ("squared_error", np.array([[1e200, 1.0]]), r"^X: found a value of size 1e\+200"),
    ],
)  # fmt: skip
def test_refusals_of_fit(loss, X, message):
    with pytest.raises(ValueError, match=message):
        LowRankFactorization(loss=loss).fit(X)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([30], [0], "^rows: found values from 30 to 30; allowed are 0 to 29"),
        ([0], [-1], "^columns: found values from -1"),
        ([0, 1], [0], "^columns: found 1 of them"),
        ([0.5], [0], "^rows: found an array of float64"),
    ],
)
def test_refusals_of_predict(rows, columns, message):
    model = LowRankFactorization(0.3).fit(entries(np.random.default_rng(8), 30, 20))
    with pytest.raises(ValueError, match=message):
        model.predict_entries(rows, columns)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("debias", [False, True])
def test_weights_are_repeated_rows(loss, debias):
    X = entries(np.random.default_rng(9), 24, 15, loss=loss)
    weights = np.random.default_rng(1).integers(0, 4, 24)
    settings = {"loss": loss, "tol": 1e-9, "debias": debias}
    weighted = fit_quietly(LowRankFactorization(0.2, **settings), X, sample_weight=weights)
    repeated = fit_quietly(LowRankFactorization(0.2, **settings), np.repeat(X, weights, axis=0))
    assert weighted.certificate_.scope == "global"
    assert weighted.certificate_.relative < 1e-6
    assert_allclose(weighted.history_["objective"][-1], repeated.history_["objective"][-1])
    assert_allclose(weighted.singular_values_, repeated.singular_values_, atol=1e-3)
    assert_allclose(weighted.alpha_max_, repeated.alpha_max_, rtol=1e-6)
    everywhere = np.divmod(np.arange(24 * 15), 15)
    expected = repeated.predict_entries(*everywhere, X=X)
    assert_allclose(weighted.predict_entries(*everywhere, X=X), expected, rtol=2e-2, atol=2e-3)
    # rows without weight are predicted as new ones
    found = weighted.predict_entries(*everywhere)
    assert_allclose(found, expected, rtol=2e-2, atol=2e-2)


def test_the_scale_of_weights_matters_to_the_offsets_of_columns_alone():
    X = entries(np.random.default_rng(9), 24, 15)
    settings = {"offsets": False, "tol": 1e-9}
    plain = LowRankFactorization(0.2, **settings).fit(X)
    same = LowRankFactorization(0.2, **settings).fit(X, sample_weight=np.full(24, 7.0))
    assert_allclose(same.row_factors_ @ same.components_, plain.row_factors_ @ plain.components_,
                    atol=1e-3)  # fmt: skip


def test_weights_that_are_refused():
    X = entries(np.random.default_rng(9), 4, 5)
    with pytest.raises(ValueError, match="sample_weight"):
        LowRankFactorization().fit(X, sample_weight=[1, -1, 1, 1])
    with pytest.raises(ValueError, match="at least one non-zero"):
        LowRankFactorization().fit(X, sample_weight=np.zeros(4))
    X[0] = np.nan
    with pytest.raises(ValueError, match="X: found no observed entry"):
        LowRankFactorization().fit(X, sample_weight=[1, 0, 0, 0])


def test_debiased_factors_predict_better_and_leave_the_certificate():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 200))
    X = np.where(rng.random(truth.shape) < 0.1, truth + rng.normal(size=truth.shape), np.nan)
    hidden = np.nonzero(np.isnan(X))

    def error(model):
        return np.sqrt(np.mean((model.predict_entries(*hidden) - truth[hidden]) ** 2))

    settings = {"alpha": 0.4, "offsets": False}
    plain = LowRankFactorization(**settings).fit(X)
    debiased = LowRankFactorization(**settings, debias=True).fit(X)
    assert error(debiased) < 0.9 * error(plain)
    assert debiased.certificate_ == plain.certificate_
    assert_array_equal(debiased.singular_values_, plain.singular_values_)
    assert_allclose(debiased.transform(X), debiased.row_factors_, atol=1e-9)
    assert LowRankFactorization(100.0, debias=True).fit(X).rank_ == 0
    for loss in ("log_loss", "poisson", "huber"):
        few = entries(rng, 30, 20, loss=loss)
        model = LowRankFactorization(0.3, loss=loss, debias=True).fit(few)
        assert_allclose(model.transform(few), model.row_factors_, atol=1e-6)


def test_a_fit_of_few_columns_ends_once_it_is_stationary():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 60)) + rng.normal(size=(80, 60))
    X = np.where(rng.random(truth.shape) < 0.5, truth, np.nan)
    few = LowRankFactorization(0.3, offsets=False, max_rank=3, tol=1e-3)
    long = clone(few).set_params(tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="raise max_rank"):
        few.fit(X)
    with pytest.warns(ConvergenceWarning, match="raise max_rank"):
        long.fit(X)
    assert few.n_iter_ < 0.8 * long.n_iter_
    assert_allclose(few.history_["objective"][-1], long.history_["objective"][-1], rtol=1e-4)
    # as many as the optimum has are no fewer
    free = LowRankFactorization(2.0, offsets=False, tol=1e-6).fit(X)
    assert 1 <= free.rank_ < 60
    held = LowRankFactorization(2.0, offsets=False, tol=1e-6, max_rank=free.rank_).fit(X)
    assert held.certificate_.reached
