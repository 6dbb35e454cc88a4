"""Figures of two-layer nets: their particles, and the first variation that certifies them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone

from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland.plotting._models import fitted_model
from sklearn_optland.plotting._style import FAINT, NEGATIVE, POSITIVE, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANGLES = 2000


def _particles(coefs, intercepts):
    """b_j with their bias weight, and a_j, as rows."""
    return np.column_stack([coefs[0].T, intercepts[0]]).astype(np.float64), coefs[1]


class _Recorder:
    """A callback that keeps the parameters after each step of a fit."""

    def __init__(self):
        self.nets = []

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def teardown(self, estimator, context):
        """Nothing to release."""

    def on_fit_task_begin(self, estimator, context, **_):
        """Nothing to note yet: no net is made."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **_):
        """Note the parameters."""
        if fitted_estimator is not None:
            self.nets.append((fitted_estimator.coefs_, fitted_estimator.intercepts_))


class ParticlesDisplay:
    r"""The particles of a two-layer net in the plane, coloured by the signs of their outputs.

    A particle is drawn at :math:`\|a_j\| b_j`, b with its bias weight if there is one. More than
    two coordinates are projected on the two principal directions of the last net.

    Parameters
    ----------
    nets : list of (coefs, intercepts)
        Nets of the same size, in the layout of scikit-learn's MLP: the last is drawn as dots; if
        there are more, the first as crosses, and the paths between them as lines.
    output : int, default=0
        The output whose signs colour the particles.

    Attributes
    ----------
    points_ : ndarray of shape (n_nets, n_particles, 2)
        Where the particles are drawn.
    ax_ : matplotlib Axes
        Axes with the particles.
    figure_ : matplotlib Figure
        Figure that contains them.

    See Also
    --------
    ParticlesDisplay.from_estimator : Draw a fitted net.
    ParticlesDisplay.from_fit : Fit a net, and draw the paths of its particles.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.neural_network import MeanFieldTwoLayerNet
    >>> from sklearn_optland.plotting import ParticlesDisplay
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> net = MeanFieldTwoLayerNet(20, solver="flow", random_state=0)
    >>> display = ParticlesDisplay.from_fit(net, X, np.abs(X[:, 0]))
    >>> display.points_.shape[1:]
    (20, 2)
    """

    def __init__(self, nets: Sequence[tuple[Any, Any]], *, output: int = 0) -> None:
        self.nets = nets
        self.output = output

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, output: int = 0, ax: "Axes | None" = None
    ) -> Self:
        """Make the display of a fitted net, and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `coefs_` and `intercepts_` of one hidden layer; also at the end of a
            pipeline, or found by a search.
        output : int, default=0
            The output whose signs colour the particles.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : ParticlesDisplay
            The display, drawn.
        """
        net = fitted_model(estimator, "coefs_", "a net with one hidden layer")
        return cls([(net.coefs_, net.intercepts_)], output=output).plot(ax=ax)

    @classmethod
    def from_fit(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike,
        *,
        output: int = 0,
        ax: "Axes | None" = None,
    ) -> Self:
        """Fit a copy of a net, and draw the paths of its particles.

        Parameters
        ----------
        estimator : estimator
            A net whose number of particles stays the same: not "sliding-frank-wolfe".
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets or labels.
        output : int, default=0
            The output whose signs colour the particles.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : ParticlesDisplay
            The display, drawn.
        """
        recorder = _Recorder()
        clone(estimator).set_callbacks(recorder).fit(X, y)
        return cls(recorder.nets, output=output).plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the particles.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : ParticlesDisplay
            This object.
        """
        sizes = {coefs[1].shape for coefs, _ in self.nets}
        if len(sizes) != 1:
            raise ValueError(
                f"nets: found output layers of shapes {sorted(sizes)}; allowed are nets of one "
                "size."
            )
        points = []
        for net in self.nets:
            B, A = _particles(*net)
            points.append(np.linalg.norm(A, axis=1)[:, None] * B)
        points = np.array(points)
        has_bias = points[:, :, -1].any()
        labels = [f"b[{i}]" for i in range(points.shape[2] - 1)] + ["bias weight"]
        points, labels = (points, labels) if has_bias else (points[:, :, :-1], labels[:-1])
        if points.shape[2] == 1:
            points = np.concatenate([points, np.zeros_like(points)], axis=2)
            labels = [labels[0], ""]
        elif points.shape[2] > 2:
            directions = np.linalg.svd(points[-1], full_matrices=False)[2][:2]
            points = points @ directions.T
            labels = ["first principal direction", "second principal direction"]
        colours = np.where(self.nets[-1][0][1][:, self.output] > 0, POSITIVE, NEGATIVE)
        ax = axes_of(self, ax, *labels)
        if len(points) > 1:
            for j in range(points.shape[1]):
                ax.plot(*points[:, j].T, color=FAINT, linewidth=0.5, zorder=1)
            ax.scatter(*points[0].T, marker="x", s=12, c=colours, linewidth=0.7, zorder=2)
        ax.scatter(*points[-1].T, marker="o", s=24, c=colours, zorder=3)
        ax.axhline(0, color="0.8", linewidth=0.5, zorder=0)
        ax.axvline(0, color="0.8", linewidth=0.5, zorder=0)
        ax.set_title("|a| b of each neuron; colour: sign of a", fontsize="medium")
        self.points_ = points
        return self


class CertificateDisplay:
    r"""The first variation of a net over the circle of directions, with the level it may reach.

    For nets whose neurons have two coordinates: two columns without biases, or one and a bias. A
    net is a global optimum if and only if the curve stays below `alpha`, and touches it at each
    neuron.

    Parameters
    ----------
    angles : ndarray of shape (n_angles,)
        Angles of directions t, in radians; the first coordinate is their cosine.
    first_variation : ndarray of shape (n_angles,)
        Norms of :math:`\sum_i c_i r_i \max(t^T [x_i, 1], 0)`.
    alpha : float
        The penalty's strength.
    particles : ndarray of shape (n_particles,)
        Angles of the net's neurons.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure that contains it.

    See Also
    --------
    CertificateDisplay.from_estimator : Make it of a fitted net and its data, and draw.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.neural_network import MeanFieldTwoLayerNet
    >>> from sklearn_optland.plotting import CertificateDisplay
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> y = np.abs(X[:, 0])
    >>> net = MeanFieldTwoLayerNet(solver="sliding-frank-wolfe", random_state=0).fit(X, y)
    >>> display = CertificateDisplay.from_estimator(net, X, y)
    >>> bool(display.first_variation.max() < 1.01 * net.alpha_)
    True
    """

    def __init__(
        self, angles: NDArray, first_variation: NDArray, *, alpha: float, particles: NDArray
    ) -> None:
        self.angles = angles
        self.first_variation = first_variation
        self.alpha = alpha
        self.particles = particles

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Make the display of a fitted net, and draw it.

        Parameters
        ----------
        estimator : MeanFieldTwoLayerNet or MeanFieldTwoLayerNetClassifier
            Fitted to these data; also at the end of a pipeline, or found by a search.
        X : array-like of shape (n_samples, n_features)
            Data as the net gets them, with two columns, or one if it has biases.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets or labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. Default: all 1.
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : CertificateDisplay
            The display, drawn.
        """
        estimator = fitted_model(estimator, "first_variation_max_", "a MeanFieldTwoLayerNet")
        X = np.asarray(X, dtype=np.float64)
        n_columns = X.shape[1] + estimator.fit_intercept
        if n_columns != 2:
            raise ValueError(
                f"X: found {n_columns} columns, the bias feature included; allowed are 2."
            )
        if hasattr(estimator, "classes_"):
            labels = np.asarray(y)[:, None] == estimator.classes_
            pulls = labels - estimator.predict_proba(X)
            pulls = pulls[:, 1:] if len(estimator.classes_) == 2 else pulls
        else:
            pulls = (np.asarray(y) - estimator.predict(X)).reshape(len(X), -1)
        B, A = _particles(estimator.coefs_, estimator.intercepts_)
        if estimator._standard is not None:  # the penalty is that of standardised data
            center, divisor, unit = estimator._standard
            B[:, -1] += B[:, :-1] @ center
            B[:, :-1] *= divisor
            X, pulls = (X - center) / divisor, pulls / unit
        if estimator.fit_intercept:
            X = np.column_stack([X, np.ones(len(X))])
        c = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        pulls = pulls * (c / c.sum())[:, None]
        angles = np.linspace(-np.pi, np.pi, ANGLES)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        eta = np.maximum(circle @ X.T, 0) @ pulls
        B = B[np.linalg.norm(A, axis=1) > 0, : X.shape[1]]
        particles = np.arctan2(B[:, 1], B[:, 0])
        display = cls(
            angles, np.linalg.norm(eta, axis=1), alpha=estimator.alpha_, particles=particles
        )
        return display.plot(ax=ax)

    def plot(self, *, ax: "Axes | None" = None) -> Self:
        """Draw the curve, the level and the neurons.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. Default: a new figure.

        Returns
        -------
        display : CertificateDisplay
            This object.
        """
        ax = axes_of(self, ax, "angle of the direction", "norm of the first variation")
        (self.line_,) = ax.plot(self.angles, self.first_variation, color=NEGATIVE, label="|η|")
        ax.axhline(self.alpha, color=POSITIVE, linestyle="--", linewidth=1, label="alpha")
        at = np.interp(self.particles, self.angles, self.first_variation)
        ax.plot(self.particles, at, "o", color="black", markersize=4, label="neurons")
        ax.grid(alpha=0.3)
        ax.legend()
        return self
