"""Stochastic gradients that a table or a snapshot corrects: SAG, SAGA and SVRG."""

import numpy as np

from sklearn_optland.linear_model._finite_sum.class_steps_fast import SagaClassSteps
from sklearn_optland.linear_model._finite_sum.problem import TINY
from sklearn_optland.linear_model._finite_sum.saga_fast import SagaSteps
from sklearn_optland.linear_model._finite_sum.solver import RowSolver


class Saga(RowSolver):
    """SAGA, on the support of a row only (Leblond et al. 2017)."""

    frozen = False

    def default_step(self):
        return 1 / (2 * self.L) if self.L > TINY else 1.0

    def correction(self):
        """c_i / p_i."""
        return self.problem.c / self.chances

    def start(self, W):
        problem, penalty = self.problem, self.problem.penalty
        chance = self._column_chances()
        k, columns = problem.k, W.reshape(-1, problem.k)
        self.state = np.zeros((problem.n_features, 2 * k + 2))
        self.state[:, :k] = columns[:-1] * (chance > 0)[:, None]  # a zero column is never visited
        self.state[:, 2 * k] = self.step_size / np.where(chance > 0, chance, 1.0)
        self.state[:, 2 * k + 1] = 1 / (1 + self.state[:, 2 * k] * penalty.l2)
        self.bias = np.zeros(2 * k)
        if problem.unit:
            self.bias[:k] = columns[-1] / problem.unit
        steps = SagaSteps if k == 1 else SagaClassSteps
        self.steps = steps(problem, self.correction(), self.step_size, self.frozen)
        self.set_table(problem.evaluate(self.parameters()))

    def _column_chances(self):
        """Chance of each column to be in the support of a step."""
        X = self.problem.source.X
        if not self.problem.source.is_sparse:
            return np.ones(X.shape[1])
        weights = np.repeat(self.chances, np.diff(X.indptr))
        return np.bincount(X.indices, weights=weights, minlength=X.shape[1])

    def set_table(self, point):
        """Fill the table with the pulls at a point."""
        problem = self.problem
        self.theta = point.pulls
        G = -problem.pull(self.theta) if point.gradient is None else point.gradient
        k, columns = problem.k, G.reshape(-1, problem.k)
        self.state[:, k : 2 * k] = columns[:-1]
        self.bias[k:] = columns[-1] * problem.unit

    def parameters(self):
        """Return W."""
        k = self.problem.k
        W = np.vstack([self.state[:, :k], self.bias[:k] * self.problem.unit])
        return W if k > 1 else W.ravel()

    def run(self):
        return self._take(self.next_order(), self.theta, self.state, self.bias)

    def point(self):
        return self.parameters(), None


class Sag(Saga):
    """SAG: the step is the table's new gradient; biased, with less noise.

    In shuffled order its bias does not average out, and it stalls: rows are drawn independently.
    """

    needs_replacement = True

    def correction(self):
        return self.problem.c


class Svrg(Saga):
    """SVRG: the table is that of a snapshot, taken every two passes."""

    frozen = True

    def start(self, W):
        super().start(W)
        self.snapshot = None

    def run(self):
        moved = super().run() + super().run()
        self.snapshot = self.problem.evaluate(self.parameters())
        if np.isfinite(self.snapshot.objective):
            self.set_table(self.snapshot)
        return moved

    def measured(self):
        return self.snapshot
