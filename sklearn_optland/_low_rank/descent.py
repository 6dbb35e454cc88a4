"""Descent of factors, as many columns as they have, between two looks at the polar."""

from itertools import islice

import numpy as np
from scipy import optimize

from sklearn_optland._loss.scalar_losses_fast import curvatures
from sklearn_optland._optim.lbfgs import Memory, minimize

# Steps at most, and pairs of L-BFGS.
MOST_STEPS = 40
MEMORY = 10
# Steps of L-BFGS-B, all of which are kept until the last has come; the next ones start from the
# identity, and of few at a time none come close to the optimum.
MOST_BOUNDED_STEPS = 60


def descend(problem, U, V):
    """Yield factors, their objective and the number of evaluations so far.

    Parameters
    ----------
    problem : Factorization
    U, V : ndarray
        Where to start.
    """
    return (smooth_steps if problem.norm.is_nuclear else bounded_steps)(problem, U, V)


def smooth_steps(problem, U, V):
    """L-BFGS for the nuclear norm, whose penalty is a square of the factors."""
    n, rank = U.shape

    def factors(flat):
        return flat[: n * rank].reshape(n, rank), flat[n * rank :].reshape(-1, rank)

    def function(flat):
        U, V = factors(flat)
        objective, _, theta = problem.evaluate(U, V)
        R = problem.observed.pull_matrix(theta)
        gradient = problem.strength * flat
        gradient[: n * rank] -= (R @ V).ravel()
        gradient[n * rank :] -= (R.T @ U).ravel()
        return objective, gradient

    diagonal = metric(problem, U, V)
    start = np.concatenate([U.ravel(), V.ravel()])
    steps = minimize(function, start, Memory(MEMORY), lambda g: g / diagonal)
    for step in islice(steps, MOST_STEPS):
        if step.done:
            return
        yield factors(step.parameters), step.loss, step.curves["passes"]


def metric(problem, U, V):
    """The diagonal of the Hessian of each factor, for the other one as it is."""
    observed = problem.observed
    if observed.loss.is_bounded:
        H = observed.matrix(observed.ones) * observed.loss.curvature
    else:
        theta = problem.evaluate(U, V)[2]
        H = observed.matrix(curvatures(observed.loss, observed.y, theta))
    rows, columns = H @ V**2 + problem.strength, H.T @ U**2 + problem.strength
    return np.r_[rows.ravel(), columns.ravel()]


def bounded_steps(problem, U, V):
    """L-BFGS-B on the parts of the factors by which the norms make their penalties smooth.

    It starts from the identity and has thresholds of its own, so variables are scaled to curvatures
    of about 1, and the objective to 1.
    """
    sides = problem.norm.rows, problem.norm.columns
    (P, low), (Q, low_too) = sides[0].parts(U), sides[1].parts(V)
    bounds = optimize.Bounds(np.repeat([low, low_too], [P.size, Q.size]))
    unit = abs(problem.evaluate(U, V)[0]) or 1.0
    sizes = np.sqrt(unit / metric(problem, U, V))
    by_side = sizes[: U.size].reshape(U.shape), sizes[U.size :].reshape(V.shape)
    sizes = [side.sizes(size).ravel() for side, size in zip(sides, by_side, strict=True)]
    sizes = np.concatenate(sizes)
    found = []

    def parts_of(flat):
        flat = flat * sizes
        return flat[: P.size].reshape(P.shape), flat[P.size :].reshape(Q.shape)

    def factors(parts):
        wholes = [side.whole(part) for side, part in zip(sides, parts, strict=True)]
        return [np.ascontiguousarray(whole) for whole in wholes]

    def function(flat):
        parts = parts_of(flat)
        U, V = factors(parts)
        value, theta = problem.observed.pulls(problem.observed.scores(U, V))
        R = problem.observed.pull_matrix(theta)
        gradients = []
        for side, part, pull in zip(sides, parts, (R @ V, R.T @ U), strict=True):
            penalty, slope = side.penalty(part)
            value += problem.strength * penalty
            gradients.append((problem.strength * slope - side.gradient(pull)).ravel())
        return value / unit, np.concatenate(gradients) * sizes / unit

    def note(intermediate_result):
        found.append(intermediate_result)

    optimize.minimize(
        function,
        np.concatenate([P.ravel(), Q.ravel()]) / sizes,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        callback=note,
        options={"maxiter": MOST_BOUNDED_STEPS, "maxcor": MEMORY, "ftol": 0, "gtol": 0},
    )
    for number, result in enumerate(found, 1):
        yield factors(parts_of(result.x)), unit * float(result.fun), number
