"""What solvers and estimators know of the losses of one prediction.

The formulas are in scalar_losses_fast.pxd.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_optland._loss.scalar_losses_fast import LossKind, curvatures


@dataclass(frozen=True)
class ScalarLoss:
    """A loss l(y, f) of one prediction f.

    Parameters
    ----------
    name : str
        What users call it.
    kind : LossKind
        What kernels call it.
    curvature : float
        Its largest second derivative; infinity where it has a kink or grows exponentially.
    largest_pull : float or None
        The largest |l'|: infinity, or None for what depends on parameters.
    for_classes : bool
        Whether it is a loss of the margin y f, y = -1 or 1.
    rests : bool
        Whether it has a kink or a flat part, at which the dual variables of most rows come to rest.
    independent : float
        Rows are independent enough for SDCA if the least eigenvalue of their Gram matrix is above
        this share of the mean one, as measured on twelve problems. Losses of classes are nearly
        flat at most rows, which helps.
    log_link : bool
        Whether f is the logarithm of what is predicted, and the loss grows exponentially in it.
    epsilon, quantile : float
        Parameters of the losses that have them.
    """

    name: str
    kind: LossKind
    curvature: float
    largest_pull: float | None
    for_classes: bool
    rests: bool = False
    independent: float = 1e-3
    log_link: bool = False
    epsilon: float = 0.0
    quantile: float = 0.5

    def with_parameters(self, epsilon, quantile):
        """Return the loss with these parameters."""
        if self.kind != LossKind.SMOOTH_QUANTILE:
            return replace(self, epsilon=epsilon, quantile=quantile)
        if epsilon == 0:
            raise ValueError(f"epsilon: found 0; loss={self.name!r} allows values above.")
        return replace(self, epsilon=epsilon, quantile=quantile, curvature=1 / epsilon)

    @property
    def is_of_residuals(self):
        """Whether it is a function of y - f."""
        return not (self.for_classes or self.log_link)

    @property
    def is_smooth(self):
        """Whether it has no kink."""
        return self.is_bounded or self.log_link

    @property
    def is_bounded(self):
        """Whether the second derivative is bounded."""
        return np.isfinite(self.curvature)

    @property
    def is_square(self):
        """Whether the second derivative is 1 everywhere."""
        return self.kind == LossKind.SQUARED_ERROR

    def typical_curvature(self, y, c):
        """The largest second derivative, or where it is infinite a size that it may have.

        That is 1 of kinks, and of exponential losses what they have at the best constant.
        """
        if self.is_bounded:
            return self.curvature
        return float(c @ y) if self.kind == LossKind.POISSON else 1.0

    def room(self, y, theta):
        """How far pulls may move: 0 where the conjugate's domain ends; of bounded pulls also at 0.

        theta - room z stays in the domain for any |z| <= 1.
        """
        if self.log_link:
            return np.maximum(curvatures(self, y, theta), 0.0)
        size, largest = np.abs(theta), self._largest(theta)
        if self.largest_pull == np.inf:
            return size / (1 + size) if self.for_classes else np.ones_like(size)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(largest > 0, size * np.maximum(1 - size / largest, 0.0), 0.0)

    def _largest(self, pulls):
        """The largest size that pulls of these signs can have."""
        if self.kind == LossKind.HUBER:
            return self.epsilon
        if self.kind == LossKind.SMOOTH_QUANTILE:
            return np.where(pulls < 0, 1 - self.quantile, self.quantile)
        return self.largest_pull

    def check_targets(self, y, c):
        """Raise an error for targets that the loss does not take, or whose squares overflow."""
        if self.for_classes and not np.isin(y, (-1, 1)).all():
            raise ValueError(
                f"y: found values beside -1 and 1; loss={self.name!r} allows no others."
            )
        if self.log_link:
            self._check_positive(y)
        with np.errstate(over="ignore"):
            total = c @ y**2
        if not np.isfinite(total):
            raise ValueError(
                f"y: found magnitudes up to {np.abs(y).max():.3g}, whose squares overflow "
                "float64; allowed are those whose squares can be summed."
            )

    def _check_positive(self, y):
        if self.kind == LossKind.GAMMA and not (y > 0).all():
            raise ValueError(
                f"y: found values down to {y.min():.3g}; loss={self.name!r} allows positive ones."
            )
        if (y < 0).any() or not y.any():
            found = f"values down to {y.min():.3g}" if (y < 0).any() else "nothing but zeros"
            raise ValueError(
                f"y: found {found}; loss={self.name!r} allows values of at least 0, not all of "
                "them 0."
            )


LOSSES = {
    loss.name: loss
    for loss in (
        ScalarLoss("log_loss", LossKind.LOG, 0.25, 1.0, True),
        ScalarLoss("squared_hinge", LossKind.SQUARED_HINGE, 2.0, np.inf, True, rests=True),
        ScalarLoss("smooth_hinge", LossKind.SMOOTH_HINGE, 1.0, 1.0, True, rests=True),
        ScalarLoss("hinge", LossKind.HINGE, np.inf, 1.0, True, rests=True),
        ScalarLoss("squared_error", LossKind.SQUARED_ERROR, 1.0, np.inf, False, independent=0.1),
        ScalarLoss("huber", LossKind.HUBER, 1.0, None, False, independent=0.1),
        ScalarLoss(
            "epsilon_insensitive", LossKind.EPSILON_INSENSITIVE, np.inf, 1.0, False, rests=True
        ),
        ScalarLoss(
            "smooth_quantile",
            LossKind.SMOOTH_QUANTILE,
            1.0,
            None,
            False,
            independent=0.1,
            epsilon=1.0,
        ),
        ScalarLoss(
            "poisson", LossKind.POISSON, np.inf, np.inf, False, independent=0.1, log_link=True
        ),
        ScalarLoss("gamma", LossKind.GAMMA, np.inf, np.inf, False, independent=0.1, log_link=True),
    )
}
CLASSIFICATION_LOSSES = tuple(name for name, loss in LOSSES.items() if loss.for_classes)
REGRESSION_LOSSES = tuple(name for name, loss in LOSSES.items() if not loss.for_classes)
