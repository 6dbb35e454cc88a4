"""KKT residuals of a net against iterations."""

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_optland.plotting._models import fitted_model
from sklearn_optland.plotting._style import axes_of, draw_curve, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABELS = {
    "W_1": "W, first layer",
    "W_i": "W, middle layers",
    "W_l": "W, last layer",
    "V_i": "V, hidden layers",
    "V_l-1": "V, last hidden layer",
    "V_l": "V, output",
    "constraint_i": "constraint, hidden layers",
    "constraint_l": "constraint, output",
}


class KKTDisplay:
    """Residuals of the lines of a net's KKT system against iterations.

    A line without residuals is not drawn: on the feasible set those of V and of the constraints
    hold by construction.

    Parameters
    ----------
    residuals : dict of str to ndarray
        The attribute `kkt_residuals_` of a fitted net.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves that are drawn, in the order of the residuals.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    KKTDisplay.from_estimator : Make it of a fitted net, and draw.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_optland.neural_network import ADMMNetClassifier
    >>> from sklearn_optland.plotting import KKTDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = ADMMNetClassifier((10,), "tanh", random_state=0).fit(X, y)
    >>> display = KKTDisplay.from_estimator(net)
    >>> [line.get_label() for line in display.lines_]
    ['W, first layer', 'W, last layer']
    """

    def __init__(self, residuals: dict[str, NDArray]) -> None:
        self.residuals = residuals

    @classmethod
    def from_estimator(cls, estimator: BaseEstimator, *, ax: "Axes | None" = None) -> Self:
        """Make the display of a fitted net, and draw it.

        Parameters
        ----------
        estimator : ADMMNetClassifier or ADMMNetRegressor
            Fitted; also at the end of a pipeline, or found by a search.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : KKTDisplay
            The display, drawn.
        """
        net = fitted_model(estimator, "kkt_residuals_", "a net of ADMMNetClassifier's kind")
        return cls(net.kkt_residuals_).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : KKTDisplay
            This object.
        """
        ax = axes_of(self, ax, "iterations", "KKT residual")
        self.lines_ = []
        for (name, values), (colour, marker) in zip(self.residuals.items(), styles(), strict=False):
            if not np.any(values):
                continue
            steps = np.arange(1, len(values) + 1)
            shown = np.where(values > 0, values, np.nan)  # 0 has no place on a logarithmic axis
            label = LABELS.get(name, name)
            self.lines_.append(draw_curve(ax, steps, shown, label, colour, marker))
        ax.set_yscale("log")
        ax.grid(alpha=0.3)
        ax.legend()
        return self
