"""What deep nets of both kinds share: parameters, the fit, the choice of a penalty."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import advise
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    check_start,
    goes_on,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._estimator.dask_rows import refuse_partitions
from sklearn_optland._estimator.early_stopping import (
    HeldOut,
    hold_out,
    row_losses,
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
from sklearn_optland._net.network import Network, hidden_sizes
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.recent_moments import of_a_fit, record
from sklearn_optland._net.units import choose_units
from sklearn_optland._optim.step import Stall
from sklearn_optland._rows.source import float32_pays
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.neural_network._deep import streaming
from sklearn_optland.neural_network._deep.admm import Admm
from sklearn_optland.neural_network._deep.emsa import Emsa
from sklearn_optland.neural_network._deep.feasible import FeasibleDescent
from sklearn_optland.neural_network._deep.kkt import KKT_LINES, Objective
from sklearn_optland.neural_network._deep.splitting import BlockCoordinateDescent, Taylor

# A fit of ReLU nets ends where so many iterations bring less than tol times the objective: at the
# kinks the KKT residual does not vanish.
PATIENCE = 50
# The search for a penalty: largest width, iterations and tolerance of its fits.
SEARCH_WIDTH, SEARCH_STEPS, SEARCH_TOL = 32, 100, 1e-3
SPLITTINGS = {"admm": Admm, "taylor": Taylor, "bcd": BlockCoordinateDescent, "emsa": Emsa}


class ADMMNet(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """Parameters and the fit."""

    _takes_dask = ("fit",)
    _takes_sparse = True
    # What partial_fit goes on from.
    _stream = None

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", "tanh", "relu"})],
        "solver": [StrOptions({"feasible", *SPLITTINGS})],
        "metric": [StrOptions({"auto", "gram", "identity"})],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "scale_inputs": ["boolean"],
        "rho": ["array-like", Interval(Real, 0, None, closed="neither"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"glorot"}), Interval(Real, 0, None, closed="neither"), tuple, list],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (100,),
        activation: Literal["relu", "logistic", "tanh"] = "relu",
        *,
        solver: Literal["feasible", "admm", "bcd", "taylor", "emsa"] = "feasible",
        metric: Literal["auto", "gram", "identity"] = "auto",
        alpha: Literal["auto"] | float = "auto",
        scale_inputs: bool = True,
        rho: ArrayLike | None = None,
        tol: float = 1e-3,
        max_iter: int = 1000,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 100,
        init: Literal["glorot"] | float | Sequence[Any] = "glorot",
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.metric = metric
        self.alpha = alpha
        self.scale_inputs = scale_inputs
        self.rho = rho
        self.tol = tol
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.init = init
        self.warm_start = warm_start
        self.random_state = random_state

    def _network(self, n_columns, n_outputs, kind):
        """The net's sizes; an error if they or the activation do not fit."""
        hidden = hidden_sizes(self.hidden_layer_sizes)
        if self.solver in SPLITTINGS:
            allowed = SPLITTINGS[self.solver].activations
            if self.activation not in allowed and hidden:
                raise ValueError(
                    f"activation: found {self.activation!r}; allowed with solver={self.solver!r} "
                    f"is {' or '.join(map(repr, allowed))}."
                )
        return Network((n_columns, *hidden, n_outputs), self.activation, *kind)

    def _rho(self, network):
        """One coupling for each layer with weights."""
        n_layers = len(network.sizes) - 1
        rho = SPLITTINGS[self.solver].default_rho if self.rho is None else self.rho
        rho = np.atleast_1d(np.asarray(rho, dtype=np.float64))
        rho = np.full(n_layers, rho[0]) if len(rho) == 1 else rho
        if rho.shape != (n_layers,) or not (rho > 0).all() or not np.isfinite(rho).all():
            raise ValueError(
                f"rho: found {self.rho!r}; allowed are one positive number, or {n_layers}, one for "
                "each layer with weights."
            )
        return rho

    def _start(self, network, units, classes, rng, dtype):
        """Parameters to start from, in the passes' units."""
        if goes_on(self, "coefs_", classes):
            shapes = [(W.shape[0] + 1, W.shape[1]) for W in self.coefs_]
            if shapes == network.shapes:
                check_start(self, "coefs_", "intercepts_")
                return units.to_inside(network, self.coefs_, self.intercepts_, dtype)
        if isinstance(self.init, (tuple, list)):
            if len(self.init) != 2:
                raise ValueError(
                    f"init: found {len(self.init)} entries; allowed are two, coefs and intercepts."
                )
            theta = units.to_inside(network, *self.init, dtype)
            if not np.isfinite(theta).all():
                raise ValueError("init: found values that are not finite; allowed are finite ones.")
            return theta
        return network.glorot(rng, dtype, 1.0 if self.init == "glorot" else self.init)

    def _solve(self, rows, columns, n_outputs, kind, fitted):
        """Run the solver, and store what came out.

        Parameters
        ----------
        rows : TrainingRows or DaskRows
        columns : callable
            Makes the columns Y and c of a source: see `DaskRows.source`.
        n_outputs : int
        kind : LossKind
        fitted : dict
            What predictions need besides the net.
        """
        if self.early_stopping:
            refuse_partitions(rows, "early_stopping=True")
        rng = private_random_state(self.random_state)
        network = self._network(rows.n_columns, n_outputs, kind)
        source, dtype, held_out = rows.source(columns, ("Y", "c")), rows.dtype, None
        quiet = np.errstate(over="ignore", invalid="ignore", under="ignore")
        with closing(source), one_blas_thread(), quiet:
            scaling = {"is_standard": self.scale_inputs, "dtype": dtype}
            moments = record(source, n_outputs)
            units = choose_units(source, n_outputs, kind.is_log_loss, moments=moments, **scaling)
            unit = units.size**2
            theta = self._start(network, units, rows.classes, rng, dtype)
            if units.is_constant:  # such targets have an exact fit, but no unit to measure it in
                network.layers(theta)[-1][:] = 0.0
            alpha, losses = self._choose_alpha(source, rows.classes, network, dtype, rng)
            if self.early_stopping:
                codes = None if rows.codes is None else rows.codes[rows.weights > 0]
                index = hold_out(source.n_rows, self.validation_fraction, rng, codes)
                source, held = (source.take(some, c=normalized(source.c[some])) for some in index)
                held = Passes(network, held, units, dtype)
                settings = kind.is_log_loss, unit, kind.is_multilabel
                held_out = HeldOut(held.outputs, held.Y, held.source.c, *settings)
            passes = Passes(network, source, units, dtype)
            factors = units.penalty_factors(network, dtype)
            of_user = units.user_factors(network)
            objective = Objective(passes, alpha, factors, unit)

            def attributes(theta):
                coefs, intercepts = units.to_user(network, theta)
                net = {"coefs_": coefs, "intercepts_": intercepts, "_penalty_factors": of_user}
                net |= alpha_attributes(alpha, losses)
                return {**net, "_hidden_activation": self.activation, **fitted}

            kept, history = run(
                self,
                self._until_tol(self._solver(objective, theta, rows)),
                attributes,
                rows=rows,
                max_iter=self.max_iter,
                keeps_best=True,
                held_out=held_out,
                patience=self.n_iter_no_change,
            )
            if kept.is_rough:
                end = objective.at(kept.parameters)
                kept = replace(kept, loss=end.objective, residual=end.residual)
            certificate = self._certificate(objective, kept)
        self.kkt_residuals_ = {line: history.pop(line) for line in KKT_LINES}
        self.loss_curve_, self.loss_ = history["objective"], float(unit * kept.loss)
        self.n_layers_, self.n_outputs_ = len(network.sizes), n_outputs
        advice = self._advice(history, certificate, dtype)
        fitted = attributes(kept.parameters) | validation_attributes(held_out)
        fitted["_stream"] = streaming.stream_state(of_a_fit(moments))
        finish(self, fitted, history, certificate, advice=advice)

    def _choose_alpha(self, source, classes, network, dtype, rng):
        """The strength of the penalty, and the losses of those that were tried."""
        if self.alpha != "auto":
            return float(self.alpha), None
        if self.early_stopping:
            return ALPHA, None
        if goes_on(self, "alpha_", classes):
            shapes = [(W.shape[0] + 1, W.shape[1]) for W in self.coefs_]
            if shapes == network.shapes:
                return self.alpha_, None
        has_classes = network.is_log_loss and not network.is_multilabel
        make = partial(SearchPath, self, network, dtype, rng.randint(np.iinfo(np.int32).max))
        return search_alpha(source, rng, make, has_classes=has_classes)

    def _solver(self, objective, theta, rows):
        """The algorithm: an iterable of steps."""
        if self.solver == "feasible":
            pays = float32_pays(objective.passes.source, objective.dtype, theta.size)
            return FeasibleDescent(objective, theta, self.metric, self.tol, pays)
        arguments = objective, theta, self._rho(objective.network)
        if self.solver == "bcd":
            arguments += (rows.total_sample_weight,)
        return SPLITTINGS[self.solver](*arguments)

    def _until_tol(self, steps):
        """The steps, the last of them where `tol` is reached; not with rows held out."""
        stall = Stall(self.tol, PATIENCE)
        for step in steps:
            step.reached = step.residual <= self.tol and not self.early_stopping
            step.done |= step.reached
            if self.activation == "relu" and self.solver == "feasible" and not self.early_stopping:
                step.done |= stall(step.loss)
            yield step

    def _certificate(self, objective, step):
        """The KKT residual; of a linear regression, the gap to the optimum."""
        is_asked = self.tol > 0 and not self.early_stopping
        network, unit = objective.network, objective.unit
        if objective.n_hidden or network.is_log_loss:
            tolerance = float(self.tol) if is_asked else None
            residual = float(step.residual)
            return Certificate("KKT residual", residual, tolerance, "stationary", residual)
        # The objective is quadratic: its gap is half the gradient's square in the inverse Hessian.
        end = objective.at(step.parameters)
        gradient = network.layers(end.gradient.astype(np.float64))[0]
        (G,) = objective.passes.grams(step.parameters, [0])
        G.flat[:: len(G) + 1] += network.layers(objective.penalty)[0][:, 0]
        newton = np.linalg.lstsq(G, gradient, rcond=None)[0]
        gap = max(0.5 * float(np.vdot(gradient, newton)), 0.0)
        tolerance = unit * self.tol * 0.5 * objective.constant_residual**2 if is_asked else None
        relative = ratio(gap, end.objective)
        return Certificate("optimality gap", unit * gap, tolerance, "global", relative)

    def _advice(self, history, certificate, dtype):
        """What to change if the tolerance was not reached."""
        if certificate.reached is not False:
            return None
        settled = self.solver == "feasible" and len(history["certificate"]) < self.max_iter
        if settled and self.activation == "relu" and certificate.scope == "stationary":
            change = f"set tol to {2 * certificate.relative:.1g}, or activation='tanh'"
            return f"At kinks of relu it does not vanish, and the objective has settled: {change}."
        values = history["certificate"]
        if certificate.scope == "global":
            values = history["objective"] - history["objective"][-1] + certificate.value
        # In units of tol.
        relative = self.tol * certificate.value / certificate.tolerance
        counts = np.arange(1, len(values) + 1)
        in_units = replace(certificate, relative=relative)
        return advise(self, len(values), dtype, in_units, counts, values)


class SearchPath:
    """Fits by "feasible" to some rows, one penalty after the other, each to about the end.

    Narrow layers do: what a penalty is worth hardly depends on their width.

    Parameters
    ----------
    net : ADMMNet
    network : Network
    dtype : dtype
    seed : int
    source, held : ArraySource
        Rows to train on, and those to judge by.
    """

    def __init__(self, net, network, dtype, seed, source, held):
        n_columns, *hidden, n_outputs = network.sizes
        hidden = (min(width, SEARCH_WIDTH) for width in hidden)
        network = replace(network, sizes=(n_columns, *hidden, n_outputs))
        scaling = {"is_standard": net.scale_inputs, "dtype": dtype}
        self.units = choose_units(source, network.sizes[-1], network.is_log_loss, **scaling)
        self.passes = Passes(network, source, self.units, dtype)
        self.held = Passes(network, held, self.units, dtype)
        self.network, self.metric, self.dtype, self.seed = network, net.metric, dtype, seed

    def __call__(self, alpha):
        """The losses of the held-out rows."""
        network, units = self.network, self.units
        theta = network.glorot(np.random.RandomState(self.seed), self.dtype)
        factors = units.penalty_factors(network, self.dtype)
        objective = Objective(self.passes, alpha, factors, units.size**2)
        pays = float32_pays(self.passes.source, self.dtype, theta.size)
        descent = FeasibleDescent(objective, theta, self.metric, SEARCH_TOL, pays)
        for step in islice(descent, SEARCH_STEPS):
            theta = step.parameters
            if step.done or step.residual <= SEARCH_TOL:
                break
        F = self.held.outputs(theta)
        kind = network.is_log_loss, network.is_multilabel
        return units.size**2 * row_losses(F, self.held.Y, *kind)
