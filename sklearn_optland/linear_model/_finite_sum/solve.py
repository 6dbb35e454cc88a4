"""Run a solver until its certificate is within the tolerance: for estimators, for the function."""

import numpy as np
from sklearn.utils import Bunch

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._finite_sum.descent import Descent
from sklearn_optland.linear_model._finite_sum.solver_specs import (
    SOLVERS,
    able_solvers,
    choose_sampling,
    choose_solver,
    has_uneven_rows,
    rate,
    solver_of,
)


def solve(
    problems,
    starts,
    drive,
    *,
    solver,
    sampling,
    step_size,
    tol,
    max_iter,
    random_state,
    accelerates=False,
    dtype=np.float64,
):
    """Solve one or more problems side by side.

    Parameters
    ----------
    problems : list of FiniteSum
    starts : list of ndarray
        Parameters to start from.
    drive : callable
        Takes an iterator of `Step`, runs it, and returns the history.
    solver, sampling, step_size, tol, max_iter, random_state
        Parameters of the estimators.
    accelerates : bool, default=False
        Whether the solver asked for may go on as another where that is faster, as "auto" may.
    dtype : dtype, default=float64
        What the parameters are rounded to at the end.

    Returns
    -------
    solution : Bunch
        "parameters", a list, the best of each problem; "objective"; "certificate";
        "certificate_at_zero", of parameters that are zero, or more; "history"; "n_iter", passes,
        those for certificates not counted; "solver"; "limited_by", as of `Solver`;
        "sampling_is_to_blame", whether rows that differ much were drawn uniformly; "rate".
    """
    with one_blas_thread():
        choice = SolverChoice(problems[0], solver, sampling, step_size, tol, random_state)
        descents = [
            Descent(
                problem,
                choice.start(problem, _start_of(problem, W)),
                tol,
                max_iter,
                choice.rescue if solver == "auto" or accelerates else None,
            )
            for problem, W in zip(problems, starts, strict=True)
        ]
        history = drive(_steps(descents))
        for descent in descents:
            descent.keep_as(dtype)
            descent.solver.release()
    return Bunch(
        parameters=[descent.parameters for descent in descents],
        objective=sum(descent.best.objective for descent in descents),
        certificate=_certificate(descents),
        certificate_at_zero=sum(descent.certificate_at_zero for descent in descents),
        history=history,
        n_iter=max(1, round(max(descent.n_passes for descent in descents))),
        solver=choice.name,
        limited_by=descents[0].solver.limited_by,
        sampling_is_to_blame=choice.sampling == "uniform"
        and choice.kind.weighs_draws
        and has_uneven_rows(problems[0]),
        rate=rate(problems[0], choice.name, choice.sampling),
    )


def _start_of(problem, W):
    """The problem's parameters for the user's; zeros, which stand for no start, are its own."""
    return problem.coordinates.from_user(W) if W.any() else problem.zeros()


class SolverChoice:
    """Which solver runs, and how; parameters as of `solve`."""

    def __init__(self, problem, name, sampling, step_size, tol, random_state):
        self.asked = {"sampling": sampling, "random_state": random_state}
        self.step_size = None if step_size == "auto" else step_size
        self.tol = tol
        self._take(problem, choose_solver(problem, name))

    def _take(self, problem, name):
        self.name, self.kind, self.sampling = name, solver_of(problem, name), "uniform"
        if self.kind.weighs_draws:
            self.sampling = choose_sampling(problem, self.asked["sampling"])
        # seeding a generator takes longer than some fits
        self.rng = None
        if self.kind.draws_rows:
            self.rng = private_random_state(self.asked["random_state"], 0)

    def start(self, problem, W):
        """Return the solver, started at W."""
        settings = {"rng": self.rng, "sampling": self.sampling, "step_size": self.step_size}
        return self.kind(problem, W, tol=self.tol, **settings)

    def rescue(self, solver, problem, W):
        """Return a solver that goes on from W where another has given up, or None.

        After all rows at once that is the best one that visits single rows, and after SDCA its
        acceleration. It is the choice now.
        """
        name = None
        if not solver.draws_rows:
            able = (name for name in able_solvers(problem) if solver_of(problem, name).draws_rows)
            name = next(able, None)
        elif type(solver) is SOLVERS["sdca"].solver:
            name = "catalyst"
        if name is None:
            return None
        if name != self.name:
            self._take(problem, name)
        return self.start(problem, W)


def _steps(descents):
    """Yield a step at each certificate, until all problems are done."""
    while True:
        for descent in descents:
            if not descent.done:
                descent.advance()
        points = [descent.point for descent in descents]
        yield Step(
            parameters=[descent.parameters for descent in descents],
            curves={
                "objective": sum(point.objective for point in points),
                "certificate": sum(point.certificate for point in points),
                "passes": sum(descent.problem.passes for descent in descents),
            },
            done=all(descent.done for descent in descents),
        )


def _certificate(descents):
    """The certificate of problems that are solved side by side: gaps add up."""
    first = descents[0]
    value = float(sum(descent.best.certificate for descent in descents))
    tolerance = float(sum(descent.tolerance for descent in descents)) if first.tol > 0 else None
    if first.problem.has_dual_bound:
        objective = sum(descent.best.objective for descent in descents)
        return Certificate("duality gap", value, tolerance, "global", ratio(value, objective))
    penalty = first.problem.penalty
    is_smooth = penalty.is_convex and not penalty.positive
    quantity = "gradient norm" if is_smooth else "prox-gradient norm"
    relative = ratio(value, sum(descent.certificate_at_zero for descent in descents))
    if not first.problem.loss.is_smooth:
        return Certificate(quantity, value, None, "estimate", relative)
    return Certificate(quantity, value, tolerance, "stationary", relative)
