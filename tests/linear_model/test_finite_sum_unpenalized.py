"""Finite sums without a penalty: the bound, and what must not depend on the columns' units."""

import warnings

import numpy as np
import pytest
from helpers import EPSILON, SEEDS, fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_model.finite_sum_helpers import CLASSIFIES, SMOOTH, data, estimator, objective
from scipy import sparse
from scipy.optimize import linprog, nnls

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor
from sklearn_optland.linear_model._coordinates import centred_columns, conditioned_columns
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum

NO_PENALTY = ElasticNet(0.0, 0.0)


@settings.get_profile("fits")
@given(
    seed=SEEDS,
    loss=st.sampled_from(list(LOSSES)),
    positive=st.booleans(),
    fit_intercept=st.booleans(),
    n_classes=st.sampled_from([2, 3]),
    max_iter=st.sampled_from([1, 3, 10, 40, 200]),
    offset=st.sampled_from([0.0, 1.0, 1e5]),
)
def test_the_bound_is_true_wherever_the_fit_stops(
    seed, loss, positive, fit_intercept, n_classes, max_iter, offset
):
    X, y = data(loss, seed % 1000, n_classes=n_classes)
    X = X + offset * fit_intercept
    common = {"alpha": 0.0, "positive": positive, "fit_intercept": fit_intercept}
    model = fit_quietly(estimator(loss, max_iter=max_iter, **common), X, y)
    tight = fit_quietly(estimator(loss, tol=1e-9, max_iter=2000, **common), X, y)
    assert model.certificate_.scope == "global"
    above = objective(model, X, y) - objective(tight, X, y)
    assert above <= model.certificate_.value + 1e-11 * (1 + offset)


@pytest.mark.parametrize("solver", ["auto", "sag", "saga", "svrg", "catalyst"])
@pytest.mark.parametrize("positive", [False, True])
def test_least_squares_are_those_of_linear_algebra(solver, positive, global_random_seed):
    if solver == "sag" and positive:
        pytest.skip("refused")
    X, y = data("squared_error", global_random_seed, n=100)
    model = FiniteSumRegressor(alpha=0.0, solver=solver, positive=positive, tol=1e-12)
    model.set_params(max_iter=5000, random_state=0).fit(X, y)
    centred, rest = X - X.mean(axis=0), y - y.mean()
    exact = nnls(centred, rest)[0] if positive else np.linalg.lstsq(centred, rest)[0]
    assert model.certificate_.reached
    np.testing.assert_allclose(model.coef_, exact, atol=1e-5)


def best_by_linear_programming(loss, X, y):
    """The least mean loss, of a loss with a kink."""
    n, d = X.shape
    A, lower = np.column_stack([X, np.ones(n)]), np.zeros(d + 1)
    if loss == "hinge":
        signs = np.where(y == 1, 1.0, -1.0)
        rows, bounds = -np.hstack([signs[:, None] * A, np.eye(n)]), -np.ones(n)
    else:
        above, below = np.hstack([A, -np.eye(n)]), np.hstack([-A, -np.eye(n)])
        rows, bounds = np.vstack([above, below]), np.concatenate([y + EPSILON, EPSILON - y])
    free = [(None, None)] * (d + 1) + [(0, None)] * n
    return linprog(np.append(lower, np.full(n, 1 / n)), rows, bounds, bounds=free).fun


@pytest.mark.parametrize("loss", ["hinge", "epsilon_insensitive"])
def test_at_a_kink_the_optimum_is_that_of_the_linear_program(loss):
    X, y = data(loss, 0, n=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = estimator(loss, alpha=0.0, max_iter=3000).fit(X, y)
    best = best_by_linear_programming(loss, X, y)
    assert model.certificate_.reached
    assert abs(objective(model, X, y) - best) <= 1e-6 * best


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_predictions_do_not_depend_on_units_and_offsets_that_the_objective_allows(loss, alpha):
    X, y = data(loss, 0, n=200)
    moved = X + np.array([1e6, 0.0, -1e3, 10.0])
    if alpha == 0:
        moved = moved * [1e-8, 1.0, 1e8, 1e3]
    tight = {"alpha": alpha, "tol": 1e-10, "max_iter": 3000}
    one, other = (fit_quietly(estimator(loss, **tight), A, y) for A in (X, moved))
    assert one.certificate_.reached
    assert other.certificate_.reached
    score = "decision_function" if loss in CLASSIFIES else "predict"
    np.testing.assert_allclose(getattr(other, score)(moved), getattr(one, score)(X), atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_offsets_and_units_take_as_few_passes_with_several_classes(n_classes):
    X, y = data("log_loss", 0, n=300, n_classes=n_classes)
    one, other = (
        FiniteSumClassifier(alpha=0.0, tol=1e-10, random_state=0).fit(A, y)
        for A in (X, 1e7 + 1e3 * X)
    )
    assert other.certificate_.reached
    assert other.n_iter_ <= one.n_iter_ + 10
    np.testing.assert_allclose(1e3 * other.coef_, one.coef_, rtol=1e-2)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_uncentred_columns_with_l1_take_as_few_passes(l1_ratio):
    X, y = data("squared_error", 0, n=200)
    one, other = (
        FiniteSumRegressor(alpha=0.01, l1_ratio=l1_ratio, random_state=0).fit(A, y)
        for A in (X, X + 100)
    )
    assert other.certificate_.reached
    assert other.n_iter_ <= one.n_iter_ + 10


def test_rounded_coefficients_of_offset_columns_are_certified():
    X, y = data("squared_error", 0, n=200)
    X = (X + 100).astype(np.float32)
    model = fit_quietly(FiniteSumRegressor(alpha=0.01, random_state=0), X, y)
    exact = FiniteSumRegressor(alpha=0.01, tol=1e-12, random_state=0).fit(X.astype(float), y)
    assert model.coef_.dtype == np.float32
    assert objective(model, X, y) - objective(exact, X, y) <= model.certificate_.value


def test_data_are_copied_only_where_another_origin_or_unit_helps(tmp_path):
    X, y = data("squared_error", 0, n=200)
    c = np.full(len(y), 1 / len(y))
    np.save(tmp_path / "X.npy", X + 1e6)
    kept = [
        (X, ElasticNet(0.0, 0.1), True),
        (X, NO_PENALTY, True),
        (X * [1, 1, 1, 1e6], ElasticNet(0.1, 0.0), True),
        (X + 1e6, ElasticNet(0.0, 0.1), False),
        (np.load(tmp_path / "X.npy", mmap_mode="r"), NO_PENALTY, True),
        (sparse.csr_array(X * [1, 1, 1, 1e6]), NO_PENALTY, True),
    ]
    for data_, penalty, fit_intercept in kept:
        assert conditioned_columns(data_, c, penalty, fit_intercept)[0] is data_
    for data_ in (X + 1e6, X * [1, 1, 1, 1e6]):
        assert conditioned_columns(data_, c, NO_PENALTY, True)[0] is not data_


def test_constant_columns_are_no_reason_for_a_copy():
    X, y = data("squared_error", 0, n=1000)
    X[:, 0] = 0.1  # its mean has a rounding error
    assert conditioned_columns(X, np.full(len(y), 1e-3), NO_PENALTY, True)[0] is X
    assert centred_columns(X)[0] is X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_lose_nothing_to_rounding(dtype):
    X = data("squared_error", 0, n=200)[0].astype(dtype)
    X[:, 0] += 1e3
    X[:, 1] -= 1e4
    c = np.full(len(X), 1 / len(X))
    for copy, own in (
        centred_columns(X),
        conditioned_columns(X, c, ElasticNet(0.0, 0.1), True),
    ):
        assert copy is not X
        back = copy.astype(np.longdouble) + own.origin
        np.testing.assert_allclose(back, X, rtol=0, atol=1e-11)


def test_what_stays_uncentred_is_not_said_to_have_arrived(tmp_path):
    X, y = data("squared_error", 0, n=200)
    np.save(tmp_path / "X.npy", X + 1e6)
    model = FiniteSumRegressor(alpha=0.0, max_iter=30, random_state=0)
    fit_quietly(model, np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    best = fit_quietly(FiniteSumRegressor(alpha=0.0, random_state=0), X, y)
    above = objective(model, X + 1e6, y) - objective(best, X, y)
    assert model.certificate_.reached is False
    assert above <= model.certificate_.value * (1 + 1e-6)


def test_separable_classes_have_no_optimum_that_could_be_reached():
    X, y = np.arange(20.0)[:, None], np.arange(20) >= 10
    model = fit_quietly(FiniteSumClassifier(alpha=0.0, random_state=0), X, y)
    assert model.certificate_.reached is False
    assert model.certificate_.relative == pytest.approx(1.0)


@pytest.mark.parametrize("positive", [False, True])
def test_gradient_norm_of_many_columns_depends_neither_on_units_nor_on_offsets(positive):
    rng = np.random.RandomState(0)
    X, y, c = rng.randn(300, 140), rng.randn(300), np.full(300, 1 / 300)
    scale, offset = 10 ** rng.uniform(-4, 4, 140), 10 ** rng.uniform(-2, 2, 140)
    w, b = np.abs(rng.randn(140)), 1.0
    norms = []
    for A, W in ((X, np.append(w, b)), (X * scale + offset, np.append(w / scale, b))):
        W[-1] -= (W[:-1] @ offset) if A is not X else 0.0
        problem = FiniteSum(
            ArraySource(A, c=c),
            y,
            loss=LOSSES["squared_error"],
            penalty=ElasticNet(0.0, 0.0, positive),
            fit_intercept=True,
        )
        point = problem.evaluate(W)
        norms.append([point.certificate, problem.gradient_norm_at_zero(y)])
    np.testing.assert_allclose(norms[1], norms[0], rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_many_columns_end_with_a_gradient_or_an_estimate_where_there_is_none(loss):
    X, y = data(loss, 0, n=400, d=140)
    model = fit_quietly(estimator(loss, alpha=0.0, max_iter=150, tol=1e-3), X, y)
    assert model.certificate_.quantity == "gradient norm"
    assert model.certificate_.scope == ("stationary" if loss in SMOOTH else "estimate")
    assert model.certificate_.reached is (True if loss in SMOOTH else None)
