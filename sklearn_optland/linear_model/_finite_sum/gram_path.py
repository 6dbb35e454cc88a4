"""Squared losses by their Gram matrix alone: whole paths after one pass over the rows.

With the intercept minimised out, the columns centred by it, H = X'CX, v = X'Cy and the mean square
|y|^2 of the targets are all that the objective, its minimiser and the duality gap need: at w the
columns pull with v - H w, and the mean square of the residuals is |y|^2 - w'v - w'(v - H w).
"""

import numpy as np

from sklearn_optland.linear_model._finite_sum.coordinate_models import (
    GramModel,
    minimize,
    without_intercept,
)
from sklearn_optland.linear_model._finite_sum.problem import EPS, Point

# Of the tolerance: the gap that a model may leave at first; and how often less is tried.
GAP, MAX_TRIALS = 0.3, 6
# Of the targets' mean square: what the differences above may lose; and of that of the columns
# before they are centred, times their coefficients.
ROUNDING, OF_COLUMNS = 16 * EPS, 2 * EPS


def is_least_squares(problem):
    """Whether a problem is least squares with a convex penalty, whose gap the Gram matrix gives."""
    return problem.loss.is_square and problem.is_penalized and problem.penalty.is_convex


class GramPath(GramModel):
    """The problem of a squared loss as one model, minimised for one penalty after the other.

    Parameters
    ----------
    problem : FiniteSum
    w : ndarray of shape (n_features,)
        The start.
    """

    def __init__(self, problem, w):
        gram = problem.hessian(None)
        self.H, self.sums, self.total = without_intercept(gram, problem.fit_intercept)
        self.problem, self.lengths = problem, np.sqrt(np.diag(gram)[:-1])
        self.b = problem.c @ problem.y / self.total if problem.fit_intercept else 0.0
        y = problem.y - self.b
        self.square = problem.c @ y**2
        self.at_zero = problem.pull(y)[:-1]
        self.w = w.copy()
        self.v = self.at_zero - self.H @ w

    def solve_for(self, penalty, tol):
        """Go on to about the minimum; returns it with its gap, infinite where rounding hides it."""
        squares = self.residual_squares()
        gap = GAP * tol * (0.5 * squares + penalty.value(self.w))
        for _ in range(MAX_TRIALS):
            if penalty.is_quadratic:
                chosen = np.arange(len(self.w))
                self.move(chosen, self.solve(chosen, penalty, 0.0, 0.0, 0.0)[0])
            else:
                minimize(self, penalty, gap, 0.0, 0.0)
            point = self.point(penalty)
            if point.certificate <= tol * point.objective:
                break
            gap *= 0.1
        return point

    def residual_squares(self):
        """The mean square of the residuals."""
        return self.square - self.w @ (self.at_zero + self.v)

    def point(self, penalty):
        """The parameters, certified by their own residuals, scaled where the penalty asks for it.

        Of residuals times t the losses' part of the gap is (1 - t)^2 / 2 of their squares.
        """
        w, squares = self.w, self.residual_squares()
        size = np.abs(w) @ self.lengths
        rounding = ROUNDING * self.square + OF_COLUMNS * size**2
        scale = penalty.largest_scale(self.v)
        gap = penalty.fenchel_gap(w, scale * self.v)
        gap += 0.5 * (1 - scale) ** 2 * squares + rounding
        W = np.append(w, self.intercept(w) if self.problem.fit_intercept else 0.0)
        # not below the true one, lest another point's bound leave nothing of the gap
        objective = 0.5 * squares + penalty.value(w) + rounding
        return Point(W, objective, gap if squares > rounding else np.inf, None, None, None)


def gram_points(problem, penalties, w, tol):
    """Yield the certified point at which a fit with each penalty ends, and its passes."""
    before, path = problem.passes, GramPath(problem, w)
    for penalty in penalties:
        yield path.solve_for(penalty, tol), problem.passes - before
        before = problem.passes
