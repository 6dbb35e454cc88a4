"""Displays: figures of fitted estimators, for those who have Matplotlib."""

from sklearn_optland.plotting._convergence import ConvergenceDisplay
from sklearn_optland.plotting._kkt import KKTDisplay

__all__ = ["ConvergenceDisplay", "KKTDisplay"]
