"""Which algorithm of bound majorization a fit runs, in which metric."""

from enum import Enum

from sklearn_optland._optim.majorize import accelerated, majorize
from sklearn_optland._optim.metrics import MAX_SIDE
from sklearn_optland.linear_model._logistic.curvatures import (
    DiagonalCurvature,
    GramCurvature,
    JC12Curvature,
    KroneckerCurvature,
    NewtonCurvature,
    has_small_hessian,
)
from sklearn_optland.linear_model._logistic.low_rank import LowRankCurvature
from sklearn_optland.linear_model._logistic.newton import (
    growing,
    newton_cg_from_sample,
    quasi_newton_from_samples,
    quasi_newton_then_newton_cg,
)
from sklearn_optland.linear_model._logistic.newton_kernels import (
    has_cheap_hessian,
    has_short_products,
    has_short_rows,
    in_one_call,
)
from sklearn_optland.linear_model._logistic.preconditioners import ClassBlocksCurvature
from sklearn_optland.linear_model._logistic.samples import sample_size

# Multiply-adds of a Hessian product up to which one call in one thread is fastest: where a sample
# would give a start, and where the rows are too few for one.
WORK, MAX_WORK = 3e6, 2e7


class Algorithm(Enum):
    """What runs; the values are what the estimator shows as `plan_`."""

    EXACT_NEWTON = "exact newton"
    TRUNCATED_NEWTON = "truncated newton"
    NEWTON_CG_FROM_SAMPLE = "newton-cg from a sample"
    QUASI_NEWTON_FROM_SAMPLES = "quasi-newton from samples"
    NEWTON_CG = "quasi-newton, newton-cg"
    MAJORIZATION = "majorization"
    ACCELERATED = "accelerated majorization"
    GROWING = "majorization on growing batches"


class Metric(Enum):
    """In which metric; the values are what the estimator shows as `plan_`."""

    HESSIAN = "hessian"
    CLASS_BLOCKS = "class blocks"
    GRAM = "gram"
    JC12 = "jc12"
    KRONECKER = "kronecker"
    DIAGONAL = "diagonal"
    LOW_RANK = "low rank"


CURVATURES = {
    Metric.HESSIAN: NewtonCurvature,
    Metric.CLASS_BLOCKS: ClassBlocksCurvature,
    Metric.GRAM: GramCurvature,
    Metric.JC12: JC12Curvature,
    Metric.KRONECKER: KroneckerCurvature,
    Metric.DIAGONAL: DiagonalCurvature,
    Metric.LOW_RANK: LowRankCurvature,
}


def plan(problem, curvature, batch):
    """Choose an algorithm and its metric for the parameters of the estimator."""
    if curvature == "auto" and batch == "full":
        if has_cheap_hessian(problem):
            return Algorithm.EXACT_NEWTON, Metric.HESSIAN
        from_sample = has_short_rows(problem) and sample_size(problem)
        if has_short_products(problem, WORK if from_sample else MAX_WORK):
            return Algorithm.TRUNCATED_NEWTON, Metric.CLASS_BLOCKS
        if from_sample:
            metric = Metric.HESSIAN if has_small_hessian(problem) else Metric.CLASS_BLOCKS
            return Algorithm.NEWTON_CG_FROM_SAMPLE, metric
        return iterative_plan(problem)
    if curvature == "auto":
        fits = (problem.n_features + 1) * problem.k <= MAX_SIDE
        curvature = "jc12" if fits else "bohning"
    if curvature == "bohning-nesterov":
        return Algorithm.ACCELERATED, Metric.KRONECKER
    algorithm = Algorithm.MAJORIZATION if batch == "full" else Algorithm.GROWING
    if curvature == "bohning":
        return algorithm, Metric.KRONECKER
    if curvature == "low-rank":
        return algorithm, Metric.LOW_RANK
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
    curvature = CURVATURES[metric]

    def otherwise(W):
        return start(problem, W, *iterative_plan(problem), tol=tol, refresh=refresh, rng=rng)

    match algorithm:
        case Algorithm.EXACT_NEWTON | Algorithm.TRUNCATED_NEWTON:
            return in_one_call(problem, W, tol, otherwise)
        case Algorithm.NEWTON_CG_FROM_SAMPLE:
            return newton_cg_from_sample(problem, W, curvature, rng, otherwise)
        case Algorithm.QUASI_NEWTON_FROM_SAMPLES:
            return quasi_newton_from_samples(problem, W, rng)
        case Algorithm.NEWTON_CG:
            return quasi_newton_then_newton_cg(problem, W, curvature, rng)
        case Algorithm.ACCELERATED:
            return accelerated(problem, W, curvature(problem))
        case Algorithm.GROWING:
            return growing(problem, W, curvature, refresh, rng)
    return majorize(problem, problem.evaluate(W), curvature(problem), refresh)
