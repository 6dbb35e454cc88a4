"""Rows that a model completes, the certificate, and the fixed point, against plain NumPy."""

from itertools import islice

import numpy as np
import pytest
from _low_rank.completion_oracle import complete, random_table
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_optland._low_rank import complete_fast, completion
from sklearn_optland._low_rank.alpha_choice import alpha_max, choose_alpha, row_keys
from sklearn_optland._low_rank.completion import (
    Model,
    Point,
    SecondMoment,
    completion_steps,
    near_rows,
)
from sklearn_optland._rows.reduce import reduce
from sklearn_optland._rows.source import ArraySource

pytestmark = pytest.mark.kernels


def random_model(rng, d, rank, alpha):
    Q = np.linalg.qr(rng.normal(size=(d, rank)))[0]
    return Model(Q, rng.uniform(0.1, 2.0, rank), alpha)


def random_weights(rng, n):
    c = rng.uniform(0.2, 2.0, n)
    return c / c.sum()


def point_of(model, X, c, max_rank=None):
    C = reduce(SecondMoment(X.shape[1]), ArraySource(X, c=c), (model,))[1]
    return Point(model, C, X.shape[1] if max_rank is None else max_rank)


def solve(X, c, alpha, tol=1e-9, max_rank=None, max_steps=500):
    start = Model.empty(X.shape[1], alpha)
    rank = X.shape[1] if max_rank is None else max_rank
    steps = completion_steps(ArraySource(X, c=c), start, rank, tol)
    for step in islice(steps, max_steps):
        if step.done:
            break
    return step


@given(SEEDS, st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.sampled_from([np.float64, np.float32]))
def test_rows_are_ridge_regressions_on_the_components(seed, observed, dtype):
    rng, alpha = np.random.default_rng(seed), 0.3
    X = random_table(rng, 6, 5, 2, observed).astype(dtype)
    model = random_model(rng, 5, 3, alpha)
    V = model.Q * np.sqrt(model.w)
    found = model.complete(X)
    for x, y in zip(X, found, strict=True):
        seen = ~np.isnan(x)
        u = np.linalg.solve(V[seen].T @ V[seen] + alpha * np.eye(3), V[seen].T @ x[seen])
        assert_allclose(y, np.where(seen, x, V @ u), atol=1e-12)


def test_rows_of_a_system_that_is_not_definite_are_counted():
    X = np.array([[1.0, np.nan, np.nan], [1.0, 2.0, 3.0]])
    W, K = np.zeros((3, 3)), -np.eye(3)
    assert complete_fast.complete(X, W, K, -1.0, np.zeros((2, 3)), np.empty((2, 3))) == 1


@given(SEEDS, st.floats(0.1, 0.8))
@settings(max_examples=30)
def test_objective_polar_and_gap_of_any_model(seed, alpha):
    rng = np.random.default_rng(seed)
    X, c = random_table(rng, 8, 5, 2), random_weights(rng, 8)
    model = random_model(rng, 5, 2, alpha)
    point = point_of(model, X, c)
    seen = ~np.isnan(X)
    Z = model.complete(X) @ model.K @ model.W
    R = np.sqrt(c)[:, None] * np.where(seen, X - Z, 0.0)
    root_Z = np.sqrt(c)[:, None] * Z
    loss = 0.5 * (R**2).sum()
    rows = alpha / 2 * np.trace(root_Z @ np.linalg.pinv(model.W) @ root_Z.T)
    assert_allclose(point.objective, loss + rows + alpha / 2 * model.w.sum())
    assert_allclose(point.polar, np.linalg.norm(R, 2) / alpha)
    assert_allclose(point.singular_values, np.linalg.svd(root_Z)[1][:2], atol=1e-9)
    nuclear = loss + alpha * np.linalg.norm(root_Z, "nuc")
    assert nuclear <= point.objective * (1 + 1e-12)
    best, _ = complete(X, c, alpha)
    assert point.objective - point.gap <= best * (1 + 1e-12)


@given(SEEDS, st.floats(0.1, 0.8), st.integers(0, 6))
@settings(max_examples=30)
def test_the_gap_bounds_what_is_missing_at_every_step_and_it_ends_at_the_optimum(
    seed, alpha, n_zero
):
    rng = np.random.default_rng(seed)
    X, c = random_table(rng, 12, 6, 2), random_weights(rng, 12)
    X[:n_zero] *= 1e-3
    best, Z = complete(X, c, alpha)
    steps = completion_steps(ArraySource(X, c=c), Model.empty(6, alpha), 6, 1e-8)
    previous = np.inf
    for step in islice(steps, 500):
        missing = step.curves["objective"] - best
        assert -1e-10 * best <= missing <= step.curves["certificate"] + 1e-12 * best
        assert step.curves["objective"] <= previous * (1 + 1e-12)
        previous = step.curves["objective"]
        if step.done:
            break
    assert step.reached
    model = step.parameters.model
    assert_allclose(model.complete(X) @ model.K @ model.W, Z, atol=1e-3)


def test_rank_one_is_stationary_but_not_global_and_the_polar_says_so():
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, c, alpha = random_table(rng, 60, 20, 3), np.full(60, 1 / 60), 0.1
        stuck, free = solve(X, c, alpha, max_rank=1), solve(X, c, alpha)
        point = stuck.parameters
        assert len(point.model.w) == 1
        assert point.at_rest or stuck.done
        assert point.polar > 2
        assert not stuck.reached
        assert free.reached
        assert free.parameters.polar <= 1 + 1e-6
        assert stuck.loss - free.loss <= point.gap
        assert stuck.loss > free.loss


def test_the_rank_of_the_truth_is_found():
    rng = np.random.default_rng(0)
    X, c = random_table(rng, 100, 40, 4, observed=0.5, noise=0.0), np.full(100, 0.01)
    step = solve(X, c, 0.05 * alpha_max(ArraySource(X, c=c)), tol=1e-7)
    assert step.reached
    assert len(step.parameters.model.w) == 4


def test_alpha_max_is_where_the_first_component_comes():
    rng = np.random.default_rng(0)
    X, c = random_table(rng, 30, 8, 2), random_weights(rng, 30)
    largest = alpha_max(ArraySource(X, c=c))
    assert_allclose(largest, np.linalg.norm(np.sqrt(c)[:, None] * np.nan_to_num(X), 2))
    assert len(solve(X, c, 1.001 * largest).parameters.model.w) == 0
    assert len(solve(X, c, 0.99 * largest).parameters.model.w) == 1


def test_a_strength_below_rounding_is_refused():
    rng = np.random.default_rng(0)
    model = Model(np.linalg.qr(rng.normal(size=(6, 6)))[0], np.full(6, 1e5), 1e-300)
    with pytest.raises(ValueError, match=r"^alpha: found 1e-300; allowed"):
        model.complete(random_table(rng, 50, 6, 2))


def test_held_out_entries_belong_to_the_values_of_a_row():
    rng = np.random.default_rng(1)
    X = random_table(rng, 300, 10, 3)
    order = rng.permutation(300)
    twice = np.r_[X, X][rng.permutation(600)]
    c = np.full(300, 1 / 300)
    model, alphas, errors = choose_alpha(X, c, row_keys(X, 7), 10)
    for other in (X[order], twice):
        weights = np.full(len(other), 1 / len(other))
        result = choose_alpha(other, weights, row_keys(other, 7), 10)
        assert_allclose(result[0].alpha, model.alpha)
        assert_allclose(result[2], errors)
    assert errors.min() >= errors[alphas == model.alpha] / 1.01
    assert not np.allclose(choose_alpha(X, c, row_keys(X, 8), 10)[2][:3], errors[:3])


def holes_of_many_columns(seed=0):
    """Rows of rank 4 with noise, whose systems are large enough for `NearRows`."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(160, 4)) @ rng.normal(size=(4, 90)) + 0.3 * rng.normal(size=(160, 90))
    return np.where(rng.random(X.shape) < 0.45, np.nan, X)


def test_passes_over_near_rows_come_to_the_completed_ones():
    X = holes_of_many_columns()
    source = ArraySource(X, c=np.full(len(X), 1 / len(X)))
    rng = np.random.default_rng(1)
    model = Model(np.linalg.qr(rng.normal(size=(90, 6)))[0], np.linspace(3.0, 0.5, 6), 0.4)
    exact = reduce(SecondMoment(90), source, (model,))[1]
    rows, seen = near_rows(source), ~np.isnan(X)
    objectives = []
    for _ in range(12):
        C = rows.moment(model)
        objectives.append(Point(model, C, 90, is_near=True).objective)
    assert np.diff(objectives).max() <= 1e-6 * objectives[0]
    assert objectives[0] >= Point(model, exact, 90).objective * (1 - 1e-6)
    assert_allclose(C, exact, atol=1e-5 * np.trace(exact))
    assert_allclose(rows.unit * rows.Y[seen], X[seen], rtol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1e-120, 1e120])
def test_near_rows_lead_to_the_same_optimum_in_any_unit(unit, monkeypatch):
    X = holes_of_many_columns()

    def last_step(X, tol=1e-7):
        source = ArraySource(X, c=np.full(len(X), 1 / len(X)))
        start = Model.empty(90, 0.3 * np.nanmax(X))
        return next(s for s in completion_steps(source, start, 90, tol) if s.done)

    step = last_step(unit * X)
    monkeypatch.setattr(completion, "near_rows", lambda source: None)
    exact = last_step(X)
    assert step.reached
    assert exact.reached
    assert step.curves["rank"] == exact.curves["rank"]
    assert_allclose(step.loss / unit**2, exact.loss, rtol=2e-7)


def test_rows_that_are_almost_complete_or_almost_empty_are_solved_for():
    X = holes_of_many_columns()
    shares = np.random.default_rng(1).random(X.shape)
    assert near_rows(ArraySource(X)) is not None
    for share in (0.03, 0.97):
        assert near_rows(ArraySource(np.where(shares < share, np.nan, 1.0))) is None
