"""Dual solvers of finite sums: SDCA, and MISO, which takes short steps."""

import numpy as np

from sklearn_optland._rows import row_orders_fast as orders
from sklearn_optland.linear_model._finite_sum.sdca_classes_fast import ClassSteps
from sklearn_optland.linear_model._finite_sum.sdca_fast import SdcaSteps
from sklearn_optland.linear_model._finite_sum.solver import RowSolver

# Steps add into v; after so many passes it is computed anew: of float32 and of float64.
REFRESH_PASSES_FLOAT32, REFRESH_PASSES = 10, 50
# Squares and steps up to this leave float32 room for their products.
LARGEST_FLOAT32 = 1e15
# SDCA returns to the rows that have not come to rest if they are no more than this share, until
# they move this much less.
MOST_RETURNS, SETTLED = 0.7, 1e-3


class Sdca(RowSolver):
    """SDCA: each step maximises the dual in one coordinate.

    The intercept is not penalised, so the dual has the constraint sum_i c_i theta_i = 0, which
    no single coordinate can keep. It is moved into the objective as an augmented Lagrangian with
    the intercept as its multiplier: rho/2 (b - anchor)^2 is added to the primal, and after each
    pass the anchor moves to b. rho is the smaller of l'' / n, with which the intercept's share of
    the condition number is n, and l2 / mean |x_i|^2, with which it is the rows' own: it at most
    doubles the passes. The anchor's own rate is rho / (rho + curvature in b), and where w can
    stand in for the intercept that curvature is as small as the latter.

    Steps of several classes are in float32 until its rounding costs as much as a pass gains.
    """

    has_steps = False
    starts_from_pulls = True
    returns = True  # to the rows that a pass has moved
    kappa = 0.0

    def start(self, W):
        problem = self.problem
        self.l2 = problem.penalty.l2 + self.kappa
        curvature = problem.curvature
        self.rho = self.choose_rho() if problem.fit_intercept else 0.0
        self._weigh_rows()
        self.at_zero = not W.any()
        self.theta = problem.zeros_like_scores() if self.at_zero else self._pulls_for(W, curvature)
        self.b, self.anchor = W[-1:].ravel(), W[-1:].ravel()
        self.center = W[:-1].copy()
        self.age, self.v = 0.0, None
        self.in_float32 = problem.k > 1 and self._fits_float32()
        self._refresh()

    def choose_rho(self):
        """Return how much of (b - anchor)^2 is added to the primal."""
        problem = self.problem
        rho = problem.curvature / problem.n_samples
        return min(rho, self.l2 / problem.mean_square) if problem.mean_square else rho

    def _pulls_for(self, W, curvature):
        """The pulls at W, times the factor in [0, 1] at which the gap there is least.

        Where W is the optimum of another penalty, v is that one's subgradient g' instead of g. At
        t theta the gap is about (1 - t)^2 sum_i c_i theta_i^2 / (2 l'') + |t v - g|^2 / (2 l2).
        """
        problem = self.problem
        theta = problem.losses(problem.scores(W))[1]
        v = problem.pull(theta)[:-1]
        with np.errstate(over="ignore", invalid="ignore"):
            g = problem.penalty.subgradient(W[:-1], v)
            own = problem.mean_square_of(theta) * self.l2 / curvature
            factor = (own + np.vdot(v, g)) / (own + np.vdot(v, v))
        return problem.scaled(min(factor, 1.0) if factor > 0 else 0.0, theta)

    def _weigh_rows(self):
        """Compute q, what a row's own score gains per unit of its theta, and make the steps."""
        problem = self.problem
        lengths = problem.row_squares / self.l2
        q = problem.c * (lengths + (1 / self.rho if self.rho else 0.0))
        steps = SdcaSteps if problem.k == 1 else ClassSteps
        self.q, self.steps = q, steps(problem, q, self.step_sizes(q), self.l2, self.rho)

    def _fits_float32(self):
        """Whether no number of a step is near the ends of float32's range."""
        problem = self.problem
        sizes = [problem.row_squares.max(), self.q.max(), 1 / self.l2, problem.c.max() / self.l2]
        return max(sizes) <= LARGEST_FLOAT32

    def step_sizes(self, q):
        """Return the step sizes of MISO; none of SDCA."""
        return np.empty(0)

    def _refresh(self):
        """Compute v, w and b from theta, without the rounding of many small additions."""
        v = self.problem.zeros() if self.at_zero else self.problem.pull(self.theta)
        self.at_zero = False
        self.v = v[:-1] + self.kappa * self.center
        if self.rho:
            self.b = self.anchor + v[-1:].ravel() / self.rho
        self._follow()

    def _follow(self):
        """Make w follow v."""
        self.w = self.problem.penalty.prox(self.v) / self.l2

    def run(self):
        """Go over all rows, and then for as long again over those that it moved.

        Where losses have kinks or flat parts, most rows end at one and stay there: the others are
        few, and are what keeps the gap open. liblinear's shrinking has the same reason.
        """
        if not (self.returns and self.problem.loss.rests):
            return self._pass(self.next_order())
        before = self.theta.copy()
        moved = self._pass(self.next_order())
        self._return_to(np.flatnonzero(self.theta != before).astype(np.int32), moved)
        return moved

    def _return_to(self, rows, moved):
        problem = self.problem
        left = problem.n_samples
        # of a pass, in rows: w follows v in all columns
        overhead = problem.n_features / max(problem.source.n_values, 1.0)
        if len(rows) > MOST_RETURNS * left:
            return
        while left > 0:
            left -= len(rows) + overhead
            orders.shuffle(rows, self._seed())
            if self._pass(rows) <= SETTLED * moved:
                return

    def _pass(self, order):
        if self.problem.k > 1:
            self.steps.in_float32 = self.in_float32
        moved = self._take(order, self.theta, self.v, self.b)
        self._follow()
        self.move_centers()
        self.age += len(order) / self.problem.n_samples
        if self.age >= (REFRESH_PASSES_FLOAT32 if self.in_float32 else REFRESH_PASSES):
            rounded = self.v
            self._refresh()
            lost = np.sum((self.v - rounded) ** 2) / (2 * self.l2)
            # a pass gains about as much as its movement
            self.in_float32 = self.in_float32 and lost <= moved
            self.age = 0.0
        return moved

    def move_centers(self):
        """Move the intercept's anchor to where the pass has taken it."""
        self._move_anchor(self.b)

    def _move_anchor(self, b):
        if self.problem.k > 1:  # theta's rows sum to 0, but for rounding of float32, which adds up
            b = b - b.mean()
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

    def step_sizes(self, q):
        """delta_i = min(1, mu n / (2 L_i)) of Lin, Mairal and Harchaoui (2015)."""
        q = self.problem.curvature * q
        return self.step_size * np.minimum(1.0, 0.5 / np.maximum(q, 0.5))
