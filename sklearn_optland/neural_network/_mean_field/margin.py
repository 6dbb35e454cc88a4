"""Margin ascent: two-layer nets that separate two classes as widely as they can.

The margin of a net of norm 1 is gamma = min_i y_i f(x_i), y = -1 or 1. The norm is the variation
norm, or in the kernel regime that of the Hilbert space. Gradient ascent on the soft minimum
-log sum_i exp(-y_i f(x_i)) of the net that is not normalised leads there (Chizat and Bach 2020):
f grows, and with it the sharpness of the minimum. Here the net is kept at norm 1 and the growth in
`sharpness`, which is the same because f is homogeneous in the parameters that are trained.

For weights p >= 0 of sum 1 no net of norm 1 has a margin above the dual norm of sum_i p_i y_i x_i:

    gamma* <= max over |t| = 1 of |sum_i p_i y_i relu(t'x_i)|    (kernel: |sum_i p_i y_i h(x_i)|).

The p of single steps jump from row to row; their mean over the last half of the steps bounds well.
On small data the best p for the net's own neurons, by a linear program, bounds better still; where
the sphere has higher points these join the program.
"""

import numpy as np
from scipy.optimize import linprog

from sklearn_optland.neural_network._mean_field.first_variation import maximum_over_sphere
from sklearn_optland.neural_network._mean_field.problem import Bound
from sklearn_optland.neural_network._mean_field.solvers import Step

# Length of the first step, in units of the net's and the gradient's norm; step t is 1 / sqrt(t) of
# it.
FIRST_STEP = 0.3
# The linear program: the step from which on it is asked, values of its matrix, and how often.
FIRST_PROGRAM = 256
PROGRAM_VALUES = 200_000
MAX_PROGRAMS = 8


def margin_ascent(problem, theta, tol, *, n_starts, random_state, is_kernel):
    """Steps of margin ascent.

    Parameters
    ----------
    problem : TwoLayerProblem
        With the log-loss and one output.
    theta : ndarray
        Particles to start from.
    tol : float
        Largest relative gap between the margin and its bound.
    n_starts, random_state : int
        Of the maximum over the sphere.
    is_kernel : bool
        Whether only the output layer learns.

    Yields
    ------
    step : Step
        Its value is minus the best margin so far, its theta the net of that margin, its bound what
        was found when the number of steps last doubled: gap and bound of the margin.
    """
    rows = problem.augmented()
    y = np.where(problem.Y[:, 0] > 0.5, 1.0, -1.0).astype(problem.dtype)
    B, A = (part.astype(problem.dtype) for part in problem.particles(theta))
    B, a = np.ascontiguousarray(B[:, : rows.shape[1]].T), A[:, 0].copy()
    if is_kernel:
        H = np.maximum(rows @ B, 0)
        root = np.sqrt(len(a))
    sharpness, t = 1.0, 0
    sum_p, n_p, next_bound = np.zeros(len(y)), 0, 16
    best, bound, upper = None, None, np.inf
    while True:
        if is_kernel:
            norm = root * float(np.linalg.norm(a))
        else:
            norm = 0.5 * float(np.vdot(B, B) + np.vdot(a, a))
            H = np.maximum(rows @ B, 0)
        margins = y * (H @ a) / norm
        least = float(margins.min())
        p = np.exp(-sharpness * (margins - least))
        p /= p.sum()
        if best is None or least > best[0] or t == 1:  # the start is 0 everywhere
            factor = 1 / norm if is_kernel else 1 / np.sqrt(norm)
            best = least, (B if is_kernel else B * factor).copy(), a * factor
        sum_p, n_p, t = sum_p + p, n_p + 1, t + 1
        found = None
        if t == next_bound:
            weighted = (sum_p / n_p * y)[:, None]
            if is_kernel:
                value, proven = float(np.linalg.norm(H.T @ weighted)) / root, True
            else:
                maximum = _maximum(rows, weighted, B.T, n_starts, random_state)
                value, proven = maximum.value, maximum.proven
                if (
                    min(upper, value) - best[0] > tol * min(upper, value)
                    and t >= FIRST_PROGRAM
                    and len(y) * len(a) <= PROGRAM_VALUES
                ):
                    value = min(value, _best_bound(rows, y, best[1].T, tol, n_starts, random_state))
            upper = min(upper, value)
            sum_p, n_p, next_bound = 0 * sum_p, 0, 2 * next_bound
            found = bound = _as_bound(problem, best[0], upper, proven)
        bound = bound or _as_bound(problem, best[0], np.inf, False)
        done = found is not None and found.gap <= tol * found.first_variation_max
        yield Step(_as_theta(problem, best), -best[0], t, done=done, bound=bound)
        r = p * y
        ga = H.T @ r
        if is_kernel:
            size = FIRST_STEP / np.sqrt(t) * norm / root / max(float(np.linalg.norm(ga)), 1e-300)
            grown = a + problem.dtype.type(size) * ga
            sharpness *= float(np.linalg.norm(grown)) / float(np.linalg.norm(a))
            a = grown / np.linalg.norm(grown)
            continue
        gB = rows.T @ ((r[:, None] * a) * (H > 0))
        length = np.sqrt(float(np.vdot(gB, gB) + np.vdot(ga, ga)))
        size = problem.dtype.type(FIRST_STEP / np.sqrt(t) * np.sqrt(2 * norm) / max(length, 1e-300))
        B, a = B + size * gB, a + size * ga
        grown = 0.5 * float(np.vdot(B, B) + np.vdot(a, a))
        sharpness *= grown / norm
        root_grown = problem.dtype.type(np.sqrt(grown))
        B, a = B / root_grown, a / root_grown


def _best_bound(rows, y, points, tol, n_starts, random_state):
    """The bound of the p that are best for some points, by cutting planes.

    p minimises max_k |sum_i p_i y_i relu(t_k'x_i)|, the points t_k being at first those of a net,
    then also where the bound is reached.
    """
    lengths = np.linalg.norm(points, axis=1)
    points = (points[lengths > 0] / lengths[lengths > 0, None]).astype(np.float64)
    rows, y = rows.astype(np.float64), y.astype(np.float64)
    n, upper = len(y), np.inf
    goal = np.append(np.zeros(n), 1.0)
    for _ in range(MAX_PROGRAMS):
        M = (np.maximum(rows @ points.T, 0) * y[:, None]).T
        M = np.column_stack([np.vstack([M, -M]), np.full(2 * len(M), -1.0)])
        total = np.append(np.ones(n), 0.0)[None]
        solution = linprog(goal, A_ub=M, b_ub=np.zeros(len(M)), A_eq=total, b_eq=[1.0])
        if solution.status != 0:
            break
        p = np.maximum(solution.x[:n], 0)
        maximum = _maximum(rows, (p / p.sum() * y)[:, None], points, n_starts, random_state)
        upper = min(upper, maximum.value)
        if upper - solution.fun <= 0.2 * tol * upper:
            break
        points = np.concatenate([points, maximum.points])
    return upper


def _maximum(rows, weighted, directions, n_starts, random_state):
    """The maximum over the sphere, sought from the best of some directions and random ones."""
    values = np.abs(np.maximum(rows @ directions.T, 0).T @ weighted)[:, 0]
    starts = directions[np.argsort(-values)[:n_starts]]
    return maximum_over_sphere(
        rows, weighted, starts=starts, n_starts=n_starts, random_state=random_state
    )


def _as_theta(problem, best):
    _, B, a = best
    B = B.T if problem.fit_intercept else np.column_stack([B.T, np.zeros(B.shape[1])])
    return problem.join(B, a[:, None], np.zeros(1))


def _as_bound(problem, margin, upper, proven):
    """The gap between the best margin and its bound, in the user's units."""
    return Bound(
        objective=-margin * problem.x_scale,
        gap=(upper - margin) * problem.x_scale,
        first_variation_max=upper * problem.x_scale,
        proven=proven,
        points=np.empty((0, 0)),
        values=np.empty(0),
    )
