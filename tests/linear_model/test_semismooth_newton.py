"""Elastic nets of few rows by their dual, and coordinate descent that needs it."""

import numpy as np
import pytest

from sklearn_optland._loss.penalties import ElasticNet
from sklearn_optland.linear_model import FiniteSumClassifier, FiniteSumRegressor
from sklearn_optland.linear_model._finite_sum.semismooth_newton import semismooth_newton


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(1e-1, 0.0), (1e-4, 0.0), (1e-3, 1e-3), (0.0, 1e-4)])
@pytest.mark.parametrize("shape", [(12, 60), (40, 9)])
def test_what_is_found_is_optimal(shape, l1, l2, positive):
    rng = np.random.RandomState(0)
    X, t, tilt = rng.randn(*shape), rng.randn(shape[0]), 1e-2 * rng.randn(shape[1])
    tilt *= l2 > 0  # without an L2 part the model may fall without end
    penalty = ElasticNet(l1, l2, positive)
    B, start = np.ascontiguousarray(X.T), np.abs(rng.randn(shape[1]))
    w, n_steps = semismooth_newton(B, t, start, tilt, penalty, lambda w: 1e-8)
    assert n_steps < 300
    assert not (positive and (w < 0).any())
    v = B @ (t - X @ w) + tilt - l2 * w
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
