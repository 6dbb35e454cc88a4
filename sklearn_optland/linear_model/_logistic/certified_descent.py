"""The way of an algorithm of bound majorization to a certificate within the tolerance."""

from functools import partial

import numpy as np

from sklearn_optland._estimator.callbacks import Iteration
from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland.linear_model._logistic.curvatures import GramCurvature, KroneckerCurvature
from sklearn_optland.linear_model._logistic.dual_bound import dual_bound, lower_bound

# What conjugate gradients may leave open of the last certificate, a share of the gap: a fit that
# was cut short need not know it well.
FINAL_EXCESS = 1.0


class CertifiedDescent:
    """Runs an algorithm and bounds its distance from the optimum.

    The bound costs a few passes, so it is computed when the metric expects it to be within
    `tol` of the objective. A lower bound on the optimum serves all points of the run, the
    earlier ones too. Without a penalty no dual point is known to be feasible: then the norm of the
    gradient is measured, against `tol` times its norm at zero.

    Attributes
    ----------
    point : Point
        The latest.
    lower_bound : float
        The best so far; 0 at first, since the loss is not negative.
    """

    def __init__(self, problem, W, steps, tol):
        self.problem, self.W, self.steps, self.tol = problem, W, steps, tol
        self.point, self.curvature, self.dual, self.full = None, None, None, []
        self.lower_bound = 0.0
        if not problem.l2:
            start = problem.evaluate(problem.zeros())
            self.gradient_tolerance = tol * float(np.linalg.norm(start.gradient))

    def certificate(self):
        """Certificate of the latest point."""
        if not self.problem.l2:
            norm = float(np.linalg.norm(self.point.gradient))
            return Certificate("gradient norm", norm, self.gradient_tolerance, "stationary")
        objective = float(self.point.objective)
        gap = objective - self.lower_bound
        return Certificate("duality gap", gap, self.tol * objective, "global")

    def iterations(self, attributes):
        """Yield `Iteration` records; `attributes` maps parameters to fitted attributes."""
        trigger, by_float32 = 1.0, np.inf
        for step in self.steps:
            self.point, self.curvature, self.dual = step.point, step.curvature, step.dual
            if step.point.exact and step.full and step.point.objective > by_float32:
                continue  # float32 had judged a point before too low
            by_float32 = np.inf if step.point.exact else step.point.objective
            self.full.append(step.full)
            if step.full and self.problem.l2:
                target, expected = self.tol * step.point.objective, step.expected_gap
                if expected <= trigger * target:
                    self._bound()
                    gap = self.certificate().value
                    if gap > target:
                        trigger = 0.8 * expected / gap
            done = step.full and self.certificate().reached
            if done and not self.point.exact:
                self.point = self.problem.evaluate(self.point.W)
                done = self.certificate().reached
            yield self._iteration(attributes, done)
        if not (self.full and self.full[-1]):
            self.point = self.problem.evaluate(self.point.W if self.point else self.W)
        self.full.append(True)
        yield self._iteration(attributes, True)

    def _iteration(self, attributes, done):
        point, problem = self.point, self.problem
        curves = {"objective": point.objective, "passes": problem.passes}
        if not problem.l2:
            curves["certificate"] = np.linalg.norm(point.gradient)
        return Iteration(curves, partial(attributes, point.W), done)

    def _bound(self, excess=0.1):
        """Raise the lower bound by what the latest point proves, as `newton_direction` says."""
        problem, fast = self.problem, self.problem.in_float32
        if not self.point.exact:
            self.point = problem.evaluate(self.point.W)
        point, curvature = self.point, self.curvature
        if self.dual is not None:
            bound = dual_bound(problem, point, self.dual.astype(float))
            self.lower_bound = max(self.lower_bound, float(bound))
            return
        if isinstance(curvature, KroneckerCurvature) and problem.k == 1:
            # Boehning's bound is a poor guide to Newton's direction.
            curvature = GramCurvature(problem)
            curvature.refresh(point, 0.0)
        solve = curvature.solve if curvature else lambda G: G
        if point.newton is None:
            target = self.tol * point.objective
            point.newton = fast.newton_direction(point, solve, target=target, excess=excess)
        gap = self._gap()
        # The gap is about half the decrement; far more is what float32 has left of the residual.
        rounded = fast is not problem and gap > -2 * np.vdot(point.gradient, point.newton)
        if rounded and not self.certificate().reached:
            point.newton = problem.newton_direction(point, solve, start=point.newton)
            self._gap()

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
        if self.problem.l2:
            if not self.certificate().reached:
                self._bound(FINAL_EXCESS)
            history["certificate"] = history["objective"] - self.lower_bound
        history["certificate"] = np.where(self.full, history["certificate"], np.inf)
        return self.certificate()
