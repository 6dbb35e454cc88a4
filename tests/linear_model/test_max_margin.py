"""MaxMarginClassifier: both bounds meet, at the margin of other solvers; what has none is told."""

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from sklearn_optland.linear_model import MaxMarginClassifier

QUIET = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
STORAGES = pytest.mark.parametrize("storage", [np.ascontiguousarray, sparse.csr_array])


def separable(seed, n=60, d=10, gap=0.3, offset=0.3):
    rng = np.random.RandomState(seed)
    X, w = rng.randn(n, d), rng.randn(d)
    w /= np.linalg.norm(w)
    y = np.where(X @ w > offset, 1, -1)
    y[:2] = -1, 1
    X[:2] = -3 * w, 3 * w
    return X + gap * np.outer(y, w), y


def margin_of(model, X, y):
    scores = X @ model.coef_[0] + model.intercept_[0]
    return (np.where(y == model.classes_[1], 1, -1) * scores).min() / np.linalg.norm(model.coef_)


def margin_through_zero(X, y):
    """The margin without an intercept, by non-negative least squares: min |A'q| over a simplex."""
    A = y[:, None] * X
    q, _ = nnls(np.vstack([A.T, np.ones(len(A))]), np.append(np.zeros(X.shape[1]), 1.0))
    return np.linalg.norm(A.T @ (q / q.sum()))


@QUIET
@STORAGES
def test_margin_is_that_of_a_support_vector_machine(storage, global_random_seed):
    X, y = separable(global_random_seed)
    model = MaxMarginClassifier().fit(storage(X), y)
    peer = SVC(C=1e8, kernel="linear", tol=1e-10).fit(X, y)
    assert model.margin_ == pytest.approx(margin_of(model, X, y), rel=1e-12)
    assert model.margin_ == pytest.approx(margin_of(peer, X, y), rel=2e-6)
    assert model.certificate_.scope == "global"
    assert model.certificate_.value <= 1e-6 * model.margin_ * 1.01
    assert margin_of(peer, X, y) <= model.margin_ + model.certificate_.value + 1e-12
    np.testing.assert_allclose((y * model.decision_function(X)).min(), 1.0)


@QUIET
@STORAGES
def test_margin_without_an_intercept_is_that_of_least_squares(storage, global_random_seed):
    X, y = separable(global_random_seed, offset=0.0)
    model = MaxMarginClassifier(fit_intercept=False, tol=1e-9).fit(storage(X), y)
    assert model.intercept_ == 0
    assert model.margin_ == pytest.approx(margin_through_zero(X, y), rel=2e-9)


@settings(deadline=None)
@given(
    n=st.integers(2, 40),
    d=st.integers(1, 60),
    gap=st.sampled_from([1e-4, 1e-2, 1.0, 100.0]),
    unit=st.sampled_from([1e-12, 1.0, 1e12]),
    seed=st.integers(0, 10_000),
)
def test_bounds_meet(n, d, gap, unit, seed):
    X, y = separable(seed, n, d, gap)
    X = X * unit
    model = MaxMarginClassifier().fit(X, y)
    assert model.certificate_.reached
    assert model.margin_ == pytest.approx(margin_of(model, X, y), rel=1e-9)
    assert model.margin_ >= gap * unit * (1 - 1e-6)  # what the rows were moved apart by


@QUIET
def test_wide_sparse_rows():
    rng = np.random.RandomState(0)
    X = sparse.random_array((300, 2000), density=0.01, format="csr", rng=rng)
    y = rng.randint(2, size=300)
    model = MaxMarginClassifier(tol=1e-8).fit(X, y)
    dense = MaxMarginClassifier(tol=1e-8).fit(X.toarray(), y)
    assert model.margin_ == pytest.approx(dense.margin_, rel=2e-8)


def test_every_gap_on_the_way_bounds_the_margin():
    X, y = separable(1)
    best = MaxMarginClassifier(tol=1e-12).fit(X, y).margin_
    for max_iter in (1, 2, 3, 4):
        model = fit_quietly(MaxMarginClassifier(tol=1e-12, max_iter=max_iter), X, y)
        assert 0 <= best - model.margin_ <= model.certificate_.value * (1 + 1e-9)
        assert not model.certificate_.reached
    history = fit_quietly(MaxMarginClassifier(tol=1e-12), X, y).history_
    assert (best - history["objective"] <= history["certificate"] + 1e-9).all()


@QUIET
def test_weights_only_leave_rows_out(global_random_seed):
    X, y = separable(global_random_seed)
    y[5] *= -1
    weights = np.random.RandomState(0).uniform(0.1, 10, len(y))
    weights[5] = 0
    model = MaxMarginClassifier(tol=1e-9).fit(X, y, weights)
    other = MaxMarginClassifier(tol=1e-9).fit(np.delete(X, 5, 0), np.delete(y, 5))
    assert model.margin_ == pytest.approx(other.margin_, rel=2e-9)


@QUIET
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_far_from_zero(dtype):
    X, y = separable(2)
    X = (X + 1000).astype(dtype)
    tol = 1e-3 if dtype == "float32" else 1e-9  # the intercept is about 1000
    model = MaxMarginClassifier(tol=tol).fit(X, y)
    other = MaxMarginClassifier(tol=tol).fit(X - np.float32(1000), y)
    assert model.coef_.dtype == dtype
    assert model.margin_ == pytest.approx(other.margin_, rel=2 * tol)


# Without a margin

OVERLAP = [[0.0], [2.0], [1.0], [3.0]], [0, 0, 1, 1]
TOUCHING = [[0.0], [1.0], [1.0], [2.0]], [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("data", "message"), [(OVERLAP, "they overlap"), (TOUCHING, "only 2 of 4 rows")]
)
@STORAGES
def test_classes_that_cannot_be_separated(storage, data, message):
    X, y = storage(data[0]), data[1]
    with pytest.raises(ValueError, match=message):
        MaxMarginClassifier(inseparable="raise").fit(X, y)
    with pytest.warns(ConvergenceWarning, match=message):
        model = MaxMarginClassifier().fit(X, y)
    assert model.margin_ <= 0
    assert model.certificate_.value == pytest.approx(-model.margin_)


@QUIET
def test_more_classes_are_separated_from_the_rest():
    X = np.random.RandomState(0).randn(60, 3) + 12 * np.repeat(np.eye(3), 20, axis=0)
    y = np.repeat(["a", "b", "c"], 20)
    model = MaxMarginClassifier(tol=1e-9).fit(X, y)
    for row, label in enumerate(model.classes_):
        one = MaxMarginClassifier(tol=1e-9).fit(X, y == label)
        assert model.margin_[row] == pytest.approx(one.margin_, rel=2e-9)
        np.testing.assert_allclose(model.coef_[row], one.coef_[0], rtol=1e-3, atol=1e-6)
    assert model.score(X, y) == 1


GRADIENT_METHODS = ("gradient-descent", "normalized", "momentum")


def deficits(solver, steps):
    """How much of the widest margin is missing after some steps, as a share of it."""
    X, y = separable(0, gap=0.2, offset=0.0)
    widest = margin_through_zero(X, y)
    model = MaxMarginClassifier(0.0, solver=solver, max_iter=max(steps), fit_intercept=False)
    margins = fit_quietly(model, X, y).history_["objective"]
    return np.array([1 - margins[step - 1] / widest for step in steps])


def test_rates_of_the_implicit_bias():
    """1 / log t, 1 / sqrt(t) and 1 / t^2, but for logarithms."""
    steps = np.array([100, 1000, 10_000])
    plain, normalized, momentum = (deficits(solver, steps) for solver in GRADIENT_METHODS)
    assert (momentum < normalized).all()
    assert (normalized < plain).all()
    assert 1.2 < plain[1] / plain[2] < 5
    assert 1.5 < normalized[1] / normalized[2] < 8
    assert momentum[0] / momentum[1] > 40
    assert momentum[1] / momentum[2] > 40


@STORAGES
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", GRADIENT_METHODS)
def test_bounds_of_gradient_methods(solver, fit_intercept, storage):
    X, y = separable(3, offset=0.3 * fit_intercept)
    settings = {"solver": solver, "fit_intercept": fit_intercept}
    best = MaxMarginClassifier(1e-12, fit_intercept=fit_intercept).fit(X, y).margin_
    model = fit_quietly(MaxMarginClassifier(0.0, max_iter=300, **settings), storage(X), y)
    margins, gaps = model.history_["objective"], model.history_["certificate"]
    assert (best - margins <= gaps + 1e-12).all()
    assert (margins <= best + 1e-12).all()
    assert model.margin_ == pytest.approx(margin_of(model, X, y), rel=1e-12)
    assert model.margin_ > 0.5 * best


def test_plain_steps_are_those_of_the_exponential_loss():
    """The least over b of the mean of exp(-y (w'x + b)) is 2 sqrt(P N) / n."""
    X, y = separable(1, n=30, d=4)
    n_steps, X = 20, X - X.mean(axis=0)
    longest, w = np.linalg.norm(X, axis=1).max(), np.zeros(4)
    shares = (y > 0).mean(), (y < 0).mean()
    for _ in range(n_steps):
        falls = np.exp(-y * (X @ w)) / len(y)
        sums = falls[y > 0].sum() / shares[0], falls[y < 0].sum() / shares[1]
        q = np.where(y > 0, falls / shares[0] / sums[0], falls / shares[1] / sums[1]) / 2
        w += np.sqrt(sums[0] * sums[1]) * X.T @ (y * q) / longest**2
    model = MaxMarginClassifier(0.0, solver="gradient-descent", max_iter=n_steps)
    coef = fit_quietly(model, X, y).coef_[0]
    np.testing.assert_allclose(coef / np.linalg.norm(coef), w / np.linalg.norm(w), rtol=1e-9)


def test_momentum_reaches_its_tolerance():
    X, y = separable(2)
    model = MaxMarginClassifier(1e-4, solver="momentum", max_iter=20_000).fit(X, y)
    assert model.certificate_.reached
    exact = MaxMarginClassifier(1e-9).fit(X, y)
    assert exact.margin_ - model.margin_ <= 1e-4 * exact.margin_


@pytest.mark.parametrize("solver", GRADIENT_METHODS)
def test_gradient_methods_tell_what_has_no_margin(solver):
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 1, 0, 1]
    with pytest.warns(ConvergenceWarning, match="they overlap"):
        MaxMarginClassifier(solver=solver, max_iter=3).fit(X, y)
    with pytest.raises(ValueError, match="X, y: 1 against the rest"):
        MaxMarginClassifier(solver=solver, max_iter=3, inseparable="raise").fit(X, y)


@STORAGES
def test_values_whose_squares_vanish_are_refused(storage):
    X, y = np.array([[1.0], [2.0], [4.0]]), [0, 0, 1]
    assert MaxMarginClassifier().fit(storage(1e-90 * X), y).margin_ == pytest.approx(1e-90)
    with pytest.raises(ValueError, match="X: found values of size 4e-200 at most"):
        MaxMarginClassifier().fit(storage(1e-200 * X), y)
