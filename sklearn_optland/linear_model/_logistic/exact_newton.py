"""Newton's method with the exact Hessian: what `curvature="auto"` runs on few parameters.

Small data take one call of the kernel. Many rows of several classes start where a sample of them
ends, then take a pass over blocks of rows for each step: loss, gradient and Hessian together.
"""

import numpy as np

from sklearn_optland._optim.line_search import ARMIJO
from sklearn_optland._optim.majorize import ROUNDING, MetricStep
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland.linear_model._logistic import exact_newton_fast as kernels
from sklearn_optland.linear_model._logistic.problem import Point
from sklearn_optland.linear_model._logistic.samples import uniform_sample

# Of a Hessian: rows, and products in it; of two classes L-BFGS on one Gram matrix is hard to beat.
MAX_PARAMETERS = 200
MAX_PRODUCTS, MAX_BINARY_PRODUCTS = 1.5e7, 1e6
# Newton's method takes 5 to 15 steps; far more where hardly anything holds the parameters.
MAX_STEPS = 50
# Many rows: a Hessian costs (k - 1) d / 8 gradients or so, d at least a register's 8, and two or
# three of them replace twenty.
MAX_COLUMN_PAIRS = 80
# A sample's rows, in parts of the data and in units of the parameters; rows of a kernel's call.
SAMPLE_PART, SAMPLE_ROWS = 32, 50
BLOCK = 4096
MAX_CUTS = 10


def is_small(problem):
    """Whether the exact Hessian costs so little that nothing else is as fast."""
    n, d, k = problem.n_samples, problem.n_features + 1, problem.n_classes
    return (
        problem.l2 > 0
        and problem.source.may_be_copied
        and k * d <= MAX_PARAMETERS
        and n * d**2 * k * (k - 1) / 2 <= (MAX_BINARY_PRODUCTS if k == 2 else MAX_PRODUCTS)
    )


def has_many_rows(problem):
    """Whether a Hessian of all rows is worth the passes that it replaces."""
    d, k = problem.n_features + 1, problem.n_classes
    return (
        problem.l2 > 0
        and not problem.has_one_score
        and problem.source.may_be_copied
        and k * d <= MAX_PARAMETERS
        and (k - 1) * max(d, 8) <= MAX_COLUMN_PAIRS
    )


def with_ones(X, fit_intercept):
    """Dense rows in float64, and their intercept."""
    X = X.toarray() if hasattr(X, "toarray") else X
    return np.column_stack([X, np.ones(len(X))] if fit_intercept else [X]).astype(float, copy=False)


class BlockStatistic(Statistic):
    """What kernels add up over blocks of rows, a row of parameters for each class."""

    def __init__(self, source, k, fit_intercept):
        self.k, self.fit_intercept = k, fit_intercept
        self.d = source.n_columns + fit_intercept
        self.values = max(source.n_columns, 3 * k)

    def add(self, block, parameters, total):
        source, value = block.source, 0.0
        for first in range(block.first, block.last, BLOCK):
            rows = slice(first, min(first + BLOCK, block.last))
            X = with_ones(source.X[rows], self.fit_intercept)
            rows = X, np.ascontiguousarray(X.T), source.y[rows], source.c[rows]
            value += self.kernel(*rows, *parameters, *total)
        return value


class NewtonStatistic(BlockStatistic):
    """The loss at W, its gradient, and the lower triangle of its Hessian."""

    kernel = staticmethod(kernels.add_newton)

    def __init__(self, source, k, fit_intercept):
        super().__init__(source, k, fit_intercept)
        self.work = k * (k - 1) / 2 * self.d**2

    def zero(self, parameters):
        return [np.zeros((self.k, self.d)), np.zeros((self.k * self.d, self.k * self.d))]


class DualStatistic(BlockStatistic):
    """Divergence, X'R and sums of residuals R of the dual point of a Newton step; W, V."""

    kernel = staticmethod(kernels.add_dual)

    def __init__(self, source, k, fit_intercept):
        super().__init__(source, k, fit_intercept)
        self.work = 3 * k * self.d

    def zero(self, parameters):
        return [np.zeros((self.k, self.d)), np.zeros(self.k + 1)]


def newton_on_blocks(problem, W, tol, rng, otherwise):
    """Yield Newton steps, each with the bound that its point proves.

    Where no step helps, `otherwise(W)` goes on.
    """
    l2, k, n = problem.l2, problem.k, problem.n_samples
    d = problem.n_features + problem.fit_intercept
    statistic = NewtonStatistic(problem.source, k, problem.fit_intercept)
    dual = DualStatistic(problem.source, k, problem.fit_intercept)

    def evaluate(rows):
        problem.count_pass()
        loss, (G, H) = reduce(statistic, problem.source, (rows,))
        w = rows[:, : problem.n_features]
        G[:, : problem.n_features] += l2 * w
        return loss + 0.5 * l2 * np.vdot(w, w), G - G.mean(axis=0), H

    rows, lower_bound, previous = np.ascontiguousarray(W.T[:, :d]), 0.0, np.inf
    value = None
    size = max(n // SAMPLE_PART, SAMPLE_ROWS * k * d)
    if 2 * size < n and not rows.any():
        index = np.flatnonzero(rng().random_sample(n) * n < size)
        start = _on_sample(uniform_sample(problem, index), rows)
        value, G, H = evaluate(start)
        rows, value = (start, value) if value <= problem.at_zero else (rows, None)
    if value is None:
        value, G, H = evaluate(rows)
    while True:
        V = kernels.newton_step(H, G, l2, problem.fit_intercept)
        decrement = np.inf if V is None else -np.vdot(G, V)
        if decrement <= 8 * tol * value:
            gap = _dual_gap(problem, dual, rows, V)
            lower_bound = max(lower_bound, value - gap - 2e-15 * value)
        W = _as_parameters(rows, problem)
        yield MetricStep(Point(W, None, value, None), None, lower_bound=lower_bound)
        if decrement <= ROUNDING * value and not decrement < previous:
            return
        previous, t = decrement, 1.0
        for _ in range(MAX_CUTS * np.isfinite(decrement)):
            new, G, H = evaluate(rows + t * V)
            if new <= value - ARMIJO * t * decrement + ROUNDING * value:
                break
            t /= 4
        else:
            yield from otherwise(W)
            return
        rows, value = rows + t * V, new


def _on_sample(problem, rows):
    """The optimum on a sample, about."""
    source, rows = problem.source, rows.copy()
    X = with_ones(source.X, problem.fit_intercept)
    path, curves = np.empty((MAX_STEPS, *rows.shape)), np.empty((MAX_STEPS, 2))
    columns = X, np.ascontiguousarray(X.T), source.y, source.c
    kernels.exact_newton(*columns, rows, problem.l2, problem.fit_intercept, 1e-3, path, curves)
    return rows


def _dual_gap(problem, statistic, rows, V):
    """Objective minus the value of the Newton step's dual point; infinite if it has none."""
    problem.count_pass()
    divergence, (G, sums) = reduce(statistic, problem.source, (rows, V))
    G, n_penalised = G.copy(), problem.n_features
    G[:, :n_penalised] += problem.l2 * rows[:, :n_penalised]
    G -= G.mean(axis=0)
    gap = divergence + 0.5 / problem.l2 * np.vdot(G[:, :n_penalised], G[:, :n_penalised])
    if problem.fit_intercept:
        imbalance = np.abs(sums[:-1]).max()
        if not imbalance <= 1e-12 * sums[-1]:
            return np.inf
        gap += imbalance * problem.k * (1.0 + np.abs(rows[:, -1]).max())
    return gap


def _as_parameters(rows, problem):
    """W of the problem, with a row for the intercept."""
    W = np.zeros((problem.n_features + 1, problem.k))
    W[: rows.shape[1]] = rows.T
    return W


def exact_newton(problem, W, tol, otherwise):
    """Yield the steps of one call of the kernel, each with the bound that it proves.

    Where Newton's method does not arrive, `otherwise(W)` runs in its place. Two classes are two
    opposite rows of parameters, with twice the penalty.
    """
    source, is_binary = problem.source, problem.has_one_score
    X = with_ones(source.X, problem.fit_intercept)
    rows = np.hstack([-W / 2, W / 2]) if is_binary else W
    rows = np.ascontiguousarray(rows.T[:, : X.shape[1]])
    path, curves = np.empty((MAX_STEPS, *rows.shape)), np.empty((MAX_STEPS, 2))
    n_steps, ended_well = kernels.exact_newton(
        X,
        np.ascontiguousarray(X.T),
        source.y,
        source.c,
        rows,
        (1 + is_binary) * problem.l2,
        problem.fit_intercept,
        tol,
        path,
        curves,
    )
    if not ended_well:
        yield from otherwise(W)
        return
    for rows, (objective, lower_bound) in zip(path[:n_steps], curves, strict=False):
        W = _as_parameters(rows[1:] - rows[:1] if is_binary else rows, problem)
        problem.count_pass(2)  # the evaluation, and the Hessian
        yield MetricStep(Point(W, None, objective, None), None, lower_bound=lower_bound)
