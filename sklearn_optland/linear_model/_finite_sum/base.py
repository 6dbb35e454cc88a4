"""What the estimators of finite sums share: parameters, targets, the loop, the certificate."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.base import OptlandEstimator
from sklearn_optland._estimator.callbacks import advice, fit_loop, warn_unless_reached
from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._finite_sum.descent import Descent, descend
from sklearn_optland.linear_model._finite_sum.problem import Penalty
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS, choose_solver, rate
from sklearn_optland.linear_model._scores import last_parameters

CLASSIFICATION_LOSSES = ("log_loss", "squared_hinge", "smooth_hinge", "hinge")
REGRESSION_LOSSES = ("squared_error", "huber", "epsilon_insensitive")


class FiniteSumEstimator(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What classifiers and regressors share: the parameters, the loop, the certificate."""

    _parameter_constraints = {
        "solver": [StrOptions({"auto", *SOLVERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "positive": ["boolean"],
        "sampling": [StrOptions({"uniform", "lipschitz"})],
        "step_size": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _penalty(self):
        return Penalty(
            l1=self.alpha * self.l1_ratio,
            l2=self.alpha * (1 - self.l1_ratio),
            positive=self.positive,
        )

    def _solve(self, problems, starts, attributes, *, X, y, metadata):
        """Run the loop on the problems, store what came out, and warn if it is not enough."""
        rng = check_random_state(self.random_state)
        with one_blas_thread():
            chosen = choose_solver(problems[0], self.solver)
            step_size = None if self.step_size == "auto" else self.step_size
            descents = [
                Descent(
                    problem,
                    SOLVERS[chosen].solver(
                        problem, W, rng=rng, sampling=self.sampling, step_size=step_size
                    ),
                    self.tol,
                    self.max_iter,
                )
                for problem, W in zip(problems, starts, strict=True)
            ]
            history = fit_loop(
                self,
                descend(descents, attributes),
                max_iter=self.max_iter,
                X=X,
                y=y,
                metadata=metadata,
                task_name="certificate",
            )
            kept = [descent.keep_as(X.dtype) for descent in descents]
        for name, value in attributes(kept).items():
            setattr(self, name, value)
        self.certificate_ = total_certificate(descents)
        self.history_, self.solver_ = history, chosen
        self.rate_ = rate(problems[0], chosen, self.sampling)
        self.n_iter_ = round(max(descent.n_passes for descent in descents))
        if self.tol > 0 or self.n_iter_ >= self.max_iter:
            warn_unless_reached(self, self.certificate_, self.n_iter_, advice(self, X.dtype))

    def _starts(self, shape):
        """Zeros, or where the last fit ended."""
        if self.warm_start and hasattr(self, "coef_"):
            W = last_parameters(self).T
            if W.shape == shape:
                return np.ascontiguousarray(W)
        return np.zeros(shape)


def checked_targets(y, c):
    """Targets, whose weighted squares must not overflow."""
    with np.errstate(over="ignore"):
        total = c @ y**2
    if not np.isfinite(total):
        raise ValueError(
            f"y: found magnitudes up to {np.abs(y).max():.3g}, whose squares overflow float64; "
            "allowed are those whose squares can be summed."
        )
    return y


def total_certificate(descents):
    """The certificate of problems that are solved side by side: gaps add up."""
    if descents[0].problem.has_dual_bound:
        quantity, scope = "duality gap", "global"
    elif descents[0].problem.penalty.positive:
        quantity, scope = "prox-gradient norm", "stationary"
    else:
        quantity, scope = "gradient norm", "stationary"
    value = sum(descent.best.certificate for descent in descents)
    return Certificate(
        quantity, float(value), float(sum(descent.tolerance for descent in descents)), scope
    )
