"""Proven lower bounds on the optimum of logistic regression: values of dual points."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from sklearn_optland._loss.intercept import best_shift, solve_semidefinite
from sklearn_optland._loss.log_loss import (
    NewtonDual,
    ResidualSums,
    SmallestChange,
    inner_with_change,
    largest_change,
    shifted,
)
from sklearn_optland._rows.reduce import Several, SumOf, reduce
from sklearn_optland.linear_model._logistic.problem import EPS, as_column

# An imbalance of the residuals, relative to them, that one more Newton step takes to rounding.
BALANCED = 1e-10


def lower_bound(problem, point, direction):
    """Return a proven lower bound on the optimum: the value of a dual point.

    Dual points are probabilities p' that balance the classes, sum_i c_i (p'_i - y_i) = 0, if
    there is an intercept. Theirs is the bound F(w, b) - 1/2 ||w + X'c (p' - y)||^2
    - sum_i c_i KL(p'_i || p_i), with b the best intercept for w. The probabilities of
    the point itself lose a factor that grows with the condition number. A Newton step for the
    scores, p' = p + (diag p - pp') dz, makes the first term ||dw||^2 / 2, and the bound is
    then as far below the optimum as the objective is above it, or closer. Far from the
    optimum that step has to be cut to stay in the simplex; then softmax(z + dz) is tried too.
    """
    if point.image is not None and point.image[0] is direction:
        bound = bound_from_image(problem, point)
        if bound is not None:
            return bound
    dZ = problem.forward(direction)
    bound = _bound_of_full_step(problem, point, dZ)
    return _bound_of_cut_step(problem, point, dZ) if bound is None else bound


def _bound_of_full_step(problem, point, dZ):
    """`lower_bound` where the step stays in the simplex; None where it does not.

    A shift of the step balances the classes: p' is linear in it.
    """
    if problem.fit_intercept:
        dZ = _balanced_step(problem, point.Z, dZ, point.gradient[-1])
    dual = _newton_dual(problem, point.Z, dZ)
    gap = _dual_gap(problem, point, dual) if dual.cut == 1.0 else np.inf
    return _less_rounding(point.objective - gap, point.objective) if gap < np.inf else None


def _bound_of_cut_step(problem, point, dZ):
    """`lower_bound` from the best intercept on, with which a part of a step balances too."""
    Z, loss = _balanced_scores(problem, point)
    if problem.fit_intercept:
        dZ = _balanced_step(problem, Z, dZ, 0.0)
    objective = loss + problem.half_norm(point.W)
    dual = _newton_dual(problem, Z, dZ)
    gap = _dual_gap(problem, point, dual)
    bound = _less_rounding(objective - gap, objective, _lost_digits(problem, point, Z, dual))
    if dual.cut < 1.0:
        scores = problem.source.map(np.add, Z, dZ)
        bound = max(bound, _softmax_bound(problem, point, Z, loss, scores))
    return bound


def _balanced_step(problem, Z, dZ, sums):
    """The scores dZ of a step with the shift that takes the residuals' sums to 0, from `sums`."""
    sums = sums + problem.curvature_along(Z, dZ)
    shift = solve_semidefinite(problem.class_curvature(Z), -sums)
    return problem.source.map(partial(shifted, shift), dZ)


def dual_bound(problem, point, scores):
    """Return a proven lower bound on the optimum, from the dual point softmax(scores)."""
    Z, loss = _balanced_scores(problem, point)
    return _softmax_bound(problem, point, Z, loss, scores)


def _balanced_scores(problem, point):
    """Scores with the best intercept for the point's coefficients, and their loss."""
    Z = _balanced(problem, point.Z)
    return Z, problem.loss(Z)


def _balanced(problem, Z):
    """Scores with the shift that minimises the loss, if there is an intercept."""
    if not problem.fit_intercept:
        return Z
    return problem.source.map(partial(shifted, _best_intercept(problem, Z)), Z)


def _softmax_bound(problem, point, Z, loss, scores):
    """`lower_bound` with p' = softmax(scores), which a shift balances."""
    scores = _balanced(problem, scores)
    R = problem.residuals(scores)
    # KL(p' || p) = logsumexp(z) - logsumexp(z') + p'(z' - z), y's share in each cancels
    inner, terms = reduce(SumOf(inner_with_change, (2,)), problem.source, (R, scores, Z))[1]
    new_loss = problem.loss(scores)
    dual = DualPoint(R, loss - new_loss + inner, *_residual_sums(problem, R))
    gap = _dual_gap(problem, point, dual)
    objective = loss + problem.half_norm(point.W)
    size = new_loss + terms + _lost_digits(problem, point, Z, dual)
    return _less_rounding(objective - gap, objective, size)


def _lost_digits(problem, point, Z, dual):
    """What residuals make of the shift of scores, whose ulp is what they may have lost by it."""
    if Z is point.Z:
        return 0.0
    shift = largest_change(problem.source, Z, point.Z)
    return shift * dual.size


def bound_from_image(problem, point):
    """`lower_bound` for two classes without a pass, by what the solver of the step has left.

    Without a cut p' is linear in the step: X'c (p' - y) = -w - direction - residual.
    Only balancing the classes costs a pass back, unless the Hessian's column is known. Returns
    None if the step has to be cut.
    """
    direction, scores, residual, column = point.image
    if problem.fit_intercept:
        if column is None:
            h = problem.source.map(as_column, problem.curvature(point.Z, 0.0))
            column = problem.backward(h)
            del h
        total = column[-1]  # of the curvatures
        shift = residual[-1] / total if total > 0 else np.zeros(1)
        scores = problem.source.map(partial(shifted, shift), scores)
        residual = residual - shift * column
    dual = _newton_dual(problem, point.Z, scores)
    if dual.cut < 1.0:
        return None
    gap = _dual_gap(problem, point, dual, problem.l2 * direction + residual)
    return _less_rounding(point.objective - gap, point.objective)


@dataclass
class DualPoint:
    """Probabilities p', by the residuals c (p' - y), of the source.

    `divergence` is sum_i c_i KL(p'_i || p_i); `sums` are the residuals' of each class, `size` that
    of all magnitudes.
    """

    residuals: object
    divergence: float
    sums: np.ndarray
    size: float
    cut: float = 1.0


def _newton_dual(problem, Z, dZ, cut=1.0):
    """The dual point p' = p + cut (diag p - pp') dz with the largest cut <= 1 that it allows."""
    source, R = problem.source, problem.source.empty(problem.k)
    smallest, divergence, sums = reduce(
        Several(SmallestChange(), NewtonDual(cut), ResidualSums(problem.k)),
        source,
        ((Z, dZ), (Z, dZ, source.y, source.c, R), (R,)),
    )[1]
    if cut == 1.0 and smallest < -1:
        return _newton_dual(problem, Z, dZ, -1 / smallest)
    return DualPoint(R, float(divergence), sums[:-1], float(sums[-1]), cut)


def _residual_sums(problem, R):
    """Sums of the residuals of each class, and of all magnitudes."""
    sums = reduce(ResidualSums(problem.k), problem.source, (R,))[1]
    return sums[:-1], float(sums[-1])


def _dual_gap(problem, point, dual, G=None):
    """Objective minus dual objective of a dual point.

    G is the penalty's gradient plus X'R, 0 at the optimum; unless it is known, a pass computes it.
    """
    G = problem.l2 * point.W + problem.backward(dual.residuals) if G is None else G
    gap = 0.5 / problem.l2 * np.vdot(G[:-1], G[:-1]) + dual.divergence
    if problem.fit_intercept:
        imbalance = np.abs(dual.sums).max()
        if not imbalance <= 1e-12 * dual.size:
            return np.inf  # no dual point: the intercept could not be balanced
        gap += imbalance * problem.k * (1.0 + np.abs(point.W[-1]).max())  # rounding
    return gap


def _best_intercept(problem, Z):
    """Shift of the scores that minimises the loss: O(n k^2) a step."""

    def at(shift):
        return problem.source.map(partial(shifted, shift), Z)

    def balance(shift):
        here = at(shift)
        sums, size = _residual_sums(problem, problem.residuals(here))
        return -sums, problem.class_curvature(here), BALANCED * size

    return best_shift(balance, np.zeros(problem.k))


def _less_rounding(bound, objective, size=0.0):
    """A lower bound on the optimum less what float64 leaves open; 0 if it is not a number.

    That is a few ulp of the objective, or of the size of terms that nearly cancel.
    """
    bound -= EPS * max(8 * objective, 4 * size)
    return max(0.0, bound) if np.isfinite(bound) else 0.0
