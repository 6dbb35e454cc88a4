"""What the Langevin estimators share: parameters, the fit, the scores of all draws."""

from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import warn_of_the_end
from sklearn_optland._estimator.base import OptlandEstimator, private_random_state
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland._net.network import Network, hidden_sizes
from sklearn_optland._net.predictions import scores_of
from sklearn_optland._net.units import choose_units
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.langevin._chains import Chains
from sklearn_optland.langevin._diagnostics import effective_sample_size, r_hat
from sklearn_optland.langevin._posterior import posterior_of

# Rows of a minibatch, unless `batch_size` says another number.
BATCH_ROWS = 1000
# Training rows whose predictions tell whether chains have mixed.
PROBES = 50
# Draws of a chain that R-hat needs, and the R-hat above which a fit warns.
LEAST_DRAWS, LARGEST_R_HAT = 4, 1.1


class LangevinModel(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What classifier and regressor share: parameters, the fit, scores of all draws."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"logistic", "tanh", "relu"})],
        "C": [Interval(Real, 0, None, closed="neither")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "preconditioner": [StrOptions({"auto", "hessian", "rmsprop"}), None],
        "step_size": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "decay": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "burn_in": [Interval(Real, 0, 1, closed="left")],
        "thin": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (),
        activation: Literal["tanh", "logistic", "relu"] = "tanh",
        *,
        C: float = 1.0,
        temperature: float = 1.0,
        preconditioner: Literal["auto", "hessian", "rmsprop"] | None = "auto",
        step_size: Literal["auto"] | float = "auto",
        decay: float = 0.0,
        batch_size: Literal["auto"] | int = "auto",
        n_chains: int = 4,
        burn_in: float = 0.25,
        thin: int = 10,
        max_iter: int = 2000,
        random_state: RandomState = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.C = C
        self.temperature = temperature
        self.preconditioner = preconditioner
        self.step_size = step_size
        self.decay = decay
        self.batch_size = batch_size
        self.n_chains = n_chains
        self.burn_in = burn_in
        self.thin = thin
        self.max_iter = max_iter
        self.random_state = random_state

    def _number(self, name):
        """A parameter's value, None for "auto"."""
        value = getattr(self, name)
        return None if isinstance(value, str) else float(value)

    def _sample(self, rows, columns, n_outputs, is_log_loss, fitted):
        """Run the chains, and store what they have drawn.

        Parameters
        ----------
        rows : TrainingRows
        columns : callable
            Makes the columns Y and c of a source: see `TrainingRows.source`.
        n_outputs : int
        is_log_loss : bool
        fitted : dict
            What predictions need besides the draws.
        """
        noise = 1.0 if is_log_loss else self._number("noise_variance")
        temperature, step_size = self._number("temperature"), self._number("step_size")
        sizes = rows.n_columns, *hidden_sizes(self.hidden_layer_sizes), n_outputs
        network = Network(sizes, self.activation, is_log_loss)
        rng = np.random.default_rng(private_random_state(self.random_state).randint(2**31))
        source = rows.source(columns, ("Y", "c"))
        batch_rows = BATCH_ROWS if self.batch_size == "auto" else self.batch_size
        quiet = np.errstate(over="ignore", invalid="ignore", under="ignore")
        with one_blas_thread(), quiet:
            units = choose_units(source, n_outputs, is_log_loss)
            size = units.size**2
            total = rows.total_weight
            posterior = posterior_of(
                network, source, units, rows.dtype, total, self.C, batch_rows, rng
            )
            chains = Chains(posterior, None if noise is None else noise / size, temperature, rng)
            starts = np.stack([network.glorot(rng, np.float64) for _ in range(self.n_chains)])
            chains.start(starts, self.preconditioner, step_size)

            def attributes(state):
                count, *here = state
                draws = chains.draws[:count] or [here]
                sizes = np.array(chains.step_sizes[:count] or [1.0])
                samples = self._in_users_units(network, units, draws, rows.dtype)
                if not is_log_loss:
                    variances = [part[1][:, 0] for part in draws]
                    samples["noise_variance"] = size * np.stack(variances, axis=1)
                shared = {"samples_": samples, "draw_weights_": sizes / sizes.sum()}
                return {**shared, "_hidden_activation": self.activation, **fitted}

            burn_in = int(self.burn_in * self.max_iter)
            kept, history = run(
                self,
                chains.steps(self.max_iter, burn_in, self.thin, self.decay),
                attributes,
                rows=rows,
                max_iter=self.max_iter,
            )
            for name, value in attributes(kept.parameters).items():
                setattr(self, name, value)
            certificate = self._diagnose(rows.X)
        finish(self, {}, history, certificate)
        if certificate.relative > LARGEST_R_HAT - 1.0:
            advice = (
                f"it should be below {LARGEST_R_HAT - 1.0:.1g}. Set max_iter to more than "
                f"{2 * self.max_iter}, or another C, preconditioner or step_size."
            )
            warn_of_the_end(self, certificate, self.n_iter_, advice)

    @staticmethod
    def _in_users_units(network, units, draws, dtype):
        """Layers of all draws, by name: arrays of shape (n_chains, n_draws, ...)."""
        names = [(f"coefs_{n}", f"intercepts_{n}") for n in range(len(network.shapes))]
        samples = {}
        for number, (theta, _) in enumerate(draws):
            for chain, row in enumerate(theta.astype(dtype)):
                for pair in zip(names, zip(*units.to_user(network, row), strict=True), strict=True):
                    for name, array in zip(*pair, strict=True):
                        if name not in samples:
                            shape = len(theta), len(draws), *array.shape
                            samples[name] = np.empty(shape, array.dtype)
                        samples[name][chain, number] = array
        return samples

    def _diagnose(self, X):
        """R-hat and effective sample sizes of what is predicted, and the certificate."""
        probes = X[np.unique(np.linspace(0, len(X) - 1, PROBES).astype(int))]
        n_chains, n_draws = self.samples_["coefs_0"].shape[:2]
        draws = np.stack([self._predicted(F) for _, F in self._scores(probes)])
        draws = draws.reshape(n_draws, n_chains, *draws.shape[1:]).swapaxes(0, 1)
        if n_draws < LEAST_DRAWS:
            self.r_hat_ = np.full(draws.shape[2:], np.inf)
            self.effective_sample_size_ = np.ones(draws.shape[2:])
        else:
            self.r_hat_ = r_hat(draws)
            self.effective_sample_size_ = effective_sample_size(draws)
        excess = max(float(self.r_hat_.max()) - 1.0, 0.0)
        return Certificate("R-hat excess", excess, None, "estimate", excess)

    def _predicted(self, F):
        """What a draw with the scores F predicts."""
        return F

    def _scores(self, X):
        """Pairs of a weight and the net's output for rows of X, of each draw."""
        names = [name for name in self.samples_ if name.startswith("coefs_")]
        n_chains, n_draws = self.samples_[names[0]].shape[:2]
        for draw in range(n_draws):
            for chain in range(n_chains):
                coefs = [self.samples_[name][chain, draw] for name in names]
                biases = [
                    self.samples_[name.replace("coefs", "intercepts")][chain, draw]
                    for name in names
                ]
                weight = self.draw_weights_[draw] / n_chains
                yield weight, scores_of(X, coefs, biases, self._hidden_activation)
