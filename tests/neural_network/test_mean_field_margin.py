"""Two-layer nets as measures: margins, and separated classes."""

import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier
from sklearn_optland.neural_network._mean_field.margin import _best_bound


def separable(n=20, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, 2)
    return X, (np.abs(X[:, 0]) > 0.7).astype(int)


def widest_margin(rows, signs, directions):
    """The widest margin over masses of both signs on the directions: a linear program."""
    H = signs[:, None] * np.maximum(rows @ directions.T, 0)
    n, m = H.shape
    A = np.column_stack([-H, H, np.ones(n)])
    A = np.vstack([A, np.append(np.ones(2 * m), 0)])
    b = np.append(np.zeros(n), 1)
    return -linprog(np.append(np.zeros(2 * m), -1), A_ub=A, b_ub=b).fun


@pytest.mark.parametrize("seed", range(5))
def test_bound_of_the_margin_is_above_that_of_known_directions(seed):
    # Of many columns the sphere is searched from few starts: what is known must be among them.
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.uniform(-0.5, 0.5, (30, 20)), np.ones(30)])
    signs = np.where(rows[:, 0] * rows[:, 1] > 0, 1.0, -1.0)
    directions = rng.standard_normal((100, 21))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    bound = _best_bound(rows, signs, directions, tol=0.05, n_starts=1, random_state=0)
    assert widest_margin(rows, signs, directions) <= bound * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_margin_is_close_to_the_best_and_its_bound_holds(seed):
    X, y = separable(seed=seed)
    model = MeanFieldTwoLayerNetClassifier(
        100, solver="margin-ascent", scale_inputs=False, tol=0.05, max_iter=5000, random_state=0
    ).fit(X, y)
    assert model.certificate_.scope == "global"
    assert model.certificate_.reached
    rows = np.column_stack([X, np.ones(len(X))])
    T = np.random.RandomState(0).randn(3000, 3)
    T /= np.linalg.norm(T, axis=1)[:, None]
    best = widest_margin(rows, 2 * y - 1, T)
    assert best <= model.margin_bound_ * (1 + 1e-9)
    assert 0.95 * best <= model.margin_ <= model.margin_bound_
    # The net has a least margin of 1.
    margins = (2 * y - 1) * model.decision_function(X)
    np.testing.assert_allclose(margins.min(), 1)
    np.testing.assert_allclose(1 / model.variation_norm_, model.margin_)


def test_margin_of_the_kernel_regime():
    X, y = separable()
    model = MeanFieldTwoLayerNetClassifier(
        200,
        solver="margin-ascent",
        scale_inputs=False,
        regime="kernel",
        tol=0.2,
        max_iter=20_000,
        random_state=0,
    ).fit(X, y)
    assert model.certificate_.reached
    assert model.score(X, y) == 1
    norm = np.sqrt(200) * np.linalg.norm(model.coefs_[1])
    np.testing.assert_allclose(1 / norm, model.margin_)
    assert model.margin_ <= model.margin_bound_


def test_margin_ascent_of_what_no_net_separates():
    X, y = np.zeros((4, 2)), np.array([0, 1, 0, 1])
    model = MeanFieldTwoLayerNetClassifier(
        solver="margin-ascent", scale_inputs=False, max_iter=50, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="margin gap"):
        model.fit(X, y)
    assert model.margin_ <= 0 <= model.margin_bound_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_separated_classes_without_a_penalty():
    """The gradient of the log-loss falls until its square underflows, which is an end."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 2))
    y = X[:, 0] * X[:, 1] > 0
    model = MeanFieldTwoLayerNetClassifier(200, alpha=0, tol=0, random_state=0).fit(X, y)
    assert model.score(X, y) == 1
    assert all(np.isfinite(W).all() for W in model.coefs_)
