"""Objective gaps of fitted estimators against passes or seconds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_optland.plotting._models import fitted_model
from sklearn_optland.plotting._style import axes_of, draw_curve, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

XLABELS = {"passes": "passes over the data", "seconds": "seconds"}
LOWEST = 1e-16  # a gap of 0 has no place on a logarithmic axis


class ConvergenceDisplay:
    """Objective gaps of fitted estimators against passes or seconds.

    The estimators must have been fitted to the same data with the same objective: the optimum is
    the best that one of them has reached, less what its certificate leaves open if it is larger.

    Parameters
    ----------
    curves : dict of str to dict
        For each name a `history_`: arrays "objective", "certificate", "passes", "seconds".
    rates : dict of str to dict, default=None
        For some names a `rate_`, whose slope is drawn beside the curve.
    optimum : float, default=None
        The optimal objective, if it is known better than by the curves.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves, in the order of the names.
    slopes_ : list of matplotlib Line2D
        The theoretical slopes.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    ConvergenceDisplay.from_estimator : Make it of a fitted estimator, and draw.
    ConvergenceDisplay.from_estimators : Make it of several.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import SAGARegressor, SDCARegressor
    >>> from sklearn_optland.plotting import ConvergenceDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> models = [E(alpha=0.01, random_state=0).fit(X, y) for E in (SAGARegressor, SDCARegressor)]
    >>> display = ConvergenceDisplay.from_estimators(models)
    >>> [line.get_label() for line in display.lines_]
    ['SAGARegressor', 'SDCARegressor']
    """

    def __init__(
        self,
        curves: dict[str, dict[str, NDArray]],
        *,
        rates: dict[str, dict[str, Any]] | None = None,
        optimum: float | None = None,
    ) -> None:
        self.curves = curves
        self.rates = rates
        self.optimum = optimum

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        x: Literal["passes", "seconds"] = "passes",
        optimum: float | None = None,
        slopes: bool = True,
        ax: "Axes | None" = None,
    ) -> Self:
        """Make the display of a fitted estimator, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a `history_`, also at the end of a pipeline, or found by a search; with a
            `rate_` it may get a slope.
        name : str, default=None
            What the legend calls it. Default: the solver that ran, or the class.
        x : {"passes", "seconds"}, default="passes"
            The horizontal axis.
        optimum : float, default=None
            The optimal objective, if it is known better than by the estimator.
        slopes : bool, default=True
            Whether to draw the theoretical slope; only against passes.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.
        """
        names = None if name is None else [name]
        options = {"x": x, "optimum": optimum, "slopes": slopes, "ax": ax}
        return cls.from_estimators([estimator], names=names, **options)

    @classmethod
    def from_estimators(
        cls,
        estimators: Sequence[BaseEstimator],
        *,
        names: Sequence[str] | None = None,
        x: Literal["passes", "seconds"] = "passes",
        optimum: float | None = None,
        slopes: bool = True,
        ax: "Axes | None" = None,
    ) -> Self:
        """Make the display of fitted estimators, and draw it.

        Parameters
        ----------
        estimators : list of estimators
            As `from_estimator` takes one.
        names : list of str, default=None
            What the legend calls them. Default: the solver that ran, or the class.
        x : {"passes", "seconds"}, default="passes"
            The horizontal axis.
        optimum : float, default=None
            The optimal objective, if it is known better than by the estimators.
        slopes : bool, default=True
            Whether to draw the theoretical slopes; only against passes.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.
        """
        kind = "an estimator of sklearn_optland that iterates"
        estimators = [fitted_model(estimator, "history_", kind) for estimator in estimators]
        if names is None:
            names = [_name(estimator) for estimator in estimators]
        if len(names) != len(estimators):
            raise ValueError(
                f"names: found {len(names)}; allowed are {len(estimators)}, one for each estimator."
            )
        curves = {n: e.history_ for n, e in zip(names, estimators, strict=True)}
        rates = {n: e.rate_ for n, e in zip(names, estimators, strict=True) if hasattr(e, "rate_")}
        return cls(curves, rates=rates, optimum=optimum).plot(x=x, slopes=slopes, ax=ax)

    def plot(
        self,
        *,
        x: Literal["passes", "seconds"] = "passes",
        slopes: bool = True,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        x : {"passes", "seconds"}, default="passes"
            The horizontal axis.
        slopes : bool, default=True
            Whether to draw the theoretical slopes; only against passes.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : ConvergenceDisplay
            This object.
        """
        if x not in XLABELS:
            raise ValueError(f"x must be one of {list(XLABELS)}, got {x!r}.")
        ax = axes_of(self, ax, XLABELS[x], "(objective − optimum) / optimum")
        optimum = self._optimum()
        self.lines_, self.slopes_ = [], []
        gaps = {
            name: np.maximum((curve["objective"] - optimum) / abs(optimum or 1.0), LOWEST)
            for name, curve in self.curves.items()
        }
        for name, (colour, marker) in zip(gaps, styles(), strict=False):
            where = np.asarray(self.curves[name][x])
            self.lines_.append(draw_curve(ax, where, gaps[name], name, colour, marker))
            rate = (self.rates or {}).get(name)
            if slopes and x == "passes" and rate and np.isfinite(rate["passes_per_e"]):
                falls = gaps[name][0] * np.exp(-(where - where[0]) / rate["passes_per_e"])
                shown = falls >= min(gap.min() for gap in gaps.values())
                if shown.sum() > 1:
                    (slope,) = ax.plot(
                        where[shown], falls[shown], color=colour, linestyle=":", linewidth=1
                    )
                    self.slopes_.append(slope)
        ax.set_yscale("log")
        ax.grid(alpha=0.3)
        title = "dotted: by the rate table, without its constants" if self.slopes_ else None
        ax.legend(title=title, title_fontsize="small")
        return self

    def _optimum(self):
        """The best objective of all, lowered to the middle of what its certificate leaves open."""
        if self.optimum is not None:
            return self.optimum
        best = min(np.min(curve["objective"]) for curve in self.curves.values())
        bound = max(
            np.max(np.asarray(curve["objective"]) - curve.get("certificate", np.inf))
            for curve in self.curves.values()
        )
        return 0.5 * (best + bound) if np.isfinite(bound) and bound <= best else best


def _name(estimator):
    name = type(estimator).__name__
    solver = getattr(estimator, "solver_", None)
    return f"{name}, {solver}" if "solver" in estimator.get_params() and solver else name
