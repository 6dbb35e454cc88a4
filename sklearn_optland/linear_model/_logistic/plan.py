"""Which algorithm of bound majorization a fit runs, in which metric."""

from sklearn_optland.linear_model._logistic.curvatures import (
    MAX_SIDE,
    DiagonalCurvature,
    GramCurvature,
    JC12Curvature,
    KroneckerCurvature,
)
from sklearn_optland.linear_model._logistic.majorization import accelerated, growing, majorize
from sklearn_optland.linear_model._logistic.newton import (
    quasi_newton_from_samples,
    quasi_newton_then_newton_cg,
)


def plan(problem, curvature, batch):
    """Choose an algorithm and its curvature; the estimator shows the choice as `plan_`.

    Returns
    -------
    algorithm : {"quasi-newton from samples", "quasi-newton, newton-cg", "majorization", \
            "accelerated majorization", "majorization on growing batches"}
    metric : {"gram", "jc12", "kronecker", "diagonal"}
    """
    multinomial = problem.k > 1
    small = problem.has_few_columns
    if curvature == "auto" and batch == "full":
        if small and not multinomial:
            return "quasi-newton from samples", "gram"
        return "quasi-newton, newton-cg", "kronecker" if small else "diagonal"
    if curvature == "auto":
        fits = (problem.n_features + 1) * problem.k <= MAX_SIDE
        curvature = "jc12" if fits else "bohning"
    if curvature == "bohning-nesterov":
        return "accelerated majorization", "kronecker"
    algorithm = "majorization" if batch == "full" else "majorization on growing batches"
    if curvature == "bohning":
        return algorithm, "kronecker"
    return algorithm, "jc12" if multinomial else "gram"


METRICS = {
    "gram": GramCurvature,
    "jc12": JC12Curvature,
    "kronecker": KroneckerCurvature,
    "diagonal": DiagonalCurvature,
}


def steps(problem, W, algorithm, metric, *, refresh, rng):
    """Start the algorithm that `plan` chose.

    `rng` returns a random number generator; seeding one takes longer than a step on small data.
    """
    metric = METRICS[metric]
    match algorithm:
        case "quasi-newton from samples":
            return quasi_newton_from_samples(problem, W, rng)
        case "quasi-newton, newton-cg":
            return quasi_newton_then_newton_cg(problem, W, metric, rng)
        case "accelerated majorization":
            return accelerated(problem, W, metric(problem))
        case "majorization on growing batches":
            return growing(problem, W, metric, refresh, rng)
    return majorize(problem, problem.evaluate(W), metric(problem), refresh)
