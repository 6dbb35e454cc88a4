"""A solver that runs until its certificate is within the tolerance."""

import numpy as np

from sklearn_optland.linear_model._coordinates import USERS_OWN

# The most passes without a certificate.
MAX_UNSEEN = 10
# Times the objective at zero: what no step size that converges comes near.
DIVERGED = 10.0
# Change of variables, relative to their size, that float64 does not resolve.
STILL = 100 * np.finfo(float).eps
# A gap, relative to the objective at zero, that the rounding of residuals leaves.
ROUNDING = (1000 * np.finfo(float).eps) ** 2


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
        is_late = self.still or self.n_passes > self.solver.patience * self.max_passes
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
