"""Run an algorithm of bound majorization until its gap is within tol."""

from dataclasses import replace

import numpy as np

from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._optim.certify import BoundTrigger
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.reduce import ExtremeOf, reduce
from sklearn_optland.linear_model._logistic.curvatures import BinaryNewtonCurvature
from sklearn_optland.linear_model._logistic.dual_bound import dual_bound, lower_bound
from sklearn_optland.linear_model._logistic.newton_image import NewtonSystem, newton_image
from sklearn_optland.linear_model._logistic.separation import most_separated, separated_by

# What conjugate gradients may leave open of the last certificate, a share of the gap: a fit that
# was cut short need not know it well.
FINAL_EXCESS = 1.0
# Without a penalty: Newton steps ahead whose images are asked for a bound; the decrement, relative
# to the objective, below which they should have one; and the seconds that a linear program may take
# to say why they have none.
MAX_LOOKS = 5
NEAR = 1e-4
PATIENCE = 60.0
# The share of the tolerance that rounded parameters may add to the objective by a bound; if it is
# more, their objective is worth a pass.
ROUNDED = 1e-3


class CertifiedDescent:
    """Runs an algorithm and bounds its distance from the optimum.

    The bound costs a few passes, so it is computed when the metric expects it to be within
    `tol` of the objective. A lower bound on the optimum serves all points of the run, the
    earlier ones too. Without a penalty a dual point is feasible only near an optimum: before that
    the Newton decrement says about what is left.

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
        The best so far; 0 at first, since the loss is not negative.
    is_proven : bool
        Whether there is an optimum: without a penalty, once a dual point has shown it.
    is_separated : bool
        Whether there is none, since the coefficients grow without end.
    separation : Separation or None
        What separates the classes, where that could be found out.
    """

    def __init__(self, problem, W, algorithm, tol):
        self.problem, self.W, self.algorithm, self.tol = problem, W, algorithm, tol
        self.later_bound = 0.0
        self.point, self.curvature, self.dual, self.full = None, None, None, []
        self.lower_bound, self.is_proven, self.decrement = 0.0, problem.l2 > 0, None
        self.is_separated, self.separation, self.has_looked = False, None, False
        self.near = max(tol, NEAR)

    def certificate(self):
        """Certificate of the latest point."""
        objective = float(self.point.objective)
        gap = float(self._gap_of(objective))
        tolerance, relative = tolerance_of(self.tol, objective), ratio(gap, objective)
        if self.is_proven:
            return Certificate("duality gap", gap, tolerance, "global", relative)
        if self.is_separated:
            return Certificate("Newton decrement", gap, None, "estimate", relative)
        return Certificate("Newton decrement", gap, tolerance, "stationary", relative)

    def _gap_of(self, objectives):
        """The gap, or what is expected to be left while no bound is proven.

        Where rounding has put the bound above an objective, it is what that has lost.
        """
        bound = self.lower_bound
        if not self.is_proven and self.decrement is not None:
            bound = max(0.0, self.point.objective - self.decrement)
        return np.abs(objectives - bound)

    @property
    def is_reached(self):
        """Whether the latest point is within the tolerance, or there is none to be within.

        Without a bound that is so only where all was done to find one.
        """
        if self.is_separated:
            return True
        certificate = self.certificate()
        may_end = self.is_proven or self.has_looked
        return may_end and certificate.value <= (certificate.tolerance or 0.0)

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
            self.decrement = None  # that of another point says nothing of this one
            if step.lower_bound is not None:
                self.lower_bound = max(self.lower_bound, step.lower_bound)
            elif step.full:
                target, expected = self.tol * step.point.objective, step.expected_gap
                if trigger.is_due(expected, target) or self._is_next_to_nothing():
                    self._bound()
                    gap = self._gap_of(self.point.objective)
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
            self.lower_bound, self.is_proven = point.objective, True
            return
        if self.dual is not None:
            bound = dual_bound(problem, point, self.dual.astype(float))
            self.lower_bound = max(self.lower_bound, float(bound))
            return
        solve = self._preconditioner(point)
        if not problem.l2:
            self._bound_by_images(point, solve)
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

    def _bound_by_images(self, point, solve):
        """Raise the lower bound by a Newton image, of a later point if this one's is infeasible.

        Where the classes overlap Newton's steps converge quadratically, and soon prove it. Along a
        direction that separates some rows they never do: a linear program says by what. All rows
        are separated where each loses less than log 2.
        """
        problem = self.problem
        source = problem.source
        least = float(reduce(ExtremeOf(np.min, np.minimum, np.inf), source, (source.c,))[1])
        if point.objective < np.log(2) * least:
            self.decrement, self.is_separated = 0.0, True
            self.separation = separated_by(problem, point)
            return
        for _ in range(MAX_LOOKS):
            system = NewtonSystem(problem, point, solve)
            direction = system.direction()
            if point is self.point:
                self.decrement = max(0.0, -0.5 * float(np.vdot(point.gradient, direction)))
            image = newton_image(system, direction)
            if image is not None:
                self.lower_bound, self.is_proven = max(self.lower_bound, image.bound), True
                return
            if point is self.point and self.decrement > self.near * point.objective:
                return
            new = problem.evaluate(point.W + direction)
            if not new.objective <= point.objective:
                break
            point = new
        if not self.has_looked:
            self._look_for_separation()

    def _look_for_separation(self):
        """Find what separates the classes, once."""
        problem, self.has_looked = self.problem, True
        source = problem.source
        if not source.may_be_copied:  # the rows are elsewhere
            self.is_separated = True
            return
        try:
            found = most_separated(
                source.X, source.y, problem.n_classes, problem.fit_intercept, PATIENCE
            )
        except ArithmeticError:  # too close to tell
            self.is_separated = True
            return
        if found.kind != "overlap":
            self.is_separated, self.separation = True, found

    def _preconditioner(self, point):
        """The latest curvature; of two classes and few columns one that follows the point."""
        curvature, problem = self.curvature, self.problem
        if curvature is None:
            return np.copy
        follows = getattr(curvature, "follows", True)
        if not follows and problem.has_one_score and problem.has_few_columns:
            # Boehning's bound is a poor guide to Newton's direction.
            curvature = BinaryNewtonCurvature(problem)
            curvature.refresh(point)
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
        is_known = self.full[-1] and self.point.exact
        if not (is_known and (np.array_equal(W, self.point.W) or self._is_reached_at(W))):
            newton = self.point.newton
            self.point = self.problem.evaluate(W)
            self.point.newton = newton if self.full[-1] else None
        self.lower_bound = max(self.lower_bound, self.later_bound)
        if not self.is_reached and not self.later_bound:
            self._bound(FINAL_EXCESS)
        history["certificate"] = self._gap_of(history["objective"])
        history["certificate"] = np.where(self.full, history["certificate"], np.inf)
        return self.certificate()

    def _is_reached_at(self, W):
        """Whether parameters next to the latest point, which become it, are within the tolerance.

        No pass: their objective is bounded from above.
        """
        latest = self.point
        if latest.gradient is None or not self.is_proven:
            return False
        rise = self.problem.largest_rise(latest, W - latest.W)
        if not rise <= ROUNDED * self.tol * latest.objective:
            return False
        self.point = replace(latest, W=W, objective=latest.objective + rise)
        if not self.is_reached:
            self.point = latest
        return self.point is not latest
