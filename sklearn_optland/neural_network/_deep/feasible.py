"""ADMM restricted to its feasible set: Gram-preconditioned L-BFGS on the weights of a net.

Keep V the forward pass and Lambda the exact adjoint: then all lines of the KKT system but those of
W hold by construction, and what is left of them is the gradient of the objective. ADMM's W step
measures it in the metric of the layer's inputs,

    W <- W - (H'H + delta I)^-1 (H'(Lambda * sigma') + alpha W),     H = [V, 1],

which is close to one-sided K-FAC. Here that metric is where the two loops of L-BFGS start from.
delta, relative to the mean eigenvalue of the Gram (weighted by the eigenvalues themselves), begins
large: steps along all but the leading directions are then close to the gradient, and columns of
little variance are not fitted first. It falls when progress does, which is what gets deep nets of
sigmoids off their plateaus.

There the gradient of the loss is so small that the weakest penalty wins and takes all weights to 0,
a stationary point. So the penalty of deep nets is left out until the plateau is left.

Far from the end float64 is wasted: the iterations begin in float32, whose passes cost half, and go
on in float64 from the same point, metric and memory.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import lapack

from sklearn_optland._net.entrywise_fast import weighted_squares
from sklearn_optland._optim.lbfgs import remember, solve
from sklearn_optland._rows.source import float32_pays

# Pairs of L-BFGS.
MEMORY = 20
# Iterations between two sets of Grams, and between two looks at the progress.
REFRESH = 5
# delta: where it starts and ends, its factor, and the relative progress in REFRESH iterations below
# which it falls.
DELTA, LEAST_DELTA, DELTA_FACTOR, STALL = 0.2, 1e-8, 0.1, 0.1
# Of a net without hidden layers the Gram is the whole metric.
LINEAR_DELTA = 1e-12
# A net with so many hidden layers starts without the penalty, until its output residuals are below
# this share of those of a constant prediction, or for so many iterations.
DEEP, OFF_PLATEAU, MAX_FREE = 3, 0.9, 200
ARMIJO = 1e-4
MAX_BACKTRACKS = 25
# float64 data begin in float32, down to this KKT residual or this relative progress in REFRESH
# iterations.
FLOAT32_RESIDUAL, FLOAT32_PROGRESS = 1e-5, 1e-4
# A layer with more inputs has a Gram that costs more than it saves.
MAX_GRAM_INPUTS = 2000
# The lines of the KKT system, on the seed's page, in its order.
KKT_LINES = ("W_1", "W_i", "W_l", "V_i", "V_l-1", "V_l", "constraint_i", "constraint_l")


@dataclass
class Step:
    """Where an algorithm is after an iteration, in the units of the passes.

    Parameters
    ----------
    theta : ndarray
        Parameters of the net, as one flat array.
    objective : float
        Mean loss and penalty of the net's forward pass.
    residual : float
        The relative KKT residual of the net, see `Point`.
    residuals : dict of str to float
        Norms of the eight lines of the KKT system.
    passes : float
        Passes over the data so far, an evaluation of loss and gradient being one.
    done : bool
        As far as the arithmetic goes.
    lagrangian : float or None
        The augmented Lagrangian, of algorithms that have one.
    is_rough : bool
        Objective and residual are of float32, the data are not.
    """

    theta: np.ndarray = field(repr=False)
    objective: float
    residual: float
    residuals: dict
    passes: float
    done: bool = False
    lagrangian: float | None = None
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
        residuals D_L relative to those of a constant prediction. The adjoints D_l of a deep net's
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
    """

    def __init__(self, passes, alpha, factors):
        self.passes, self.network, self.dtype = passes, passes.network, passes.dtype
        self.penalty = (np.float64(alpha) * factors).astype(passes.dtype)
        self.is_penalized = True
        self.n_passes = 0.0
        self.columns_square = passes.columns_square()
        mean = passes.c @ passes.Y
        spread = float(weighted_squares(passes.Y - mean.astype(passes.dtype), passes.c))
        self.constant_residual = float(np.sqrt(spread)) if spread > 0 else 1.0

    def at(self, theta, levels=()):
        """Objective, gradient and KKT residual, Grams of some layers, by one pass over the data."""
        self.n_passes += 1
        squares = np.zeros((2, len(self.network.sizes) - 1))
        widths = {level: self.network.sizes[level] + 1 for level in levels}
        grams = {level: np.empty((width, width)) for level, width in widths.items()}
        loss, gradient = self.passes.gradient(theta, squares, grams)
        pull = self.penalty * theta
        squares[0, 0] = self.columns_square
        inputs, adjoints = np.sqrt(squares[0] + 1), np.sqrt(squares[1])  # 1 is that of the bias
        terms = inputs * adjoints + _norms(self.network, pull)
        lines = _norms(self.network, gradient + pull) / np.where(terms > 0, terms, 1.0)
        misfit = float(adjoints[-1]) / self.constant_residual
        residual = float(np.max(lines) * misfit)
        objective = loss + 0.5 * float(np.dot(theta, pull))
        value = loss
        if self.is_penalized:
            value, gradient = objective, gradient + pull
        return Point(theta, value, gradient, objective, misfit, residual, grams)

    def in_float32(self):
        """The same on a copy of the rows in float32, whose passes cost half."""
        penalty = np.minimum(self.penalty, np.sqrt(np.finfo(np.float32).max))
        return Objective(self.passes.in_float32(), 1.0, penalty)


def _n_hidden(objective):
    return len(objective.network.sizes) - 2


def _begins_in_float32(objective):
    """Whether float32 pays. Deep nets stay on their plateaus in it."""
    is_shallow = 0 < _n_hidden(objective) < DEEP
    return is_shallow and float32_pays(objective.passes.X, objective.network.n_parameters)


def _norms(network, theta):
    """Norm of each layer's part of a flat array."""
    return np.array([np.linalg.norm(part) for part in network.layers(theta)], dtype=np.float64)


def w_lines(network, gradient):
    """Norms of the first three KKT lines, those of W; on the feasible set the others are 0."""
    norms = _norms(network, gradient)
    lines = dict.fromkeys(KKT_LINES, 0.0)
    lines["W_1"], lines["W_l"] = float(norms[0]), float(norms[-1])
    lines["W_i"] = float(np.linalg.norm(norms[1:-1]))
    return lines


class GramMetric:
    """The inverse metric (H'H + delta I)^-1 of each layer, or the identity."""

    def __init__(self, objective, choice):
        self.network = objective.network
        inputs = self.network.sizes[:-1]
        self.levels = [
            level
            for level, width in enumerate(inputs)
            if choice == "gram" or (choice == "auto" and width <= MAX_GRAM_INPUTS)
        ]
        # Exact for the squared error of a linear net.
        self.is_linear = not _n_hidden(objective)
        self.delta = LINEAR_DELTA if self.is_linear else DELTA
        self.take(objective)

    def take(self, objective):
        """Go on with an objective of another precision; `refresh` is due."""
        self.objective, self.inverses, self.columns_gram = objective, {}, None

    @property
    def can_fall(self):
        """Whether delta may be smaller."""
        return bool(self.levels) and not self.is_linear and self.delta > LEAST_DELTA

    @property
    def hidden(self):
        """Layers whose Gram changes with the weights."""
        return [level for level in self.levels if level]

    def refresh(self, point, fell=False):
        """Take the Grams at a point; with `fell`, delta falls first."""
        if fell:
            self.delta = max(LEAST_DELTA, DELTA_FACTOR * self.delta)
        passes, grams = self.objective.passes, {}
        if 0 in self.levels and (fell or 0 not in self.inverses):
            if self.columns_gram is None:
                (self.columns_gram,) = passes.grams(point.theta, [0])
            grams[0] = self.columns_gram
        if point.grams:
            grams.update(point.grams)
        elif self.hidden:
            found = passes.grams(point.theta, self.hidden)
            grams.update(zip(self.hidden, found, strict=True))
            self.objective.n_passes += 0.5
        penalties = self.network.layers(self.objective.penalty)
        for level, G in grams.items():
            # Units of a layer share their penalty but for the last, where all have the same.
            self.inverses[level] = _inverse(G, self.delta, penalties[level][:, 0]).astype(
                self.objective.dtype
            )

    def __call__(self, gradient):
        """Apply the inverse metric."""
        result = gradient.copy()
        for level, (out, G) in enumerate(
            zip(self.network.layers(result), self.network.layers(gradient), strict=True)
        ):
            if level in self.inverses:
                np.matmul(self.inverses[level], G, out=out)
        return result


def _inverse(G, delta, penalty):
    """(G + delta |G|^2 / tr(G) I + diag(penalty))^-1; delta grows if rounding asks for it."""
    trace = np.trace(G)
    mean = trace * np.sum((G / trace) ** 2)
    if not np.isfinite(mean):  # activations beyond the range of the dtype: no metric
        return np.eye(len(G))
    while True:
        A = G.copy()
        A.flat[:: len(G) + 1] += delta * mean + penalty
        factor, failed = lapack.dpotrf(A, lower=1, overwrite_a=1)
        if not failed:
            inverse, failed = lapack.dpotri(factor, lower=1, overwrite_c=1)
            if not failed and np.isfinite(inverse).all():
                break
        delta *= 100
    inverse = np.tril(inverse)
    return inverse + np.tril(inverse, -1).T


def feasible(objective, theta, metric="auto", tol=0.0):
    """Minimise over the weights, an iteration at a time.

    Parameters
    ----------
    objective : Objective
    theta : ndarray
        Where to start.
    metric : {"auto", "gram", "identity"}
    tol : float, default=0.0
        The KKT residual that is asked for: it is reached in the precision of the data.

    Yields
    ------
    step : Step
    """
    exact = objective
    if _begins_in_float32(exact):
        objective = exact.in_float32()
    metric = GramMetric(objective, metric)
    objective.is_penalized = _n_hidden(objective) < DEEP
    point = objective.at(theta.astype(objective.dtype), metric.hidden)
    memory, since, reference, fell, is_slow = [], 0, point.value, False, False
    while True:
        if since % REFRESH == 0:
            if since:
                fell = metric.can_fall and reference - point.value < STALL * point.value
                is_slow = reference - point.value < FLOAT32_PROGRESS * point.value
                reference = point.value
            if metric.levels:
                metric.refresh(point, fell)
        if not objective.is_penalized and (point.misfit < OFF_PLATEAU or since == MAX_FREE):
            objective.is_penalized, memory = True, []
            point = objective.at(point.theta)
            reference = point.value
        # Grams for the next refresh come with the pass that finds its point.
        levels = metric.hidden if (since + 1) % REFRESH == 0 else ()
        new = _step(objective, point, memory, metric, levels)
        while new is None and (memory or metric.can_fall):
            # The memory is of another region, or delta is too large for what is left.
            if not memory:
                metric.refresh(point, fell=True)
            memory = []
            new = _step(objective, point, memory, metric, levels)
        done = new is None and objective.is_penalized
        if new is None:
            since = MAX_FREE - 1
        else:
            memory = remember(
                memory, new.theta - point.theta, new.gradient - point.gradient, MEMORY
            )
            point = new
        since += 1
        if objective is not exact and (
            done or is_slow or point.residual <= max(tol, FLOAT32_RESIDUAL)
        ):
            objective, n_passes, done = exact, objective.n_passes, False
            memory = [tuple(part.astype(exact.dtype) for part in pair) for pair in memory]
            metric.take(exact)
            point = exact.at(point.theta.astype(exact.dtype), metric.hidden)
            exact.n_passes += n_passes
            since, reference, fell, is_slow = 0, point.value, False, False
        lines = w_lines(objective.network, point.gradient)
        theta = point.theta.astype(exact.dtype, copy=False)
        yield Step(
            theta,
            point.objective,
            point.residual,
            lines,
            objective.n_passes,
            done,
            is_rough=objective is not exact,
        )


def _step(objective, point, memory, metric, levels):
    """A point that satisfies Armijo's condition, or None if there is none."""
    scale = 1.0
    if memory:
        step, change = memory[-1]
        scale = float(np.vdot(step, change) / np.vdot(change, metric(change)))
    direction = -solve(memory, metric, point.gradient, scale)
    slope = float(np.vdot(direction, point.gradient))
    if not (slope < 0 and np.isfinite(slope)):
        return None
    # Rounding of the loss, which must not end the search.
    slack = 4 * np.finfo(objective.dtype).eps * abs(point.value)
    size = 1.0
    for _ in range(MAX_BACKTRACKS):
        new = objective.at(point.theta + objective.dtype.type(size) * direction, levels)
        change = new.value - point.value
        if np.isfinite(change) and change <= ARMIJO * size * slope + slack:
            moved = not np.array_equal(new.theta, point.theta)
            improves = change < 0 or np.linalg.norm(new.gradient) < np.linalg.norm(point.gradient)
            return new if moved and improves else None
        if np.isfinite(change):
            best = -0.5 * slope * size**2 / (change - slope * size)
            size = min(max(best, 0.1 * size), 0.5 * size)
        else:
            size *= 0.1
    return None
