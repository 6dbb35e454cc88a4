"""What the mean-field nets share: parameters, the loop around a solver, the certificate."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.base import OptlandEstimator, check_start
from sklearn_optland._estimator.callbacks import Iteration, advice, fit_loop, warn_unless_reached
from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland._estimator.early_stopping import BestSoFar, hold_out
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._net.units import mean_and_deviation
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._mean_field import solvers
from sklearn_optland.neural_network._mean_field.kernel_regime import KernelProblem
from sklearn_optland.neural_network._mean_field.margin import margin_ascent
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem
from sklearn_optland.neural_network._mean_field.sliding_frank_wolfe import (
    sliding_frank_wolfe,
)

SOLVERS = ("particles", "flow", "conic", "sliding-frank-wolfe")
MARGIN_ASCENT = "margin-ascent"
# Starts of the certificate's ascent where the maximum over the sphere is not exact.
CERTIFICATE_STARTS = 32
# Steps between two looks at the validation rows.
VALIDATE_EVERY = 5
# The stochastic flow's step does not fall below this.
SHORTEST_STEP = 1e-6
BATCH_SIZE = 200
MAX_SEED = np.iinfo(np.int32).max
# A solver that stands still so far above the optimum, in units of the loss without particles, has
# failed. Most fits to more than three columns end above their tolerance, and are none the worse.
FAILED = 0.5


class MeanFieldNet(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What the classifier and the regressor share: parameters, loop, certificate."""

    _hidden_activation = "relu"

    _parameter_constraints = {
        "n_particles": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({*SOLVERS, MARGIN_ASCENT})],
        "regime": [StrOptions({"feature", "kernel"})],
        "activation": [StrOptions({"relu"})],
        "fit_intercept": ["boolean"],
        "scale_inputs": ["boolean"],
        "noise": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_particles=100,
        *,
        alpha=1e-3,
        solver="particles",
        regime="feature",
        activation="relu",
        fit_intercept=True,
        scale_inputs=False,
        noise=0.0,
        batch_size="auto",
        max_iter=1000,
        tol=1e-4,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        warm_start=False,
        random_state=None,
    ):
        self.n_particles = n_particles
        self.alpha = alpha
        self.solver = solver
        self.regime = regime
        self.activation = activation
        self.fit_intercept = fit_intercept
        self.scale_inputs = scale_inputs
        self.noise = noise
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state

    def _check_choice(self):
        """Refuse parameters that do not go together."""
        allowed = SOLVERS if self.regime == "feature" else ("particles",)
        if self._is_log_loss:
            allowed += (MARGIN_ASCENT,)
        if self.solver not in allowed:
            raise ValueError(
                f"solver: found {self.solver!r}; allowed for {type(self).__name__} with "
                f"regime={self.regime!r} are {list(allowed)}."
            )
        if self.solver == "sliding-frank-wolfe" and self.alpha == 0:
            raise ValueError(
                "alpha: found 0; solver='sliding-frank-wolfe' needs a penalty, alpha > 0."
            )

    def _fit(self, X, Y, c, codes, attributes, metadata, y):
        """Fit to validated data; `attributes` are those that predictions need besides."""
        self._check_choice()
        rng = check_random_state(self.random_state)
        used = np.flatnonzero(c > 0)
        held = None
        if self.early_stopping:
            train, held = hold_out(
                len(used), self.validation_fraction, rng, None if codes is None else codes[used]
            )
            used, held = used[train], used[held]
        c_used = normalized(c[used])
        scaling = _Scaling(X, c, self.scale_inputs, self.fit_intercept)
        X_used = scaling(X if len(used) == len(X) else X[used])
        with one_blas_thread():
            problem = (KernelProblem if self.regime == "kernel" else TwoLayerProblem)(
                X_used,
                Y[used],
                c_used,
                is_log_loss=self._is_log_loss,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
            )
            start = self._start(problem, scaling, rng)
            validation = None
            if held is not None:
                validation = problem.on(scaling(X[held]), Y[held], normalized(c[held]))
            run = _Run(self, problem, scaling, attributes, validation)
            seed = rng.randint(MAX_SEED)
            history = fit_loop(
                self,
                run.iterations(self._steps(problem, start, seed)),
                max_iter=self.max_iter,
                X=X,
                y=y,
                metadata=metadata,
                task_name="step",
            )
            self.history_ = history
            step = run.last
            if run.best is not None:
                step = solvers.Step(run.best.theta, np.nan, step.passes, step.done)
            theta = step.theta
            if self.solver == MARGIN_ASCENT:
                theta = self._with_margin(problem, step)
            else:
                theta = problem.with_best_intercept(theta)
                self._certify(problem, theta, start, step, seed)
        for name, value in run.attributes(theta).items():
            setattr(self, name, value)
        self.n_iter_ = len(history["objective"])
        self._flow = _flow_state(theta, problem.scales) if self.solver == "flow" else None
        if self.n_iter_ == self.max_iter and not step.done:
            warn_unless_reached(self, self.certificate_, self.n_iter_, advice(self, X.dtype))
        elif self._has_failed(problem):
            help = "That is hardly better than no net: scale the data, or set scale_inputs=True."
            warn_unless_reached(self, self.certificate_, self.n_iter_, help)
        return self

    def _has_failed(self, problem):
        """Whether the solver stands still although most of the loss might go."""
        has_gap = self.alpha > 0 and self.solver != MARGIN_ASCENT and not self.early_stopping
        return has_gap and self.certificate_.value > FAILED * problem.null_loss()

    def _certify(self, problem, theta, start, step, seed):
        """What the fit proves: a duality gap, without a penalty the norm of the gradient."""
        if self.alpha > 0:
            bound = step.bound or problem.bound(
                theta,
                rows=problem.augmented() if self.regime == "feature" else None,
                n_starts=CERTIFICATE_STARTS,
                random_state=seed,
            )
            # The curves end with what the fitted net has.
            self.history_["objective"][-1] = bound.objective
            self.history_["certificate"][-1] = bound.gap
            self.first_variation_max_ = bound.first_variation_max
            self.certificate_ = Certificate(
                "duality gap",
                bound.gap,
                float(self.tol * bound.objective),
                "global" if bound.proven else "estimate",
            )
            return
        norms = [
            problem.units * float(np.linalg.norm(problem.value_and_gradient(at)[1]))
            for at in (theta, start)
        ]
        self.first_variation_max_ = np.nan
        self.certificate_ = Certificate(
            "gradient norm", norms[0], self.tol * norms[1], "stationary"
        )

    def _with_margin(self, problem, step):
        """Particles whose least y f is 1, if they separate the classes."""
        y = 2.0 * problem.Y.astype(np.float64) - 1.0
        least = float((y * problem.scores(step.theta)).min())
        if self.regime == "kernel":
            norm = np.sqrt(self.n_particles) * np.linalg.norm(problem.parts(step.theta)[2])
        else:
            norm = problem.variation_norm(step.theta)
        self.margin_ = float(least / norm * problem.x_scale)
        self.margin_bound_ = self.first_variation_max_ = step.bound.first_variation_max
        self.certificate_ = Certificate(
            "margin gap",
            max(self.margin_bound_ - self.margin_, 0.0),
            float(self.tol * self.margin_bound_),
            "global" if step.bound.proven else "estimate",
        )
        if not least > 0:
            return step.theta
        theta = step.theta.copy()
        if self.regime == "kernel":
            problem.parts(theta)[2][:] /= least
        else:
            theta /= np.sqrt(least)
        return theta

    def _start(self, problem, scaling, rng):
        """Particles to start from."""
        d, k = problem.n_features, problem.n_outputs
        m = 0 if self.solver == "sliding-frank-wolfe" else self.n_particles
        if self.warm_start and hasattr(self, "coefs_"):
            shapes = [W.shape for W in self.coefs_]
            if shapes[0][0] == d and shapes[1][1] == k and (m == 0 or shapes[0][1] == m):
                check_start(self, "coefs_", "intercepts_")
                with np.errstate(over="ignore", invalid="ignore"):
                    theta = problem.to_inside(*scaling.to_inside(self.coefs_, self.intercepts_))
                    if np.isfinite(problem.value_and_gradient(theta)[0]):
                        return theta
        if self.regime == "kernel":
            theta = solvers.spread_start(problem, 2 * m, 1.0, rng)
            B, A = problem.particles(theta)
            return problem.join(
                B[::2], A[::2] if self.solver == MARGIN_ASCENT else 0 * A[::2], np.zeros(k)
            )
        length = solvers.START if self.solver == "particles" else 1 / np.sqrt(max(m, 1))
        return solvers.spread_start(problem, m, length, rng)

    def _steps(self, problem, theta, seed):
        """The solver's generator."""
        if self.solver == MARGIN_ASCENT:
            return margin_ascent(
                problem,
                theta,
                self.tol,
                n_starts=CERTIFICATE_STARTS,
                random_state=seed,
                is_kernel=self.regime == "kernel",
            )
        if self.regime == "kernel":
            return solvers.kernel(problem, theta, self.tol)
        if self.solver == "flow":
            rng = np.random.RandomState(seed)
            return solvers.flow(problem, theta, self.tol, noise=self.noise, rng=rng)
        if self.solver == "conic":
            return solvers.conic(problem, theta, self.tol)
        if self.solver == "sliding-frank-wolfe":
            return sliding_frank_wolfe(problem, theta, self.tol, random_state=seed)
        return solvers.particles(problem, theta, self.tol)

    def _partial_fit(self, X, Y, c, extra):
        """Steps of the flow, one for each mini-batch, each backtracked on its batch."""
        self._check_choice()
        if self.scale_inputs:
            raise ValueError(
                "scale_inputs: found True; allowed with partial_fit is False, because the columns "
                "of later batches are not known."
            )
        used = c > 0
        with one_blas_thread():
            flow = getattr(self, "_flow", None)
            problem = TwoLayerProblem(
                X[used] if flow is None else X[used].astype(flow["theta"].dtype, copy=False),
                Y[used],
                normalized(c[used]),
                is_log_loss=self._is_log_loss,
                alpha=self.alpha,
                fit_intercept=self.fit_intercept,
                scales=None if flow is None else flow["scales"],
            )
            if flow is None:
                rng = check_random_state(self.random_state)
                length = 1 / np.sqrt(self.n_particles)
                theta = solvers.spread_start(problem, self.n_particles, length, rng)
                self._flow = flow = _flow_state(theta, problem.scales)
            _visit(flow, problem, BATCH_SIZE if self.batch_size == "auto" else self.batch_size)
        run = _Run(self, problem, _Scaling(X, c, False, False), extra, None)
        for name, value in run.attributes(flow["theta"]).items():
            setattr(self, name, value)
        self.n_iter_ = flow["n_steps"]
        for stale in ("certificate_", "first_variation_max_", "history_"):
            if hasattr(self, stale):
                delattr(self, stale)
        return self


def _flow_state(theta, scales):
    """The stochastic flow between two calls of `partial_fit`, in types that pickle anywhere."""
    return {"theta": theta, "scales": scales, "step": 1.0, "n_steps": 0}


def _visit(state, problem, size):
    """A step of the flow on each mini-batch of the rows, in their order."""
    for first in range(0, len(problem.X), size):
        function = partial(problem.value_and_gradient, rows=slice(first, first + size))
        theta, step, _, _ = solvers.descend(
            function, state["theta"], *function(state["theta"]), state["step"]
        )
        if theta is not None:
            state["theta"] = theta
        # A batch on which no step is short enough must not stop those after it.
        state["step"] = max(2.0 * step, SHORTEST_STEP)
        state["n_steps"] += 1


class _Scaling:
    """Columns of mean 0 and standard deviation 1, if asked for."""

    def __init__(self, X, c, is_on, is_centered):
        self.center = None
        if is_on:
            center, spread = mean_and_deviation(X, c)
            self.spread = np.where(spread > 1e-12 * np.abs(center), spread, 1.0)
            self.center = center if is_centered else np.zeros_like(center)

    def __call__(self, X):
        if self.center is None:
            return X
        return np.ascontiguousarray((X - self.center) / self.spread, dtype=X.dtype)

    def to_user(self, coefs, intercepts):
        """Parameters for columns as they were."""
        if self.center is None:
            return coefs, intercepts
        dtype = coefs[0].dtype
        W = coefs[0].astype(np.float64) / self.spread[:, None]
        return [W.astype(dtype), coefs[1]], [
            (intercepts[0] - self.center @ W).astype(dtype),
            intercepts[1],
        ]

    def to_inside(self, coefs, intercepts):
        """The inverse of `to_user`."""
        if self.center is None:
            return coefs, intercepts
        W = coefs[0].astype(np.float64)
        return [W * self.spread[:, None], coefs[1]], [
            intercepts[0] + self.center @ W,
            intercepts[1],
        ]


class _Run:
    """The loop around a solver: what callbacks may ask for, and early stopping."""

    def __init__(self, estimator, problem, scaling, attributes, validation):
        self.problem, self.scaling, self.extra = problem, scaling, attributes
        self.validation, self.last = validation, None
        self.best = None if validation is None else BestSoFar(estimator.n_iter_no_change)

    def iterations(self, steps):
        """What `fit_loop` asks for."""
        units = self.problem.units
        for number, step in enumerate(steps):
            self.last = step
            curves = {
                "objective": units * step.value if step.bound is None else step.bound.objective,
                "certificate": np.inf if step.bound is None else step.bound.gap,
                "passes": step.passes,
            }
            done = step.done
            if self.best is not None and (done or number % VALIDATE_EVERY == 0):
                scores = self.validation.scores(step.theta)
                scores += self.problem.parts(step.theta)[3]
                loss = self.validation.loss(scores)
                curves["validation_loss"] = units * loss
                done = self.best.update(loss, step.theta) or done
                step.done = done
            elif self.best is not None:
                curves["validation_loss"] = np.nan
            yield Iteration(curves, lambda: self.attributes(self.last.theta), done)

    def attributes(self, theta):
        """All that predictions need."""
        coefs, intercepts = self.problem.to_user(theta)
        sizes = np.linalg.norm(coefs[1], axis=1) * np.hypot(
            np.linalg.norm(coefs[0], axis=0), intercepts[0]
        )
        norm = self.problem.variation_norm(theta)
        coefs, intercepts = self.scaling.to_user(coefs, intercepts)
        return {
            "coefs_": coefs,
            "intercepts_": intercepts,
            "n_particles_": int((sizes > 0).sum()),
            "variation_norm_": norm * (self.problem.y_scale / self.problem.x_scale),
            "n_layers_": 3,
            "n_outputs_": self.problem.n_outputs,
            **self.extra,
        }
