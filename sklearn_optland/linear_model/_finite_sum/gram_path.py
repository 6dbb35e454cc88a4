"""Squared losses by their Gram matrix alone: whole paths after one pass over the rows.

With the intercept minimised out, the columns centred by it, H = X'CX, v = X'Cy and the mean square
|y|^2 of the targets are all that the objective, its minimiser and the duality gap need.
"""

import numpy as np

from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland.linear_model._finite_sum.gram_path_fast import SupportInverse, gram_path
from sklearn_optland.linear_model._finite_sum.problem import Point, without_intercept

# Passes over the matrix that one penalty is expected to take.
PASSES = 20


def is_least_squares(problem):
    """Whether a problem is least squares with a convex penalty, whose gap the Gram matrix gives."""
    return problem.loss.is_square and problem.is_penalized and problem.penalty.is_convex


def rank_of(problem):
    """The most columns whose coefficients are determined; an L2 part determines all."""
    if problem.penalty.l2 > 0:
        return problem.n_features
    return problem.n_samples - problem.fit_intercept


def gram_points(problem, penalties, w, tol):
    """Yield the certified point at which a fit with each penalty ends, and its passes.

    Gaps are infinite where rounding hides them.

    Parameters
    ----------
    problem : FiniteSum
    penalties : list of ElasticNet
        All with the same constraint.
    w : ndarray of shape (n_features,)
        The start.
    tol : float
        Of the gap, relative to the objective.
    """
    before, y = problem.passes, problem.y
    gram = problem.hessian(None)
    H, sums, total = without_intercept(gram, problem.fit_intercept)
    b = 0.0
    if problem.fit_intercept:
        b = problem.mean(y) / total
        y = problem.shifted(y, -b)
    pulls, square = problem.pull(y)[:-1], problem.mean_square_of(y)
    lengths = np.sqrt(np.diag(gram)[:-1])
    strengths = np.array([(penalty.l1, penalty.l2) for penalty in penalties])
    W, curves = np.zeros((len(penalties), len(w) + 1)), np.empty((len(penalties), 2))
    inverse = SupportInverse(w.size, rank_of(problem))
    w, passes = w.copy(), problem.passes - before
    for first, last in row_blocks(len(penalties), PASSES * w.size**2):
        part = slice(first, last)
        settings = strengths, penalties[0].positive, tol
        gram_path(H, pulls, lengths, square, *settings, w, inverse, W, curves, first, last)
        if problem.fit_intercept:
            W[part, -1] = b - W[part, :-1] @ (sums / total)
        for at, (objective, gap) in zip(W[part], curves[part].tolist(), strict=True):
            yield Point(at, objective, gap, None, None, None), passes
            passes = 0.0
