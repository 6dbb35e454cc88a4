"""The landscape of a net: paths, spectra, slices."""

from itertools import cycle
from typing import TYPE_CHECKING, Self

import numpy as np

from sklearn_optland.landscape import critical_energy, expected_index, threshold_energy
from sklearn_optland.landscape._paths import Path
from sklearn_optland.landscape._slices import LossSlice
from sklearn_optland.landscape._spectrum import Spectrum
from sklearn_optland.landscape._spin_glass import SpinGlassPoints
from sklearn_optland.plotting._style import (
    COLOURS,
    FAINT,
    NEGATIVE,
    POSITIVE,
    axes_of,
    draw_curve,
    named,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Points of a density.
POINTS = 400
# Width of its Gaussian, as a share of the spectrum's.
WIDTH = 0.01
# Contours of a plane.
CONTOURS = 20


class PathDisplay:
    """The loss on paths between minima.

    Parameters
    ----------
    paths : dict of str to Path
        Names, and what `connect` found.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        A curve a path.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    sklearn_optland.landscape.connect : Look for a path.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import LossSurface, connect
    >>> from sklearn_optland.plotting import PathDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> surface = LossSurface(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    >>> path = connect(surface, surface.theta_, 0 * surface.theta_)
    >>> display = PathDisplay({"straight": path}).plot()
    >>> [line.get_label() for line in display.lines_]
    ['straight']
    """

    def __init__(self, paths: dict[str, Path]) -> None:
        self.paths = paths

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : PathDisplay
            This object.

        Raises
        ------
        ValueError
            If paths is no dict, or an empty one.
        """
        paths = named(self.paths, "paths", "paths")
        ax = axes_of(self, ax, "share of the path's length", "loss")
        self.lines_ = []
        for (name, path), colour in zip(paths, cycle(COLOURS), strict=False):
            (line,) = ax.plot(path.grid_, path.grid_losses_, color=colour, label=name)
            is_point = np.isin(np.arange(len(path.grid_)), inner_positions(path))
            ax.plot(path.grid_[is_point], path.grid_losses_[is_point], "o", color=colour, ms=4)
            self.lines_.append(line)
        for level in sorted({path.level_ for path in self.paths.values()}):
            ax.axhline(level, color=FAINT, linestyle="--", linewidth=1)
        ax.grid(alpha=0.3)
        ax.legend()
        return self


def inner_positions(path):
    """Numbers of the grid's entries that are points of the path."""
    n_inside = (len(path.grid_) - 1) // max(len(path.points_) - 1, 1)
    return np.arange(0, len(path.grid_), max(n_inside, 1))


class SpectrumDisplay:
    """The spectral density of a Hessian, and its eigenvalues at both ends.

    Parameters
    ----------
    spectrum : Spectrum
        What `hessian_spectrum` found.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The density.
    ax_ : matplotlib Axes
        Axes with it.
    figure_ : matplotlib Figure
        Figure that contains it.

    See Also
    --------
    sklearn_optland.landscape.hessian_spectrum : Compute the spectrum.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import LossSurface, hessian_spectrum
    >>> from sklearn_optland.plotting import SpectrumDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> surface = LossSurface(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    >>> SpectrumDisplay(hessian_spectrum(surface)).plot().ax_.get_xlabel()
    'eigenvalue'
    """

    def __init__(self, spectrum: Spectrum) -> None:
        self.spectrum = spectrum

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the density.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : SpectrumDisplay
            This object.
        """
        ax = axes_of(self, ax, "eigenvalue", "density")
        values = self.spectrum.eigenvalues
        low, high = min(float(values[0]), 0.0), float(values[-1])
        span = high - low if high > low else 1.0
        points = np.linspace(low - 0.05 * span, high + 0.05 * span, POINTS)
        density, error = self.spectrum.density(points, WIDTH * span)
        self.line_ = draw_curve(ax, points, density, "density", COLOURS[0], None)
        lower = np.maximum(density - error, 0.0)
        ax.fill_between(points, lower, density + error, color=COLOURS[0], alpha=0.25)
        ax.set_yscale("log")
        ax.set_ylim(bottom=max(density.max() * 1e-6, 1e-300))
        for some, colour, name in (
            (values[values < 0], NEGATIVE, "negative eigenvalues"),
            (values[values >= 0], POSITIVE, "other eigenvalues"),
        ):
            if len(some):
                at = np.full(len(some), 0.02)
                marks = ax.get_xaxis_transform()
                ax.plot(some, at, "|", color=colour, ms=10, label=name, transform=marks)
        ax.grid(alpha=0.3)
        ax.legend()
        return self


class SurfaceDisplay:
    """The loss on a line or a plane, with paths projected onto the plane.

    Parameters
    ----------
    loss_slice : LossSlice
        What `loss_slice` computed.
    paths : dict of str to Path, default=None
        Names, and paths to draw on a plane.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve or the contours.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    sklearn_optland.landscape.loss_slice : Compute the losses.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import LossSurface, loss_slice
    >>> from sklearn_optland.plotting import SurfaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> surface = LossSurface(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    >>> plane = loss_slice(surface, n_points=5, random_state=0)
    >>> SurfaceDisplay(plane).plot().ax_.get_xlabel()
    'first direction'
    """

    def __init__(self, loss_slice: LossSlice, paths: dict[str, Path] | None = None) -> None:
        self.loss_slice, self.paths = loss_slice, paths

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the curve, or contours of the logarithm of the loss.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : SurfaceDisplay
            This object.

        Raises
        ------
        ValueError
            If paths is neither a dict nor None.
        """
        losses, coordinates = self.loss_slice.losses_, self.loss_slice.coordinates_
        if losses.ndim == 1:
            ax = axes_of(self, ax, "direction", "loss")
            ax.plot(coordinates[0], losses, color=COLOURS[0])
            ax.grid(alpha=0.3)
            return self
        ax = axes_of(self, ax, "first direction", "second direction")
        shown = np.log10(np.maximum(losses.T, np.finfo(float).tiny))
        paths = named(self.paths, "paths", "paths") if self.paths else ()
        contours = ax.contourf(*coordinates, shown, CONTOURS, cmap="viridis")
        self.figure_.colorbar(contours, ax=ax, label="log10 of the loss")
        for (name, path), colour in zip(paths, cycle(COLOURS[1:]), strict=False):
            where = self.loss_slice.project(path.points_)
            ax.plot(*where.T, "o-", color=colour, ms=4, label=name)
        if paths:
            ax.legend()
        return self


class SpinGlassDisplay:
    """Critical points of a spherical spin glass: their index against their energy.

    Parameters
    ----------
    points : SpinGlassPoints
        What `SphericalSpinGlass.critical_points` found.
    p : int, default=3
        Spins that interact in the glass.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The index that a large glass has at each energy.
    points_ : matplotlib Line2D
        The points.
    ax_ : matplotlib Axes
        Axes with them.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    sklearn_optland.landscape.SphericalSpinGlass : The glass.

    Examples
    --------
    >>> from sklearn_optland.landscape import SphericalSpinGlass
    >>> from sklearn_optland.plotting import SpinGlassDisplay
    >>> points = SphericalSpinGlass(p=3, n=20, random_state=0).critical_points(5)
    >>> SpinGlassDisplay(points, p=3).plot().ax_.get_xlabel()
    'energy per spin'
    """

    def __init__(self, points: SpinGlassPoints, p: int = 3) -> None:
        self.points, self.p = points, p

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the points, the theory's curve, and its band of low index.

        Between the ground state and the threshold a large glass has critical points of low index
        alone, and none below.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : SpinGlassDisplay
            This object.

        Raises
        ------
        ValueError
            If the indices of the points were not counted.
        """
        if self.points.indices is None:
            raise ValueError(
                "points: found points without indices; allowed is what critical_points found."
            )
        ax = axes_of(self, ax, "energy per spin", "index / number of spins")
        energies, n = self.points.energies, self.points.points.shape[1]
        ground, threshold = critical_energy(self.p), threshold_energy(self.p)
        span = np.linspace(min(ground, energies.min(initial=0)), max(0, energies.max(initial=0)))
        u = np.union1d(span, np.linspace(threshold, span[-1], POINTS))
        self.line_ = draw_curve(ax, u, expected_index(u, self.p), "large n", COLOURS[1], None)
        (self.points_,) = ax.plot(
            energies, self.points.indices / n, "o", color=COLOURS[0], ms=4, label=f"n = {n}"
        )
        ax.axvspan(ground, threshold, color=FAINT, alpha=0.4, label="low index alone")
        ax.grid(alpha=0.3)
        ax.legend()
        return self
