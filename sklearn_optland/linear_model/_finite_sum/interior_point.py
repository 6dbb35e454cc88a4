"""A primal-dual interior point method for losses with kinks and any elastic net.

Hinges are maxima of straight lines, so the dual is a quadratic program in a box. With a variable a
in [0, 1] for each line that may hold, of slope s and intercept p in the prediction f,

    maximise  sum_i c_i p_i'a_i - |sum_i c_i s_i'a_i x_i|^2 / (2 l2)
    so that   sum_i c_i s_i'a_i = 0,

whose multipliers z of a >= 0 and u of a <= 1 fulfil s f - p = z - u at the optimum, a z = 0 and
(1 - a) u = 0. The method of Mehrotra (1992) takes Newton steps on these with a z = (1 - a) u = mu
and mu to 0. Eliminating all that belongs to rows leaves a Gram matrix of the columns, as Ferris and
Munson (2002) have it for support vector machines.

A penalty that is no square has lines too, one for each coefficient:

    l1 |w| = l1 w + 2 l1 max(0, -w),

and w >= 0 is the same with a weight above all that losses can pull at the column, |pulls| <= 1, an
exact penalty. Such lines add to the matrix' diagonal.
"""

import numpy as np

from sklearn_optland.linear_model._finite_sum.newton import penalized_inverse
from sklearn_optland.linear_model._finite_sum.problem import TINY
from sklearn_optland.linear_model._finite_sum.solver import FullBatchSolver

# Of the way to the boundary that a step may go, and the shortest that leads anywhere.
INSIDE, SHORTEST = 0.99, 1e-8
# Rows whose lines hold exactly would have infinite curvatures.
MOST_CURVED = 1e100
# Of the objective: a mean product that is nothing but rounding.
LEAST_PRODUCT = 1e-18
# Of the targets' mean size: the least multipliers at the start.
OUTSIDE = 0.1


class InteriorPoint(FullBatchSolver):
    """The interior point method of this module, its matrix of few columns."""

    def points(self, W):
        problem, lines = self.problem, Lines(self.problem)
        s, p, mean = lines.s, lines.p, lines.mean
        scores = lines.scores(W)
        above = p - s * scores
        outside = mean(np.abs(above)) + OUTSIDE * np.sqrt(mean(p**2))
        a, z = np.full(s.shape, 0.5), np.maximum(-above, 0.0) + outside
        u = z + above
        room = a.copy()  # 1 - a, with its own digits
        while True:
            mu = 0.5 * mean(a * z + room * u)
            D = z / a + u / room
            h = np.minimum(np.sum(1 / D, axis=0), MOST_CURVED)
            left = lines.pull(np.sum(s * a, axis=0))
            left[:-1] -= problem.penalty.l2 * W[:-1] + problem.penalty.l1
            if not (np.isfinite(h).all() and mu > 0):
                return
            solve = penalized_inverse(problem, lines.hessian(h))

            def step(of_a, of_room, solve=solve, left=left, D=D, at=(a, room, z, u)):
                """Newton's step that changes a z and (1 - a) u by so much."""
                a, room, z, u = at
                q = of_a / a - of_room / room
                dW = solve(left + lines.pull(np.sum(s * q / D, axis=0)))
                added = lines.scores(dW)
                da = (q - s * added) / D
                return dW, added, da, (of_a - z * da) / a, (of_room + u * da) / room

            _, _, da, dz, du = step(-a * z, -room * u)
            length = longest((a, da), (room, -da), (z, dz), (u, du))
            ahead = (a + length * da) * (z + length * dz)
            ahead += (room - length * da) * (u + length * du)
            target = mu * (0.5 * mean(ahead) / mu) ** 3
            dW, added, da, dz, du = step(target - a * z - da * dz, target - room * u + da * du)
            length = INSIDE * longest((a, da), (room, -da), (z, dz), (u, du))
            if not length > SHORTEST:
                return
            W, scores = W + length * dW, scores + length * added
            a, room = a + length * da, room - length * da
            z, u = z + length * dz, u + length * du
            point = lines.evaluate(W, a, room, scores)
            yield point
            if mu <= LEAST_PRODUCT * point.objective:
                return


class Lines:
    """Lines whose positive parts losses and penalty are made of: the rows', then the columns'.

    Coefficients are in units of scores, times their columns' lengths.

    Parameters
    ----------
    problem : FiniteSum

    Attributes
    ----------
    s, p : ndarray of shape (n_lines, n_samples) or (n_lines, n_samples + n_features)
        Slopes -s and values p at 0 of the lines.
    """

    def __init__(self, problem):
        self.problem, penalty = problem, problem.penalty
        self.s, self.p = lines_of_rows(problem)
        self.c, self.lengths = problem.c, None
        if penalty.is_quadratic:
            return
        self.lengths = np.sqrt(np.maximum(problem.column_squares, TINY))
        # of pulls up to 1 a column of this length feels no more than it
        most = 2 * self.lengths + penalty.l1
        weights = (most if penalty.positive else 2 * penalty.l1) / self.lengths
        n_lines, d = len(self.s), problem.n_features
        self.c = np.append(problem.c, weights / n_lines)  # equal lines share a column
        self.s = np.hstack([self.s, np.ones((n_lines, d))])
        self.p = np.hstack([self.p, np.zeros((n_lines, d))])

    def mean(self, values):
        """The weighted mean over all lines."""
        return np.mean(values @ self.c) / self.c.sum()

    def scores(self, W):
        """Predictions of rows, and of columns the coefficients."""
        scores = self.problem.scores(W)
        if self.lengths is None:
            return scores
        return np.append(scores, self.lengths * W[:-1])

    def pull(self, theta):
        """What parameters feel of pulls."""
        n = self.problem.n_samples
        out = self.problem.pull(theta[:n])
        if self.lengths is not None:
            out[:-1] += self.lengths * self.c[n:] * theta[n:]
        return out

    def hessian(self, h):
        """The matrix of the curvatures h."""
        n = self.problem.n_samples
        H = self.problem.hessian(h[:n])
        if self.lengths is not None:
            np.einsum("ii->i", H)[:-1] += self.lengths**2 * self.c[n:] * h[n:]
        return H

    def evaluate(self, W, a, room, scores):
        """The point at W, coefficients zero that are on their way there; certified by a."""
        problem, n = self.problem, self.problem.n_samples
        theta = np.sum((self.s * a)[:, :n], axis=0)
        if self.lengths is None:
            return problem.evaluate(W, theta, scores)
        # |f| min(a, 1 - a) is mu for all: one of the factors goes to 0, the other does not
        inside = np.minimum(a, room)[0, n:] * problem.unit_of_scores
        w = np.where(np.abs(scores[n:]) < inside, 0.0, W[:-1])
        return problem.evaluate(np.append(problem.penalty.project(w), W[-1]), theta)


def lines_of_rows(problem):
    """Slopes -s and values p at 0 of the lines whose positive parts the losses are."""
    if problem.loss.for_classes:
        return problem.y[None], np.ones((1, problem.n_samples))
    y, epsilon = problem.y, problem.loss.epsilon
    s = np.ones((2, problem.n_samples))
    s[1] = -1.0
    return s, np.stack([y - epsilon, -y - epsilon])


def longest(*pairs):
    """The longest step, 1 / INSIDE at most, after which no value is negative.

    Parameters
    ----------
    *pairs : (ndarray, ndarray)
        Positive values, and how they change.
    """
    with np.errstate(divide="ignore", over="ignore"):
        fastest = max(np.max(-change / value) for value, change in pairs)
    return 1 / max(INSIDE, fastest)
