"""What a fit proves about itself."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Certificate:
    """How far a fitted model can be from the optimum.

    Parameters
    ----------
    quantity : str
        What was measured: "duality gap", "gradient norm", "KKT residual", "first variation".
    value : float
        Its value at the fitted parameters, in units of the estimator's objective.
    tolerance : float
        The value at which the fit was allowed to stop, in the same units.
    scope : {"global", "stationary", "estimate"}
        "global": `value` is a proven upper bound on objective - optimum. "stationary": `value`
        measures how far the parameters are from a stationary point. "estimate": nothing is proven.

    Examples
    --------
    >>> from sklearn_optland import Certificate
    >>> certificate = Certificate("duality gap", 2e-7, 1e-6, "global")
    >>> print(certificate)
    duality gap 2.00e-07 <= 1.00e-06 (global)
    >>> certificate.reached
    True
    """

    quantity: str
    value: float
    tolerance: float
    scope: Literal["global", "stationary", "estimate"]

    @property
    def reached(self):
        """Whether the value is within the tolerance."""
        return self.value <= self.tolerance

    def __str__(self):
        relation = "<=" if self.reached else ">"
        return f"{self.quantity} {self.value:.2e} {relation} {self.tolerance:.2e} ({self.scope})"
