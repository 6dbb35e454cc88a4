"""The words that parameters of finite sums take, for signatures."""

from typing import Literal, TypeAlias

__all__ = ["ClassificationLoss", "RegressionLoss", "Solver"]

ClassificationLoss: TypeAlias = Literal["log_loss", "squared_hinge", "smooth_hinge", "hinge"]
RegressionLoss: TypeAlias = Literal[
    "squared_error", "huber", "epsilon_insensitive", "smooth_quantile", "poisson", "gamma"
]
Solver: TypeAlias = Literal[
    "auto",
    "sag",
    "saga",
    "svrg",
    "sdca",
    "miso",
    "katyusha",
    "point-saga",
    "catalyst",
    "cd",
    "newton",
    "interior-point",
]
