"""What classifiers and regressors by finite-sum solvers share: parameters, fits, paths."""

from contextlib import closing
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import advise, warn_of_the_end
from sklearn_optland._estimator.base import OptlandEstimator, goes_on
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._loss.penalties import SPARSITIES
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import USERS_OWN, are_uneven
from sklearn_optland.linear_model._finite_sum.gram_path import gram_points
from sklearn_optland.linear_model._finite_sum.path import points_along
from sklearn_optland.linear_model._finite_sum.solve import solve
from sklearn_optland.linear_model._finite_sum.solver_specs import (
    SOLVERS,
    able_solvers,
    choose_solver,
    rate,
)
from sklearn_optland.linear_model._finite_sum.training_problem import make_penalty, training_source
from sklearn_optland.linear_model._scores import last_parameters

UNEVEN_ADVICE = "Weights or lengths of the rows differ much: set sampling='lipschitz'."
# Parameters of losses for regression.
LOSS_CONSTRAINTS = {
    "epsilon": [Interval(Real, 0, None, closed="left")],
    "quantile": [Interval(Real, 0, 1, closed="neither")],
}
# What the solvers of penalties that are not convex take.
PENALTY_CONSTRAINTS = {
    "sparsity": [StrOptions(set(SPARSITIES))],
    "penalty_weights": ["array-like", None],
    "penalty_groups": ["array-like", None],
}
PARAMETER_CONSTRAINTS = {
    "solver": [StrOptions({"auto", *SOLVERS})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "positive": ["boolean"],
    "sampling": [StrOptions({"auto", "uniform", "lipschitz"})],
    "step_size": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "fit_intercept": ["boolean"],
    "random_state": ["random_state"],
}


def _cost_of_rounding(problem, W, of_user):
    """What the user's intercept, which may be far larger, loses of the best one: a square."""
    if problem.coordinates is USERS_OWN:
        return 0.0
    moved = problem.coordinates.from_user(of_user)[-1] - W[-1]
    return problem.curvature * float(np.max(moved**2))


def remedy_of(problem, estimator):
    """What helps where more passes would not: the columns' scale, a solver, a stronger penalty."""
    means = problem.column_means
    if are_uneven(means, problem.column_squares - means**2, is_penalized=False):
        return "scale the data"
    solver = None if problem.is_partitioned else next(able_solvers(problem), None)
    if solver is None or estimator.solver == "auto" or SOLVERS[solver].solver.draws_rows:
        return "set a larger alpha"
    if "solver" in estimator.get_params():
        return f"set solver='auto', which takes {solver!r} here, or set a larger alpha"
    kind = "FiniteSumClassifier" if is_classifier(estimator) else "FiniteSumRegressor"
    return f"take {kind}, whose solver is {solver!r} here, or set a larger alpha"


def _in_one_thread(items):
    """Yield the items of an iterator, each made with one BLAS thread."""
    while True:
        with one_blas_thread():
            item = next(items, None)
        if item is None:
            return
        yield item


def penalty_name(alpha, l1_ratio):
    """What `SelectFromModel` is told: an elastic net makes coefficients zero as L1 alone does."""
    if alpha == 0:
        return "none"
    return "l1" if l1_ratio > 0 else "l2"


class FiniteSumEstimator(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What classifiers and regressors by finite-sum solvers share."""

    # solvers that a class fixes take none of them
    sparsity = "l1"
    penalty_weights = None
    penalty_groups = None

    _takes_sparse = True
    _takes_dask = ("fit",)
    _accelerates = False  # whether the solver may go on as another
    _parameter_constraints = {**PARAMETER_CONSTRAINTS, "warm_start": ["boolean"]}

    @property
    def penalty(self) -> str:
        """ "l1" if there is an L1 part, which makes coefficients exactly zero; "l2"; or "none".

        `SelectFromModel` asks for it, and keeps the columns that are left.
        """
        return penalty_name(self.alpha, self.l1_ratio)

    def _source(self, X, c):
        """Rows to train on, and what all problems on them have in common."""
        penalty = make_penalty(
            *(self.alpha, self.l1_ratio, self.positive, self.sparsity),
            *(self.penalty_groups, X.shape[1]),
        )
        return training_source(X, c, penalty, self.penalty_weights, self.fit_intercept)

    def _solve(self, problems, starts, attributes, rows):
        """Solve the problems, store what came out, and warn if it is not enough."""
        dtype = rows.dtype

        def drive(steps):
            settings = {"rows": rows, "max_iter": self.max_iter, "task_name": "certificate"}
            return run(self, steps, attributes, **settings)[1]

        with closing(problems[0].source):
            solution = solve(
                problems,
                starts,
                drive,
                solver=self.solver,
                sampling=self.sampling,
                step_size=self.step_size,
                tol=self.tol,
                max_iter=self.max_iter,
                random_state=self.random_state,
                accelerates=self._accelerates,
                dtype=dtype,
            )
            certificate, history, n_iter = solution.certificate, solution.history, solution.n_iter
            self.solver_, self.rate_ = solution.solver, solution.rate
            what_to_change = None
            if certificate.reached is False:
                # `max_iter` does not count passes for certificates
                counts = history["passes"] * (n_iter / history["passes"][-1])
                curve = np.append(solution.certificate_at_zero, history["certificate"])
                counts = np.append(0.0, counts)
                remedy = remedy_of(problems[0], self)
                what_to_change = advise(
                    self, n_iter, solution.limited_by or dtype, certificate, counts, curve, remedy
                )
                if n_iter >= self.max_iter and solution.sampling_is_to_blame:
                    what_to_change = UNEVEN_ADVICE
        fitted = attributes(solution.parameters)
        finish(self, fitted, history, certificate, n_iter=n_iter, advice=what_to_change)
        if certificate.reached is None and n_iter >= self.max_iter:
            warn_of_the_end(self, certificate, n_iter, "increase max_iter, or set tol.")

    def _fits_along(self, X, y, sample_weight, alphas):
        """Yield this estimator fitted for each alpha, from where the last fit ended.

        A proximal Newton method of one problem goes on without a fit's overhead; what it leaves
        above the tolerance a fit takes on, which says what to change.
        """
        rest = self._lean_path(X, y, sample_weight, alphas)
        for alpha in alphas:
            self.alpha = float(alpha)
            if not next(rest, False):
                self.fit(X, y, sample_weight=sample_weight)
            yield self

    def _lean_path(self, X, y, sample_weight, alphas):
        """Yield whether each fit has been found and stored; end if there is no lean path."""
        if not np.min(alphas) > 0 or getattr(self, "_skl_callbacks", None):
            return
        self._validate_params()
        rows = self._rows(X, y, sample_weight)
        problems, _, attributes = self._prepared(rows)
        problem = problems[0]
        name = choose_solver(problem, self.solver)
        solver, n_fits = SOLVERS[name].solver, len(alphas)
        minimize = solver.minimizer(problem, self.tol, n_fits)
        is_lean = len(problems) == 1 and minimize is not None and problem.penalty.is_convex
        if not is_lean or rows.X.dtype != np.float64:
            return
        penalties = [
            replace(problem.penalty, l1=alpha * self.l1_ratio, l2=alpha * (1 - self.l1_ratio))
            for alpha in alphas
        ]
        least_squares = solver.least_squares(problem, n_fits)
        if least_squares:
            points = least_squares(problem, penalties, np.zeros(problem.n_features), self.tol)
            if least_squares is gram_points:
                with one_blas_thread():  # all at once: each takes less than to set a limit
                    points = list(points)
            else:
                points = _in_one_thread(points)
        else:
            settings = {"tol": self.tol, "max_passes": self.max_iter}
            points = _in_one_thread(points_along(problem, penalties, minimize, **settings))
        for point, passes in points:
            tolerance, W = self.tol * point.objective, problem.coordinates.to_user(point.W)
            gap = float(point.certificate) + _cost_of_rounding(problem, point.W, W)
            if not gap <= tolerance:
                yield False
                continue
            relative = ratio(gap, point.objective)
            certificate = Certificate("duality gap", gap, tolerance, "global", relative)
            curves = (point.objective, gap, passes)
            names = "objective", "certificate", "passes"
            history = dict(zip(names, np.array(curves)[:, None], strict=True))
            fitted = attributes([W])
            finish(self, fitted, history, certificate, n_iter=max(1, round(passes)))
            self.solver_, self.rate_ = name, rate(problem, name, "uniform")
            yield True

    def _starts(self, shape, classes=None):
        """Zeros, or where the last fit ended."""
        if goes_on(self, "coef_", classes):
            W = last_parameters(self).T
            if W.shape == shape:
                return np.ascontiguousarray(W)
        return np.zeros(shape)
