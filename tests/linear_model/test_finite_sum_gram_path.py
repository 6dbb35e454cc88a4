"""Squared losses by their Gram matrix alone: gaps are those of the rows, optima the right ones."""

from fractions import Fraction

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import Ridge

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model import FiniteSumRegressor, regularization_path
from sklearn_optland.linear_model._finite_sum import gram_path
from sklearn_optland.linear_model._finite_sum.gram_path import gram_points
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum


def weighted_problem(X, y, c, alpha, l1_ratio, positive, fit_intercept):
    c = c / c.sum()
    return FiniteSum(
        ArraySource(X, c=c),
        y,
        loss=LOSSES["squared_error"],
        penalty=ElasticNet(alpha * l1_ratio, alpha * (1 - l1_ratio), positive),
        fit_intercept=fit_intercept,
    )


def data(seed, n=60, d=5, offset=0.0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d) + offset
    return X, X @ rng.randn(d) + rng.randn(n), rng.uniform(0.1, 2.0, n)


settings = given(
    seed=st.integers(0, 10**6),
    fit_intercept=st.booleans(),
    positive=st.booleans(),
    l1_ratio=st.sampled_from([0.0, 0.3, 1.0]),
    share=st.sampled_from([0.5, 0.05, 1e-3]),
)


@settings
def test_objective_and_gap_are_those_of_the_rows(seed, fit_intercept, positive, l1_ratio, share):
    X, y, c = data(seed)
    problem = weighted_problem(X, y, c, share, l1_ratio, positive, fit_intercept)
    for point, _ in gram_points(problem, [problem.penalty], np.zeros(5), 1e-2):
        of_rows = problem.evaluate(point.W)
        assert point.objective == pytest.approx(of_rows.objective, rel=1e-11)
        assert point.certificate >= of_rows.certificate * (1 - 1e-9) or (
            point.certificate == pytest.approx(of_rows.certificate, abs=1e-9 * point.objective)
        )


@settings
def test_minima_are_scikit_learns(seed, fit_intercept, positive, l1_ratio, share):
    X, y, c = data(seed)
    problem = weighted_problem(X, y, c, share, l1_ratio, positive, fit_intercept)
    ((point, n_passes),) = gram_points(problem, [problem.penalty], np.zeros(5), 1e-12)
    assert 1 <= n_passes <= 2
    common = {"fit_intercept": fit_intercept, "positive": positive, "max_iter": 10**5}
    if l1_ratio == 0:
        model = Ridge(share * c.sum(), tol=1e-13, **common)
    else:
        model = SklearnElasticNet(share, l1_ratio=l1_ratio, tol=1e-14, **common)
    model.fit(X, y, sample_weight=c)
    np.testing.assert_allclose(point.W[:-1], model.coef_, atol=2e-5)
    np.testing.assert_allclose(point.W[-1], model.intercept_, atol=2e-5)


def test_residuals_that_are_nothing_but_rounding_prove_nothing():
    X, _, c = data(0)
    problem = weighted_problem(X, X @ np.ones(5), c, 1e-12, 1.0, False, True)
    point, _ = next(gram_points(problem, [problem.penalty], np.ones(5), 1e-6))
    assert point.certificate == np.inf


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_a_path_is_what_single_fits_are(l1_ratio, offset):
    X, y, c = data(1, n=200, d=8, offset=offset)
    model = FiniteSumRegressor(l1_ratio=l1_ratio, tol=1e-10)
    alphas = np.geomspace(1.0, 1e-3, 6)
    path = regularization_path(model, X, y, alphas, sample_weight=c)
    for alpha, coef, certificate in zip(alphas, path.coefs, path.certificates, strict=True):
        assert certificate.reached
        single = model.set_params(alpha=alpha).fit(X, y, sample_weight=c)
        np.testing.assert_allclose(coef, single.coef_, atol=1e-4)


def test_passes_only_grow():
    X, y, c = data(2)
    problem = weighted_problem(X, y, c, 0.1, 1.0, False, True)
    problem.passes = 7.0
    assert [passes for _, passes in gram_points(problem, [problem.penalty], np.zeros(5), 1e-6)] == [
        problem.passes - 7.0
    ]
    assert problem.passes > 7.0


def exact_gap(x, y, alpha, l1_ratio, w, b):
    """Objective minus optimum of one column, without rounding."""
    x, y = [Fraction(v) for v in x], [Fraction(v) for v in y]
    n, w, b = len(x), Fraction(w), Fraction(b)
    l1, l2 = Fraction(alpha * l1_ratio), Fraction(alpha * (1 - l1_ratio))
    mx, my = sum(x) / n, sum(y) / n
    xx = sum((v - mx) ** 2 for v in x) / n
    xy = sum((v - mx) * (u - my) for v, u in zip(x, y, strict=True)) / n

    def value(w, b):
        loss = sum((u - v * w - b) ** 2 for v, u in zip(x, y, strict=True)) / (2 * n)
        return loss + l1 * abs(w) + l2 * w * w / 2

    best = max(abs(xy) - l1, 0) / (xx + l2) * (1 if xy > 0 else -1)
    return value(w, b) - value(best, my - best * mx)


@given(
    seed=st.integers(0, 10**6),
    alpha=st.sampled_from([1e-8, 1e-3, 0.3]),
    l1_ratio=st.sampled_from([0.0, 0.5, 1.0]),
    tol=st.sampled_from([0.0, 1e-10, 1e-4]),
    origins=st.sampled_from([(0.0, 0.0), (9.0, 1e8), (1e6, 1e8), (9.0, -1e12), (1e6, 0.0)]),
    is_sparse=st.booleans(),
)
def test_certificates_count_what_rounding_loses(seed, alpha, l1_ratio, tol, origins, is_sparse):
    origin, target = origins
    rng = np.random.RandomState(seed)
    x = rng.randn(8) + origin
    y = 2 * (x - origin) + 0.1 * rng.randn(8) + target
    X = sparse.csr_array(x[:, None]) if is_sparse else x[:, None]
    single = fit_quietly(FiniteSumRegressor(alpha=alpha, l1_ratio=l1_ratio, tol=tol), X, y)
    of_path = clone(single).set_params(tol=max(tol, 1e-8))
    path = regularization_path(of_path, X, y, [alpha, 1.0])
    for (w,), b, certificate in (
        (single.coef_, single.intercept_, single.certificate_),
        (path.coefs[0], path.intercepts[0], path.certificates[0]),
    ):
        assert certificate.value >= exact_gap(x, y, alpha, l1_ratio, w, b)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "smooth_quantile"])
def test_targets_far_from_zero_are_as_good_as_others(loss):
    X, y, c = data(3)
    parameters = {"alpha": 1e-3, "l1_ratio": 0.5, "tol": 1e-12}
    near = FiniteSumRegressor(loss, **parameters).fit(X, y, c)
    shifted = y + 2.0**30
    far = FiniteSumRegressor(loss, **parameters).fit(X, shifted, c)
    assert far.certificate_.reached
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-5)
    assert far.intercept_ == pytest.approx(near.intercept_ + 2.0**30, abs=1e-5)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_a_path_in_pieces_is_the_whole(l1_ratio, positive, monkeypatch, global_random_seed):
    X, y, c = data(global_random_seed, n=40, d=30)
    problem = weighted_problem(X, y, c, 1.0, l1_ratio, positive, fit_intercept=True)
    alphas = np.append(np.geomspace(1.0, 1e-3, 12), [1e-3, 0.5])  # not only downward
    penalties = [ElasticNet(a * l1_ratio, a * (1 - l1_ratio), positive) for a in alphas]

    def path():
        return [point for point, _ in gram_points(problem, penalties, np.zeros(30), 1e-9)]

    whole = path()
    monkeypatch.setattr(gram_path, "PASSES", 1e12)  # each penalty on its own
    for alpha, one, other in zip(alphas, whole, path(), strict=True):
        assert one.certificate <= 1e-9 * one.objective
        assert one.objective == pytest.approx(other.objective, rel=1e-8)
        theirs = SklearnElasticNet(alpha, l1_ratio=l1_ratio, positive=positive, tol=1e-10)
        theirs.set_params(max_iter=100_000).fit(X, y, sample_weight=c)
        np.testing.assert_allclose(one.W[:-1], theirs.coef_, atol=2e-4)


@given(
    seed=st.integers(0, 10**6),
    d=st.integers(1, 30),
    kind=st.sampled_from(["independent", "correlated", "repeated", "wide"]),
    positive=st.booleans(),
    l1_ratio=st.sampled_from([0.1, 0.9, 1.0]),
    n_penalties=st.sampled_from([3, 40]),
)
def test_supports_that_change_along_a_path(seed, d, kind, positive, l1_ratio, n_penalties):
    X, y, c = data(seed, n=15 if kind == "wide" else 60, d=d)
    if kind == "correlated":
        X = np.cumsum(X, axis=1)
    elif kind == "repeated":
        X[:, d // 2 :] = X[:, : d - d // 2]
    problem = weighted_problem(X, y, c, 1.0, l1_ratio, positive, True)
    largest = problem.penalty.polar(problem.pull(y - problem.c @ y)[:-1])
    alphas = largest / l1_ratio * np.geomspace(1.0, 1e-3, n_penalties)
    penalties = [ElasticNet(alpha * l1_ratio, alpha * (1 - l1_ratio), positive) for alpha in alphas]
    points = gram_points(problem, penalties, np.zeros(d), 1e-9)
    for penalty, (point, _) in zip(penalties, points, strict=True):
        assert point.certificate <= 1e-9 * point.objective
        problem.penalty, problem.lower_bound = penalty, 0.0
        of_rows = problem.evaluate(point.W)
        assert point.objective == pytest.approx(of_rows.objective, rel=1e-10)
        assert of_rows.certificate <= 2e-9 * of_rows.objective
