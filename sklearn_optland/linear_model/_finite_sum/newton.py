"""Newton's method for smooth losses, proximal where the penalty is not a square."""

from functools import partial

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._loss.intercept import best_shift
from sklearn_optland._optim.line_search import backtrack
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._finite_sum.problem import EPS, Point
from sklearn_optland.linear_model._finite_sum.solver import FullBatchSolver
from sklearn_optland.linear_model._logistic.certified_descent import CertifiedDescent
from sklearn_optland.linear_model._logistic.plan import plan, start
from sklearn_optland.linear_model._logistic.problem import log_loss_problem

# Of a loss' largest second derivative: the least that the model of a row has, also where the loss
# is flat; without an L2 part of the penalty nothing else would hold some coefficients.
LEAST_CURVATURE, LEAST_UNPENALIZED = 1e-12, 1e-6
# Of the Hessian's diagonal: keeps its factor definite.
RIDGE = 1e-13
# A step to less than this share of the objective came from far away.
FAR = 0.5
# What the intercept's optimum at the start leaves of the largest imbalance.
BALANCED = 1e-9


class Newton(FullBatchSolver):
    """Newton's method: of the log-loss as logistic regression has it, of others with a Gram."""

    def points(self, W):
        if self.problem.loss.name == "log_loss":
            return logistic_points(self.problem, W, self.tol)
        return proximal_newton(self.problem, W, partial(newton_direction, self.problem))


def proximal_newton(problem, W, minimize):
    """Yield the points of the proximal Newton method.

    A loss whose second derivative jumps is quadratic in pieces: there the method ends at the
    optimum. The dual point is where the model of the losses has its pulls: what the intercept feels
    of them is 0, and what is left of the gap is of second order.

    Parameters
    ----------
    problem : FiniteSum
    W : ndarray
        The start.
    minimize : callable
        Takes a point whose gradient is known and the curvatures of its rows. Returns about the
        direction to the minimum of the model and the scores that it adds.
    """
    penalty, point, is_far = problem.penalty, start_of(problem, W), True
    while True:
        h = curvatures(problem, point, is_far)
        direction, added = minimize(point, h)
        w, v = point.W[:-1], direction[:-1]
        # by which the objective would fall if the losses were straight
        slope = penalty.value(w + v) - penalty.value(w) - problem.c @ (point.pulls * added)
        model = problem.in_domain(point.pulls - h * added)
        rounding = EPS * point.objective
        if not slope < -rounding:
            break

        def along(size, point=point, direction=direction, added=added):
            loss, pulls = problem.losses(point.scores + size * added)
            return loss + penalty.value(point.W[:-1] + size * direction[:-1]), pulls

        size, pulls, _ = backtrack(along, point.objective, slope, slack=rounding)
        if not size:
            break
        scores = point.scores + size * added
        before = point.objective
        point = problem.evaluate(point.W + size * direction, model, scores)
        is_far = point.objective < FAR * before
        yield point
        if point.gradient is None:
            point.gradient = -problem.pull(pulls)
    yield problem.evaluate(point.W, model, point.scores)


def start_of(problem, W):
    """The point at W with its gradient, not certified."""
    scores = problem.scores(W) if W.any() else problem.zeros_like_scores()
    if problem.fit_intercept:
        W = W.copy()
        shift = best_intercept(problem, scores)
        W[-1] += shift
        scores += shift
    loss, pulls = problem.losses(scores)
    objective = loss + problem.penalty.value(W[:-1])
    return Point(W, objective, np.inf, scores, pulls, -problem.pull(pulls))


def best_intercept(problem, scores):
    """What has to be added to all scores for the intercept to feel nothing."""

    def balance(shift):
        _, pulls = problem.losses(scores + shift)
        pulled = problem.c * pulls
        h = problem.c @ problem.loss.curvatures(pulls, problem.epsilon)
        return np.array([pulled.sum()]), np.array([[h]]), BALANCED * np.abs(pulled).sum()

    if problem.loss.is_square:
        return balance(0.0)[0][0]
    return best_shift(balance, np.zeros(1))[0]


def curvatures(problem, point, is_far=False):
    """Second derivatives of the losses at a point, for the model of the objective there.

    Far away from the optimum the straight parts of Huber's loss have the curvature of the parabola
    that touches it there and lies above it: those rows would pull without end.
    """
    loss = problem.loss
    h = loss.curvatures(point.pulls, problem.epsilon)
    if is_far and not (loss.for_classes or loss.is_square):
        with np.errstate(divide="ignore", invalid="ignore"):
            h = np.fmax(h, np.abs(point.pulls / (problem.y - point.scores)))
    least = LEAST_CURVATURE if problem.penalty.l2 > 0 else LEAST_UNPENALIZED
    return np.maximum(h, least * problem.curvature)


def newton_direction(problem, point, h):
    """The direction to the minimum of a model with a quadratic penalty."""
    H, gradient = problem.gram(problem.c * h), point.gradient.copy()
    gradient[:-1] += problem.penalty.l2 * point.W[:-1]
    diagonal = np.einsum("ii->i", H)
    diagonal[:-1] += problem.penalty.l2
    diagonal += RIDGE * diagonal
    size = len(H) - 1 + problem.fit_intercept
    direction = np.zeros_like(gradient)
    direction[:size] = cho_solve(cho_factor(H[:size, :size], lower=True), -gradient[:size])
    return direction, problem.scores(direction)


def logistic_points(problem, W, tol):
    """Yield the points of what logistic regression does, in units in which l2 is 1."""
    l2, has_one_score = problem.penalty.l2, problem.k == 1
    y = (problem.y > 0).astype(np.int32) if has_one_score else problem.y
    log_loss = log_loss_problem(
        ArraySource(problem.source.X, y=y, c=problem.c / l2),
        n_classes=2 if has_one_score else problem.k,
        l2=1.0,
        fit_intercept=problem.fit_intercept,
        has_one_score=has_one_score,
    )
    W = np.ascontiguousarray(log_loss.centred(W.reshape(len(W), -1)))
    rng = partial(private_random_state, None, 0)
    algorithm, metric = plan(log_loss, "auto", "full")
    steps = start(log_loss, W, algorithm, metric, tol=tol, refresh=1, rng=rng)
    descent = CertifiedDescent(log_loss, W, steps, tol)
    passes = problem.passes
    for _ in descent.steps():
        problem.passes = passes + log_loss.passes
        lower_bound = l2 * max(descent.lower_bound, descent.later_bound)
        problem.lower_bound = max(problem.lower_bound, lower_bound)
        objective = l2 * float(descent.point.objective)
        W = descent.point.W[:, 0] if has_one_score else descent.point.W
        yield Point(W, objective, problem.gap(objective), None, None, None)
