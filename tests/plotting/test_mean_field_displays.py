"""Displays of two-layer nets."""

import numpy as np
import pytest
from neural_network.mean_field_helpers import curve
from sklearn.dummy import DummyRegressor

from sklearn_optland.neural_network import MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier
from sklearn_optland.plotting import CertificateDisplay, ParticlesDisplay


@pytest.fixture
def ax():
    return pytest.importorskip("matplotlib.figure").Figure().add_subplot()


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_particles_display_shows_the_net(d, fit_intercept, ax):
    X, y = curve(d=d)
    model = MeanFieldTwoLayerNet(12, alpha=1e-3, fit_intercept=fit_intercept, random_state=0)
    model.fit(X, y)
    display = ParticlesDisplay.from_estimator(model, ax=ax)
    assert display.points_.shape == (1, 12, 2)
    assert display.ax_ is ax
    if d == 2 and not fit_intercept:
        expected = model.coefs_[0].T * np.abs(model.coefs_[1])
        np.testing.assert_allclose(display.points_[0], expected)
    elif d == 5:
        points = np.vstack([model.coefs_[0], model.intercepts_[0]]).T * np.abs(model.coefs_[1])
        top = np.linalg.svd(points)[1][:2]
        np.testing.assert_allclose(np.linalg.svd(display.points_[0])[1], top)


def test_particles_display_draws_paths(ax):
    X, y = curve()
    model = MeanFieldTwoLayerNet(6, solver="flow", max_iter=1000, random_state=0)
    display = ParticlesDisplay.from_fit(model, X, y, ax=ax)
    assert not hasattr(model, "coefs_")  # a copy was fitted
    fitted = model.fit(X, y)
    # The steps, and the whole fit.
    assert len(display.points_) in (fitted.n_iter_, fitted.n_iter_ + 1)
    points = np.column_stack([fitted.coefs_[0][0], fitted.intercepts_[0]])
    points = points * np.abs(fitted.coefs_[1])
    np.testing.assert_allclose(display.points_[-1], points, rtol=1e-5, atol=1e-8)
    other = MeanFieldTwoLayerNet(3, random_state=0).fit(X, y)
    display = ParticlesDisplay([(net.coefs_, net.intercepts_) for net in (fitted, other)])
    with pytest.raises(ValueError, match="nets: found output layers"):
        display.plot(ax=ax)


@pytest.mark.parametrize("is_log_loss", [False, True])
def test_certificate_display_shows_the_maximum(is_log_loss, ax):
    X, y = curve()
    Estimator = MeanFieldTwoLayerNetClassifier if is_log_loss else MeanFieldTwoLayerNet
    y = y > 2 if is_log_loss else y
    w = np.random.RandomState(0).rand(len(y)) + 0.5
    model = Estimator(alpha=0.003, random_state=0).fit(X, y, w)
    display = CertificateDisplay.from_estimator(model, X, y, sample_weight=w, ax=ax)
    np.testing.assert_allclose(display.first_variation.max(), model.first_variation_max_, rtol=1e-3)
    np.testing.assert_array_equal(display.line_.get_ydata(), display.first_variation)
    with pytest.raises(ValueError, match="X: found 3 columns"):
        CertificateDisplay.from_estimator(
            MeanFieldTwoLayerNet().fit(np.column_stack([X, X]), y), np.column_stack([X, X]), y
        )
    other = DummyRegressor().fit(X, y)
    other.coefs_ = model.coefs_  # as nets of scikit-learn have
    with pytest.raises(ValueError, match="found a DummyRegressor, which has no first_variation"):
        CertificateDisplay.from_estimator(other, X, y)
