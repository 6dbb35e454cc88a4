"""SDCA on partitions: each ascends in the dual variables of its own rows, and their steps add up.

CoCoA+ (Ma, Smith, Jaggi, Jordan, Richtarik and Takac 2015, "Adding vs. averaging in distributed
primal-dual optimization", ICML). The dual objective is

    D(theta) = -sum_i c_i l_i*(-theta_i) - g*(v),   v = sum_i c_i theta_i (x_i, 1),

g with what an augmented Lagrangian adds for the intercept (`sdca`). Let v change by d_p in
partition p, which has the share s_p of all rows. g* is convex, so Jensen's inequality gives

    g*(v + sum_p d_p) <= sum_p s_p g*(v + d_p / s_p).

Each partition ascends its part of that lower bound on D, which needs of the others nothing but v:
that is SDCA with l1, l2, rho and v times s_p. D never falls, and the sum of the steps is as safe as
their average. With K equal partitions 1 / s_p = K is the paper's safe sigma'; the paper bounds g*,
there quadratic, by its Taylor polynomial, which is the same.

The rounds that takes grow with the condition number of the columns, which in one process is divided
by the number of rows: they are thousands where a penalty is weak. So they solve the subproblems of
Catalyst, which are well conditioned, each by one round; then they are some fifty.

v, w and the intercept travel; theta stays with its rows.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland._rows.reduce import Statistic, reduce, row_blocks
from sklearn_optland.linear_model._finite_sum.accelerated import Catalyst
from sklearn_optland.linear_model._finite_sum.sdca import REFRESH_PASSES
from sklearn_optland.linear_model._finite_sum.sdca_classes_fast import ClassSteps
from sklearn_optland.linear_model._finite_sum.sdca_fast import SdcaSteps

# What subproblems add to the penalty: times the curvature in the longest direction of the columns.
# 1 and 0.1 took up to twice as many rounds, and so many passes a round as 2 hardly fewer rounds.
ADDED = 0.3


class Cocoa(Catalyst):
    """SDCA on partitions, a pass a round, as subproblems of Catalyst."""

    weighs_draws = False

    def __init__(self, problem, W, *, rng, **_):
        self.problem, self.rng = problem, rng
        self.start(problem.project(W))

    def start(self, W):
        problem, l2 = self.problem, self.problem.penalty.l2
        added = ADDED * problem.curvature * problem.largest_square
        self.begin_at(W, max(added - l2, 0.0))

    def choose_rho(self):
        problem = self.problem
        if problem.mean_square:
            return self.l2 / problem.mean_square
        return problem.curvature / problem.n_samples

    def _weigh_rows(self):
        """The partitions make their own steps."""

    def _fits_float32(self):
        return False  # v would lose in each round what float32 does not hold

    def run(self):
        """Have all partitions ascend, and add their steps up."""
        problem = self.problem
        ascent = Ascent(problem, self.l2, self.rho)
        parameters = problem.y, problem.c, problem.row_squares, self.theta, self.v, self.b
        moved, total = reduce(ascent, problem.source, (*parameters, self._seed()))
        problem.passes += 1.0
        self.v = self.v + total[:-1].reshape(self.v.shape)
        if self.rho:
            self.b = self.b + total[-1] / self.rho
        self._follow()
        self.move_centers()
        self.age += 1.0
        if self.age >= REFRESH_PASSES:
            self._refresh()
            self.age = 0.0
        return moved


class Ascent(Statistic):
    """A pass of SDCA over the rows of each block on its own.

    Parameters of `reduce`: y, c, |x_i|^2, theta, v, b and a seed. The sum is that of the changes of
    c_i theta_i (x_i, 1).

    Parameters
    ----------
    problem : PartitionedSum
    l2, rho : float
        As `SdcaSteps` takes them.
    """

    writes = (3,)

    def __init__(self, problem, l2, rho):
        self.k, self.n_rows = problem.k, problem.n_samples
        self.shape = problem.n_features + 1, problem.k
        self.loss, self.penalty, self.l2, self.rho = problem.loss, problem.penalty, l2, rho
        self.values_per_step = problem.source.n_values * problem.k

    def add(self, block, parameters, total):
        *arrays, v, b, seed = parameters
        y, c, squares, theta = map(block.local, arrays)
        share = (block.last - block.first) / self.n_rows
        l2, rho = share * self.l2, share * self.rho
        q = c * (squares / l2 + (1 / rho if rho else 0.0))
        local = SimpleNamespace(
            rows=block.rows,
            y=y,
            c=c,
            loss=self.loss,
            k=self.k,
            penalty=replace(self.penalty, l1=share * self.penalty.l1),
        )
        steps = (SdcaSteps if self.k == 1 else ClassSteps)(local, q, np.empty(0), l2, rho)
        order = np.arange(block.first, block.last, dtype=np.int32)
        orders.shuffle(order, seed)
        start_v, start_b = (share * v).ravel(), b.ravel()
        state = theta.reshape(-1), start_v.copy(), start_b.copy()
        moved = sum(
            steps.take(order[first:last], *state)
            for first, last in row_blocks(len(order), self.values_per_step)
        )
        total[:-1] += (state[1] - start_v).reshape(-1, self.k)
        total[-1] += rho * (state[2] - start_b)
        return moved
