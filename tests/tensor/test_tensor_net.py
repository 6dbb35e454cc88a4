"""Tensor nets: what they fit, what does not matter to them, and what they refuse."""

import numpy as np
import pytest
from helpers import fit_quietly
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.tensor import TensorNetClassifier, TensorNetRegressor

DECOMPOSITIONS = ["cp", "ht"]


def products(seed=0, n=400):
    """Rows, and a target that is a product of pairs."""
    X = np.random.RandomState(seed).randn(n, 4)
    return X, X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3] - X[:, 1]


@pytest.mark.parametrize("decomposition", DECOMPOSITIONS)
def test_products_of_columns_are_learned(decomposition):
    X, y = products()
    net = TensorNetRegressor(4, decomposition=decomposition, alpha=1e-4).fit(X, y)
    assert net.certificate_.reached
    assert net.score(*products(1)) > 0.99


def test_the_objective_is_that_of_the_docstring():
    X, y = products()
    c = np.random.RandomState(2).rand(len(X))
    net = TensorNetRegressor(3, 4, alpha=0.1).fit(X, 7 * y + 3, sample_weight=c)
    c /= c.sum()
    mean = c @ y
    deviation = np.sqrt(c @ (y - mean) ** 2)
    residual = (net.predict(X) - 3) / 7 - y
    W = net.factors_.copy()
    W[:, -1] -= 1
    parts = [W, *(M - np.eye(4) for M in net.mixings_), net.output_weights_ / (7 * deviation)]
    value = 0.5 * c @ residual**2 / deviation**2 + 0.05 * sum(np.sum(p**2) for p in parts)
    assert_allclose(net.history_["objective"][-1], value, rtol=1e-10)
    assert np.diff(net.history_["objective"]).max() <= 0


@pytest.mark.parametrize("decomposition", DECOMPOSITIONS)
def test_coefficients_are_those_of_the_predictions(decomposition):
    X, y = load_iris(return_X_y=True)
    patches = [[0, 1], [2], [3, 0]]
    net = TensorNetClassifier(patches, 3, decomposition=decomposition).fit(X, y)
    Z = (X - net.mean_) / net.scale_
    A = net.coefficient_tensor(output=2)
    assert A.shape == (3, 3, 3)
    for row, score in zip(Z[::40], net.decision_function(X)[::40], strict=True):
        z = [[row[0], row[1], 1], [row[2], 0, 1], [row[3], row[0], 1]]
        assert_allclose(net.intercept_[2] + np.einsum("abc,a,b,c", A, *z), score[2], rtol=1e-9)


@pytest.mark.parametrize("decomposition", DECOMPOSITIONS)
def test_units_and_offsets_do_not_matter(decomposition):
    X, y = products(n=200)
    few = {"max_iter": 20, "tol": 0.0, "decomposition": decomposition}
    expected = TensorNetRegressor(4, **few).fit(X, y).predict(X)
    moved = TensorNetRegressor(4, **few).fit(X * [1e-8, 1, 1e3, 1] + [0, 5, 0, -2], 100 * y - 3)
    found = moved.predict(X * [1e-8, 1, 1e3, 1] + [0, 5, 0, -2])
    assert_allclose(found, 100 * expected - 3, rtol=1e-5, atol=1e-3)


def test_one_patch_is_a_linear_model():
    X, y = products()
    net = TensorNetRegressor(1, alpha=1e-8, tol=1e-6).fit(X, y)
    A = np.column_stack([X, np.ones(len(X))])
    best = A @ np.linalg.lstsq(A, y, rcond=None)[0]
    assert_allclose(net.predict(X), best, atol=1e-2)
    assert net.mixings_ == []


def test_patches_are_at_most_as_many_as_columns():
    X, y = products(n=50)
    net = fit_quietly(TensorNetRegressor(8, max_iter=3), X, y)
    assert [patch.tolist() for patch in net.patches_] == [[0], [1], [2], [3]]
    net = fit_quietly(TensorNetRegressor(3, max_iter=3), X, y)
    assert [patch.tolist() for patch in net.patches_] == [[0, 1], [2], [3]]


def test_a_warm_start_goes_on():
    X, y = products()
    whole = fit_quietly(TensorNetRegressor(4, max_iter=60, tol=0), X, y)
    net = fit_quietly(TensorNetRegressor(4, max_iter=30, tol=0, warm_start=True), X, y)
    last = net.history_["objective"][-1]
    fit_quietly(net, X, y)
    assert_allclose(net.history_["objective"][0], last, rtol=1e-10)
    assert net.history_["objective"][-1] < 1.1 * whole.history_["objective"][-1]
    fit_quietly(net.set_params(rank=3), X, y)  # other sizes: from the start
    assert net.history_["objective"][0] > last
    net.factors_[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^factors_: found NaN"):
        net.fit(X, y)


def test_float32_stays_and_outputs_may_be_several():
    X, y = products(n=100)
    Y = np.column_stack([y, X[:, 0]]).astype(np.float32)
    net = fit_quietly(TensorNetRegressor(2, 3, max_iter=50), X.astype(np.float32), Y)
    assert net.factors_.dtype == net.predict(X.astype(np.float32)).dtype == np.float32
    assert net.predict(X).shape == (100, 2)


def test_constant_columns_and_targets():
    X, y = np.ones((6, 3)), np.full(6, 5.0)
    assert_array_equal(fit_quietly(TensorNetRegressor(), X, y).predict(X), y)
    assert_allclose(fit_quietly(TensorNetRegressor(), X, np.arange(6.0)).predict(X), 2.5)


def test_rows_far_away_have_finite_predictions():
    X, y = products(n=100)
    net = fit_quietly(TensorNetRegressor(4), X, y)
    assert np.isfinite(net.predict(np.full((1, 4), 1e300))).all()


def test_a_fit_that_ends_early_says_so():
    X, y = products()
    with pytest.warns(ConvergenceWarning, match="Set max_iter to about"):
        TensorNetRegressor(4, max_iter=5).fit(X, y)


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ([[0, 1], [4]], "^patches: found columns 4 to 4; allowed are 0 to 3"),
        ([[-1]], "^patches: found columns -1 to -1"),
        ([[0.5]], "^patches: found .*; allowed are lists of numbers of columns"),
        ([[]], "^patches: found .*; allowed are lists of numbers of columns"),
        ([[[0]]], "^patches: found .*; allowed are lists of numbers of columns"),
        ([], "^patches: found none"),
    ],
)
def test_patches_that_do_not_fit(patches, message):
    with pytest.raises(ValueError, match=message):
        TensorNetRegressor(patches).fit(*products(n=20))


def test_coefficients_that_are_not_there():
    X, y = products(n=30)
    net = fit_quietly(TensorNetRegressor(4, max_iter=2), X, y)
    with pytest.raises(ValueError, match=r"^output: found 1; allowed are 0 to 0"):
        net.coefficient_tensor(1)
    wide = fit_quietly(TensorNetRegressor(30, max_iter=2), np.tile(X, 10), y)
    with pytest.raises(ValueError, match=r"^patches: found 30 of up to 2 columns"):
        wide.coefficient_tensor()
