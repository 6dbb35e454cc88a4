"""Accelerated solvers of finite sums: Katyusha, Point-SAGA, Catalyst."""

import numpy as np

from sklearn_optland.linear_model._finite_sum.accelerated_fast import KatyushaSteps, PointSagaSteps
from sklearn_optland.linear_model._finite_sum.problem import TINY
from sklearn_optland.linear_model._finite_sum.sdca import Sdca
from sklearn_optland.linear_model._finite_sum.solver import RowSolver

# Of Catalyst's kappa without an L2 penalty, measured: its factor a pass, and where it stops.
FALL, LOWEST = 0.95, 0.1


class Katyusha(RowSolver):
    """Loopless Katyusha (Kovalev et al. 2020), accelerated; a step costs all columns."""

    def values_per_step(self):
        return self.problem.n_features

    def default_step(self):
        return 1 / self.L if self.L > TINY else 1.0

    def start(self, W):
        problem = self.problem
        scaled = W.copy()
        scaled[-1] = W[-1] / problem.unit if problem.unit else 0.0
        self.here, self.iterate, self.z = scaled.copy(), scaled.copy(), scaled.copy()
        sigma = problem.penalty.l2 * self.step_size
        theta1 = min(np.sqrt(2 * sigma * problem.n_samples / 3), 0.5)
        theta2 = 0.5
        eta = theta2 / ((1 + theta2) * theta1)
        correction = problem.c / self.chances
        self.steps = KatyushaSteps(problem, correction, theta1, theta2, eta * self.step_size)
        self._snapshot()

    def _snapshot(self):
        problem = self.problem
        self.snapshot, self.base = problem.evaluate(self.parameters()), self.iterate.copy()
        if np.isfinite(self.snapshot.objective):
            G = self.snapshot.gradient
            self.G = -problem.pull(self.snapshot.pulls) if G is None else G.copy()
            self.G[-1] *= problem.unit

    def parameters(self):
        """Return W."""
        return np.append(self.iterate[:-1], self.iterate[-1] * self.problem.unit)

    def run(self):
        """Go over a pass at least, and on to a snapshot: each step takes one by chance 1 / n."""
        n, moved, steps = self.problem.n_samples, 0.0, 0
        while steps < n:
            left = self.rng.geometric(1 / n)
            steps += left
            moved += self._until_snapshot(left)
            self._snapshot()
        return moved

    def _until_snapshot(self, left):
        moved = 0.0
        while left > 0:
            order = self.next_order()[:left]
            left -= len(order)
            moved += self._take(
                order, self.snapshot.pulls, self.G, self.base, self.here, self.iterate, self.z
            )
        return moved

    def measured(self):
        return self.snapshot

    def point(self):
        return self.parameters(), None


class PointSaga(RowSolver):
    """Point-SAGA (Defazio 2016), accelerated, by proximal steps of single losses."""

    weighs_draws = False

    def default_step(self):
        n, mu = self.problem.n_samples, self.problem.penalty.l2
        L = np.max(self.problem.lipschitz) + mu
        return np.sqrt((n - 1) ** 2 + 4 * n * L / mu) / (2 * L * n) - (1 - 1 / n) / (2 * L)

    def start(self, W):
        problem = self.problem
        self.W = W.copy()
        self.W[-1] = W[-1] / problem.unit if problem.unit else 0.0
        lengths = problem.row_squares / (1 + self.step_size * problem.penalty.l2) + problem.unit**2
        q = self.step_size * problem.n_samples * problem.c * lengths
        self.steps = PointSagaSteps(problem, q, self.step_size)
        _, self.theta = problem.losses(problem.scores(W))
        self.G = -problem.pull(self.theta)
        self.G[-1] *= problem.unit

    def run(self):
        return self._take(self.next_order(), self.theta, self.W, self.G)

    def point(self):
        W = np.append(self.W[:-1], self.W[-1] * self.problem.unit)
        return W, None if self.problem.loss.is_smooth else self.theta


class Catalyst(Sdca):
    """Catalyst (Lin, Mairal and Harchaoui 2015) around SDCA, one pass a subproblem.

    Subproblems add kappa/2 |w - center|^2, which also makes up for a penalty without an L2 part,
    and rho/2 (b - anchor)^2. Center and anchor are extrapolated; the momentum starts anew where
    it points uphill.

    Without an L2 part there is no momentum, which a single pass a subproblem does not bear there
    (measured): plain proximal points, whose kappa falls by `FALL` a pass to `LOWEST` of its size.
    """

    returns = False
    starts_from_pulls = False

    def start(self, W):
        problem, l2 = self.problem, self.problem.penalty.l2
        longest = problem.curvature * np.max(problem.c * problem.row_squares)
        # the condition number of a subproblem is n; all-zero rows leave nothing to measure it by
        self.begin_at(W, max(longest - l2, 0.0) if longest > TINY else 1.0)

    def begin_at(self, W, kappa):
        """Begin at W with subproblems that add kappa/2 |w - center|^2."""
        self.kappa, l2 = kappa, self.problem.penalty.l2
        self.lowest = LOWEST * kappa
        self.share = l2 / (l2 + kappa)
        self.momentum = np.sqrt(self.share)
        self.last = self.solved = W.copy()
        super().start(W)

    def _lower_kappa(self):
        pulled = self.v - self.kappa * self.center
        self.kappa = self.l2 = max(FALL * self.kappa, self.lowest)
        self.v = pulled + self.kappa * self.center
        self._weigh_rows()

    def move_centers(self):
        self.solved = self.parameters(self.b)
        step = self.solved - self.last
        self.last = self.solved
        beta = self._next_beta(step) if self.share else 0.0
        self._move_center(self.w + beta * step[:-1])
        self._move_anchor(self.b + beta * step[-1:].ravel())
        if not self.share:
            self._lower_kappa()
        self._follow()

    def _next_beta(self, step):
        """The paper's extrapolation, or 0 where the momentum starts anew."""
        old, share = self.momentum, self.share
        ahead = np.vdot(self.center - self.w, step[:-1]) * self.kappa
        ahead += np.vdot(self.anchor - self.b, step[-1:]) * self.rho
        if ahead > 0:
            self.momentum = np.sqrt(share)
            return 0.0
        new = 0.5 * (share - old**2 + np.sqrt((share - old**2) ** 2 + 4 * old**2))
        self.momentum = new
        return old * (1 - old) / (old**2 + new)

    def _move_center(self, center):
        self.v = self.v + self.kappa * (center - self.center)
        self.center = center

    def point(self):
        return self.solved, None if self.problem.loss.is_smooth else self.theta
