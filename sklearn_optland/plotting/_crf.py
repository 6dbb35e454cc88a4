"""What a chain has learned of neighbours, and what it makes of one sequence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_optland.plotting._models import fitted_model
from sklearn_optland.plotting._style import NEGATIVE, POSITIVE, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Up to so many labels cells have their number in them.
MOST_NUMBERS = 12
START, END = "start", "end"


class CRFDisplay:
    """Scores of labels that follow each other, or the marginals of one sequence, as a heat map.

    Parameters
    ----------
    classes : array-like of shape (n_classes,)
        The labels.
    transition : array-like of shape (n_classes, n_classes), default=None
        Scores of pairs of labels, a row for the one before.
    start, end : array-like of shape (n_classes,), default=None
        Scores of first and last labels. Default: they have none.
    marginals : array-like of shape (n_tokens, n_classes), default=None
        Probabilities of the labels of each token of a sequence. With these they are drawn, else the
        transitions.
    tokens : list of str, default=None
        What to write below the tokens. Default: their numbers.
    y_pred, y_true : list of labels, default=None
        Labels of the tokens that are marked as predicted and as true.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The heat map.
    ax_ : matplotlib Axes
        Axes with the heat map.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    CRFDisplay.from_estimator : Make it of a fitted model, and draw.

    Examples
    --------
    >>> from sklearn_optland.plotting import CRFDisplay
    >>> display = CRFDisplay(["B", "I", "O"], [[0.1, 2.0, 0.3], [0.4, 1.0, 0.5], [0.9, -3.0, 0.8]])
    >>> display.plot().ax_.get_ylabel()
    'label before'
    """

    def __init__(
        self,
        classes: ArrayLike,
        transition: ArrayLike | None = None,
        *,
        start: ArrayLike | None = None,
        end: ArrayLike | None = None,
        marginals: ArrayLike | None = None,
        tokens: Sequence[str] | None = None,
        y_pred: Sequence[Any] | None = None,
        y_true: Sequence[Any] | None = None,
    ) -> None:
        self.classes = classes
        self.transition = transition
        self.start = start
        self.end = end
        self.marginals = marginals
        self.tokens = tokens
        self.y_pred = y_pred
        self.y_true = y_true

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: Any = None,
        *,
        tokens: Sequence[str] | None = None,
        y_true: Sequence[Any] | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Make the display of a fitted model, and draw it.

        Parameters
        ----------
        estimator : ChainCRFClassifier, Pipeline that ends with one, or search for one
            Fitted. Of a search, its best estimator is drawn.
        X : {array-like, sparse matrix} of shape (n_tokens, n_features), default=None
            One sequence, or what the estimator takes as one, whose marginals and labels are drawn.
            Default: the transitions are.
        tokens : list of str, default=None
            What to write below the tokens. Default: their numbers.
        y_true : list of labels, default=None
            The true labels of the tokens.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : CRFDisplay
            The display, drawn.
        """
        model = fitted_model(estimator, "transition_", "a chain CRF")
        start, end = (getattr(model, name, None) for name in ("start_", "end_"))
        marginals = y_pred = None
        if X is not None:
            marginals, y_pred = estimator.predict_proba([X])[0], estimator.predict([X])[0]
        return cls(
            model.classes_,
            model.transition_,
            start=start if start is not None and np.any(start) else None,
            end=end if end is not None and np.any(end) else None,
            marginals=marginals,
            tokens=tokens,
            y_pred=y_pred,
            y_true=y_true,
        ).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the marginals if there are any, else the transitions.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : CRFDisplay
            This object.

        Raises
        ------
        ValueError
            If there is nothing to draw, or if tokens or labels are not as many as the rows of the
            marginals.
        """
        if self.marginals is not None:
            return self._plot_marginals(ax)
        if self.transition is None:
            raise ValueError("transition: found None, and no marginals; allowed is one of them.")
        return self._plot_transitions(ax)

    def _plot_transitions(self, ax):
        scores, before, after = np.asarray(self.transition, float), *[list(self.classes)] * 2
        if self.start is not None:
            scores, before = np.vstack([scores, self.start]), [*before, START]
        if self.end is not None:
            last = np.full(len(scores), np.nan)
            last[: len(self.end)] = self.end
            scores, after = np.c_[scores, last], [*after, END]
        ax = axes_of(self, ax, "label", "label before")
        size = np.nanmax(np.abs(scores)) or 1.0
        colours = _colour_map((NEGATIVE, "white", POSITIVE))
        self.image_ = ax.imshow(scores, cmap=colours, vmin=-size, vmax=size)
        self._label(ax, after, before)
        if max(scores.shape) <= MOST_NUMBERS:
            for (row, column), score in np.ndenumerate(scores):
                if np.isfinite(score):
                    shade = "white" if abs(score) > 0.7 * size else "black"
                    text = f"{score:.1f}".replace("-0.0", "0.0")
                    style = {"ha": "center", "va": "center", "fontsize": "small", "color": shade}
                    ax.text(column, row, text, **style)
        self.figure_.colorbar(self.image_, ax=ax, label="score")
        return self

    def _plot_marginals(self, ax):
        marginals, tokens = np.asarray(self.marginals, float), self.tokens
        for name in ("tokens", "y_pred", "y_true"):
            given = getattr(self, name)
            if given is not None and len(given) != len(marginals):
                raise ValueError(
                    f"{name}: found {len(given)}; allowed are {len(marginals)}, one for each row "
                    "of the marginals."
                )
        ax = axes_of(self, ax, "token", "label")
        colours = _colour_map(("white", NEGATIVE))
        self.image_ = ax.imshow(marginals.T, cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
        self._label(ax, range(len(marginals)) if tokens is None else tokens, list(self.classes))
        self._mark(ax, self.y_true, "s", {"markersize": 13, "markerfacecolor": "none"}, "true")
        self._mark(ax, self.y_pred, "o", {"markersize": 5, "markeredgecolor": "white"}, "predicted")
        if self.y_true is not None or self.y_pred is not None:
            ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
        self.figure_.colorbar(self.image_, ax=ax, label="probability")
        return self

    def _mark(self, ax, labels, marker, style, name):
        if labels is None:
            return
        classes = list(self.classes)
        where = [classes.index(label) if label in classes else np.nan for label in labels]
        ax.plot(range(len(where)), where, marker, color=POSITIVE, label=name, **style)

    @staticmethod
    def _label(ax, columns, rows):
        # Long names of many columns are readable upright only.
        upright = max(len(str(column)) for column in columns) * len(columns) > 40
        ax.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0)
        ax.set_yticks(range(len(rows)), rows)


def _colour_map(colours):
    from matplotlib.colors import LinearSegmentedColormap  # when something is drawn

    return LinearSegmentedColormap.from_list("sklearn_optland", colours)
