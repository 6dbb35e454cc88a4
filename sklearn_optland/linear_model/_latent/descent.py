"""Where fits with hidden components start, and how they go down from there."""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._optim.majorize import majorize
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._logistic.curvatures import (
    DiagonalCurvature,
    JC12Curvature,
    KroneckerCurvature,
)
from sklearn_optland.linear_model._logistic.problem import log_loss_problem

# L-BFGS: its memory, how much smaller than the bound's its metric may be, and the most columns for
# which that is a matrix. The rows' number has no say: repeated rows and weights are one problem.
MEMORY = 10
SCALES = 1.0, 20.0
MOST_COLUMNS = 1000
# Starts: deviations of the scores that noise makes; iterations of k-means; steps in which the
# groups are told apart.
NOISE = 0.1
KMEANS_STEPS = 20
START_STEPS = 10


def noise(problem, rng):
    """Coefficients that give scores of deviation NOISE."""
    squares = problem.column_squares[:-1] / problem.total
    scale = np.divide(NOISE, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)
    W = problem.zeros()
    W[:-1] = rng.standard_normal((len(squares), problem.k)) * scale[:, None]
    W[:-1] /= np.sqrt(max(len(squares), 1))
    return problem.centred(W)


def groups_told_apart(problem, rng):
    """Each class cut into groups by k-means, and logistic regression with a class for each group.

    The first centres are drawn around the mean of the class, and not from its rows: rows that are
    repeated, and weights, make no difference.
    """
    source, n_components = problem.source, problem.n_components
    groups = np.empty(source.n_rows, dtype=np.int32)
    for label in range(problem.k // n_components):
        rows = np.flatnonzero(source.y == label)
        draws = rng.standard_normal((n_components, problem.n_features))
        groups[rows] = label * n_components + k_means(source.X[rows], source.c[rows], draws)
    apart = log_loss_problem(
        ArraySource(source.X, y=groups, c=source.c),
        n_classes=problem.k,
        l2=problem.l2,
        fit_intercept=problem.fit_intercept,
        has_one_score=False,
    )
    W = apart.zeros()
    for point, _ in zip(_quasi_newton_points(apart, W), range(START_STEPS), strict=False):
        W = point.W
    problem.count_pass(apart.passes)
    return W


def k_means(X, c, draws):
    """The numbers of the groups that k-means makes of rows with weights c.

    The first centres are the mean of the rows and `draws` of their columns' deviations. A centre
    without rows stays where it is.
    """
    weights = c / c.sum()
    mean = np.asarray(X.T @ weights)
    squares = np.asarray((X.multiply(X) if issparse(X) else X * X).T @ weights)
    centres = mean + np.sqrt(np.maximum(squares - mean**2, 0.0)) * draws
    previous = None
    for _ in range(KMEANS_STEPS):
        distances = row_norms(centres, squared=True) - 2 * safe_sparse_dot(X, centres.T)
        groups = distances.argmin(axis=1)
        if previous is not None and np.array_equal(groups, previous):
            break
        previous = groups
        shares = (groups[:, None] == np.arange(len(draws))) * c[:, None]
        sums = shares.sum(axis=0)
        is_used = sums > 0
        centres[is_used] = (X.T @ shares[:, is_used] / sums[is_used]).T
    return groups


def points(problem, W, solver):
    """Points of a descent, each lower than the one before; they end where the arithmetic does."""
    if solver == "lbfgs":
        yield from _quasi_newton_points(problem, W)
        return
    curvature = JC12Curvature(problem) if solver == "jc12" else _bohning(problem)
    for step in majorize(problem, problem.evaluate(W), curvature, refresh=1):
        yield step.point


def _quasi_newton_points(problem, W):
    """L-BFGS in the metric of Boehning's bound; of many columns, the log-loss' diagonal at W.

    The latest pair gives the metric its size. A bound's diagonal would be far too large.
    """
    latest, memory = [None, None], Memory(MEMORY)
    if problem.n_features <= MOST_COLUMNS:
        curvature = KroneckerCurvature(problem)
    else:
        curvature = DiagonalCurvature(problem)
        curvature.refresh(problem.evaluate(W))

    def function(theta):
        point = problem.evaluate(theta.reshape(W.shape))
        latest[:] = theta, point
        return point.objective, point.gradient.ravel()

    def bound(gradient):
        return curvature.solve(gradient.reshape(W.shape)).ravel()

    def metric(gradient):
        return np.clip(memory.scale(bound), *SCALES) * bound(gradient)

    for step in minimize(function, W.ravel(), memory, metric):
        if step.done:
            return
        yield latest[1]


def _bohning(problem):
    """The bound of the log-loss of all scores; of many columns, a diagonal one."""
    if problem.n_features <= MOST_COLUMNS:
        return KroneckerCurvature(problem)
    curvature = DiagonalCurvature(problem)
    curvature.bohning()
    return curvature


class Descents:
    """Descents from several starts, one after the other.

    Parameters
    ----------
    problem : LatentProblem
    starts : list of callables
        Each returns parameters.
    solver : {"lbfgs", "bohning", "jc12"}
    tol : float
        Of the gradient's norm, relative to the larger of those at zero and at the start: by
        symmetry, one of them may vanish.
    max_iter : int
        The most steps from each start.
    """

    def __init__(self, problem, starts, solver, tol, max_iter):
        self.problem, self.starts, self.solver = problem, starts, solver
        self.tol, self.max_iter = tol, max_iter
        self.at_zero, self.references = norm_of(problem.evaluate(problem.zeros())), []

    def steps(self):
        """Yield `Step` records; their parameters are W. The last step of the last start is done."""
        for number, begin in enumerate(self.starts):
            is_last, point = number + 1 == len(self.starts), self.problem.evaluate(begin())
            reference = max(self.at_zero, norm_of(point))
            self.references.append(reference)
            descent = points(self.problem, point.W, self.solver)
            for count, point in enumerate(descent, 1):
                ended = norm_of(point) <= self.tol * reference or count == self.max_iter
                yield self._step(point, number, ended and is_last)
                if ended:
                    break
            else:
                yield self._step(point, number, is_last)

    def _step(self, point, number, done):
        curves = {
            "objective": point.objective,
            "certificate": norm_of(point),
            "passes": self.problem.passes,
            "start": number,
        }
        return Step(point.W, curves, loss=point.objective, done=done)


def norm_of(point):
    """The gradient's norm."""
    return float(np.linalg.norm(point.gradient))
