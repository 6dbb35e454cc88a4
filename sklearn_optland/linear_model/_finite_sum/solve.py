"""Run a solver until its certificate is within the tolerance: for estimators, for the function."""

from contextlib import closing
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_array
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import advise, warn_of_the_end
from sklearn_optland._estimator.base import OptlandEstimator, goes_on, private_random_state
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._estimator.dask_rows import refuse_partitions
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import always_checked
from sklearn_optland._loss.penalties import SPARSITIES, ElasticNet, GroupLasso
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import (
    USERS_OWN,
    Coordinates,
    are_uneven,
    centred_targets,
    conditioned_columns,
    weighted_columns,
)
from sklearn_optland.linear_model._finite_sum.gram_path import gram_points
from sklearn_optland.linear_model._finite_sum.partitioned import PartitionedSum
from sklearn_optland.linear_model._finite_sum.path import points_along
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum
from sklearn_optland.linear_model._finite_sum.solver_specs import (
    SOLVERS,
    able_solvers,
    choose_sampling,
    choose_solver,
    has_uneven_rows,
    rate,
    solver_of,
)
from sklearn_optland.linear_model._scores import last_parameters

# The most passes without a certificate.
MAX_UNSEEN = 10
# Times the objective at zero: what no step size that converges comes near.
DIVERGED = 10.0
# Change of variables, relative to their size, that float64 does not resolve.
STILL = 100 * np.finfo(float).eps
# Of the most passes: what a solver may take before another one takes over.
PATIENCE = 0.5
# A gap, relative to the objective at zero, that the rounding of residuals leaves.
ROUNDING = (1000 * np.finfo(float).eps) ** 2
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


class Descent:
    """A solver that runs to a tolerance: when to look, what to keep, what to do on divergence.

    A certificate costs a pass. It is computed when the movement of the dual variables, which falls
    in proportion to the gap, says that the gap is small enough, and every `MAX_UNSEEN` passes;
    so it takes less than a tenth of the passes of a long fit.

    Parameters
    ----------
    problem : FiniteSum
    solver : Solver
    tol : float
        Of the objective; without a penalty, of the norm of the gradient at zero.
    max_passes : int
    rescue : callable, default=None
        Takes a solver that gives up above the tolerance, the problem and parameters, and returns
        the solver that goes on, or None.
    """

    def __init__(self, problem, solver, tol, max_passes, rescue=None):
        self.problem, self.solver, self.tol, self.max_passes = problem, solver, tol, max_passes
        self.rescue = rescue
        self.n_passes = self.seen = 0.0
        self.point = self.best = None  # the last one evaluated, and the best
        self.zeros = problem.zeros()
        self.at_zero, pulls = problem.losses(problem.zeros_like_scores())
        self.gap_per_move = 0.5 / problem.curvature
        self.scale = None
        if not problem.has_dual_bound:
            self.scale = problem.gradient_norm_at_zero(pulls)
        # movement that is nothing but rounding
        self.stillness = STILL**2 * problem.mean_square_of(pulls)
        self.resting = None  # the parameters, while the dual variables stand still
        self.still = False
        if solver.point()[0].any() and not self._start_pays():
            solver.start(self.zeros)

    @property
    def tolerance(self):
        """The certificate at which the fit stops."""
        if self.scale is not None:  # at a kink a gradient need not fall
            return self.tol * self.scale * self.problem.loss.is_smooth
        return max(self.tol * self.best.objective, ROUNDING * self.at_zero)

    @property
    def certificate_at_zero(self):
        """The norm of the gradient at zero, or the objective, of which the gap is a part."""
        return self.at_zero if self.scale is None else self.scale

    @property
    def done(self):
        """Whether the best point is good enough, float64 or the passes are used up."""
        return (
            self.still
            or self.n_passes >= self.max_passes
            or (self.best is not None and self.best.certificate <= self.tolerance)
        )

    def advance(self):
        """Go on until the next certificate."""
        problem, solver = self.problem, self.solver
        while True:
            before = problem.passes
            with np.errstate(over="ignore", invalid="ignore"):  # the guard below sees it
                moved = solver.run()
            self.n_passes += problem.passes - before
            self.still = self._stands_still(moved)
            self.point = solver.measured()
            if self.point is None and self._is_due(moved):
                self.point = problem.evaluate(*solver.point())
            if self.point is not None:
                break
        self.seen = self.n_passes
        self._keep(self.point)
        if self.best.objective > self.at_zero:  # no fit is worse than none
            self._keep(problem.evaluate(self.zeros))
        if solver.has_steps and not self.point.objective <= DIVERGED * self.at_zero:
            solver.step_size *= 0.25
            solver.start(self.best.W)
        following = None
        if self._gives_up() and self.rescue and not self.best.certificate <= self.tolerance:
            following = self.rescue(solver, problem, self.best.W)
        if following:
            self.solver, self.still, self.resting = following, False, None
        elif moved > 0 and self.scale is None:
            with np.errstate(over="ignore"):  # infinity asks for no certificate before its time
                self.gap_per_move = self.point.certificate / moved

    def keep_as(self, dtype):
        """Round the best parameters to a type and the user's coordinates; certify what is left."""
        W, coordinates = self.best.W, self.problem.coordinates
        if dtype != W.dtype or coordinates is not USERS_OWN:
            with np.errstate(over="ignore"):
                largest = np.abs(coordinates.to_user(W)).max()
            if not largest <= np.finfo(dtype).max:
                raise ValueError(
                    f"X: with this y, coefficients up to {largest:.3g} overflow its {dtype}. "
                    "Rescale X or y, or pass X as float64."
                )
            dual = self.solver.point()[1]
            rounded = coordinates.to_user(W, dtype).astype(W.dtype)
            self.best = self.problem.evaluate(coordinates.from_user(rounded), dual)
        elif self.best.pulls is None and not self.best.certificate <= self.tolerance:
            self.best = self.problem.evaluate(W)  # the solver had no bound of its own

    @property
    def parameters(self):
        """The best parameters, in the user's coordinates."""
        return self.problem.coordinates.to_user(self.best.W)

    def _start_pays(self):
        """Whether the solver is better off where it starts than at zero.

        It has a primal point, whose objective counts, or a dual one, whose gap does: at zero, where
        the dual objective is 0, that is the objective.
        """
        point = self.problem.evaluate(*self.solver.point())
        if point.certificate <= ROUNDING * self.at_zero:
            return True
        if self.solver.starts_from_pulls:
            return self.problem.lower_bound > 0 and point.certificate <= self.at_zero
        return point.objective <= self.at_zero

    def _stands_still(self, moved):
        """Whether neither the dual variables nor the parameters have moved in the last pass.

        Where losses are flat or straight the former stand still while the penalty still moves the
        latter.
        """
        before, self.resting = self.resting, None
        if moved > self.stillness:
            return False
        W = self.resting = self.solver.point()[0]
        return before is not None and np.abs(W - before).max() <= STILL * np.abs(W).max()

    def _gives_up(self):
        """Whether it is time for another solver, should there be one."""
        is_late = self.still or self.n_passes > PATIENCE * self.max_passes
        return self.solver.is_slow or (is_late and not self.solver.draws_rows)

    def _is_due(self, moved):
        since, left = self.n_passes - self.seen, self.max_passes - self.n_passes
        if left <= 0 or self.still or (since >= MAX_UNSEEN and left > 0.5 * MAX_UNSEEN):
            return True
        objective = self.at_zero if self.best is None else self.best.objective
        return (
            self.scale is None
            and (moved == 0 or self.gap_per_move * moved <= self.tol * objective)
            and since > self.n_passes / MAX_UNSEEN - 1
        )

    def _keep(self, point):
        """Keep the better of two points, and what the best dual bound says about it."""
        value = "objective" if self.scale is None else "certificate"
        best = self.best
        if best is None or getattr(point, value) <= getattr(best, value):
            self.best = point
        elif self.scale is None:
            best.certificate = self.problem.gap(best.objective, best.certificate)


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
        those for certificates not counted; "solver"; "sampling_is_to_blame", whether rows that
        differ much were drawn uniformly; "rate".
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
        sampling_is_to_blame=choice.sampling == "uniform"
        and choice.kind.weighs_draws
        and has_uneven_rows(problems[0]),
        rate=rate(problems[0], choice.name, choice.sampling),
    )


def _start_of(problem, W):
    """The problem's parameters for the user's; zeros, which stand for no start, are its own."""
    return problem.coordinates.from_user(W) if W.any() else problem.zeros()


def _cost_of_rounding(problem, W, of_user):
    """What the user's intercept, which may be far larger, loses of the best one: a square."""
    if problem.coordinates is USERS_OWN:
        return 0.0
    moved = problem.coordinates.from_user(of_user)[-1] - W[-1]
    return problem.curvature * float(np.max(moved**2))


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
            able = (name for name in able_solvers(problem) if SOLVERS[name].solver.draws_rows)
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


def make_penalty(alpha, l1_ratio, positive, sparsity, groups, n_features):
    """The penalty that users describe so; without an L1 part there is nothing to make sparse."""
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    if groups is not None:
        groups = _checked_groups(groups, positive, sparsity, n_features)
        if l1 > 0:
            _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
            return GroupLasso(l1, l2, groups=numbers, scales=np.sqrt(sizes))
    kind = SPARSITIES[sparsity] if l1 > 0 else ElasticNet
    return kind(l1, l2, positive)


def _checked_groups(groups, positive, sparsity, n_features):
    if positive or sparsity != "l1":
        found = "positive=True" if positive else f"the penalty {sparsity!r}"
        raise ValueError(
            f"penalty_groups: found some with {found}; allowed with groups are positive=False and "
            "the penalty 'l1'."
        )
    with always_checked():
        groups = check_array(groups, dtype=None, ensure_2d=False, input_name="penalty_groups")
    if groups.shape != (n_features,):
        raise ValueError(
            f"penalty_groups: found shape {groups.shape}; allowed are {n_features} labels, that "
            "of a group for each column."
        )
    return groups


def training_source(X, c, penalty, penalty_weights, fit_intercept):
    """Rows to train on, and what all problems on them have in common."""
    X, coordinates = weighted_columns(X, penalty_weights)
    X, conditioned = conditioned_columns(X, c, penalty, fit_intercept)
    coordinates = conditioned.after(coordinates)
    # without a penalty the certificate needs a Gram matrix, and that the order
    source = ArraySource(X, in_order=not (penalty.l1 > 0 or penalty.l2 > 0), c=c)
    common = {"penalty": penalty, "fit_intercept": fit_intercept, "coordinates": coordinates}
    return source, common


def partitioned_source(estimator, rows, columns):
    """`training_source` of rows in partitions, whose columns stay as they are."""
    if estimator.penalty_weights is not None:
        refuse_partitions(rows, "penalty_weights")
    if estimator.penalty_groups is not None:
        refuse_partitions(rows, "penalty_groups")
    if estimator.sampling == "lipschitz":
        refuse_partitions(rows, "sampling='lipschitz'")
    settings = estimator.alpha, estimator.l1_ratio, estimator.positive, estimator.sparsity
    penalty = make_penalty(*settings, None, rows.n_columns)
    source = rows.source(columns, ("y", "c"), in_order=False)
    return source, {"penalty": penalty, "fit_intercept": estimator.fit_intercept}


def regression_problem(source, y, loss, common):
    """The problem of a regression; its rows and what `training_source` says of them."""
    if common["fit_intercept"] and loss.is_of_residuals:
        y, coordinates = centred_targets(y, source.c, common["coordinates"])
        common = {**common, "coordinates": coordinates}
    return FiniteSum(source, y, loss=loss, **common)


def partitioned_regression(source, loss, common):
    """`regression_problem` of rows in partitions; targets go less their mean with the intercept."""
    problem = PartitionedSum(source, source.y, loss=loss, **common)
    if loss.log_link and not problem.mean(source.y) > 0:
        loss.check_targets(np.zeros(1), np.ones(1))
    if not (common["fit_intercept"] and loss.is_of_residuals):
        return problem
    target = problem.mean(source.y)
    y = source.map(partial(np.add, -target), source.y)
    return PartitionedSum(source, y, loss=loss, coordinates=Coordinates(target=target), **common)


def remedy_of(problem):
    """What helps where more passes would not: the columns' scale, or a stronger penalty."""
    means = problem.column_means
    if are_uneven(means, problem.column_squares - means**2, is_penalized=False):
        return "scale the data"
    return "set a larger alpha"


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
                remedy = remedy_of(problems[0])
                what_to_change = advise(self, n_iter, dtype, certificate, counts, curve, remedy)
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
        if solver.needs_no_rows(problem, n_fits):
            with one_blas_thread():  # all at once: each takes less than to set a limit
                start = np.zeros(problem.n_features)
                points = list(gram_points(problem, penalties, start, self.tol))
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
