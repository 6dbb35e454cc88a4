"""Without a penalty: Newton's step of the scores as a dual point, which proves overlap and gap.

The dual is max sum_i c_i entropy(q_i) over probabilities q with X'c (q - y) = 0. A Newton step V,
H V = -gradient, gives q = p + (diag p - pp') XV, for which that holds. Where 0 < q < 1 it is a dual
point, of a value sum_i c_i KL(q_i || p_i) below the objective at p; and no direction separates the
classes: for a v with margins m >= 0 of all rows, sum_i c_i (1 - q_i,y) m_i = 0 leaves no m_i > 0.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._loss.log_loss import NewtonDual, smallest_change
from sklearn_optland._rows.reduce import SumOf, reduce
from sklearn_optland.linear_model._logistic.curvatures import (
    BinaryNewtonCurvature,
    NewtonCurvature,
    has_small_hessian,
)
from sklearn_optland.linear_model._logistic.problem import EPS

# The step, and refinements of what rounding and conjugate gradients have left.
MAX_ROUNDS = 6
# The residual of a system that conjugate gradients leave, in the preconditioner's norm.
CG_TOLERANCE = 1e-3
# What columns may feel of q - y, relative to the most that they could: rounding.
UNFELT = 1e-12
# The share of a probability that a step may take: of a row that can be separated it takes all.
MOST = 0.95
# The share of a probability that would make q feasible to all digits: far from the rest, 1 - MOST.
SETTLED = 1e-2


class NewtonSystem:
    """H V = -gradient at a point: by a factor of few columns, else by conjugate gradients.

    Parameters
    ----------
    problem : LogLossProblem
        Without a penalty.
    point : Point
    precondition : callable
    """

    def __init__(self, problem, point, precondition=np.copy):
        self.problem, self.point, self.precondition = problem, point, precondition
        self.factor = None
        if problem.has_one_score and problem.has_few_columns:
            self.factor = BinaryNewtonCurvature(problem)
        elif not problem.has_one_score and has_small_hessian(problem):
            self.factor = NewtonCurvature(problem)
        if self.factor is not None:
            self.factor.refresh(point)

    def direction(self):
        """V, about."""
        return self.refined(None, self.point.gradient)

    def refined(self, V, left):
        """V closer to the solution, by what it leaves: gradient + H V."""
        if self.factor is not None:
            step = self.factor.solve(left)
            return -step if V is None else V - step
        return self.problem.newton_direction(
            self.point, self.precondition, tolerance=CG_TOLERANCE, excess=0.0, start=V
        )


@dataclass
class Image:
    """A dual point.

    Parameters
    ----------
    residuals : array of the source, of shape (n_rows, k)
        c (q - y).
    bound : float
        A proven lower bound on the optimum.
    """

    residuals: object
    bound: float


def newton_image(system, V):
    """The image of Newton's step, or None where it leaves the simplex.

    Parameters
    ----------
    system : NewtonSystem
    V : ndarray
        Its direction.

    Returns
    -------
    image : Image or None
    """
    problem, point = system.problem, system.point
    source, R = problem.source, problem.source.empty(problem.k)
    for _ in range(MAX_ROUNDS):
        scores = problem.forward(V)
        if not smallest_change(source, point.Z, scores) >= -MOST:
            return None
        parameters = point.Z, scores, source.y, source.c, R
        divergence = reduce(NewtonDual(1.0), source, parameters)[1]
        left = problem.backward(R)
        refined = system.refined(V, left)
        if np.all(np.abs(left) <= UNFELT * _most(problem, R)):
            break
        V = refined
    else:
        return None
    change = problem.forward(refined - V)
    both = change, source.map(np.negative, change)
    if not min(smallest_change(source, point.Z, part) for part in both) >= -SETTLED:
        return None
    lost = np.vdot(np.abs(left), np.abs(point.W) + np.abs(V)) + 8 * EPS * point.objective
    return Image(R, max(0.0, float(point.objective - divergence - lost)))


def _most(problem, R):
    """What the parameters would feel at most of residuals of this size; shape of a gradient."""
    squares = SumOf(_squares_by_weight, (problem.k,))
    sizes = reduce(squares, problem.source, (R, problem.source.c))[1]
    return np.sqrt(np.multiply.outer(problem.column_squares, sizes))


def _squares_by_weight(R, c):
    return np.sum(R * R / c[:, None], axis=0)
