"""Elastic nets of few rows by their dual, and coordinate descent that needs it."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_array

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor
from sklearn_optland.linear_model._finite_sum.semismooth_newton import semismooth_newton


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(1e-1, 0.0), (1e-4, 0.0), (1e-3, 1e-3), (0.0, 1e-4)])
@pytest.mark.parametrize("make", [np.asarray, csr_array])
@pytest.mark.parametrize("shape", [(12, 60), (40, 9)])
def test_what_is_found_is_optimal(shape, make, l1, l2, positive):
    rng = np.random.RandomState(0)
    X, t, tilt = rng.randn(*shape), rng.randn(shape[0]), 1e-2 * rng.randn(shape[1])
    tilt *= l2 > 0  # without an L2 part the model may fall without end
    penalty = ElasticNet(l1, l2, positive)
    A, s, start = make(X.T.copy()), np.abs(rng.randn(shape[0])), np.abs(rng.randn(shape[1]))
    s /= np.linalg.norm(s)
    X, t = X - np.outer(s, s @ X), t - s * (s @ t)
    w, n_steps = semismooth_newton(A, s, t, start, tilt, penalty, lambda w: 1e-8)
    assert n_steps < 300
    assert not (positive and (w < 0).any())
    v = X.T @ (t - X @ w) + tilt - l2 * w
    at_zero = v if positive else np.abs(v)
    assert (at_zero[w == 0] <= l1 + 1e-7).all()
    np.testing.assert_allclose(v[w != 0], l1 * np.sign(w[w != 0]), atol=1e-7)


@pytest.mark.parametrize(
    ("loss", "l1_ratio"), [("squared_hinge", 0.5), ("huber", 1.0), ("squared_error", 0.0)]
)
def test_coordinate_descent_of_few_rows_and_a_weak_penalty(loss, l1_ratio):
    rng = np.random.RandomState(0)
    X = rng.randn(100, 800)
    y = X[:, :5].sum(axis=1) + rng.randn(100)
    kind = FiniteSumClassifier if "hinge" in loss else FiniteSumRegressor
    y = y > 0 if kind is FiniteSumClassifier else y
    model = kind(loss, solver="cd", alpha=1e-4, l1_ratio=l1_ratio).fit(X, y)
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached


def test_memory_follows_the_stored_values():
    rng, n, d = np.random.RandomState(0), 60, 20_000
    columns = (d * rng.random_sample(40 * n) ** 3).astype(int)
    X = csr_array((np.abs(rng.randn(40 * n)), (np.repeat(np.arange(n), 40), columns)), shape=(n, d))
    y = X[:, :200] @ rng.randn(200)
    model = FiniteSumRegressor("huber", solver="cd", alpha=1e-5, l1_ratio=1.0)
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.certificate_.reached
    assert peak < 8 * n * d  # a dense matrix
