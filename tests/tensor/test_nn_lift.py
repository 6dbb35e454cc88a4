"""Weights from third moments: moments, decompositions, recovery of known nets."""

import warnings
from itertools import islice

import numpy as np
import pytest

from sklearn_optland._rows.source import ArraySource
from sklearn_optland.tensor import NNLiftRegressor
from sklearn_optland.tensor._cp import als, jennrich, weights_of
from sklearn_optland.tensor._moments import Whitening, residuals, third_moment, unexplained


def rank_k(seed, side=6, k=4):
    rng = np.random.RandomState(seed)
    A = rng.randn(side, k)
    A /= np.linalg.norm(A, axis=0)
    weights = rng.uniform(1, 2, k) * rng.choice([-1, 1], k)
    return np.einsum("j,aj,bj,cj->abc", weights, A, A, A), A, weights


def cosines(A, B):
    """Of each column of A, the largest |cosine| to one of B."""
    A, B = (part / np.linalg.norm(part, axis=0) for part in (A, B))
    return np.abs(A.T @ B).max(axis=1)


def net(activation, d, k, n, seed):
    rng = np.random.RandomState(seed)
    X, W = rng.randn(n, d), rng.randn(d, k)
    W /= np.linalg.norm(W, axis=0)
    least = 0.5 if activation == "relu" else 0.0
    Z = X @ W + rng.uniform(least, least + 0.5, k) * rng.choice([-1, 1], k)
    H = np.tanh(Z) if activation == "tanh" else np.maximum(Z, 0)
    return X, H @ (rng.uniform(1, 2, k) * rng.choice([-1, 1], k)), W


def test_jennrich_finds_exact_tensors(global_random_seed):
    T, A, weights = rank_k(global_random_seed)
    found = jennrich(T, 4, np.random.RandomState(0))
    np.testing.assert_allclose(cosines(A, found), 1.0, atol=1e-8)
    values, residual = weights_of(T, found)
    np.testing.assert_allclose(np.sort(np.abs(values)), np.sort(np.abs(weights)), rtol=1e-6)
    assert residual < 1e-6


def test_als_lowers_the_residual_of_noisy_tensors(global_random_seed):
    T, _, _ = rank_k(global_random_seed)
    noise = 0.02 * np.random.RandomState(1).randn(*T.shape)
    noise = sum(noise.transpose(p) for p in ((0, 1, 2), (1, 2, 0), (2, 0, 1)))
    noise = (noise + noise.transpose(1, 0, 2)) / 6
    steps = list(islice(als(T + noise, jennrich(T + noise, 4, np.random.RandomState(0))), 50))
    residuals = [residual for *_, residual in steps]
    assert residuals == sorted(residuals, reverse=True)
    assert residuals[-1] < residuals[0]
    # No worse a fit than the tensor below the noise.
    assert residuals[-1] * np.linalg.norm(T + noise) <= np.linalg.norm(noise)


def test_the_third_moment_is_numpy_s():
    rng = np.random.RandomState(0)
    X, c = rng.randn(50, 4) @ rng.randn(4, 4) + 3, rng.rand(50)
    source = ArraySource(X, c=c / c.sum())
    mean = source.c @ X
    deviation = np.sqrt(source.c @ (X - mean) ** 2)
    Z = Whitening(source, mean, deviation)(X)
    np.testing.assert_allclose((Z * source.c[:, None]).T @ Z, np.eye(4), atol=1e-10)
    y = rng.randn(50, 1)
    r = residuals(source, Z, y, 2)
    for feature in (np.ones(50), Z[:, 1], Z[:, 0] * Z[:, 3]):
        assert source.c @ (feature * r[:, 0]) == pytest.approx(0, abs=1e-12)
    T = third_moment(source, Z, r[:, 0])
    np.testing.assert_allclose(T, np.einsum("i,ia,ib,ic->abc", source.c * r[:, 0], Z, Z, Z))


def test_rounding_errors_of_an_interpolation_are_no_targets():
    rng = np.random.RandomState(0)
    Z, c = rng.randn(20, 6), np.full(20, 1 / 20)
    Z = Z - Z.mean(axis=0)
    y = rng.randn(20, 1)
    source = ArraySource(Z, c=c)
    assert np.abs(residuals(source, Z, y, 2)).max() < 1e-6  # 28 products
    np.testing.assert_array_equal(unexplained(source, Z, y), residuals(source, Z, y, 1))
    np.testing.assert_array_equal(unexplained(source, Z, Z[:, :1]), 0)


def test_what_third_moments_do_not_see_is_polished():
    rng = np.random.RandomState(0)
    X = rng.randn(300, 5)
    y = X[:, 0] + 0.1 * rng.randn(300)
    assert NNLiftRegressor(random_state=0).fit(X, y).score(X, y) > 0.95


def test_constant_inputs_predict_the_mean():
    y = np.arange(4.0)
    np.testing.assert_allclose(NNLiftRegressor().fit(np.ones((4, 2)), y).predict([[1, 1]]), [1.5])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_weights_of_a_net_are_found(activation):
    X, y, W = net(activation, 10, 3, 10_000, 0)
    model = NNLiftRegressor(3, activation=activation, polish=False, random_state=0).fit(X, y)
    assert cosines(W, model.coefs_[0]).min() > 0.99
    assert model.score(X, y) > 0.98
    polished = NNLiftRegressor(3, activation=activation, random_state=0).fit(X, y)
    assert cosines(W, polished.coefs_[0]).min() > 0.998
    assert polished.score(X, y) > model.score(X, y)


def test_units_and_correlations_of_columns_do_not_matter():
    X, y, _ = net("tanh", 5, 2, 3000, 0)
    mix = np.random.RandomState(1).randn(5, 5)
    lift = NNLiftRegressor(2, polish=False, random_state=0)
    expected = lift.fit(X, y).predict(X)
    moved = lift.fit(X @ mix + 7, 100 * y - 3)
    np.testing.assert_allclose(moved.predict(X @ mix + 7), 100 * expected - 3, atol=0.5)


def test_inputs_far_from_normal_warn():
    X, y, _ = net("tanh", 5, 2, 2000, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NNLiftRegressor(2, random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="excess kurtosis up to") as caught:
        NNLiftRegressor(2, random_state=0).fit(np.sign(X) * X**2, y)
    assert caught[0].filename == __file__


def test_many_columns_are_refused():
    with pytest.raises(ValueError, match="found 65 columns; allowed are at most 64"):
        NNLiftRegressor().fit(np.zeros((3, 65)), np.arange(3.0))
