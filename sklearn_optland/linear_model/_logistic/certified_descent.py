"""Run an algorithm of bound majorization until its gap is within tol."""

import numpy as np

from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._optim.certify import BoundTrigger
from sklearn_optland._optim.step import Step
from sklearn_optland.linear_model._logistic.curvatures import GramCurvature
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
    """

    def __init__(self, problem, W, algorithm, tol):
        self.problem, self.W, self.algorithm, self.tol = problem, W, algorithm, tol
        self.point, self.curvature, self.dual, self.full = None, None, None, []
        self.lower_bound = 0.0
        if not problem.l2:
            start = problem.evaluate(problem.zeros())
            self.gradient_at_zero = float(np.linalg.norm(start.gradient))

    def certificate(self):
        """Certificate of the latest point."""
        if not self.problem.l2:
            norm = float(np.linalg.norm(self.point.gradient))
            start = self.gradient_at_zero
            words = (
                "gradient norm",
                norm,
                tolerance_of(self.tol, start),
                "stationary",
                ratio(norm, start),
            )
            return Certificate(*words)
        objective = float(self.point.objective)
        gap = objective - self.lower_bound
        tolerance, relative = tolerance_of(self.tol, objective), ratio(gap, objective)
        return Certificate("duality gap", gap, tolerance, "global", relative)

    @property
    def is_reached(self):
        """Whether the latest point is within the tolerance."""
        certificate = self.certificate()
        return certificate.value <= (certificate.tolerance or 0.0)

    def steps(self):
        """Yield `Step` records; their parameters are W."""
        trigger, by_float32 = BoundTrigger(1.0, caution=0.8), np.inf
        for step in self.algorithm:
            self.point, self.curvature, self.dual = step.point, step.curvature, step.dual
            if step.point.exact and step.full and step.point.objective > by_float32:
                continue  # float32 had judged a point before too low
            by_float32 = np.inf if step.point.exact else step.point.objective
            self.full.append(step.full)
            if step.full and self.problem.l2:
                target, expected = self.tol * step.point.objective, step.expected_gap
                if trigger.is_due(expected, target):
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
        if not problem.l2:
            curves["certificate"] = np.linalg.norm(point.gradient)
        return Step(point.W, curves, done=done)

    def _bound(self, excess=0.1):
        """Raise the lower bound by what the latest point proves, as `newton_direction` says."""
        problem, fast = self.problem, self.problem.in_float32
        if not self.point.exact:
            self.point = problem.evaluate(self.point.W)
        point = self.point
        if self.dual is not None:
            bound = dual_bound(problem, point, self.dual.astype(float))
            self.lower_bound = max(self.lower_bound, float(bound))
            return
        solve = self._preconditioner(point)
        if point.newton is None:
            target = self.tol * point.objective
            point.newton = fast.newton_direction(point, solve, target=target, excess=excess)
        gap = self._gap()
        # The gap is about half the decrement; far more is what float32 has left of the residual.
        rounded = fast is not problem and gap > -2 * np.vdot(point.gradient, point.newton)
        if rounded and not self.is_reached:
            point.newton = problem.newton_direction(point, solve, start=point.newton)
            self._gap()

    def _preconditioner(self, point):
        """The latest curvature; of two classes one that follows the point."""
        curvature = self.curvature
        if curvature is None:
            return np.copy
        if self.problem.n_classes == 2 and not getattr(curvature, "follows", True):
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
        if self.problem.l2:
            if not self.is_reached:
                self._bound(FINAL_EXCESS)
            history["certificate"] = history["objective"] - self.lower_bound
        history["certificate"] = np.where(self.full, history["certificate"], np.inf)
        return self.certificate()
