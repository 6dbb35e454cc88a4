"""Where fits with hidden components start, and how they go down from there."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._optim.majorize import majorize
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.linear_model._logistic.certified_descent import CertifiedDescent
from sklearn_optland.linear_model._logistic.curvatures import (
    DiagonalCurvature,
    JC12Curvature,
    KroneckerCurvature,
)
from sklearn_optland.linear_model._logistic.plan import plan, start
from sklearn_optland.linear_model._logistic.problem import log_loss_problem

# L-BFGS: its memory, and how much smaller than the bound's its metric may be.
MEMORY = 10
SCALES = 1.0, 20.0
# Starts: deviations of scores that noise makes, of the centres in units of the columns' own; the
# iterations of k-means; and the gap and steps to which the groups are told apart.
NOISE = 0.1
KMEANS_STEPS = 30
START_TOL, START_STEPS = 1e-2, 20


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
        groups[rows] = label * n_components + _groups(source.X[rows], source.c[rows], draws)
    apart = log_loss_problem(
        ArraySource(source.X, y=groups, c=source.c),
        n_classes=problem.k,
        l2=problem.l2,
        fit_intercept=problem.fit_intercept,
        has_one_score=False,
    )
    steps = start(apart, apart.zeros(), *plan(apart, "auto", "full"), **_settings(START_TOL, rng))
    W = apart.zeros()
    descent = CertifiedDescent(apart, W, steps, START_TOL)
    for _, step in zip(range(START_STEPS), descent.steps(), strict=False):
        W = step.parameters
        if step.done:
            break
    problem.count_pass(apart.passes)
    return W


def _groups(X, c, draws):
    """The numbers of the groups of rows; few rows are cut as they come."""
    n_groups = len(draws)
    if X.shape[0] <= n_groups:
        return np.arange(X.shape[0])
    weights = c / c.sum()
    mean = np.asarray(weights @ X).ravel()
    squares = np.asarray(weights @ (X.multiply(X) if hasattr(X, "multiply") else X**2)).ravel()
    centres = mean + np.sqrt(np.maximum(squares - mean**2, 0.0)) * draws
    means = KMeans(n_groups, init=centres.astype(X.dtype), n_init=1, max_iter=KMEANS_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of rows that are equal
        return means.fit(X, sample_weight=c).labels_


def _settings(tol, rng):
    return {"tol": tol, "refresh": 1, "rng": lambda: rng}


def points(problem, W, solver):
    """Points of a descent, each lower than the one before; they end where the arithmetic does."""
    if solver == "lbfgs":
        yield from _quasi_newton_points(problem, W)
        return
    curvature = JC12Curvature(problem) if solver == "jc12" else _bohning(problem)
    for step in majorize(problem, problem.evaluate(W), curvature, refresh=1):
        yield step.point


def _quasi_newton_points(problem, W):
    """L-BFGS in the metric of Boehning's bound, which the latest pair gives its size."""
    latest, memory, curvature = [None, None], Memory(MEMORY), _bohning(problem)

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
    if problem.has_few_columns:
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
        Of the gradient's norm, relative to that at zero.
    max_iter : int
        The most steps from each start.
    """

    def __init__(self, problem, starts, solver, tol, max_iter):
        self.problem, self.starts, self.solver = problem, starts, solver
        self.tol, self.max_iter = tol, max_iter
        self.at_zero = norm_of(problem.evaluate(problem.zeros()))

    def steps(self):
        """Yield `Step` records; their parameters are W. The last step of the last start is done."""
        for number, begin in enumerate(self.starts):
            is_last, W = number + 1 == len(self.starts), begin()
            point, count = None, 0
            for count, point in enumerate(points(self.problem, W, self.solver), 1):
                ended = norm_of(point) <= self.tol * self.at_zero or count == self.max_iter
                yield self._step(point, number, ended and is_last)
                if ended:
                    break
            else:
                point = self.problem.evaluate(W) if point is None else point
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
