"""Which algorithm of bound majorization a fit runs, in which metric."""

from enum import Enum
from functools import partial

from sklearn_optland._optim.majorize import accelerated, majorize
from sklearn_optland._optim.metrics import MAX_SIDE
from sklearn_optland.linear_model._logistic.curvatures import (
    DiagonalCurvature,
    GramCurvature,
    JC12Curvature,
    KroneckerCurvature,
)
from sklearn_optland.linear_model._logistic.exact_newton import (
    exact_newton,
    has_many_rows,
    is_small,
    newton_on_blocks,
)
from sklearn_optland.linear_model._logistic.newton import (
    growing,
    quasi_newton_from_samples,
    quasi_newton_then_newton_cg,
)


class Algorithm(Enum):
    """What runs; the values are what the estimator shows as `plan_`."""

    EXACT_NEWTON = "exact newton"
    QUASI_NEWTON_FROM_SAMPLES = "quasi-newton from samples"
    NEWTON_CG = "quasi-newton, newton-cg"
    MAJORIZATION = "majorization"
    ACCELERATED = "accelerated majorization"
    GROWING = "majorization on growing batches"


class Metric(Enum):
    """In which metric; the values are what the estimator shows as `plan_`."""

    HESSIAN = "hessian"
    GRAM = "gram"
    JC12 = "jc12"
    KRONECKER = "kronecker"
    DIAGONAL = "diagonal"


CURVATURES = {
    Metric.GRAM: GramCurvature,
    Metric.JC12: JC12Curvature,
    Metric.KRONECKER: KroneckerCurvature,
    Metric.DIAGONAL: DiagonalCurvature,
}


def plan(problem, curvature, batch):
    """Choose an algorithm and its metric for the parameters of the estimator."""
    if curvature == "auto" and batch == "full":
        if is_small(problem) or has_many_rows(problem):
            return Algorithm.EXACT_NEWTON, Metric.HESSIAN
        return iterative_plan(problem)
    if curvature == "auto":
        fits = (problem.n_features + 1) * problem.k <= MAX_SIDE
        curvature = "jc12" if fits else "bohning"
    if curvature == "bohning-nesterov":
        return Algorithm.ACCELERATED, Metric.KRONECKER
    algorithm = Algorithm.MAJORIZATION if batch == "full" else Algorithm.GROWING
    if curvature == "bohning":
        return algorithm, Metric.KRONECKER
    return algorithm, Metric.GRAM if problem.has_one_score else Metric.JC12


def iterative_plan(problem):
    """What is fastest where the exact Hessian costs too much."""
    if problem.has_few_columns and problem.has_one_score:
        return Algorithm.QUASI_NEWTON_FROM_SAMPLES, Metric.GRAM
    return Algorithm.NEWTON_CG, Metric.KRONECKER if problem.has_few_columns else Metric.DIAGONAL


def start(problem, W, algorithm, metric, *, tol, refresh, rng):
    """Start the algorithm that `plan` chose: an iterator of steps.

    `rng` returns a random number generator; seeding one takes longer than a step on small data.
    """
    if problem.n_classes == 1:
        return iter(())  # the intercept that it starts with leaves no loss
    curvature = CURVATURES.get(metric)
    match algorithm:
        case Algorithm.EXACT_NEWTON:
            plan = iterative_plan(problem)
            otherwise = partial(start, problem, tol=tol, refresh=refresh, rng=rng)
            if is_small(problem):
                return exact_newton(problem, W, tol, lambda W: otherwise(W, *plan))
            return newton_on_blocks(problem, W, tol, rng, lambda W: otherwise(W, *plan))
        case Algorithm.QUASI_NEWTON_FROM_SAMPLES:
            return quasi_newton_from_samples(problem, W, rng)
        case Algorithm.NEWTON_CG:
            return quasi_newton_then_newton_cg(problem, W, curvature, rng)
        case Algorithm.ACCELERATED:
            return accelerated(problem, W, curvature(problem))
        case Algorithm.GROWING:
            return growing(problem, W, curvature, refresh, rng)
    return majorize(problem, problem.evaluate(W), curvature(problem), refresh)
