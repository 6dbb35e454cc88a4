"""What the mean-field nets share: parameters, the way of a fit, the certificate."""

from contextlib import closing
from functools import partial
from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.advice import (
    advise,
    predicted_count,
    warn_of_the_end,
    warn_unless_reached,
)
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    check_start,
    goes_on,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.dask_rows import refuse_partitions
from sklearn_optland._estimator.early_stopping import (
    HeldOut,
    hold_out,
    validation_attributes,
)
from sklearn_optland._estimator.penalty_search import (
    ALPHA,
    alpha_attributes,
    search_alpha,
)
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland._net.recent_moments import of_a_fit, record
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._mean_field import solvers
from sklearn_optland.neural_network._mean_field.conic import conic
from sklearn_optland.neural_network._mean_field.flow import flow
from sklearn_optland.neural_network._mean_field.kernel_regime import KernelProblem
from sklearn_optland.neural_network._mean_field.margin import certified_margin, margin_ascent
from sklearn_optland.neural_network._mean_field.particles import net_attributes
from sklearn_optland.neural_network._mean_field.problem import TwoLayerProblem
from sklearn_optland.neural_network._mean_field.search_path import SearchPath
from sklearn_optland.neural_network._mean_field.sliding_frank_wolfe import sliding_frank_wolfe
from sklearn_optland.neural_network._mean_field.square import SquareProblem, quadratic
from sklearn_optland.neural_network._mean_field.streaming import flow_state
from sklearn_optland.neural_network._mean_field.units import (
    RowSpan,
    StandardColumns,
    choose_scales,
    is_wide,
)

SOLVERS = ("particles", "flow", "conic", "sliding-frank-wolfe")
SQUARE_SOLVERS = ("particles", "sliding-frank-wolfe")
MARGIN_ASCENT = "margin-ascent"
# Starts of the certificate's ascent where the maximum over the sphere is not exact.
CERTIFICATE_STARTS = 32
# Steps between two looks at the validation rows.
VALIDATE_EVERY = 5
# A gap above this share of the loss without particles may be a failure.
FAILED = 0.1
MAX_SEED = np.iinfo(np.int32).max


class MeanFieldNet(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What the classifier and the regressor share."""

    # Of the fitted net.
    _hidden_activation = "relu"
    _is_multilabel = False
    _takes_dask = ("fit",)

    @property
    def _takes_sparse(self):
        return self.solver != MARGIN_ASCENT

    _parameter_constraints = {
        "n_particles": [Interval(Integral, 1, None, closed="left")],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({*SOLVERS, MARGIN_ASCENT})],
        "regime": [StrOptions({"feature", "kernel"})],
        "activation": [StrOptions({"relu", "square"})],
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
        n_particles: int = 100,
        *,
        alpha: Literal["auto"] | float = "auto",
        solver: Literal[
            "particles", "conic", "flow", "margin-ascent", "sliding-frank-wolfe"
        ] = "particles",
        regime: Literal["feature", "kernel"] = "feature",
        activation: Literal["relu", "square"] = "relu",
        fit_intercept: bool = True,
        scale_inputs: bool = True,
        noise: float = 0.0,
        batch_size: Literal["auto"] | int = "auto",
        max_iter: int = 1000,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
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

    @property
    def interaction_matrix_(self) -> NDArray:
        """Symmetric matrix Q of shape (n_features, n_features): f is x'Qx and a linear part.

        One for each output, of shape (n_outputs, n_features, n_features), if there are several. For
        nets with `activation="square"`.
        """
        check_is_fitted(self)
        if self._hidden_activation != "square":
            raise AttributeError("interaction_matrix_ needs a fit with activation='square'")
        W, A = self.coefs_
        Q = np.stack([(W * a) @ W.T for a in A.T])
        return Q[0] if len(Q) == 1 else Q

    def _check_choice(self):
        """Refuse parameters that do not go together."""
        is_square = self.activation == "square"
        if is_square and self.regime != "feature":
            raise ValueError(
                f"regime: found {self.regime!r}; allowed with activation='square' is 'feature'."
            )
        allowed = SOLVERS if self.regime == "feature" else ("particles",)
        if self._is_log_loss:
            allowed += (MARGIN_ASCENT,)
        if is_square:
            allowed = SQUARE_SOLVERS
        if self.solver not in allowed:
            raise ValueError(
                f"solver: found {self.solver!r}; allowed for {type(self).__name__} with "
                f"regime={self.regime!r} and activation={self.activation!r} are {list(allowed)}."
            )
        if self.solver == "sliding-frank-wolfe" and self.alpha == 0:
            raise ValueError(
                "alpha: found 0; solver='sliding-frank-wolfe' needs a penalty, alpha > 0."
            )

    def _fit(self, rows, make, n_outputs, extra):
        """Fit to training rows.

        Parameters
        ----------
        rows : TrainingRows or DaskRows
        make : callable
            Makes the columns Y and c of a source: see `DaskRows.source`.
        n_outputs : int
        extra : dict
            What predictions need besides the net.
        """
        self._check_choice()
        rng = private_random_state(self.random_state)
        source, columns, held, records = self._sources(rows, make, n_outputs, rng)
        with closing(source), one_blas_thread():
            alpha, losses = self._choose_alpha(source, rows, n_outputs, held, rng)
            problem = self._problem(source, n_outputs, rows.dtype, alpha)
            start = self._start(problem, columns, rows.classes, rng)
            if problem.scales.y_rounding > 0:
                start = 0 * start  # constant targets: the net without particles is an exact fit
            held_out = None
            if held is not None:
                on_held = problem.on(held)
                settings = self._is_log_loss, problem.units, self._is_multilabel
                held_out = HeldOut(on_held.full_scores, on_held.Y, held.c, *settings)
            seed = rng.randint(MAX_SEED)

            def attributes(theta):
                return net_attributes(problem.layout, columns, theta) | extra

            kept, history = run(
                self,
                self._steps(problem, start, seed),
                attributes,
                rows=rows,
                max_iter=self.max_iter,
                held_out=held_out,
                patience=self.n_iter_no_change,
                every=VALIDATE_EVERY,
                task_name="step",
            )
            if self.solver == MARGIN_ASCENT:
                theta, certified, certificate = certified_margin(problem, kept, self.tol)
            else:
                theta = problem.with_best_intercept(kept.parameters)
                certified, certificate = self._certify(
                    problem, theta, start, kept, history, seed, alpha
                )
        fitted = attributes(theta) | certified | alpha_attributes(alpha, losses)
        fitted |= validation_attributes(held_out)
        # What partial_fit goes on from.
        fitted["_flow"] = None if self.activation == "square" else flow_state(records)
        fitted["_standard"] = self._standard_units(columns, problem.scales)
        fitted["_hidden_activation"] = self.activation
        finish(self, fitted, history, certificate)
        self._warn(problem, alpha, kept.done, rows.dtype)
        return self

    def _sources(self, rows, make, n_outputs, rng):
        """Rows to train on, their columns, rows that early stopping sets aside or None, moments."""
        if self.early_stopping:
            refuse_partitions(rows, "early_stopping=True")
        if self.activation == "square":
            refuse_partitions(rows, "activation='square'")
        source, columns = rows.source(make, ("Y", "c")), StandardColumns()
        if source.is_sparse:
            refuse_partitions(rows, "CSR")
        moments = record(source, n_outputs)
        records = of_a_fit(moments)
        if self.scale_inputs:
            columns = StandardColumns.by(*moments[:2], rows.dtype, self.fit_intercept)
            source = source.with_rows(columns.rows)
            if self._may_rotate and is_wide(source):
                columns = RowSpan.of(columns, source.X[:])
                source = source.with_rows(lambda X: X[:] @ columns.basis)
        if not self.early_stopping:
            return source, columns, None, records
        codes = None if rows.codes is None else rows.codes[rows.weights > 0]
        index = hold_out(source.n_rows, self.validation_fraction, rng, codes)
        source, held = (source.take(some, c=normalized(source.c[some])) for some in index)
        return source, columns, held, records

    @property
    def _may_rotate(self):
        """Whether neither the method nor what it draws depends on the columns' directions."""
        return self.regime == "feature" and self.solver in SQUARE_SOLVERS

    def _choose_alpha(self, source, rows, n_outputs, held, rng):
        """The strength of the penalty, and the losses of those that were tried."""
        if self.alpha != "auto":
            return float(self.alpha), None
        if self.solver == MARGIN_ASCENT:
            return 0.0, None
        if held is not None:
            return ALPHA, None
        if goes_on(self, "alpha_", rows.classes):
            sides = self.coefs_[0].shape[0], self.coefs_[1].shape[1]
            if sides == (self.n_features_in_, n_outputs):
                return self.alpha_, None
        make = partial(SearchPath, self, n_outputs, rows.dtype, rng.randint(MAX_SEED))
        has_classes = self._is_log_loss and not self._is_multilabel
        return search_alpha(source, rng, make, has_classes=has_classes)

    def _problem(self, source, n_outputs, dtype, alpha, scales=None):
        problem = KernelProblem if self.regime == "kernel" else TwoLayerProblem
        if self.activation == "square":
            problem = SquareProblem
        kind = self._is_log_loss, self.fit_intercept
        scales = scales or choose_scales(source, n_outputs, *kind)
        return problem(
            source,
            n_outputs,
            dtype,
            is_log_loss=self._is_log_loss,
            is_multilabel=self._is_multilabel,
            alpha=alpha * self._unit_of_alpha(scales),
            fit_intercept=self.fit_intercept,
            scales=scales,
        )

    def _standard_units(self, columns, scales):
        """Means and divisors of the columns, and the unit of alpha; None for data as they are."""
        if not self.scale_inputs:
            return None
        return columns.center, columns.spread, self._unit_of_alpha(scales)

    def _unit_of_alpha(self, scales):
        """The size of the targets, in which standard data are penalised.

        The kernel regime's penalty is a squared norm, and has that of the loss in any case.
        """
        return scales[2] if self.scale_inputs and self.regime == "feature" else 1.0

    def _start(self, problem, columns, classes, rng):
        """Particles to start from."""
        layout, k = problem.layout, problem.n_outputs
        finds_its_own = self.solver == "sliding-frank-wolfe" or self.activation == "square"
        m = 0 if finds_its_own else self.n_particles
        same = self._hidden_activation == self.activation
        if same and goes_on(self, "coefs_", classes):
            size = m or self.coefs_[0].shape[1]
            shapes = [part.shape for part in (*self.coefs_, *self.intercepts_)]
            if shapes == [(self.n_features_in_, size), (size, k), (size,), (k,)]:
                check_start(self, "coefs_", "intercepts_")
                with np.errstate(over="ignore", invalid="ignore"):
                    inside = columns.to_inside(self.coefs_, self.intercepts_)
                    theta = layout.to_inside(*inside)
                    if np.isfinite(problem.value_and_gradient(theta)[0]):
                        return theta
        if self.regime == "kernel":
            return self._first_particles(problem, rng)
        length = solvers.START if self.solver == "particles" else 1 / np.sqrt(max(m, 1))
        return layout.spread_start(m, length, rng)

    def _first_particles(self, problem, rng):
        """Those of the kernel regime."""
        layout = problem.layout
        is_zero = self.solver != MARGIN_ASCENT
        return layout.random_neurons(self.n_particles, rng, is_zero=is_zero)

    def _steps(self, problem, theta, seed):
        """The solver's generator."""
        if self.solver == MARGIN_ASCENT:
            settings = {"n_starts": CERTIFICATE_STARTS, "random_state": seed}
            is_kernel = self.regime == "kernel"
            return margin_ascent(problem, theta, self.tol, is_kernel=is_kernel, **settings)
        if self.activation == "square":
            return quadratic(problem, theta, self.tol, random_state=seed)
        if self.regime == "kernel":
            return solvers.kernel(problem, theta, self.tol)
        if self.solver == "flow":
            rng = np.random.RandomState(seed)
            return flow(problem, theta, self.tol, noise=self.noise, rng=rng)
        if self.solver == "sliding-frank-wolfe":
            return sliding_frank_wolfe(problem, theta, self.tol, random_state=seed)
        solver = conic if self.solver == "conic" else solvers.particles
        return solver(problem, theta, self.tol)

    @property
    def _stops_on_the_gap(self):
        on_it = self.solver in ("sliding-frank-wolfe", MARGIN_ASCENT)
        return on_it or self.regime == "kernel" or self.activation == "square"

    def _certify(self, problem, theta, start, kept, history, seed, alpha):
        """What the fit proves: a duality gap, without a penalty the norm of the gradient."""
        if alpha == 0:
            norm, at_start = (
                problem.units * float(np.linalg.norm(problem.value_and_gradient(at)[1]))
                for at in (theta, start)
            )
            asked = tolerance_of(self.tol, at_start)
            certificate = Certificate(
                "gradient norm", norm, asked, "stationary", ratio(norm, at_start)
            )
            return {"first_variation_max_": np.nan}, certificate
        bound = kept.bound or problem.bound(
            theta,
            inputs=problem.inputs() if self.regime == "feature" else None,
            n_starts=CERTIFICATE_STARTS,
            random_state=seed,
        )
        # The curves end with what the fitted net has.
        history["objective"][-1], history["certificate"][-1] = bound.objective, bound.gap
        asked = tolerance_of(self.tol, bound.objective)
        certificate = Certificate(
            "duality gap",
            bound.gap,
            asked if bound.proven or self._stops_on_the_gap else None,
            "global" if bound.proven else "estimate",
            ratio(bound.gap, bound.objective),
        )
        largest = bound.first_variation_max / self._unit_of_alpha(problem.scales)
        return {"first_variation_max_": largest}, certificate

    def _warn(self, problem, alpha, is_done, dtype):
        """Warn of a fit that ended before its tolerance, or hardly better than no net."""
        certificate = self.certificate_
        if certificate.reached or certificate.relative <= self.tol:
            return
        if self.n_iter_ == self.max_iter and not is_done:
            help = _advice(self, dtype)
        elif alpha == 0 or self.solver == MARGIN_ASCENT or self.early_stopping:
            return
        elif self._may_miss_most(problem):
            change = "" if self.scale_inputs else ": scale the data, or set scale_inputs=True"
            help = f"That is hardly better than no net{change}."
        else:
            return
        if certificate.reached is None:
            warn_of_the_end(self, certificate, self.n_iter_, help[0].lower() + help[1:])
        else:
            warn_unless_reached(self, certificate, self.n_iter_, help)

    def _may_miss_most(self, problem):
        """Whether the gap is a good part of the loss without particles, and more than was won.

        Most fits to more than three columns end above their tolerance, and are none the worse.
        """
        gap, null_loss = self.certificate_.value, problem.null_loss()
        if null_loss <= np.sqrt(np.finfo(np.float64).eps) * problem.units:
            return False  # one class has all the weight: there is nothing to learn
        return gap > max(FAILED * null_loss, null_loss - self.history_["objective"][-1])


def _advice(net, dtype):
    """What to change if a fit has used all its steps."""
    history, counts = net.history_, 1 + np.arange(net.n_iter_)
    if net._stops_on_the_gap and net.certificate_.value < np.inf:
        values = history["certificate"]
        return advise(net, net.n_iter_, dtype, net.certificate_, counts, values)
    objective, patience = history["objective"], solvers.PATIENCE
    falls = (objective[:-patience] - objective[patience:]) / np.abs(objective[patience:])
    needed = predicted_count(counts[patience:], falls, net.tol) if net.tol > 0 else np.inf
    if needed < np.inf:
        needed = float(f"{needed:.2g}")
        return f"Set max_iter to about {needed:.0f}, or tol to {1.1 * falls[-1]:.1g}."
    return "Increase max_iter or tol, or scale the data."
