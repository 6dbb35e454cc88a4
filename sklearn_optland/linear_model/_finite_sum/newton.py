"""Newton's method for smooth losses, proximal where the penalty is not a square."""

from functools import partial

import numpy as np

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._loss import scalar_losses_fast as scalar_losses
from sklearn_optland._loss.intercept import best_shift
from sklearn_optland._optim.line_search import ARMIJO, FLAT, minimize_along
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._finite_sum.gram_path import gram_points, is_least_squares
from sklearn_optland.linear_model._finite_sum.newton_fast import newton
from sklearn_optland.linear_model._finite_sum.problem import EPS, Point, inverse_of
from sklearn_optland.linear_model._finite_sum.solver import FullBatchSolver
from sklearn_optland.linear_model._logistic.certified_descent import CertifiedDescent
from sklearn_optland.linear_model._logistic.plan import plan, start
from sklearn_optland.linear_model._logistic.problem import log_loss_problem

# Of a loss' largest second derivative: the least that the model of a row has, also where the loss
# is flat. Where classes hardly overlap, scores change by hundreds on their way: a larger one holds
# them back.
LEAST_CURVATURE = 1e-12
# Columns whose Gram matrix may be made of a hard problem, or where logistic regression ends early.
MAX_COLUMNS = 2000
# A step to less than this share of the objective came from far away.
FAR = 0.5
# A step cut to this share leads out of where its model holds.
SHORT = 0.01
# Parameters and work of a step, in multiply-adds, up to which one call makes all steps, so many.
SMALL_SIDE, SMALL_WORK, SMALL_STEPS = 128, 1 << 25, 50
# What the intercept's optimum at the start leaves of the largest imbalance.
BALANCED = 1e-9


class ProximalNewton(FullBatchSolver):
    """A proximal Newton method, each with a `minimizer` of its models for `proximal_newton`."""

    def points(self, W):
        problem = self.problem
        least_squares = self.least_squares(problem)
        if least_squares:
            point, _ = next(least_squares(problem, [problem.penalty], W[:-1], self.tol))
            if point.certificate < np.inf:
                W = point.W
                yield point
        minimize = self.minimizer(problem, self.tol)
        yield from proximal_newton(problem, start_of(problem, W), minimize)


class Newton(ProximalNewton):
    """Newton's method: of the log-loss as logistic regression has it, of others with a Gram."""

    def points(self, W):
        problem = self.problem
        here = not problem.is_partitioned
        if here and problem.loss.name == "log_loss":
            yield from logistic_points(problem, W, self.tol)
            return
        if here and is_small(problem) and not problem.loss.is_square:
            for point in small_points(problem, W, self.tol):
                W = point.W
                yield point
        yield from super().points(W)

    @staticmethod
    def least_squares(problem, n_fits=1):
        return gram_points if is_least_squares(problem) else None

    @staticmethod
    def minimizer(problem, tol, n_fits=1):
        if problem.loss.name == "log_loss" and not problem.is_partitioned:
            return None
        return partial(newton_direction, problem)


def is_small(problem):
    """Whether all steps of Newton's method take so little that one call makes them."""
    side = problem.n_features + 1
    return side <= SMALL_SIDE and problem.n_samples * side**2 <= SMALL_WORK


def small_points(problem, W, tol):
    """Yield the points of Newton's method until it is within the tolerance or ends early."""
    W = W[:, None].copy()
    path, curves = np.empty((SMALL_STEPS, len(W))), np.empty((SMALL_STEPS, 2))
    n_steps = newton(
        *(problem.rows, problem.loss, problem.y, problem.c, problem.curvature),
        *(problem.penalty.l2, problem.fit_intercept, problem.unit_of_scores, tol),
        *(W, path, curves),
    )
    for at, (objective, lower_bound) in zip(path[:n_steps], curves.tolist(), strict=False):
        problem.passes += 2.0
        problem.lower_bound = max(problem.lower_bound, lower_bound)
        yield Point(at, objective, problem.gap(objective), None, None, None)


def proximal_newton(problem, point, minimize):
    """Yield the points of the proximal Newton method, each with its best intercept.

    A loss whose second derivative jumps is quadratic in pieces: there the method ends at the
    optimum.

    Parameters
    ----------
    problem : FiniteSum
    point : Point
        The start, with its best intercept.
    minimize : callable
        Takes a point whose gradient is known and the curvatures of its rows. Returns about the
        direction to the minimum of the model, the scores that it adds, and a dual point for where
        that ends, or None for the pulls there.
    """
    penalty, is_far = problem.penalty, True
    while True:
        if point.gradient is None:
            point.gradient = -problem.pull(point.pulls)
        direction, added, dual = minimize(point, curvatures(problem, point, is_far))
        w, v = point.W[:-1], direction[:-1]
        # by which the objective would fall if the losses were straight
        slope = penalty.rise(w, v) - problem.gain(point, direction, added)
        rounding = EPS * point.objective
        is_blind = abs(slope) <= rounding  # objectives no longer tell; certificates may
        if slope > rounding or not direction.any():
            break
        size = 1.0
        if not is_blind:
            size = step_length(problem, point, direction, added, slope, rounding)
        if not size:
            break
        before = point
        W, scores = point.W + size * direction, problem.further(point.scores, size, added)
        W, scores = with_best_intercept(problem, W, scores)
        point = problem.evaluate(W, dual if size == 1 else None, scores)
        is_far = point.objective < FAR * before.objective or size < SHORT
        yield point
        if is_blind and not point.certificate < 0.5 * before.certificate:
            break
    if point.certificate == np.inf:  # the start
        yield problem.evaluate(point.W, scores=point.scores)


def step_length(problem, point, direction, added, slope, rounding):
    """1, or where there is next to no slope left on the way there; 0 or None if nothing falls."""
    if problem.loss.is_square:
        return 1.0  # the model is the objective
    penalty = problem.penalty
    w, v = point.W[:-1], direction[:-1]
    used = (w != 0) | (v != 0)
    penalty, w, v = penalty.of(used), w[used], v[used]

    def along(t):
        loss, gain = problem.losses_along(point.scores, t, added)
        rise = loss + penalty.value(w + t * v) - point.objective
        # from the left: a coefficient that has just come to zero does not go on
        return rise, -penalty.slope(w + t * v, -v) - gain

    rise, end = along(1.0)
    if rise <= ARMIJO * slope + rounding and end <= -FLAT * slope:
        return 1.0
    return minimize_along(along, point.objective, slope)


def start_of(problem, W):
    """The point at W with its best intercept and the gradient, not certified."""
    scores = problem.scores(W) if W.any() else problem.zeros_like_scores()
    W, scores = with_best_intercept(problem, W, scores)
    loss, pulls = problem.losses(scores)
    objective = loss + problem.penalty.value(W[:-1])
    return Point(W, objective, np.inf, scores, pulls, -problem.pull(pulls))


def with_best_intercept(problem, W, scores):
    """W, its intercept such that it feels nothing, and the scores."""

    def balance(shift):
        imbalance, hessian, size = problem.balance(scores, shift)
        return imbalance, hessian, BALANCED * size

    if not problem.fit_intercept:
        return W, scores
    shift = balance(0.0)[0] if problem.loss.is_square else best_shift(balance, np.zeros(problem.k))
    W = np.concatenate([W[:-1], np.reshape(W[-1] + shift, W[-1:].shape)])
    return W, problem.shifted(scores, shift)


def curvatures(problem, point, is_far=False):
    """Second derivatives of the losses at a point, for the model of the objective there.

    Far from the optimum rows on flat and straight parts of their losses would let others pull
    without end: there the model is a parabola that touches the loss and, if that is symmetric, lies
    above it. It ends where the loss is least.
    """
    if problem.k > 1:  # probabilities, of which those curvatures are made
        P = problem.probabilities(point.pulls)
        return (P + LEAST_CURVATURE) / (1 + problem.k * LEAST_CURVATURE)
    settings = problem.loss, is_far, LEAST_CURVATURE * problem.curvature
    rows = problem.y, point.scores, point.pulls
    return problem.source.map(partial(_row_curvatures, *settings), *rows)


def _row_curvatures(loss, is_far, least, y, scores, pulls):
    h = scalar_losses.curvatures(loss, y, pulls)
    if is_far and loss.rests:
        return np.full_like(h, loss.curvature)
    if is_far and not (loss.for_classes or loss.is_square):
        h = np.maximum(h, scalar_losses.secants(loss, y, scores, pulls))
    return np.maximum(h, least)


def newton_direction(problem, point, h):
    """The direction to the minimum of a model with a quadratic penalty."""
    gradient = point.gradient.copy()
    gradient[:-1] += problem.penalty.l2 * point.W[:-1]
    direction = -penalized_inverse(problem, problem.hessian(h))(gradient)
    return direction, problem.scores(direction), None


def penalized_inverse(problem, H):
    """The inverse of H with the L2 penalty added, as a function; without an intercept 0 there."""
    np.einsum("ii->i", H)[:-1] += problem.penalty.l2
    size = len(H) - 1 + problem.fit_intercept
    inverse = inverse_of(H[:size, :size])

    def solve(rhs):
        out = np.zeros_like(rhs)
        out[:size] = inverse(rhs[:size])
        return out

    return solve


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
    if has_one_score and problem.n_features <= MAX_COLUMNS:  # it has ended early
        yield from proximal_newton(
            problem, start_of(problem, W), partial(newton_direction, problem)
        )
