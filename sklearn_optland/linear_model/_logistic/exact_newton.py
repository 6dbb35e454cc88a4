"""Newton's method in compiled code: what `curvature="auto"` runs on dense rows with few columns.

Small data take one call of a kernel, with the exact Hessian where that costs little, else with
conjugate gradients. Many rows of several classes start where a sample of them ends, then take a
pass over blocks of rows for each step: loss, gradient and Hessian together.
"""

import numpy as np

from sklearn_optland._optim.line_search import backtrack
from sklearn_optland._optim.majorize import ROUNDING, MetricStep
from sklearn_optland._rows.reduce import BLOCK_VALUES, Statistic, reduce
from sklearn_optland.linear_model._logistic import exact_newton_fast as kernels
from sklearn_optland.linear_model._logistic.dual_bound import gap_of, less_rounding
from sklearn_optland.linear_model._logistic.problem import Point
from sklearn_optland.linear_model._logistic.samples import sample_of_many
from sklearn_optland.linear_model._logistic.truncated_newton_fast import truncated_newton

# Of an exact Hessian: its side, and products in it; of two classes L-BFGS on one Gram matrix is
# hard to beat.
MAX_PARAMETERS = 200
MAX_PRODUCTS, MAX_BINARY_PRODUCTS = 1.5e7, 1e6
# By conjugate gradients: columns, since a class' block of the Hessian costs d / 10 products or so,
# and multiply-adds of a product in one thread.
MAX_COLUMNS, MAX_WORK = 128, 1e7
# Newton's method takes 5 to 15 steps; far more where hardly anything holds the parameters.
MAX_STEPS = 50
# Many rows: a Hessian costs (k - 1) d / 8 gradients or so, d at least a register's 8, and two or
# three of them replace twenty. Rows of a kernel's call.
MAX_COLUMN_PAIRS = 80
BLOCK = 4096
# The gap on a sample, relative to its objective.
SAMPLE_TOLERANCE = 1e-3
CUTS = 0.25, 0.25
MAX_TRIALS = 10


def has_cheap_hessian(problem):
    """Whether the exact Hessian costs so little that nothing else is as fast."""
    n, d, k = problem.n_samples, problem.n_features + 1, problem.n_classes
    return (
        problem.l2 > 0
        and problem.source.may_be_copied
        and k * d <= MAX_PARAMETERS
        and n * d**2 * k * (k - 1) / 2 <= (MAX_BINARY_PRODUCTS if k == 2 else MAX_PRODUCTS)
    )


def has_few_scores(problem):
    """Whether the exact Hessian of all rows is worth the passes that it replaces."""
    d, k = problem.n_features + 1, problem.n_classes
    return (
        problem.l2 > 0
        and not problem.has_one_score
        and problem.source.may_be_copied
        and k * d <= MAX_PARAMETERS
        and (k - 1) * max(d, 8) <= MAX_COLUMN_PAIRS
    )


def has_short_products(problem):
    """Whether truncated Newton steps in one thread are fastest."""
    n, d, k = problem.n_samples, problem.n_features + 1, problem.n_classes
    return has_short_dense_rows(problem) and n * d * k <= MAX_WORK


def has_short_dense_rows(problem):
    """Whether blocks of the Hessian cost few of its products."""
    return (
        problem.l2 > 0
        and not problem.has_one_score
        and problem.source.may_be_copied
        and not problem.source.is_sparse
        and problem.n_features < MAX_COLUMNS
    )


def with_ones(X, fit_intercept):
    """Dense rows in float64, and their intercept."""
    X = X.toarray() if hasattr(X, "toarray") else X
    return np.column_stack([X, np.ones(len(X))] if fit_intercept else [X]).astype(float, copy=False)


def dense_rows(source, part, fit_intercept):
    """Some rows of a source, as kernels take them."""
    X = with_ones(source.X[part], fit_intercept)
    return X, np.ascontiguousarray(X.T), source.y[part], source.c[part]


def as_rows(W, problem):
    """A row of parameters for each class; two classes are two opposite rows."""
    W = np.hstack([-W / 2, W / 2]) if problem.has_one_score else W
    return np.ascontiguousarray(W.T[:, : problem.n_features + problem.fit_intercept])


def as_parameters(rows, problem):
    """W of the problem, with a row for the intercept."""
    rows = rows[1:] - rows[:1] if problem.has_one_score else rows
    W = np.zeros((problem.n_features + 1, problem.k))
    W[: rows.shape[1]] = rows.T
    return W


def in_one_call(problem, W, tol, otherwise):
    """Yield the steps of one call of a kernel, each with the bound that it proves.

    Where Newton's method does not arrive, `otherwise(W)` runs in its place.
    """
    path, curves, ended_well = run_kernel(problem, W, tol)
    if not ended_well:
        yield from otherwise(W)
        return
    passes = np.diff(curves[:, 2], prepend=0.0)
    for W, (objective, lower_bound, _), taken in zip(path, curves, passes, strict=True):
        problem.count_pass(taken)
        yield MetricStep(Point(W, None, objective, None), None, lower_bound=lower_bound)


def run_kernel(problem, W, tol):
    """Run Newton's method from W.

    Returns
    -------
    path : iterator of ndarray
        Parameters after each step.
    curves : ndarray of shape (n_steps, 3)
        Objectives, lower bounds and passes after each step.
    ended_well : bool
    """
    kernel = kernels.exact_newton if has_cheap_hessian(problem) else truncated_newton
    rows = as_rows(W, problem)
    path, curves = np.empty((MAX_STEPS, *rows.shape)), np.empty((MAX_STEPS, 3))
    n_steps, ended_well = kernel(
        *dense_rows(problem.source, slice(None), problem.fit_intercept),
        rows,
        # half the squares of two opposite rows are a quarter of their difference's
        (1 + problem.has_one_score) * problem.l2,
        problem.fit_intercept,
        tol,
        path,
        curves,
    )
    path = (as_parameters(rows, problem) for rows in path[:n_steps])
    return path, curves[:n_steps], ended_well


def optimum_of_sample(sample, W):
    """The optimum on a sample, about, from W."""
    path, _, _ = run_kernel(sample, W, SAMPLE_TOLERANCE)
    for W in path:
        pass
    return W


class BlockStatistic(Statistic):
    """What kernels add up over blocks of rows, a row of parameters for each class."""

    def __init__(self, source, k, fit_intercept):
        self.k, self.fit_intercept = k, fit_intercept
        self.d = source.n_columns + fit_intercept
        self.values = BLOCK_VALUES / BLOCK

    def add(self, block, parameters, total):
        rows = dense_rows(block.source, block.slice, self.fit_intercept)
        return self.kernel(*rows, *parameters, *total)


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
    rows = problem.source, problem.k, problem.fit_intercept
    newton, dual = NewtonStatistic(*rows), DualStatistic(*rows)

    def evaluate(W):
        problem.count_pass()
        loss, (G, H) = reduce(newton, problem.source, (as_rows(W, problem),))
        G = problem.project(as_parameters(G, problem) + problem.penalty * W)
        value = loss + problem.half_norm(W)
        return value, (W, value, G, H)

    def gap(W, V):
        problem.count_pass()
        parameters = as_rows(W, problem), as_rows(V, problem)
        divergence, (G, sums) = reduce(dual, problem.source, parameters)
        G = problem.project(as_parameters(G, problem) + problem.penalty * W)
        return gap_of(problem, W, G, divergence, sums[:-1], sums[-1])

    sample, point = sample_of_many(problem, rng), None
    if sample is not None and not W.any():
        value, point = evaluate(optimum_of_sample(sample, W))
        point = point if value <= problem.at_zero else None
    point = point or evaluate(W)[1]
    lower_bound, previous = 0.0, np.inf
    while point:
        W, value, G, H = point
        step = kernels.newton_step(H, as_rows(G, problem), problem.l2, problem.fit_intercept)
        V = None if step is None else as_parameters(step, problem)
        decrement = np.inf if V is None else -np.vdot(G, V)
        if decrement <= 8 * tol * value:
            lower_bound = max(lower_bound, less_rounding(value - gap(W, V), value))
        yield MetricStep(Point(W, None, value, None), None, lower_bound=lower_bound)
        if decrement <= ROUNDING * value and not decrement < previous:
            return
        previous = decrement
        _, point = backtrack(
            lambda t, W=W, V=V: evaluate(W + t * V),
            value,
            -decrement,
            slack=ROUNDING * value,
            max_trials=MAX_TRIALS,
            cuts=CUTS,
        )
    yield from otherwise(W)
