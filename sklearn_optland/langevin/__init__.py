"""Langevin dynamics: posteriors of linear models and nets by descent with noise."""

from sklearn_optland.langevin._classifier import LangevinClassifier
from sklearn_optland.langevin._diagnostics import effective_sample_size, r_hat
from sklearn_optland.langevin._dynamics import sgld
from sklearn_optland.langevin._rates import pac_bayes_rate, stability_rate
from sklearn_optland.langevin._regressor import LangevinRegressor

__all__ = [
    "LangevinClassifier",
    "LangevinRegressor",
    "effective_sample_size",
    "pac_bayes_rate",
    "r_hat",
    "sgld",
    "stability_rate",
]
