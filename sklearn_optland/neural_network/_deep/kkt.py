"""What nets are judged by: the objective and what is left of its KKT system."""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._net.units import root_mean_square, weighted_mean
from sklearn_optland._optim.step import Step

# The lines of the KKT system, on the seed's page, in its order.
KKT_LINES = ("W_1", "W_i", "W_l", "V_i", "V_l-1", "V_l", "constraint_i", "constraint_l")


@dataclass
class NetStep(Step):
    """A net after an iteration; its parameters are the flat array.

    Parameters
    ----------
    residual : float
        The relative KKT residual of the net, see `Point`.
    is_rough : bool
        Loss and residual are of float32, the data are not.
    """

    residual: float = np.nan
    is_rough: bool = False


@dataclass(frozen=True)
class Point:
    """A net, its objective and what is left of the KKT system on the feasible set.

    Parameters
    ----------
    theta : ndarray
    value, gradient : float, ndarray
        Of what is minimised.
    objective : float
        With the penalty.
    misfit : float
        Norm of the output residuals relative to those of a constant prediction.
    residual : float
        The largest of all layers' |G_l| |D_L| / (|D_0| (|H_l| |D_l| + alpha |W_l|)): the norm of
        the W line, G = H'D + alpha W, relative to those of its terms, times the size of the output
        residuals D_L relative to those of a constant prediction; with one
        hidden layer 0 for weights that the penalty has taken to 0. The adjoints D_l of a deep net's
        first layers vanish on a plateau, and the gradient with them; this does not. Nor does it
        depend on the units of the targets, and it vanishes where the net interpolates.
    grams : dict of int to ndarray
        Gram matrices of the layers that were asked for.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    objective: float
    misfit: float
    residual: float
    grams: dict


class Objective:
    """Mean loss + alpha / 2 times the squared weights, biases free.

    Parameters
    ----------
    passes : Passes
    alpha : float
    factors : ndarray
        What multiplies each squared parameter: `Units.penalty_factors`.
    unit : float, default=1.0
        The user's objective is so many times this one.
    """

    def __init__(self, passes, alpha, factors, unit=1.0):
        self.passes, self.network, self.dtype = passes, passes.network, passes.dtype
        self.penalty = (np.float64(alpha) * factors).astype(passes.dtype)
        self.unit, self.is_penalized = unit, True
        self.n_hidden = len(passes.network.sizes) - 2
        self.n_passes = 0.0
        self.columns_square = passes.columns_square()
        targets = passes.source, passes.network.sizes[-1], passes.Y
        self.constant_residual = root_mean_square(*targets, center=weighted_mean(*targets))

    def at(self, theta, levels=()):
        """Objective, gradient and KKT residual, Grams of some layers, by one pass over the data."""
        self.n_passes += 1
        loss, gradient, squares, grams = self.passes.gradient_and_squares(theta, levels)
        pull = self.penalty * theta
        squares[0, 0] = self.columns_square
        inputs, adjoints = np.sqrt(squares[0] + 1), np.sqrt(squares[1])  # 1 is that of the bias
        pulls, pushes = _norms(self.network, pull), inputs * adjoints
        terms = pushes + pulls
        lines = _norms(self.network, gradient + pull) / np.where(terms > 0, terms, 1.0)
        objective = loss + 0.5 * float(np.dot(theta, pull))
        if self.n_hidden == 1:
            # What the penalty takes to 0 is there within the objective's rounding. With one hidden
            # layer that is an optimum, while deeper nets have a stationary point at 0 in any case.
            costs = np.array([part.sum() for part in self.network.layers(pull * theta)])
            is_at_zero = (pulls >= pushes) & (costs <= np.finfo(self.dtype).eps * objective)
            lines[is_at_zero] = 0.0
        misfit = float(adjoints[-1]) / self.constant_residual
        residual = float(np.max(lines) * misfit)
        value = loss
        if self.is_penalized:
            value, gradient = objective, gradient + pull
        return Point(theta, value, gradient, objective, misfit, residual, grams)

    def step(self, point, lines, **more):
        """A point as a step; `lines` are the norms of the eight lines of the KKT system."""
        curves = {
            "objective": self.unit * point.objective,
            "certificate": point.residual,
            "passes": self.n_passes,
            **dict(zip(KKT_LINES, map(float, lines), strict=True)),
        }
        return NetStep(point.theta, curves, point.objective, residual=point.residual, **more)

    def in_float32(self):
        """The same on a copy of the rows in float32, whose passes cost half."""
        penalty = np.minimum(self.penalty, np.sqrt(np.finfo(np.float32).max))
        return Objective(self.passes.in_float32(), 1.0, penalty, self.unit)


def _norms(network, theta):
    """Norm of each layer's part of a flat array."""
    return np.array([np.linalg.norm(part) for part in network.layers(theta)], dtype=np.float64)


def feasible_lines(network, gradient):
    """Norms of the eight lines on the feasible set: all but the first three, those of W, are 0."""
    return lines_of(_norms(network, gradient) ** 2, (), ())


def lines_of(squares_w, squares_v, squares_constraint):
    """The eight lines from squared norms by layer: W and constraints of all layers, V of all."""

    def root(values):
        return np.sqrt(float(np.sum(values)))

    last = len(squares_w) - 1
    return (
        root(squares_w[:1]),
        root(squares_w[1:last]),
        root(squares_w[last:]),
        root(squares_v[: max(last - 1, 0)]),
        root(squares_v[max(last - 1, 0) : last]),
        root(squares_v[last:]),
        root(squares_constraint[:last]),
        root(squares_constraint[last:]),
    )
