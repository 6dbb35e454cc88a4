"""What a fit proves about itself."""

from dataclasses import dataclass
from typing import Literal

# What is measured, and what the relative value is relative to, in words.
QUANTITIES = {
    "duality gap": "of the objective",
    "optimality gap": "of the objective",
    "Newton decrement": "of the objective",
    "gradient norm": "of that at the start",
    "prox-gradient norm": "of that at the start",
    "KKT residual": "",
    "margin gap": "of the bound on the margin",
    "leaf entropy": "of the classes' entropy",
    "mean loss": "of the first pass's",
    "tensor residual": "of the moment's norm",
    "R-hat excess": "above 1",
}


@dataclass(frozen=True, repr=False)
class Certificate:
    """How far a fitted model can be from the optimum.

    Parameters
    ----------
    quantity : {"duality gap", "optimality gap", "Newton decrement", "gradient norm", \
            "prox-gradient norm", "KKT residual", "margin gap", "leaf entropy", "mean loss", \
            "tensor residual", "R-hat excess"}
        What was measured. Of the Newton decrement, half its square: what a quadratic model of the
        objective expects to be left.
    value : float
        Its value at the fitted parameters, in units of the estimator's objective.
    tolerance : float or None
        The value at which the fit was allowed to stop, in the same units. None if `tol` asked for
        nothing, or for something else.
    scope : {"global", "stationary", "estimate"}
        "global": `value` is a proven upper bound on objective - optimum. "stationary": `value`
        measures how far the parameters are from a stationary point. "estimate": nothing is proven.
    relative : float
        The value without units: of a gap or a decrement, divided by the objective at the fit; of a
        norm, by that at the start; of a margin's gap, by the bound on the margin; of a tree's
        entropy, by that of the classes before any split; of a forest's mean loss, by that of the
        first pass; of a tensor's residual, by its norm. A KKT residual is relative as it is.

    Examples
    --------
    >>> from sklearn_optland import Certificate
    >>> certificate = Certificate("duality gap", 2e-7, 1e-6, "global", 1e-7)
    >>> certificate
    duality gap 1.0e-07 of the objective (global)
    >>> certificate.reached
    True
    """

    quantity: str
    value: float
    tolerance: float | None
    scope: Literal["global", "stationary", "estimate"]
    relative: float

    @property
    def reached(self) -> bool | None:
        """Whether the value is within the tolerance; None where there is none."""
        return None if self.tolerance is None else bool(self.value <= self.tolerance)

    def __repr__(self):
        words = self.quantity, f"{self.relative:.1e}", QUANTITIES[self.quantity], f"({self.scope})"
        return " ".join(word for word in words if word)


def tolerance_of(tol, reference):
    """What `tol` asks for, in units of a reference; 0 asks for nothing."""
    return float(tol * reference) if tol > 0 else None


def ratio(value, reference):
    """value / reference for what is not negative: 0 for 0, infinity where nothing else is right."""
    if value == 0:
        return 0.0
    return float(value / reference) if reference > 0 else float("inf")
