"""Run an algorithm of bound majorization until its gap is within tol."""

import numpy as np

from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._loss.log_loss import largest_change
from sklearn_optland._optim.certify import BoundTrigger
from sklearn_optland._optim.metrics import newton_decrement
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.reduce import ExtremeOf, reduce
from sklearn_optland.linear_model._logistic.curvatures import (
    GramCurvature,
    NewtonCurvature,
    has_small_hessian,
)
from sklearn_optland.linear_model._logistic.dual_bound import dual_bound, lower_bound

# What conjugate gradients may leave open of the last certificate, a share of the gap: a fit that
# was cut short need not know it well.
FINAL_EXCESS = 1.0
# Without a penalty: the residual of a Newton step, in the preconditioner's norm; and what moves a
# score in so many steps in a row, half of a margin's 1 or more, shows classes that are separated.
CG_TOLERANCE = 0.1
MOVES, MAX_LOOKS = 0.4, 5


class CertifiedDescent:
    """Runs an algorithm and bounds its distance from the optimum.

    The bound costs a few passes, so it is computed when the metric expects it to be within
    `tol` of the objective. A lower bound on the optimum serves all points of the run, the
    earlier ones too. Without a penalty no dual point is known to be feasible: then the Newton
    decrement says about where the optimum is, and whether there is one.

    Parameters
    ----------
    problem : LogLossProblem
    W : ndarray
        Where the algorithm starts.
    algorithm : iterator of MetricStep
    tol : float

    Attributes
    ----------
    point : Point
        The latest.
    lower_bound : float
        The best so far; 0 at first, since the loss is not negative. Without a penalty what the
        latest point expects the optimum to be.
    is_separated : bool
        Whether the classes are, as far as Newton steps show: without a penalty the coefficients
        grow without end.
    """

    def __init__(self, problem, W, algorithm, tol):
        self.problem, self.W, self.algorithm, self.tol = problem, W, algorithm, tol
        self.later_bound = 0.0
        self.point, self.curvature, self.dual, self.full = None, None, None, []
        self.lower_bound, self.is_separated = 0.0, False

    def certificate(self):
        """Certificate of the latest point."""
        objective = float(self.point.objective)
        gap = self._less_bound(objective)
        tolerance, relative = tolerance_of(self.tol, objective), ratio(gap, objective)
        if self.problem.l2:
            return Certificate("duality gap", gap, tolerance, "global", relative)
        if self.is_separated:
            return Certificate("Newton decrement", gap, None, "estimate", relative)
        return Certificate("Newton decrement", gap, tolerance, "stationary", relative)

    def _less_bound(self, objective):
        """The gap; where rounding has put the bound above the objective, what it has lost."""
        return np.abs(objective - self.lower_bound)

    @property
    def is_reached(self):
        """Whether the latest point is within the tolerance, or there is none to be within."""
        certificate = self.certificate()
        return self.is_separated or certificate.value <= (certificate.tolerance or 0.0)

    def steps(self):
        """Yield `Step` records; their parameters are W."""
        trigger, by_float32 = BoundTrigger(1.0, caution=0.8), np.inf
        for step in self.algorithm:
            self.point, self.curvature, self.dual = step.point, step.curvature, step.dual
            self.later_bound = step.later_bound
            if step.point.exact and step.full and step.point.objective > by_float32:
                continue  # float32 had judged a point before too low
            by_float32 = np.inf if step.point.exact else step.point.objective
            self.full.append(step.full)
            if not self.problem.l2:
                self.lower_bound = 0.0  # that of another point says nothing of this one
            if step.lower_bound is not None:
                self.lower_bound = max(self.lower_bound, step.lower_bound)
            elif step.full:
                target, expected = self.tol * step.point.objective, step.expected_gap
                if trigger.is_due(expected, target) or self._is_next_to_nothing():
                    self._bound()
                    gap = self.point.objective - self.lower_bound
                    if gap > target:
                        trigger.learn(expected, gap)
            done = step.full and self.is_reached
            if done and not self.point.exact:
                self.point = self.problem.evaluate(self.point.W)
                done = self.is_reached
            yield self._step(done)
        if not (self.full and self.full[-1]):
            self.point = self.problem.evaluate(self.point.W if self.point else self.W)
        self.full.append(True)
        yield self._step(True)

    def _step(self, done):
        point, problem = self.point, self.problem
        curves = {"objective": point.objective, "passes": problem.passes}
        return Step(point.W, curves, done=done)

    def _is_next_to_nothing(self):
        """Whether there is no penalty, and next to nothing left of the objective at zero."""
        problem = self.problem
        return not problem.l2 and self.point.objective <= self.tol * problem.at_zero

    def _bound(self, excess=0.1):
        """Raise the lower bound by what the latest point proves, as `newton_direction` says."""
        problem, fast = self.problem, self.problem.in_float32
        if not self.point.exact or (self.point.gradient is None and self.dual is None):
            self.point = problem.evaluate(self.point.W)
        point = self.point
        if problem.n_classes == 1:
            # At the start's intercept log1p(exp(-1000)) is 0, where kernels have exp(-708).
            self.lower_bound = point.objective
            return
        if self.dual is not None:
            bound = dual_bound(problem, point, self.dual.astype(float))
            self.lower_bound = max(self.lower_bound, float(bound))
            return
        solve = self._preconditioner(point)
        if not problem.l2:
            self._expect(point, solve)
            return
        if point.newton is None:
            target = self.tol * point.objective
            point.newton = fast.newton_direction(point, solve, target=target, excess=excess)
        gap = self._gap()
        # The gap is about half the decrement; far more is what float32 has left of the residual.
        rounded = fast is not problem and gap > -2 * np.vdot(point.gradient, point.newton)
        if rounded and not self.is_reached:
            point.newton = problem.newton_direction(point, solve, start=point.newton)
            self._gap()

    def _expect(self, point, solve):
        """Take the Newton decrement for what is left, and look for classes that are separated.

        All of them are where each row loses less than log 2. Where they overlap Newton's steps
        converge quadratically. Along a direction that separates some rows their losses fall like
        exp(-z), and each step adds 1 to their margins.
        """
        problem = self.problem
        source = problem.source
        least = float(reduce(ExtremeOf(np.min, np.minimum, np.inf), source, (source.c,))[1])
        self.is_separated = point.objective < np.log(2) * least
        for _ in range(MAX_LOOKS):
            solve = self._newton_solve(point, solve)
            if point is self.point:
                decrement = newton_decrement(point.gradient, solve)
                self.lower_bound = max(0.0, point.objective - decrement)
                if self.is_separated or not decrement <= self.tol * point.objective:
                    return
            new = problem.evaluate(point.W - solve(point.gradient))
            moved = largest_change(problem.source, new.Z, point.Z)
            if not (moved >= MOVES and new.objective <= point.objective):
                return
            point = new
        self.is_separated = True

    def _newton_solve(self, point, solve):
        """The inverse of the Hessian: a factor of few columns, else by conjugate gradients."""
        problem = self.problem
        if problem.has_one_score and problem.has_few_columns:
            curvature = GramCurvature(problem)
            curvature.refresh(point, 0.0)
            return curvature.solve
        if not problem.has_one_score and has_small_hessian(problem):
            curvature = NewtonCurvature(problem)
            curvature.refresh(point)
            return curvature.solve
        direction = problem.newton_direction(point, solve, tolerance=CG_TOLERANCE)
        return lambda _: -direction

    def _preconditioner(self, point):
        """The latest curvature; of two classes one that follows the point."""
        curvature = self.curvature
        if curvature is None:
            return np.copy
        if self.problem.has_one_score and not getattr(curvature, "follows", True):
            # Boehning's bound is a poor guide to Newton's direction.
            curvature = GramCurvature(self.problem)
            curvature.refresh(point, 0.0)
        return curvature.solve

    def _gap(self):
        """Raise the lower bound by what the point's Newton direction proves; return the gap."""
        problem, point = self.problem, self.point
        self.lower_bound = max(self.lower_bound, float(lower_bound(problem, point, point.newton)))
        return point.objective - self.lower_bound

    def finish(self, W, history):
        """Certify the parameters that the estimator keeps, perhaps rounded to float32.

        Returns the certificate, and completes the history: with the bound that is known at the
        end, and with infinity for iterations that were measured on a sample of the rows.
        """
        if not (self.full[-1] and self.point.exact and np.array_equal(W, self.point.W)):
            newton = self.point.newton
            self.point = self.problem.evaluate(W)
            self.point.newton = newton if self.full[-1] else None
        self.lower_bound = max(self.lower_bound, self.later_bound)
        if not self.is_reached and not self.later_bound:
            self._bound(FINAL_EXCESS)
        history["certificate"] = self._less_bound(history["objective"])
        history["certificate"] = np.where(self.full, history["certificate"], np.inf)
        return self.certificate()
