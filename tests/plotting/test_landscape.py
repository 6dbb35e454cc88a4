"""Displays of landscapes: what is drawn are the numbers."""

import numpy as np
import pytest
from landscape.nets import classifier, digits
from scipy.integrate import trapezoid

from sklearn_optland.landscape import (
    LossSurface,
    SphericalSpinGlass,
    connect,
    expected_index,
    hessian_spectrum,
    loss_slice,
)
from sklearn_optland.plotting import (
    MarginDisplay,
    PathDisplay,
    SpectrumDisplay,
    SpinGlassDisplay,
    SurfaceDisplay,
)

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(scope="module")
def surface_and_path():
    X, y = digits(150)
    a, b = (classifier(X, y, width=8, seed=seed, alpha=0.1) for seed in (0, 1))
    surface = LossSurface(a, X, y)
    return surface, connect(surface, a, b, level=0.3)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    pyplot.close("all")


def test_path(surface_and_path):
    _, path = surface_and_path
    display = PathDisplay({"one": path, "two": path}).plot()
    assert [line.get_label() for line in display.lines_] == ["one", "two"]
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), path.grid_losses_)
    points = [line for line in display.ax_.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(points[0].get_ydata(), path.losses_)
    assert any(set(line.get_ydata()) == {path.level_} for line in display.ax_.lines)


def test_all_of_many_paths_are_drawn(surface_and_path):
    surface, path = surface_and_path
    paths = {str(k): path for k in range(12)}
    assert len(PathDisplay(paths).plot().lines_) == 12
    plane = loss_slice(surface, n_points=3, random_state=0)
    assert len(SurfaceDisplay(plane, paths).plot().ax_.lines) == 12


def test_spectrum(surface_and_path):
    surface, _ = surface_and_path
    spectrum = hessian_spectrum(surface)
    display = SpectrumDisplay(spectrum).plot()
    x, y = display.line_.get_data()
    assert trapezoid(y, x) == pytest.approx(1.0, abs=0.02)
    marks = [line for line in display.ax_.lines if line.get_marker() == "|"]
    drawn = np.sort(np.concatenate([line.get_xdata() for line in marks]))
    np.testing.assert_array_equal(drawn, spectrum.eigenvalues)


def test_plane_and_line(surface_and_path):
    surface, path = surface_and_path
    plane = loss_slice(surface, n_points=7, random_state=0)
    display = SurfaceDisplay(plane, {"string": path}).plot()
    (line,) = display.ax_.lines
    np.testing.assert_allclose(line.get_xydata(), plane.project(path.points_))
    display.figure_.canvas.draw()
    image = np.asarray(display.figure_.canvas.buffer_rgba())
    assert len(np.unique(image.reshape(-1, 4), axis=0)) > 20  # contours of many colours
    straight = loss_slice(surface, n_directions=1, n_points=7, random_state=0)
    ax = pyplot.subplots()[1]
    display = SurfaceDisplay(straight).plot(ax=ax)
    assert display.ax_ is ax
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), straight.losses_)


def test_spin_glass():
    glass = SphericalSpinGlass(3, 15, random_state=0)
    points = glass.critical_points(8)
    display = SpinGlassDisplay(points, p=3).plot()
    x, y = display.points_.get_data()
    np.testing.assert_array_equal(x, points.energies)
    np.testing.assert_array_equal(y, points.indices / 15)
    u, share = display.line_.get_data()
    np.testing.assert_array_equal(share, expected_index(u, 3))
    with pytest.raises(ValueError, match="points: found points without indices"):
        SpinGlassDisplay(glass.descend(2)).plot()


@pytest.mark.parametrize("display", [MarginDisplay, PathDisplay])
@pytest.mark.parametrize("curves", [{}, [[1.0, 2.0]], np.ones(3)])
def test_curves_have_names(display, curves):
    with pytest.raises(ValueError, match="allowed are dicts of names and"):
        display(curves).plot()


def test_margins():
    margins = np.random.RandomState(0).randn(50)
    first, second = MarginDisplay({"a": margins, "b": 2 * margins}).plot().lines_
    assert second.get_label() == "b"
    for at, share in zip(first.get_xdata(), first.get_ydata(), strict=True):
        assert share == np.mean(margins <= at)
