"""Proven lower bounds on the optimum of logistic regression: values of dual points."""

import numpy as np

from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland.linear_model._logistic.problem import EPS, MAX_LINE_TRIALS, ROUNDING

MAX_INTERCEPT_STEPS = 50
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
        bound = _bound_from_image(problem, point)
        if bound is not None:
            return bound
    dZ = problem.forward(direction)
    Z, loss = _balanced_scores(problem, point)
    if problem.fit_intercept:
        dZ += _solve(problem.class_curvature(Z), -_column_sums(problem, Z, dZ))
    objective = loss + problem.half_norm(point.W)
    cut, R, divergence = _newton_dual(problem, Z, dZ)
    gap = _dual_gap(problem, point, R, divergence)
    bound = _less_rounding(objective - gap, objective, _lost_digits(point, Z, R))
    if cut < 1.0:
        bound = max(bound, _softmax_bound(problem, point, Z, loss, Z + dZ))
    return bound


def dual_bound(problem, point, scores):
    """Return a proven lower bound on the optimum, from the dual point softmax(scores)."""
    Z, loss = _balanced_scores(problem, point)
    return _softmax_bound(problem, point, Z, loss, scores)


def _balanced_scores(problem, point):
    """Scores with the best intercept for the point's coefficients, and their loss."""
    Z = point.Z + _best_intercept(problem, point.Z) if problem.fit_intercept else point.Z
    return Z, problem.loss(Z)


def _softmax_bound(problem, point, Z, loss, scores):
    """`lower_bound` with p' = softmax(scores), which a shift balances."""
    if problem.fit_intercept:
        scores = scores + _best_intercept(problem, scores)
    R = _residuals(problem, scores)
    # KL(p' || p) = logsumexp(z) - logsumexp(z') + p'(z' - z), y's share in each cancels
    new_loss, moved = problem.loss(scores), scores - Z
    divergence = loss - new_loss + np.vdot(R, moved)
    gap = _dual_gap(problem, point, R, divergence)
    objective = loss + problem.half_norm(point.W)
    size = new_loss + np.vdot(np.abs(R), np.abs(moved)) + _lost_digits(point, Z, R)
    return _less_rounding(objective - gap, objective, size)


def _lost_digits(point, Z, R):
    """What residuals make of the shift of scores, whose ulp is what they may have lost by it."""
    return 0.0 if Z is point.Z else np.abs(Z - point.Z).max() * np.abs(R).sum()


def _bound_from_image(problem, point):
    """`lower_bound` for two classes without a pass, by what conjugate gradients have left.

    Without a cut p' is linear in the step: X'c (p' - y) = -w - direction - residual.
    Only balancing the classes costs a pass back. Returns None if the step has to be cut.
    """
    direction, scores, residual = point.image
    if problem.fit_intercept:
        h = problem.binary_curvature(point.Z, 0.0)
        total = h.sum()
        shift = residual[-1] / total if total > 0 else 0.0
        scores = scores + shift
        residual = residual - shift * problem.backward(h[:, None])
    cut, R, divergence = _newton_dual(problem, point.Z, scores)
    if cut < 1.0:
        return None
    gap = _dual_gap(problem, point, R, divergence, problem.l2 * direction + residual)
    return _less_rounding(point.objective - gap, point.objective)


def _newton_dual(problem, Z, dZ):
    """Probabilities p' = p + cut (diag p - pp') dz with the largest cut <= 1 that they allow.

    Returns cut, the residuals c (p' - y) and sum_i c_i KL(p'_i || p_i).
    """
    R = np.empty_like(Z)
    kernel = log_loss.logistic_dual if problem.k == 1 else log_loss.softmax_dual
    cut, divergence = kernel(Z, dZ, problem.y, problem.c, R)
    return cut, R, divergence


def _residuals(problem, Z):
    """c (P - Y) at scores Z."""
    return _newton_dual(problem, Z, np.zeros_like(Z))[1]


def _dual_gap(problem, point, R, divergence, G=None):
    """Objective minus dual objective of probabilities with these residuals and divergence.

    G is the penalty's gradient plus X'R, 0 at the optimum; unless it is known, a pass computes it.
    """
    G = problem.l2 * point.W + problem.backward(R) if G is None else G
    gap = 0.5 * np.vdot(G[:-1], G[:-1]) + divergence
    if problem.fit_intercept:
        imbalance = np.abs(R.sum(axis=0)).max()
        if not imbalance <= 1e-12 * np.abs(R).sum():
            return np.inf  # no dual point: the intercept could not be balanced
        gap += imbalance * problem.k * (1.0 + np.abs(point.W[-1]).max())  # rounding
    return gap


def _column_sums(problem, Z, dZ):
    """Sum over rows of c (diag p - pp') dz."""
    if problem.k == 1:
        return problem.binary_curvature(Z, 0.0) @ dZ
    P = problem.probabilities(Z)
    return problem.c @ (P * (dZ - np.sum(P * dZ, axis=1, keepdims=True)))


def _best_intercept(problem, Z):
    """Shift of the scores that minimises the loss: a damped Newton iteration, O(n k^2)."""
    shift = np.zeros(problem.k)
    loss = problem.loss(Z)
    for _ in range(MAX_INTERCEPT_STEPS):
        R = _residuals(problem, Z + shift)
        size = max(np.abs(R).sum(), 1e-300)
        imbalance = R.sum(axis=0) / size
        step = _solve(problem.class_curvature(Z + shift), -imbalance * size)
        for _ in range(MAX_LINE_TRIALS):
            new = problem.loss(Z + (shift + step))
            # on a flat that float64 does not resolve Newton's step is right all the same
            if new <= loss * (1 + ROUNDING):
                break
            step = step / 4
        else:
            break
        shift = shift + step
        if np.abs(imbalance).max() <= BALANCED:
            break
        loss = new
    return shift


def _less_rounding(bound, objective, size=0.0):
    """A lower bound on the optimum less what float64 leaves open; 0 if it is not a number.

    That is a few ulp of the objective, or of the size of terms that nearly cancel.
    """
    bound -= EPS * max(8 * objective, 4 * size)
    return max(0.0, bound) if np.isfinite(bound) else 0.0


def _solve(A, rhs):
    """Solve A u = rhs for a semi-definite A, free up to a constant with several classes."""
    scale = np.sqrt(np.maximum(np.diag(A), 1e-300))
    with np.errstate(over="ignore"):  # an infinite step is refused by who asked for it
        rhs = np.clip(rhs / scale, -1e300, 1e300)
        return np.linalg.lstsq(A / np.outer(scale, scale), rhs, rcond=None)[0] / scale
