"""What solvers and estimators know of the losses of one prediction.

The formulas are in scalar_losses_fast.pxd.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._loss.scalar_losses_fast import LossKind


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
        Its largest second derivative; infinity where it has a kink.
    largest_pull : float or None
        The largest |l'|: infinity, or None for `epsilon`.
    for_classes : bool
        Whether it is a loss of the margin y f, y = -1 or 1.
    rests : bool
        Whether it has a kink or a flat part, at which the dual variables of most rows come to rest.
    independent : float
        Rows are independent enough for SDCA if the least eigenvalue of their Gram matrix is above
        this share of the mean one, as measured on twelve problems. Losses of classes are nearly
        flat at most rows, which helps.
    """

    name: str
    kind: LossKind
    curvature: float
    largest_pull: float | None
    for_classes: bool
    rests: bool = False
    independent: float = 1e-3

    @property
    def is_smooth(self):
        """Whether the second derivative is bounded."""
        return np.isfinite(self.curvature)

    @property
    def is_square(self):
        """Whether the second derivative is 1 everywhere."""
        return self.kind == LossKind.SQUARED_ERROR

    def curvatures(self, pulls, epsilon):
        """Second derivatives of a smooth loss where its pulls are these; one side's at a bend."""
        size = np.abs(pulls)
        if self.kind == LossKind.LOG:
            return size * (1 - size)
        largest = epsilon if self.largest_pull is None else self.largest_pull
        bends = size < largest
        return self.curvature * (bends & (size > 0) if self.for_classes else bends)

    def room(self, theta, epsilon):
        """How far pulls may move: 0 at 0 and where the conjugate's domain ends.

        theta - room z stays in the domain for any |z| <= 1.
        """
        size = np.abs(theta)
        if self.largest_pull == np.inf:
            return size / (1 + size) if self.for_classes else np.ones_like(size)
        largest = epsilon if self.largest_pull is None else self.largest_pull
        return size * np.maximum(1 - size / largest, 0.0) if largest > 0 else np.zeros_like(size)

    def check_targets(self, y, c):
        """Raise an error for targets that the loss does not take, or whose squares overflow."""
        if self.for_classes and not np.isin(y, (-1, 1)).all():
            raise ValueError(
                f"y: found values beside -1 and 1; loss={self.name!r} allows no others."
            )
        with np.errstate(over="ignore"):
            total = c @ y**2
        if not np.isfinite(total):
            raise ValueError(
                f"y: found magnitudes up to {np.abs(y).max():.3g}, whose squares overflow "
                "float64; allowed are those whose squares can be summed."
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
    )
}
CLASSIFICATION_LOSSES = tuple(name for name, loss in LOSSES.items() if loss.for_classes)
REGRESSION_LOSSES = tuple(name for name, loss in LOSSES.items() if not loss.for_classes)
