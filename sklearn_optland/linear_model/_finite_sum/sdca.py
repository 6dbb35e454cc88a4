"""The dual solvers of finite sums: SDCA, and MISO and Catalyst, which are built on it."""

import numpy as np

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland.linear_model._finite_sum.primal_solvers import Solver
from sklearn_optland.linear_model._finite_sum.problem import TINY

# Steps add into v; after so many passes it is computed anew.
REFRESH_PASSES = 50
# Losses with a kink or a flat part, at which most rows of SDCA come to rest. It returns to the
# others if they are no more than this share, until they move this much less.
AT_KINKS = "hinge", "squared_hinge", "smooth_hinge", "epsilon_insensitive"
MOST_RETURNS, SETTLED = 0.7, 1e-3
# Of Catalyst's kappa without an L2 penalty, measured: its factor a pass, and where it stops.
FALL, LOWEST = 0.95, 0.1


class Sdca(Solver):
    """SDCA: each step maximises the dual in one coordinate.

    The intercept is not penalised, so the dual has the constraint sum_i c_i theta_i = 0, which
    no single coordinate can keep. It is moved into the objective as an augmented Lagrangian with
    the intercept as its multiplier: rho/2 (b - anchor)^2 is added to the primal, and after each
    pass the anchor moves to b. rho is the smaller of l'' / n, with which the intercept's share of
    the condition number is n, and l2 / mean |x_i|^2, with which it is the rows' own: it at most
    doubles the passes. The anchor's own rate is rho / (rho + curvature in b), and where w can
    stand in for the intercept that curvature is as small as the latter.
    """

    has_steps = False
    returns = True  # to the rows that a pass has moved
    kappa = 0.0

    def start(self, W):
        problem = self.problem
        self.l2 = problem.penalty.l2 + self.kappa
        curvature = problem.curvature if problem.is_smooth else 1.0
        self.rho = 0.0
        if problem.fit_intercept:
            self.rho = curvature / problem.n_samples
            if problem.mean_square:
                self.rho = min(self.rho, self.l2 / problem.mean_square)
        self._weigh_rows()
        self.delta = self.steps()
        self.theta = problem.zeros_like_scores()
        if W.any():
            _, self.theta = problem.losses(problem.scores(W))
        self.b, self.anchor = W[-1:].ravel(), W[-1:].ravel()
        self.center = W[:-1].copy()
        self.age = 0.0
        self._refresh()

    def _weigh_rows(self):
        """Compute q, what a row's own score gains per unit of its theta."""
        lengths = self.problem.row_squares / self.l2
        self.q = self.problem.c * (lengths + (1 / self.rho if self.rho else 0.0))

    def steps(self):
        """Return the steps of MISO; none of SDCA."""
        return np.empty(0)

    def _refresh(self):
        """Compute v, w and b from theta, without the rounding of many small additions."""
        v = self.problem.pull(self.theta) if self.theta.any() else self.problem.zeros()
        self.v = v[:-1] + self.kappa * self.center
        if self.rho:
            self.b = self.anchor + v[-1:].ravel() / self.rho
        self._follow()

    def _follow(self):
        """Make w follow v."""
        self.w = self.problem.penalty.threshold(self.v) / self.l2

    def run(self):
        """Go over all rows, and then for as long again over those that it moved.

        Where losses have kinks or flat parts, most rows end at one and stay there: the others are
        few, and are what keeps the gap open. liblinear's shrinking has the same reason.
        """
        if not (self.returns and self.problem.loss in AT_KINKS):
            return self._pass(self.next_order())
        before = self.theta.copy()
        moved = self._pass(self.next_order())
        self._return_to(np.flatnonzero(self.theta != before).astype(np.int32), moved)
        return moved

    def _return_to(self, rows, moved):
        problem = self.problem
        left = problem.n_samples
        # of a pass, in rows: w follows v in all columns
        overhead = problem.n_features / max(problem.values_per_row, 1.0)
        if len(rows) > MOST_RETURNS * left:
            return
        while left > 0:
            left -= len(rows) + overhead
            orders.shuffle(rows, self._seed())
            if self._pass(rows) <= SETTLED * moved:
                return

    def _pass(self, order):
        problem, penalty = self.problem, self.problem.penalty
        moved = self._in_pieces(
            order,
            lambda order: problem.dual_kernel(
                problem.rows,
                problem.kind,
                problem.epsilon,
                order,
                problem.y,
                problem.c,
                self.q,
                self.delta,
                penalty.l1,
                self.l2,
                penalty.positive,
                self.rho,
                self.theta,
                self.v,
                self.b,
            ),
        )
        self._follow()
        self.move_centers()
        self.age += len(order) / problem.n_samples
        if self.age >= REFRESH_PASSES:
            self._refresh()
            self.age = 0.0
        return moved

    def move_centers(self):
        """Move the intercept's anchor to where the pass has taken it."""
        self._move_anchor(self.b)

    def _move_anchor(self, b):
        self.b = self.b + (b - self.anchor)
        self.anchor = b

    def point(self):
        return self.parameters(self.anchor), self.theta

    def parameters(self, b):
        """Return W."""
        return np.concatenate([self.w, b.reshape((1, *self.w.shape[1:]))])


class Miso(Sdca):
    """MISO, also known as Finito: SDCA with a short step in place of the maximiser."""

    has_steps = True
    returns = False

    def default_step(self):
        return 1.0

    def steps(self):
        """delta_i = min(1, mu n / (2 L_i)) of Lin, Mairal and Harchaoui (2015)."""
        q = self.problem.curvature * self.q
        return self.step_size * np.minimum(1.0, 0.5 / np.maximum(q, 0.5))


class Catalyst(Sdca):
    """Catalyst (Lin, Mairal and Harchaoui 2015) around SDCA, one pass a subproblem.

    Subproblems add kappa/2 |w - center|^2, which also makes up for a penalty without an L2 part,
    and rho/2 (b - anchor)^2. Center and anchor are extrapolated; the momentum starts anew where
    it points uphill.

    Without an L2 part there is no momentum, which a single pass a subproblem does not bear there
    (measured): plain proximal points, whose kappa falls by `FALL` a pass to `LOWEST` of its size.
    """

    returns = False

    def start(self, W):
        problem, l2 = self.problem, self.problem.penalty.l2
        curvature = problem.curvature if problem.is_smooth else 1.0
        longest = curvature * np.max(problem.c * problem.row_squares)
        # the condition number of a subproblem is n; all-zero rows leave nothing to measure it by
        self.kappa = max(longest - l2, 0.0) if longest > TINY else 1.0
        self.lowest = LOWEST * self.kappa
        self.share = l2 / (l2 + self.kappa)
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
        return self.solved, None if self.problem.is_smooth else self.theta
