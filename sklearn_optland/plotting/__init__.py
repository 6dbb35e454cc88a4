"""Displays: figures of fitted estimators, for those who have Matplotlib."""

from sklearn_optland.plotting._convergence import ConvergenceDisplay

__all__ = ["ConvergenceDisplay"]
