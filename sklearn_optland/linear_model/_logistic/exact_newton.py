"""Newton's method with the exact Hessian: what `curvature="auto"` runs on small data."""

import numpy as np

from sklearn_optland._optim.majorize import MetricStep
from sklearn_optland.linear_model._logistic import exact_newton_fast as kernels
from sklearn_optland.linear_model._logistic.problem import Point

# Of a Hessian: rows, and products in it; of two classes L-BFGS on one Gram matrix is hard to beat.
MAX_PARAMETERS = 200
MAX_PRODUCTS, MAX_BINARY_PRODUCTS = 1.5e7, 1e6
# Newton's method takes 5 to 15 steps; far more where hardly anything holds the parameters.
MAX_STEPS = 50


def is_small(problem):
    """Whether the exact Hessian costs so little that nothing else is as fast."""
    n, d, k = problem.n_samples, problem.n_features + 1, problem.n_classes
    return (
        problem.l2 > 0
        and problem.source.may_be_copied
        and k * d <= MAX_PARAMETERS
        and n * d**2 * k * (k - 1) / 2 <= (MAX_BINARY_PRODUCTS if k == 2 else MAX_PRODUCTS)
    )


def exact_newton(problem, W, tol, otherwise):
    """Yield the steps of one call of the kernel, each with the bound that it proves.

    Where Newton's method does not arrive, `otherwise(W)` runs in its place. Two classes are two
    opposite rows of parameters, with twice the penalty.
    """
    source, d, is_binary = problem.source, problem.n_features, problem.k == 1
    X = source.X.toarray() if source.is_sparse else source.X
    X = np.column_stack([X, np.ones(len(X))] if problem.fit_intercept else [X]).astype(float)
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
        W = np.zeros((d + 1, problem.k))
        W[: X.shape[1]] = (rows[1:] - rows[:1] if is_binary else rows).T
        problem.count_pass(2)  # the evaluation, and the Hessian
        yield MetricStep(Point(W, None, objective, None), None, lower_bound=lower_bound)
