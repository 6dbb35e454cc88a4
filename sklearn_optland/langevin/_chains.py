"""Chains that sample a posterior: where they start, in which metric, and with which steps."""

import numpy as np

from sklearn_optland._optim.step import Step
from sklearn_optland.langevin._dynamics import (
    Identity,
    Matrix,
    MeanSquares,
    langevin_step,
    step_size_at,
)

# Parameters of a linear model up to which the Hessian at the mode is the metric.
MOST_WITH_HESSIAN = 1000
# Steps: in that metric, where the curvature is about 1, and as a share of what is stable / 2.
HESSIAN_STEP, STEP = 0.1, 0.5
# Noise variance of standardised targets before there are residuals; shape and scale of its prior,
# an inverse gamma distribution that data soon outweigh.
START_NOISE, PRIOR_SHAPE, PRIOR_SCALE = 0.5, 1.0, 1e-4
# Steps of the burn-in after which the curvature is measured again: it is less far from the mode.
FIT_EVERY = 100
# Standard deviations of the prior which no parameter moves from the start unless it diverges.
FARTHEST = 1000.0
# Residuals that this rounds away are none.
LEAST_NOISE = 1e-12


class Chains:
    """Langevin dynamics of several chains on a posterior.

    Parameters
    ----------
    posterior : Posterior
    noise : float or None
        The noise variance; None draws it with the parameters.
    temperature : float
    rng : Generator
    """

    def __init__(self, posterior, noise, temperature, rng):
        self.posterior, self.temperature, self.rng = posterior, temperature, rng
        self.is_drawn = noise is None
        self.first_noise = START_NOISE if self.is_drawn else noise
        self.draws, self.step_sizes = [], []

    def start(self, starts, preconditioner, step_size):
        """Find the modes and the metric; the chains of a linear model share both."""
        posterior, m = self.posterior, len(starts)
        is_linear = len(posterior.network.shapes) == 1
        modes = [posterior.mode(row, self.first_noise) for row in starts[: 1 if is_linear else m]]
        self.noise = np.full((m, 1), self.first_noise)
        self.theta = np.broadcast_to(np.stack(modes), (m, modes[0].size)).copy()
        if self.is_drawn:
            losses = np.array([posterior.loss(mode) for mode in modes])
            n_outputs = posterior.network.sizes[-1]
            self.noise[:, 0] = np.maximum(2.0 * losses / n_outputs, LEAST_NOISE)
        if is_linear:
            posterior.center(modes[0], m)
        if preconditioner == "auto":
            fits = is_linear and modes[0].size <= MOST_WITH_HESSIAN
            preconditioner = "hessian" if fits else "rmsprop"
        self.is_fitted, self.by_hessian = False, preconditioner == "hessian"
        if self.by_hessian:
            self._by_hessian(modes, step_size)
        else:
            self._by_curvature(modes, preconditioner, step_size)
        self.origin = self.theta.copy()

    def _by_hessian(self, modes, step_size):
        """The metric is the mean Hessian, and chains start from the normal law of that."""
        noise = float(self.noise.mean())
        hessians = [self.posterior.hessian(mode, noise) for mode in modes]
        self.metric = Matrix(np.mean(hessians, axis=0))
        self.step_size = HESSIAN_STEP if step_size is None else step_size
        spread = self.metric.root(self.rng.standard_normal(self.theta.shape))
        self.theta += spread / np.sqrt(self.betas)

    def _by_curvature(self, modes, preconditioner, step_size):
        """The identity or pSGLD's metric, and steps as long as the largest curvature allows."""
        diagonals = np.broadcast_to(
            np.stack(
                [
                    self.posterior.hessian_diagonal(mode, noise)
                    for mode, noise in zip(modes, self.noise[:, 0], strict=False)
                ]
            ),
            self.theta.shape,
        )
        # Squared gradients are on average those of their law, the Hessian over beta.
        is_adaptive = preconditioner == "rmsprop"
        self.metric = MeanSquares(diagonals / self.betas) if is_adaptive else Identity()
        spread = self.rng.standard_normal(self.theta.shape)
        self.theta += spread / np.sqrt(self.betas * diagonals)
        self.step_size = STEP if step_size is None else step_size
        self.is_fitted = step_size is None
        self.directions = self.rng.standard_normal(self.theta.shape)
        self._fit_step()

    def _fit_step(self):
        """Steps as long as the largest curvature allows, where the chains are."""
        if self.is_fitted:
            curvature, self.directions = self.posterior.largest_curvature(
                self.theta, self.noise, self.metric.root, self.directions
            )
            if np.isfinite(curvature):
                self.step_size = STEP / max(curvature, 1e-300)

    @property
    def betas(self):
        """Inverse temperatures of F, of shape (n_chains, 1)."""
        return self.posterior.total / (self.noise * self.temperature)

    def steps(self, n_steps, burn_in, thin, decay):
        """Steps of all chains; what is kept goes to `draws`.

        After a divergence the burn-in begins again, with its share of the steps that are left.
        """
        share, kept_from = self.posterior.batch_rows / self.posterior.n_rows, burn_in
        for number in range(n_steps):
            value, gradient = self.posterior.gradient(self.theta, self.noise)
            size = step_size_at(number, self.step_size, decay)
            # With the Hessian so much less noise makes a normal posterior's covariance exact.
            share_of_noise = max(1.0 - 0.5 * size, 0.0) if self.by_hessian else 1.0
            beta = self.betas / share_of_noise if share_of_noise else np.inf
            self.theta = langevin_step(self.theta, gradient, size, beta, self.metric, self.rng)
            if self._mend():
                kept_from = number + burn_in * (n_steps - number) // n_steps
            is_thin = (n_steps - 1 - number) % thin == 0
            if is_thin and self.is_drawn:
                self._draw_noise()
            if is_thin and number >= kept_from:
                self.draws.append((self.theta, self.noise))
                self.step_sizes.append(size)
            if number < burn_in and (number + 1) % FIT_EVERY == 0:
                self._fit_step()
            curves = {"objective": value, "step_size": size, "passes": (number + 1) * share}
            yield Step((len(self.draws), self.theta, self.noise), curves, value)

    def _mend(self):
        """Chains that have diverged start again, all steps are halved, and no draw is kept.

        Returns whether there were any.

        They have where they are farther from the start than the prior lets parameters be. A cold
        chain may go as far, from a start that was no mode.
        """
        farthest = FARTHEST * np.sqrt(max(self.temperature, 1.0) / self.posterior.precisions)
        near = np.abs(self.theta - self.origin) <= farthest  # nor is NaN
        lost = ~near.all(axis=1)
        if lost.any():
            self.theta[lost] = self.origin[lost]
            self.step_size *= 0.5
            self.draws.clear()
            self.step_sizes.clear()
        return lost.any()

    def _draw_noise(self):
        """Noise variances from their law given the residuals."""
        total = self.posterior.total
        squares = 2.0 * total * np.array([self.posterior.loss(row) for row in self.theta])
        shape = PRIOR_SHAPE + 0.5 * total * self.posterior.network.sizes[-1]
        gamma = np.maximum(self.rng.standard_gamma(shape, len(squares)), 1e-300)
        noise = (PRIOR_SCALE + 0.5 * squares) / gamma
        self.noise = np.clip(noise, LEAST_NOISE, 1.0 / LEAST_NOISE)[:, None]
