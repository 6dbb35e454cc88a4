"""A primal-dual interior point method for losses with kinks and a quadratic penalty.

Hinges are maxima of straight lines, so the dual is a quadratic program in a box. With a variable a
in [0, 1] for each line that may hold, of slope s and intercept p in the prediction f,

    maximise  sum_i c_i p_i'a_i - |sum_i c_i s_i'a_i x_i|^2 / (2 l2)
    so that   sum_i c_i s_i'a_i = 0,

whose multipliers z of a >= 0 and u of a <= 1 fulfil s f - p = z - u at the optimum, a z = 0 and
(1 - a) u = 0. The method of Mehrotra (1992) takes Newton steps on these with a z = (1 - a) u = mu
and mu to 0. Eliminating all that belongs to rows leaves a Gram matrix of the columns, as Ferris and
Munson (2002) have it for support vector machines.
"""

import numpy as np

from sklearn_optland.linear_model._finite_sum.newton import penalized_inverse
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
        problem, c, l2 = self.problem, self.problem.c, self.problem.penalty.l2
        s, p = lines(problem)
        scores = problem.scores(W)
        above = p - s * scores
        outside = np.mean(np.abs(above) @ c) + OUTSIDE * np.sqrt(np.mean(p**2 @ c))
        a, z = np.full(s.shape, 0.5), np.maximum(-above, 0.0) + outside
        u = z + above
        room = a.copy()  # 1 - a, with its own digits
        while True:
            mu = 0.5 * np.mean((a * z + room * u) @ c)
            D = z / a + u / room
            h = np.minimum(np.sum(1 / D, axis=0), MOST_CURVED)
            left = problem.pull(np.sum(s * a, axis=0))
            left[:-1] -= l2 * W[:-1]
            if not (np.isfinite(h).all() and mu > 0):
                return
            solve = penalized_inverse(problem, problem.hessian(h))

            def step(of_a, of_room, solve=solve, left=left, D=D, at=(a, room, z, u)):
                """Newton's step that changes a z and (1 - a) u by so much."""
                a, room, z, u = at
                q = of_a / a - of_room / room
                dW = solve(left + problem.pull(np.sum(s * q / D, axis=0)))
                added = problem.scores(dW)
                da = (q - s * added) / D
                return dW, added, da, (of_a - z * da) / a, (of_room + u * da) / room

            _, _, da, dz, du = step(-a * z, -room * u)
            length = longest((a, da), (room, -da), (z, dz), (u, du))
            ahead = (a + length * da) * (z + length * dz)
            ahead += (room - length * da) * (u + length * du)
            target = mu * (0.5 * np.mean(ahead @ c) / mu) ** 3
            dW, added, da, dz, du = step(target - a * z - da * dz, target - room * u + da * du)
            length = INSIDE * longest((a, da), (room, -da), (z, dz), (u, du))
            if not length > SHORTEST:
                return
            W, scores = W + length * dW, scores + length * added
            a, room = a + length * da, room - length * da
            z, u = z + length * dz, u + length * du
            point = problem.evaluate(W, np.sum(s * a, axis=0), scores)
            yield point
            if mu <= LEAST_PRODUCT * point.objective:
                return


def lines(problem):
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
