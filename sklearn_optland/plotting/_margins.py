"""How margins are distributed."""

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_optland.plotting._style import FAINT, axes_of, draw_curve, named, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class MarginDisplay:
    """The share of rows whose margin is at most so large.

    Parameters
    ----------
    margins : dict of str to array-like of shape (n_samples,)
        Names, and margins, as `normalized_margins` has them.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        A curve for each name.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    sklearn_optland.landscape.normalized_margins : Compute the margins.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import normalized_margins
    >>> from sklearn_optland.plotting import MarginDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> margins = normalized_margins(model, X, y)
    >>> display = MarginDisplay({"linear": margins}).plot()
    >>> [line.get_label() for line in display.lines_]
    ['linear']
    """

    def __init__(self, margins: dict[str, ArrayLike]) -> None:
        self.margins = margins

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the curves: at 0 they have the error.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : MarginDisplay
            This object.

        Raises
        ------
        ValueError
            If margins is no dict, or an empty one.
        """
        curves = named(self.margins, "margins", "margins")
        ax = axes_of(self, ax, "normalised margin", "share of rows with at most that")
        self.lines_ = []
        for (name, margins), (colour, marker) in zip(curves, styles(), strict=False):
            values = np.sort(np.asarray(margins, dtype=np.float64).ravel())
            shares = np.arange(1, len(values) + 1) / len(values)
            line = draw_curve(ax, values, shares, name, colour, marker)
            line.set_drawstyle("steps-post")
            self.lines_.append(line)
        ax.axvline(0.0, color=FAINT, linestyle="--", linewidth=1)
        ax.grid(alpha=0.3)
        ax.legend()
        return self
