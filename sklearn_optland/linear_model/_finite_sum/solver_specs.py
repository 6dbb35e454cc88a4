"""Which solver a finite sum can have, which it gets by default, and what it may expect of it."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_optland.linear_model._finite_sum.accelerated import Catalyst, Katyusha, PointSaga
from sklearn_optland.linear_model._finite_sum.cocoa import Cocoa
from sklearn_optland.linear_model._finite_sum.coordinate_descent import CoordinateDescent
from sklearn_optland.linear_model._finite_sum.interior_point import InteriorPoint
from sklearn_optland.linear_model._finite_sum.newton import MAX_COLUMNS, Newton
from sklearn_optland.linear_model._finite_sum.saga import Sag, Saga, Svrg
from sklearn_optland.linear_model._finite_sum.sdca import Miso, Sdca

# Rows whose Gram matrix says whether all are independent.
GRAM_ROWS = 100
# Times the mean Lipschitz constant, of a row: draws in proportion to them pay there, as measured on
# rare classes that are balanced.
UNEVEN = 20
# Columns whose Gram matrix costs less than the passes of other solvers: of any problem, and for
# each row of a squared loss.
FEW_COLUMNS, COLUMNS_PER_ROW = 200, 2
# Share of the L1 norm from which on few coefficients are expected to be left.
SPARSE_SHARE = 0.1


@dataclass(frozen=True)
class SolverSpec:
    """A solver, and what it needs of a loss and a penalty.

    Parameters
    ----------
    solver : type
    losses : {"bounded", "smooth", "kinked", "any"}
        Those that have a bounded second derivative, no kink, or a kink.
    l2 : bool
        A positive L2 part of the penalty.
    quadratic : bool
        No other part.
    penalized : bool
        Any penalty.
    multinomial : bool
        Whether it takes several scores a row.
    convex : bool
        Whether the penalty must be convex.
    separable : bool
        Whether it must be a sum over coefficients.
    accelerated : bool
        Whether its rate has the root of the condition number.
    gram : bool
        Whether it makes a Gram matrix of all columns, whatever their number.
    """

    solver: type
    losses: str = "bounded"
    l2: bool = False
    quadratic: bool = False
    penalized: bool = False
    multinomial: bool = False
    convex: bool = True
    separable: bool = True
    accelerated: bool = False
    gram: bool = False

    def lacks(self, problem):
        """Return what the solver misses, in words; None if nothing."""
        penalty, loss = problem.penalty, problem.loss
        if self.losses in ("bounded", "smooth") and not loss.is_smooth:
            return f"needs a smooth loss, {loss.name!r} is not"
        if self.losses == "bounded" and not loss.is_bounded:
            return f"needs a loss whose second derivative is bounded, that of {loss.name!r} is not"
        if self.losses == "kinked" and loss.is_smooth:
            return f"is for losses with a kink, {loss.name!r} has none"
        if problem.k > 1 and not self.multinomial:
            return "takes no multinomial log_loss"
        if self.quadratic and not penalty.is_quadratic:
            return "needs l1_ratio=0 and positive=False"
        if self.l2 and not penalty.l2 > 0:
            return "needs an L2 part of the penalty, alpha * (1 - l1_ratio) > 0"
        if self.separable and not penalty.is_separable:
            return "takes no groups of columns, penalty_groups=None"
        if problem.k > 1 and not penalty.is_separable:
            return (
                "takes penalty_groups of one score a row, not of the multinomial log_loss; losses "
                "that fit each class against the rest are 'squared_hinge' and 'smooth_hinge'"
            )
        if self.convex and not penalty.is_convex:
            return "needs a convex penalty, sparsity='l1'"
        if self.penalized and not problem.is_penalized:
            return "needs a penalty, alpha > 0"
        if self.gram and problem.n_features > MAX_COLUMNS:
            return f"needs a Gram matrix, of {MAX_COLUMNS} columns at most"
        return None


SOLVERS = {
    "newton": SolverSpec(Newton, losses="smooth", l2=True, quadratic=True, multinomial=True),
    "cd": SolverSpec(
        CoordinateDescent,
        losses="smooth",
        penalized=True,
        multinomial=True,
        convex=False,
        separable=False,
    ),
    "interior-point": SolverSpec(InteriorPoint, losses="kinked", penalized=True),
    "sag": SolverSpec(Sag, quadratic=True, multinomial=True),
    "saga": SolverSpec(Saga, multinomial=True),
    "svrg": SolverSpec(Svrg, multinomial=True),
    "sdca": SolverSpec(Sdca, losses="any", l2=True, multinomial=True),
    "miso": SolverSpec(Miso, l2=True, multinomial=True),
    "katyusha": SolverSpec(Katyusha, l2=True, accelerated=True),
    "point-saga": SolverSpec(PointSaga, losses="any", l2=True, quadratic=True, accelerated=True),
    "catalyst": SolverSpec(Catalyst, losses="any", multinomial=True, accelerated=True),
}
# Where the rows are in partitions.
ON_PARTITIONS = {
    "newton": SolverSpec(Newton, losses="smooth", l2=True, quadratic=True, gram=True),
    "cd": SolverSpec(CoordinateDescent, losses="smooth", penalized=True, gram=True),
    "interior-point": SolverSpec(InteriorPoint, losses="kinked", penalized=True, gram=True),
    "sdca": SolverSpec(Cocoa, losses="any", l2=True, multinomial=True),
}


def solver_of(problem, name):
    """Return the class that a solver's name stands for."""
    return (ON_PARTITIONS if problem.is_partitioned else SOLVERS)[name].solver


def choose_solver(problem, name):
    """Return the name of a solver that can: the one asked for, or the fastest for "auto"."""
    if problem.is_partitioned:
        return _choose_on_partitions(problem, name)
    if name == "auto":
        chosen = next(able_solvers(problem), None)
        if chosen is not None:
            return chosen
        name = "cd"  # which takes the most penalties
    lack = SOLVERS[name].lacks(problem)
    if lack:
        able = [other for other, spec in SOLVERS.items() if not spec.lacks(problem)]
        raise ValueError(f"solver={name!r} {lack}; solvers that can: {able}.")
    return name


def _choose_on_partitions(problem, name):
    """Rounds are what costs: a Gram matrix in each makes them few."""
    if name not in ("auto", *ON_PARTITIONS):
        raise ValueError(
            f"solver={name!r} was given with collections of Dask, or blocks; allowed with them are "
            f"'auto' and {list(ON_PARTITIONS)}, and of other estimators "
            "BoundMajorizationLogisticRegression."
        )
    lacks = {other: spec.lacks(problem) for other, spec in ON_PARTITIONS.items()}
    able = list(able_solvers(problem))
    if name == "auto" and able:
        return able[0]
    if name in able:
        return name
    name = "sdca" if name == "auto" else name
    raise ValueError(
        f"solver={name!r} {lacks[name]}; solvers for collections of Dask, or blocks, that can: "
        f"{able}."
    )


def able_solvers(problem):
    """Yield the names of solvers that can, as "auto" prefers them."""
    if problem.is_partitioned:
        return (other for other, spec in ON_PARTITIONS.items() if not spec.lacks(problem))
    return (other for other in _preferred(problem) if not SOLVERS[other].lacks(problem))


def _preferred(problem):
    """Names of solvers, the fastest first of those that can."""
    d, is_sparse = problem.n_features, problem.source.is_sparse
    if d <= FEW_COLUMNS:
        yield from ("newton", "cd", "interior-point")
    most_columns = min(MAX_COLUMNS, COLUMNS_PER_ROW * problem.n_samples)
    if problem.loss.is_square and not is_sparse and d <= most_columns:
        yield "newton"
    if problem.penalty.l1 > SPARSE_SHARE * problem.penalty.l2:
        yield "cd"
        if d <= MAX_COLUMNS:
            yield "interior-point"
    is_hard = _is_ill_conditioned(problem)
    if is_hard and problem.penalty.positive:
        yield "cd"
    if is_hard and d <= MAX_COLUMNS:
        yield from ("newton", "interior-point")
    if problem.loss.name == "log_loss" and (is_hard or not is_sparse):
        yield "newton"
    if not is_hard:
        yield "sdca"
    if not problem.loss.is_smooth:
        yield "point-saga"
    yield "catalyst"


def choose_sampling(problem, name):
    """Return how rows are drawn; "auto" looks at their Lipschitz constants."""
    if name != "auto":
        return name
    return "lipschitz" if has_uneven_rows(problem) else "uniform"


def has_uneven_rows(problem):
    """Whether some rows' Lipschitz constants are far above the mean, and make the problem hard."""
    L = problem.lipschitz
    largest = L.max()
    return largest > UNEVEN * L.mean() and largest > problem.n_samples * problem.penalty.l2


def rate(problem, name, sampling):
    """Return the row of the rate table that a solver belongs to, with the problem's numbers.

    Returns
    -------
    rate : dict
        "row", the expression; "n"; "kappa", the condition number: the largest Lipschitz constant
        of a row (the mean for `sampling="lipschitz"`) by the L2 penalty; "passes_per_e", passes
        for a factor e in the gap by the row's expression, without its constant. The last two are
        NaN for solvers that do not visit single rows, and on partitions.
    """
    if problem.is_partitioned or not SOLVERS[name].solver.draws_rows:
        row = "none: partitions" if problem.is_partitioned else "none: all rows at once"
        return {
            "row": row,
            "n": problem.n_samples,
            "kappa": np.nan,
            "passes_per_e": np.nan,
        }
    L = np.mean(problem.lipschitz) if sampling == "lipschitz" else np.max(problem.lipschitz)
    l2 = problem.penalty.l2
    kappa = float(L / l2) if l2 > 0 else np.inf
    n = problem.n_samples
    row, passes = "n + kappa", 1 + kappa / n
    if SOLVERS[name].accelerated:
        row, passes = "n + sqrt(n kappa)", 1 + float(np.sqrt(kappa / n))
    return {"row": row, "n": n, "kappa": kappa, "passes_per_e": passes}


def _is_ill_conditioned(problem):
    """Whether a single column makes the problem hard: its second derivative is above l2 n / 10.

    The dual of sparse rows of many columns is well conditioned even where the largest row alone
    would give a condition number far above n: their products are small. So is that of fewer rows
    than columns, if they are independent. Of a loss with a kink few rows move in the end, and both
    the column and the rows must be larger, as measured on ten data sets.
    """
    l2, n = problem.penalty.l2, problem.n_samples
    longest = np.max(problem.c * problem.row_squares)
    if not problem.loss.is_smooth:
        return longest > 100 * l2 and problem.column_squares.max() > 0.5 * l2 * n
    if problem.curvature * longest < l2 / 2:
        return False  # kappa < n/2: nothing is hard
    if problem.curvature * problem.column_squares.max() <= 0.1 * l2 * n:
        return False
    return problem.n_features <= n or not _has_independent_rows(problem)


def _has_independent_rows(problem):
    """Whether some rows' Gram matrix is far from singular."""
    some = problem.source.X[:: -(-problem.n_samples // GRAM_ROWS)].astype(np.float64)
    gram = safe_sparse_dot(some, some.T, dense_output=True)
    least = problem.loss.independent * np.trace(gram) / len(gram)
    return np.linalg.eigvalsh(gram)[0] > least
