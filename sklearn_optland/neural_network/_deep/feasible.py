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

import numpy as np

from sklearn_optland._optim.lbfgs import Memory
from sklearn_optland._optim.line_search import backtrack
from sklearn_optland.neural_network._deep.kkt import feasible_lines
from sklearn_optland.neural_network._deep.metric import GramMetric

# Pairs of L-BFGS.
MEMORY = 20
# Iterations between two sets of Grams, and between two looks at the progress.
REFRESH = 5
# The relative progress in REFRESH iterations below which delta falls.
STALL = 0.1
# A net with so many hidden layers starts without the penalty, until its output residuals are below
# this share of those of a constant prediction, or for so many iterations.
DEEP, OFF_PLATEAU, MAX_FREE = 3, 0.9, 200
# float64 data begin in float32, down to this KKT residual or this relative progress in REFRESH
# iterations.
FLOAT32_RESIDUAL, FLOAT32_PROGRESS = 1e-5, 1e-4


class FeasibleDescent:
    """Minimise over the weights, an iteration at a time.

    Parameters
    ----------
    objective : Objective
    theta : ndarray
        Where to start.
    metric : {"auto", "gram", "identity"}, default="auto"
    tol : float, default=0.0
        The KKT residual that is asked for: it is reached in the precision of the data.
    float32_pays : bool, default=False
        Whether the iterations begin in float32, unless the net is linear or deep: deep nets stay
        on their plateaus in it.
    """

    def __init__(self, objective, theta, metric="auto", tol=0.0, float32_pays=False):
        self.exact, self.theta, self.choice, self.tol = objective, theta, metric, tol
        self.begins_in_float32 = float32_pays and 0 < objective.n_hidden < DEEP

    def __iter__(self):
        self._begin()
        while True:
            if self.since % REFRESH == 0:
                self._refresh()
            self._leave_the_plateau()
            is_done = not self._move() and self.objective.is_penalized
            self.since += 1
            if self.objective is not self.exact and (
                is_done or self.is_slow or self.point.residual <= max(self.tol, FLOAT32_RESIDUAL)
            ):
                self._go_on_in_float64()
                is_done = False
            yield self._step(is_done)

    def _begin(self):
        self.objective = self.exact.in_float32() if self.begins_in_float32 else self.exact
        self.metric = GramMetric(self.objective, self.choice)
        self.memory = Memory(MEMORY)
        self.objective.is_penalized = self.exact.n_hidden < DEEP
        self._start_at(self.theta)

    def _start_at(self, theta):
        theta = theta.astype(self.objective.dtype)
        self.point = self.objective.at(theta, self.metric.hidden)
        # Iterations since the start, its value or that of the latest look at the progress, whether
        # delta fell then and whether progress was too slow for float32.
        self.since, self.reference = 0, self.point.value
        self.fell = self.is_slow = False

    def _refresh(self):
        """Look at the progress, and take the metric at the point."""
        point = self.point
        if self.since:
            progress = self.reference - point.value
            self.fell = self.metric.can_fall and progress < STALL * point.value
            self.is_slow = progress < FLOAT32_PROGRESS * point.value
            self.reference = point.value
        if self.metric.levels:
            self.metric.refresh(point, self.fell)

    def _leave_the_plateau(self):
        """Set the penalty in where a deep net has left its plateau, or will not."""
        is_off = self.point.misfit < OFF_PLATEAU or self.since == MAX_FREE
        if not self.objective.is_penalized and is_off:
            self.objective.is_penalized = True
            self.memory.forget()
            self.point = self.objective.at(self.point.theta)
            self.reference = self.point.value

    def _move(self):
        """Go to a better point; False if there is none."""
        # Grams for the next refresh come with the pass that finds its point.
        levels = self.metric.hidden if (self.since + 1) % REFRESH == 0 else ()
        new = self._search(levels)
        while new is None and (len(self.memory) or self.metric.can_fall):
            # The memory is of another region, or delta is too large for what is left.
            if not len(self.memory):
                self.metric.refresh(self.point, fell=True)
            self.memory.forget()
            new = self._search(levels)
        if new is None:
            self.since = MAX_FREE - 1
            return False
        self.memory.remember(new.theta - self.point.theta, new.gradient - self.point.gradient)
        self.point = new
        return True

    def _search(self, levels):
        """A point that satisfies Armijo's condition, or None if there is none."""
        point, objective = self.point, self.objective
        scale = self.memory.scale(self.metric)
        direction = -self.memory.solve(point.gradient, self.metric, scale)

        def evaluate(size):
            new = objective.at(point.theta + objective.dtype.type(size) * direction, levels)
            return new.value, new

        slope = float(np.vdot(direction, point.gradient))
        slack = 4 * np.finfo(objective.dtype).eps * abs(point.value)
        _, new, _ = backtrack(evaluate, point.value, slope, slack=slack)
        if new is None or np.array_equal(new.theta, point.theta):
            return None
        improves = new.value < point.value or (
            np.linalg.norm(new.gradient) < np.linalg.norm(point.gradient)
        )
        return new if improves else None

    def _go_on_in_float64(self):
        n_passes, self.objective = self.objective.n_passes, self.exact
        self.exact.n_passes += n_passes
        self.memory = self.memory.astype(self.exact.dtype)
        self.metric.take(self.exact)
        self._start_at(self.point.theta)

    def _step(self, is_done):
        point = self.point
        lines = feasible_lines(self.objective.network, point.gradient)
        step = self.objective.step(point, lines, done=is_done)
        step.parameters = point.theta.astype(self.exact.dtype, copy=False)
        step.is_rough = self.objective is not self.exact
        return step
