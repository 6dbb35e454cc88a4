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

from functools import partial

import numpy as np
from scipy.optimize import linprog

from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._rows.reduce import Statistic, SumOf, reduce
from sklearn_optland.neural_network._mean_field.ascent import FirstVariation, Inputs
from sklearn_optland.neural_network._mean_field.first_variation import maximum_over_sphere
from sklearn_optland.neural_network._mean_field.passes import product
from sklearn_optland.neural_network._mean_field.problem import Bound
from sklearn_optland.neural_network._mean_field.solvers import as_step

# Length of the first step, in units of the net's and the gradient's norm; step t is 1 / sqrt(t) of
# it.
FIRST_STEP = 0.3
# The linear program: the step from which on it is asked, values of its matrix, and how often.
FIRST_PROGRAM = 256
PROGRAM_VALUES = 200_000
MAX_PROGRAMS = 8


class Margins(Statistic):
    """`margins` takes y f over the net's norm, H the hidden layer; the total is the least margin.

    Parameters
    ----------
    n_columns, m : int
    is_fixed : bool
        Whether H has the outputs of the hidden layer already.
    """

    writes = (5, 6)

    def __init__(self, n_columns, m, is_fixed):
        self.values, self.work, self.is_fixed = max(n_columns, m), m * (n_columns + 2), is_fixed

    def zero(self, parameters):
        return np.full(1, np.inf)

    def add(self, block, parameters, total):
        X, y, B, a, norm, H, margins = parameters
        H = block.local(H)[block.slice]
        if not self.is_fixed:
            np.matmul(block.local(X)[block.slice], B, out=H)
            np.maximum(H, 0, out=H)
        found = block.local(y)[block.slice] * (H @ a) / norm
        block.local(margins)[block.slice] = found
        total[0] = min(total[0], found.min())

    def merge(self, total, part):
        np.minimum(total, part, out=total)


class SoftMinimum(Statistic):
    """p takes exp(-sharpness (margin - least)); their sum."""

    writes = (1,)

    def add(self, block, parameters, _):
        margins, p, sharpness, least = parameters
        p = block.local(p)[block.slice]
        p[:] = np.exp(-sharpness * (block.local(margins)[block.slice] - least))
        return p.sum()


class AscentGradient(Statistic):
    """Gradients of sum_i p_i y_i f(x_i) by a and, unless neurons are fixed, by B.

    p is divided by its sum, and added to `sum_p`.
    """

    writes = (4, 5)

    def __init__(self, n_columns, m, is_fixed):
        self.shape, self.is_fixed = (n_columns, m), is_fixed
        self.values, self.work = max(n_columns, m), m * (n_columns + 2)

    def zero(self, parameters):
        a = parameters[3]
        return [np.zeros_like(a), np.zeros((0, 0) if self.is_fixed else self.shape, a.dtype)]

    def add(self, block, parameters, total):
        X, y, H, a, p, sum_p, size = parameters
        p, H = block.local(p)[block.slice], block.local(H)[block.slice]
        p /= size
        block.local(sum_p)[block.slice] += p
        r = p * block.local(y)[block.slice]
        total[0] += H.T @ r
        if not self.is_fixed:
            total[1] += block.local(X)[block.slice].T @ ((r[:, None] * a) * (H > 0))


def signs(Y, *, dtype):
    """-1 or 1 for labels 0 and 1."""
    return np.where(Y[:, 0] > 0.5, 1.0, -1.0).astype(dtype)


def mean_pulls(sum_p, y, *, n):
    """Mean weights times labels, as a column."""
    return (sum_p / n * y)[:, None]


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
        Its loss is minus the best margin so far, its parameters the net of that margin, its bound
        what was found when the number of steps last doubled: gap and bound of the margin.
    """
    inputs, source, dtype = problem.inputs(), problem.source, problem.dtype
    d, n_rows = inputs.some.shape[1], source.n_rows
    y = source.map(partial(signs, dtype=dtype), problem.Y)
    B, A = (part.astype(dtype) for part in problem.layout.particles(theta))
    B, a = np.ascontiguousarray(B[:, :d].T), A[:, 0].copy()
    m, root = len(a), np.sqrt(len(a))
    H, margins = source.empty(m, dtype=dtype), source.empty(dtype=dtype)
    p, sum_p = source.empty(dtype=dtype), source.zeros()
    if is_kernel:
        reduce(Margins(d, m, False), source, (inputs.X, y, B, a, 1.0, H, margins))
    margin, gradient = Margins(d, m, is_kernel), AscentGradient(d, m, is_kernel)
    sharpness, t, n_p, next_bound = 1.0, 0, 0, 16
    best, bound, upper = None, None, np.inf
    while True:
        if is_kernel:
            norm = root * float(np.linalg.norm(a))
        else:
            norm = 0.5 * float(np.vdot(B, B) + np.vdot(a, a))
        least = reduce(margin, source, (inputs.X, y, B, a, norm, H, margins))[1]
        least = float(least[0])
        size = reduce(SoftMinimum(), source, (margins, p, sharpness, least))[0]
        if best is None or least > best[0] or t == 1:  # the start is 0 everywhere
            factor = 1 / norm if is_kernel else 1 / np.sqrt(norm)
            best = least, (B if is_kernel else B * factor).copy(), a * factor
        parameters = inputs.X, y, H, a, p, sum_p, dtype.type(size)
        ga, gB = reduce(gradient, source, parameters)[1]
        n_p, t, found = n_p + 1, t + 1, None
        if t == next_bound:
            weighted = source.map(partial(mean_pulls, n=n_p), sum_p, y)
            if is_kernel:
                eta = reduce(SumOf(product, (m, 1), values=m), source, (H, weighted))[1]
                value, proven = float(np.linalg.norm(eta)) / root, True
            else:
                maximum = _maximum(inputs, weighted, B.T, n_starts, random_state)
                value, proven = maximum.value, maximum.proven
                if (
                    min(upper, value) - best[0] > tol * min(upper, value)
                    and t >= FIRST_PROGRAM
                    and n_rows * m <= PROGRAM_VALUES
                ):
                    rows = source.gather(inputs.X), source.gather(y)
                    value = min(value, _best_bound(*rows, best[1].T, tol, n_starts, random_state))
            upper = min(upper, value)
            sum_p, n_p, next_bound = source.zeros(), 0, 2 * next_bound
            found = bound = _as_bound(problem, best[0], upper, proven)
        bound = bound or _as_bound(problem, best[0], np.inf, False)
        done = found is not None and found.gap <= tol * found.first_variation_max
        yield as_step(problem, _as_theta(problem, best), -best[0], t, done, bound)
        if is_kernel:
            size = FIRST_STEP / np.sqrt(t) * norm / root / max(float(np.linalg.norm(ga)), 1e-300)
            grown = a + dtype.type(size) * ga
            sharpness *= float(np.linalg.norm(grown)) / float(np.linalg.norm(a))
            a = grown / np.linalg.norm(grown)
            continue
        length = np.sqrt(float(np.vdot(gB, gB) + np.vdot(ga, ga)))
        size = dtype.type(FIRST_STEP / np.sqrt(t) * np.sqrt(2 * norm) / max(length, 1e-300))
        B, a = B + size * gB, a + size * ga
        grown = 0.5 * float(np.vdot(B, B) + np.vdot(a, a))
        sharpness *= grown / norm
        root_grown = dtype.type(np.sqrt(grown))
        B, a = B / root_grown, a / root_grown


def certified_margin(problem, step, tol):
    """What a fit by margin ascent ends with.

    Parameters
    ----------
    problem : TwoLayerProblem
    step : Step
        Of `margin_ascent`.
    tol : float

    Returns
    -------
    theta : ndarray
        Particles whose least y f is 1, if they separate the classes.
    fitted : dict
        The margin and its bound, as fitted attributes.
    certificate : Certificate
    """
    theta, bound = step.parameters, step.bound
    least = problem.least_margin(theta)
    margin = float(least / problem.norm(theta) * problem.x_scale)
    upper = bound.first_variation_max
    fitted = {"margin_": margin, "margin_bound_": upper, "first_variation_max_": upper}
    gap, is_known = max(upper - margin, 0.0), upper < np.inf
    certificate = Certificate(
        "margin gap",
        gap,
        tolerance_of(tol, upper) if is_known else None,
        "global" if bound.proven else "estimate",
        ratio(gap, upper) if is_known else np.inf,
    )
    return problem.divided(theta, least) if least > 0 else theta, fitted, certificate


def _best_bound(rows, y, points, tol, n_starts, random_state):
    """The bound of the p that are best for some points, by cutting planes.

    p minimises max_k |sum_i p_i y_i relu(t_k'x_i)|, the points t_k being at first those of a net,
    then also where the bound is reached. The rows are few, and in this process.
    """
    lengths = np.linalg.norm(points, axis=1)
    points = (points[lengths > 0] / lengths[lengths > 0, None]).astype(np.float64)
    rows, y = rows.astype(np.float64), y.astype(np.float64)
    inputs = Inputs.of_array(rows)
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
        weighted = (p / p.sum() * y)[:, None]
        maximum = _maximum(inputs, weighted, points, n_starts, random_state)
        upper = min(upper, maximum.value)
        if upper - solution.fun <= 0.2 * tol * upper:
            break
        points = np.concatenate([points, maximum.points])
    return upper


def _maximum(inputs, weighted, directions, n_starts, random_state):
    """The maximum over the sphere, sought from the best of some directions and random ones."""
    values = FirstVariation(inputs, weighted, 1).norms(directions)
    starts = directions[np.argsort(-values)[:n_starts]]
    return maximum_over_sphere(
        inputs, weighted, 1, starts=starts, n_starts=n_starts, random_state=random_state
    )


def _as_theta(problem, best):
    _, B, a = best
    B = B.T if problem.fit_intercept else np.column_stack([B.T, np.zeros(B.shape[1])])
    return problem.layout.join(B, a[:, None], np.zeros(1))


def _as_bound(problem, margin, upper, proven):
    """The gap between the best margin and its bound, in the user's units."""
    return Bound(
        objective=-margin * problem.x_scale,
        gap=(upper - margin) * problem.x_scale,
        first_variation_max=upper * problem.x_scale,
        proven=proven,
    )
