"""Landscapes that are known: theorems, checked by descents and perturbations."""

import warnings

import numpy as np
import pytest
from helpers import fit_quietly
from hypothesis import given, settings
from hypothesis import strategies as st
from landscape.nets import drawn, iris, iris_surface
from scipy.optimize import approx_fprime
from scipy.optimize import minimize as scipy_minimize
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_optland.landscape import (
    LossSurface,
    linear_network_optimum,
    loss_correlation,
    loss_slice,
    poor_minimum,
    quadratic_network_valley,
    residual_net_bound,
)
from sklearn_optland.landscape._path_methods import descend


def linear_data(seed, n=60, d=5, k=4):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    return X, X @ rng.randn(d, k) + rng.randn(n, k) + 3.0


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_deep_linear_nets_end_at_the_closed_form(rank):
    X, Y = linear_data(rank)
    net = MLPRegressor(hidden_layer_sizes=(6, rank), activation="identity", alpha=0.0, max_iter=1)
    surface = LossSurface(fit_quietly(net, X, Y), X, Y, penalty=False)
    optimum = linear_network_optimum(X, Y, rank).loss
    for seed in range(5):
        start = surface.network.glorot(np.random.RandomState(seed), np.float64)
        end = descend(surface, start, 0.0)
        assert surface.loss(end) == pytest.approx(optimum, rel=1e-6)


def test_linear_optimum_against_a_search():
    X, Y = linear_data(0, k=3)
    fit = linear_network_optimum(X, Y, 1)
    assert np.linalg.matrix_rank(fit.coef, tol=1e-10) == 1
    residual = Y - X @ fit.coef - fit.intercept
    assert fit.loss == pytest.approx(0.5 * (residual**2).sum() / len(X))

    def loss(parameters):
        u, v, b = np.split(parameters, [5, 8])
        return 0.5 * ((Y - X @ np.outer(u, v) - b) ** 2).sum() / len(X)

    starts = np.random.RandomState(0).randn(5, 11)
    best = min(scipy_minimize(loss, start).fun for start in starts)
    assert fit.loss == pytest.approx(best, rel=1e-6)
    full = linear_network_optimum(X, Y)
    assert full.loss <= fit.loss
    assert linear_network_optimum(X, Y, 3).loss == pytest.approx(full.loss, rel=1e-12)


def test_wide_nets_of_squares_have_no_spurious_valley():
    rng = np.random.RandomState(0)
    X, y = rng.randn(200, 4), rng.randn(200)
    wide = quadratic_network_valley(X, y, 9, n_starts=10, random_state=0)
    assert (np.abs(wide.excess) < 1e-6).all()
    narrow = quadratic_network_valley(X, y, 1, n_starts=10, random_state=0)
    assert (narrow.excess > 1e-3).all()


def test_poor_minimum_is_a_local_one_and_poor(global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(30, 2)
    y = np.abs(X[:, 0]) + 0.1 * rng.randn(30)
    net = poor_minimum(X, y, 4)
    surface = LossSurface(net, X, y, penalty=False)
    loss, gradient = surface.loss_and_gradient(surface.theta_)
    assert np.abs(gradient).max() < 1e-12
    assert loss == pytest.approx(linear_network_optimum(X, y).loss, rel=1e-12)
    np.testing.assert_allclose(0.5 * np.mean((net.predict(X) - y) ** 2), loss)
    near = surface.theta_ + 0.02 * rng.randn(2000, surface.n_parameters_)
    assert min(surface.loss(theta) for theta in near) >= loss
    starts = [surface.network.glorot(rng, np.float64) for _ in range(5)]
    assert min(surface.loss(descend(surface, start, 0.5 * loss)) for start in starts) < 0.9 * loss


def test_poor_minimum_of_large_targets_is_active_on_all_rows():
    rng = np.random.RandomState(0)
    X = 1e6 * rng.randn(30, 2)
    y = 1e18 * X[:, 0]
    net = poor_minimum(X, y)
    assert ((X @ net.coefs_[0] + net.intercepts_[0]).min(axis=0) > 0).all()


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.01, 1.0, 100.0]))
@settings(max_examples=25, deadline=None)
def test_residual_nets_obey_shamirs_inequality(loss, seed, scale):
    rng = np.random.RandomState(seed)
    X, features = rng.randn(20, 3), np.tanh(rng.randn(20, 4))
    y = X[:, 0] + rng.randn(20)
    y = y if loss == "squared_error" else np.where(y > 0, 1.0, -1.0)
    w, V, u = rng.randn(3), scale * rng.randn(3, 4), rng.randn(3)
    result = residual_net_bound(X, y, features, w, V, u, loss=loss)
    assert result.excess <= result.bound * (1 + 1e-12)

    def net_loss(theta):
        f = (X + features @ theta[3:].reshape(3, 4).T) @ theta[:3]
        return np.mean(0.5 * (f - y) ** 2 if loss == "squared_error" else np.logaddexp(0, -y * f))

    theta = np.append(w, V)
    assert result.loss == pytest.approx(net_loss(theta))
    assert result.linear_loss == pytest.approx(net_loss(np.append(u, 0 * V)))
    gradient = approx_fprime(theta, net_loss)
    assert result.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-3, abs=1e-4)


def test_residual_nets_at_a_stationary_point_are_no_worse_than_linear():
    rng = np.random.RandomState(0)
    X, features = rng.randn(40, 3), np.tanh(rng.randn(40, 2))
    y = X[:, 0] + features[:, 1] + 0.1 * rng.randn(40)
    best = np.linalg.lstsq(X, y, rcond=None)[0]

    def net_loss(theta):
        result = residual_net_bound(X, y, features, theta[:3], theta[3:].reshape(3, 2), best)
        return result.loss

    end = scipy_minimize(net_loss, rng.randn(9), tol=1e-9).x
    result = residual_net_bound(X, y, features, end[:3], end[3:].reshape(3, 2), best)
    assert result.bound < 1e-4
    assert result.excess < -0.1 * result.linear_loss


def test_slices_have_the_losses_of_their_points():
    surface = iris_surface()
    plane = loss_slice(surface, n_points=5, extent=0.5, random_state=0)
    assert plane.losses_.shape == (5, 5)
    i, j = 1, 3
    t = plane.coordinates_[0][i], plane.coordinates_[1][j]
    theta = surface.theta_ + t @ plane.directions_
    assert plane.losses_[i, j] == pytest.approx(surface.loss(theta), rel=1e-12)
    np.testing.assert_allclose(plane.project([theta]), [t], atol=1e-10)
    for direction in plane.directions_:
        pairs = zip(
            surface.network.layers(direction), surface.network.layers(surface.theta_), strict=True
        )
        for mine, layer in pairs:
            norms = (np.linalg.norm(part[:-1], axis=0) for part in (mine, layer))
            np.testing.assert_allclose(*norms)


def test_slices_go_through_points():
    surface = iris_surface()
    points = [drawn(surface, seed) for seed in range(3)]
    line = loss_slice(surface, through=points[:2], extent=1.0, n_points=5)
    assert line.coordinates_[0][1] == 0
    assert line.coordinates_[0][3] == 1
    assert line.losses_[1] == pytest.approx(surface.loss(points[0]))
    assert line.losses_[3] == pytest.approx(surface.loss(points[1]))
    plane = loss_slice(surface, through=points, n_points=3)
    np.testing.assert_allclose(plane.project(points), [[0, 0], [1, 0], [0, 1]], atol=1e-10)
    with pytest.raises(ValueError, match="through: found 1 points"):
        loss_slice(surface, through=points[:1])


def test_correlation_of_runs():
    X, y = iris()
    net = MLPClassifier((3,), solver="lbfgs", max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = loss_correlation(net, X[::2], y[::2], X[1::2], y[1::2], n_runs=6, random_state=0)
        again = loss_correlation(net, X[::2], y[::2], X[1::2], y[1::2], n_runs=6, random_state=0)
    np.testing.assert_array_equal(runs.train_losses_, again.train_losses_)
    rho = np.corrcoef(runs.train_losses_, runs.test_losses_)[0, 1]
    assert runs.correlation_ == pytest.approx(rho)
    assert runs.standard_error_ == pytest.approx((1 - rho**2) / np.sqrt(6))


def test_errors_name_what_was_found():
    X, y = iris()
    with pytest.raises(ValueError, match="rank"):
        linear_network_optimum(X, y, -1)
    with pytest.raises(ValueError, match="n_units"):
        quadratic_network_valley(X, y, 0)
    for function, n_units in ((quadratic_network_valley, 2), (poor_minimum, 2)):
        with pytest.raises(ValueError, match="y: found 2 columns"):
            function(X, X[:, :2], n_units)
    with pytest.raises(ValueError, match="w: found zeros"):
        residual_net_bound(X, y, X, np.zeros(4), np.eye(4), np.ones(4))
    with pytest.raises(ValueError, match=r"V: found shape \(3, 4\)"):
        residual_net_bound(X, y, X, np.ones(4), np.ones((3, 4)), np.ones(4))
    with pytest.raises(ValueError, match="y: found labels"):
        residual_net_bound(X, y, X, np.ones(4), np.eye(4), np.ones(4), loss="log_loss")
    with pytest.raises(ValueError, match="NaN"):
        poor_minimum(np.where(X[0, 0] == X, np.nan, X), y)
