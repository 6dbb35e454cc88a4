"""Newton's method in one call of compiled code: what `curvature="auto"` runs on small data.

With the exact Hessian where that costs little, else with conjugate gradients.
"""

import numpy as np

from sklearn_optland._optim.majorize import MetricStep
from sklearn_optland.linear_model._logistic.exact_newton_fast import exact_newton
from sklearn_optland.linear_model._logistic.problem import Point
from sklearn_optland.linear_model._logistic.truncated_newton_fast import truncated_newton

# Of an exact Hessian: its side, and products in it; of two classes L-BFGS on one Gram matrix is
# hard to beat.
MAX_PARAMETERS = 200
MAX_PRODUCTS, MAX_BINARY_PRODUCTS = 2e5, 1e6
# By conjugate gradients: columns, since a class' block of the Hessian costs d / 10 products or so.
MAX_COLUMNS = 128
# Newton's method takes 5 to 15 steps; far more where hardly anything holds the parameters. The
# parameters after each of them are kept, so they may not be too many.
MAX_STEPS = 100
MAX_KEPT = 1e6
# The gap on a sample, relative to its objective.
SAMPLE_TOLERANCE = 1e-3


def has_cheap_hessian(problem):
    """Whether the exact Hessian costs so little that nothing else is as fast."""
    n, d, k = problem.n_samples, problem.n_features + 1, problem.n_classes
    return (
        problem.l2 > 0
        and problem.source.may_be_copied
        and k * d <= MAX_PARAMETERS
        and n * d**2 * k * (k - 1) / 2 <= (MAX_BINARY_PRODUCTS if k == 2 else MAX_PRODUCTS)
    )


def has_short_rows(problem):
    """Whether blocks of the Hessian, one a class, cost few of its products."""
    return (
        problem.l2 > 0
        and not problem.has_one_score
        and problem.source.may_be_copied
        and problem.n_features < MAX_COLUMNS
        and MAX_STEPS * (problem.n_features + 1) * problem.n_classes <= MAX_KEPT
    )


def has_short_products(problem, max_work):
    """Whether truncated Newton steps take so little that one thread does, on dense rows."""
    work = problem.n_samples * (problem.n_features + 1) * problem.n_classes
    return has_short_rows(problem) and not problem.source.is_sparse and work <= max_work


def with_ones(X, fit_intercept):
    """Dense rows in float64, and their intercept."""
    X = X.toarray() if hasattr(X, "toarray") else X
    return np.column_stack([X, np.ones(len(X))] if fit_intercept else [X]).astype(float, copy=False)


def as_rows(W, problem):
    """A row of parameters for each class; two classes are two opposite rows."""
    W = np.hstack([-W / 2, W / 2]) if problem.has_one_score else W
    return np.array(W.T[:, : problem.n_features + problem.fit_intercept], order="C")


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
    for W, (objective, bound, _), taken in zip(path, curves, passes, strict=True):
        problem.count_pass(taken)
        point = Point(W, None, objective, None)
        yield MetricStep(point, None, lower_bound=bound, later_bound=curves[-1, 1])


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
    source, fit_intercept = problem.source, problem.fit_intercept
    kernel = exact_newton if has_cheap_hessian(problem) else truncated_newton
    X, rows = with_ones(source.X, fit_intercept), as_rows(W, problem)
    path, curves = np.empty((MAX_STEPS, *rows.shape)), np.empty((MAX_STEPS, 3))
    n_steps, ended_well = kernel(
        X,
        np.ascontiguousarray(X.T),
        source.y,
        source.c,
        rows,
        # half the squares of two opposite rows are a quarter of their difference's
        (1 + problem.has_one_score) * problem.l2,
        fit_intercept,
        tol,
        path,
        curves,
    )
    path = (as_parameters(rows, problem) for rows in path[:n_steps])
    return path, curves[:n_steps], ended_well


def optimum_of_sample(sample, W):
    """The optimum on a sample, about, from W."""
    path, curves, _ = run_kernel(sample, W, SAMPLE_TOLERANCE)
    sample.count_pass(curves[-1, 2] if len(curves) else 0.0)
    return [W, *path][-1]
