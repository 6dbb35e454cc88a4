"""Spectra against dense eigenvalues; critical points of functions that are known."""

import numpy as np
import pytest
from landscape.nets import classifier, digits, drawn, iris, iris_surface, regressor
from scipy.integrate import trapezoid
from scipy.sparse.linalg import aslinearoperator
from sklearn.linear_model import LinearRegression, LogisticRegression

from sklearn_optland._rows import source as source_module
from sklearn_optland.landscape import (
    LossSurface,
    critical_index,
    find_critical_point,
    hessian_spectrum,
)
from sklearn_optland.landscape import _critical_points as points_module
from sklearn_optland.landscape import _spectrum as spectrum_module
from sklearn_optland.landscape._hessian import HessianAt


def test_spectrum_of_a_linear_model_is_that_of_its_gram_matrix():
    X, _ = iris()
    surface = LossSurface(LinearRegression().fit(X, X[:, 0]), X, X[:, 0])
    H = np.column_stack([X, np.ones(len(X))])
    spectrum = hessian_spectrum(surface)
    np.testing.assert_allclose(
        spectrum.eigenvalues, np.linalg.eigvalsh(H.T @ H / len(X)), rtol=1e-10, atol=1e-14
    )
    assert spectrum.is_exact
    assert spectrum.share_below(0.5)[0] == np.mean(spectrum.eigenvalues < 0.5)


def test_ends_and_density_without_the_whole_hessian(monkeypatch):
    X, y = digits(300)
    surface = LossSurface(classifier(X, y, width=6, alpha=0.1), X, y)
    theta = drawn(surface, 0, 0.1)
    exact = hessian_spectrum(surface, theta)
    monkeypatch.setattr(spectrum_module, "EXACT", 10)
    found = hessian_spectrum(surface, theta, n_eigenvalues=5, random_state=0)
    assert exact.is_exact
    assert not found.is_exact
    top = np.abs(exact.eigenvalues).max()
    expected = np.append(exact.eigenvalues[:5], exact.eigenvalues[-5:])
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-3 * top)
    assert (found.residuals < 1e-3 * top).all()
    for value, residual in zip(found.eigenvalues, found.residuals, strict=True):
        assert np.abs(exact.eigenvalues - value).min() <= residual + 1e-12
    grid = np.linspace(0.1 * top, top, 20)
    density, error = found.density(grid, 0.1 * top)
    assert (np.abs(density - exact.density(grid, 0.1 * top)[0]) <= 5 * error + 1e-3).all()
    share, error = found.share_below(1e-3)
    assert abs(share - exact.share_below(1e-3)[0]) <= 5 * error


@pytest.mark.parametrize("n_outputs", [2, 5])
def test_eigenvalues_that_stand_several_times(n_outputs, monkeypatch):
    # The Hessian of a linear regression has each eigenvalue once for each output.
    X = np.random.RandomState(0).standard_normal((80, 30)) * np.geomspace(1, 0.3, 30)
    Y = X[:, :n_outputs]
    surface = LossSurface(LinearRegression().fit(X, Y), X, Y)
    exact = hessian_spectrum(surface).eigenvalues
    top = exact[-1]
    monkeypatch.setattr(spectrum_module, "EXACT", 10)
    found = hessian_spectrum(surface, n_eigenvalues=6, n_draws=2, tol=1e-4, random_state=0)
    expected = np.append(exact[:6], exact[-6:])
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-4 * top)
    assert (found.residuals <= 2e-4 * top).all()
    for end in (found.eigenvectors[:, :6], found.eigenvectors[:, 6:]):
        np.testing.assert_allclose(end.T @ end, np.eye(6), atol=1e-9)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_planted_multiple_eigenvalues(sign):
    # A double and a triple one at one end, all others of the same sign.
    rng = np.random.RandomState(0)
    values = np.concatenate([sign * np.linspace(0.1, 0.5, 300), sign * np.array([2, 2, 1, 1, 1])])
    Q, _ = np.linalg.qr(rng.standard_normal((305, 305)))
    operator = aslinearoperator((Q * values) @ Q.T)
    found, vectors = spectrum_module.extreme_eigenpairs(operator, 6, 1e-6, rng)
    values.sort()
    np.testing.assert_allclose(found, np.append(values[:6], values[-6:]), atol=1e-5)
    np.testing.assert_allclose(operator @ vectors, vectors * found, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, -2.0])
@pytest.mark.parametrize("n_other", [0, 1, 5])
def test_multiples_of_the_identity_and_others_of_low_rank(n_other, value):
    # Across a vector that Lanczos' method starts from there is nothing: ARPACK's error -9.
    values = np.append(np.full(30, value), np.arange(1.0, 1 + n_other))
    operator = aslinearoperator(np.diag(values))
    found, vectors = spectrum_module.extreme_eigenpairs(operator, 4, 1e-6, np.random.RandomState(0))
    values.sort()
    np.testing.assert_allclose(found, np.append(values[:4], values[-4:]), atol=1e-12)
    np.testing.assert_allclose(operator @ vectors, vectors * found, atol=1e-6)
    np.testing.assert_allclose(vectors[:, 4:].T @ vectors[:, 4:], np.eye(4), atol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_many_products_at_one_point(offset, activation, monkeypatch):
    # In float32 where that is exact enough: not with columns far from zero.
    monkeypatch.setattr(source_module, "FLOAT32_PAYS", 0)
    X, y = digits(300)
    net = classifier(X, y, width=6, alpha=0.1, activation=activation)
    surface = LossSurface(net, X + offset, y)
    theta = drawn(surface, 0, 1e-3)
    W = surface.network.layers(theta)[0]
    W[-1] -= offset * W[:-1].sum(axis=0)  # the same scores, as differences of large numbers
    directions = np.random.RandomState(1).standard_normal((surface.n_parameters_, 3))
    expected = surface.hessian_product(theta, directions)
    scale = np.linalg.norm(expected)
    for tol, dtype in ((0.0, np.float64), (1e-4, np.float64 if offset else np.float32)):
        hessian = HessianAt(surface, theta, tol)
        assert hessian.passes.dtype == dtype
        error = np.linalg.norm(hessian @ directions - expected)
        assert error <= max(tol, 1e-12) * scale


def test_density_integrates_to_one():
    spectrum = hessian_spectrum(iris_surface())
    points = np.linspace(-5, spectrum.eigenvalues[-1] + 5, 4001)
    density, error = spectrum.density(points, 0.2)
    assert trapezoid(density, points) == pytest.approx(1.0, abs=1e-6)
    assert not error.any()


@pytest.mark.parametrize("seed", range(3))
def test_index_counts_negative_eigenvalues(seed, monkeypatch):
    surface = iris_surface(alpha=0.5)
    theta = drawn(surface, seed, 1.0)
    values = np.linalg.eigvalsh(surface.hessian(theta))
    assert critical_index(surface, theta, tol=1e-3) == (np.sum(values < -1e-3), 0.0)
    monkeypatch.setattr(points_module, "EXACT", 5)
    estimate, error = critical_index(surface, theta, tol=1e-3, random_state=seed)
    assert abs(estimate - np.sum(values < -1e-3)) <= 5 * error + 0.5


def test_minimum_of_a_convex_function():
    X, y = iris()
    surface = LossSurface(LogisticRegression(tol=1e-9, max_iter=1000).fit(X, y), X, y)
    point = find_critical_point(surface, drawn(surface, 0, 1.0))
    assert point.index == 0
    assert point.certificate.reached
    assert point.certificate.scope == "stationary"
    assert point.loss == pytest.approx(surface.loss(surface.theta_), rel=1e-6)


@pytest.mark.parametrize("index", [None, 0, 1])
def test_what_is_found_is_critical_and_its_index_right(index, global_random_seed):
    surface = iris_surface(width=3, alpha=1.0)
    point = find_critical_point(surface, drawn(surface, global_random_seed), index=index)
    gradient = surface.gradient(point.theta)
    assert point.certificate.value == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
    values = np.linalg.eigvalsh(surface.hessian(point.theta))
    assert point.index == np.sum(values < -1e-8 * np.abs(values).max())
    assert abs(point.smallest_eigenvalue) == pytest.approx(np.abs(values).min(), abs=1e-12)
    if index != 1:
        assert point.certificate.reached


def test_minima_are_found_past_places_where_the_gradient_grows():
    X, y = iris()
    for seed in range(8):
        net = classifier(X, y, width=3, seed=seed, alpha=1.0, solver="adam", max_iter=10)
        point = find_critical_point(LossSurface(net, X, y), index=0)
        assert point.index == 0
        assert point.certificate.reached


def test_a_saddle_is_found():
    # Between two mirrored minima of a net of one unit, w and -w, lies the saddle at 0.
    rng = np.random.RandomState(0)
    X = rng.randn(200, 1)
    y = np.tanh(X[:, 0])
    net = regressor(X, y, width=1, alpha=1.0)
    surface = LossSurface(net, X, y)
    start = 0.05 * rng.randn(surface.n_parameters_)
    point = find_critical_point(surface, start, index=1)
    assert point.index == 1
    assert point.certificate.reached
    np.testing.assert_allclose(point.theta[[0, 2]], 0, atol=1e-6)  # both weights


def test_errors_name_what_was_found(monkeypatch):
    surface = iris_surface()
    with pytest.raises(ValueError, match="index: found -1"):
        find_critical_point(surface, index=-1)
    for name, value in (("n_eigenvalues", 0), ("n_draws", 1), ("tol", -1.0)):
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            hessian_spectrum(surface, **{name: value})
    with pytest.raises(ValueError, match="width: found 0"):
        hessian_spectrum(surface).density([0.0], 0.0)
    with pytest.raises(ValueError, match="The 'tol' parameter"):
        critical_index(surface, tol=-1.0)
    with pytest.raises(ValueError, match="The 'index' parameter"):
        find_critical_point(surface, index=1.5)
    monkeypatch.setattr(points_module, "EXACT", 5)
    with pytest.raises(ValueError, match="surface: found 35 parameters"):
        find_critical_point(surface)
