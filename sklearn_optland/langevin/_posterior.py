"""The posterior of a net's parameters: potentials of several chains, their gradients, the mode.

With the weights' total S, the noise variance v (1 for classes) and the prior variances p, minus the
logarithm of the posterior density is S / v times

    F(theta) = sum_i c_i l(y_i, f(x_i)) + v / (2 S) sum_j theta_j^2 / p_j,    c_i = s_i / S.

Minibatches replace the first sum. Of linear models it is then taken relative to the mode, whose
residuals r* and gradient g* are known, as n / b sum_i x_i (r_i - r*_i) + g*: exact at the mode, and
with little noise near it (Baker et al. 2019).
"""

from itertools import islice

import numpy as np
from sklearn.utils.extmath import row_norms

from sklearn_optland._net.forward import residuals
from sklearn_optland._net.passes import Passes
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._rows.source import ArraySource

# Steps of the descent to the mode, of nets only towards one, which is no typical draw; and pairs
# that its L-BFGS remembers.
DESCENT, NET_DESCENT, PAIRS = 300, 100, 20
# Where its latest steps bring less than this share of F, it ends.
FLAT = 1e-10
# Prior variance of the output's biases: they are nearly free, and still have a posterior.
BIAS_VARIANCE = 100.0
# A prior of columns in their own units is no flatter than this, which is flat in float64.
LEAST_PRECISION = 1e-30
# Products of the Hessian that share a pass; of power iterations, and of probes of its diagonal.
DIRECTIONS, POWERS, PROBES = 64, 6, 8


class Posterior:
    """Potentials of a net for several chains, on one minibatch after another.

    Parameters
    ----------
    network : Network
    source : ArraySource
        With the columns Y and c.
    units : Units
    dtype : dtype
        Of the rows.
    total : float
        Sum of the rows' weights.
    variance : float
        Of the prior of the weights.
    batch_rows : int
        Rows of a minibatch.
    rng : Generator
        Orders the rows anew for each pass.
    """

    def __init__(self, network, source, units, dtype, total, variance, batch_rows, rng):
        self.network, self.units, self.dtype = network, units, dtype
        self.batch_rows, self.rng, self.total = min(batch_rows, source.n_rows), rng, total
        self.passes = Passes(network, source, units, dtype)
        self.precisions = self._precisions(units, variance)
        self.penalty = self.precisions / total
        self._whole, self._first, self.n_rows = source, 0, source.n_rows
        self.is_whole = self.batch_rows == source.n_rows

    def _precisions(self, units, variance):
        """Of the prior, in the units of the passes; the targets' spread has the size 1."""
        precisions = np.full(self.network.n_parameters, 1.0 / variance)
        layers = self.network.layers(precisions)
        if units.shift is not None:
            layers[0][:-1] /= units.scale[:, None] ** 2
            np.maximum(layers[0], LEAST_PRECISION, out=layers[0])
        layers[-1][-1] = 1.0 / BIAS_VARIANCE
        return precisions

    # On all rows, for one chain

    def value_and_gradient(self, theta, noise):
        """F and its gradient."""
        loss, gradient = self.passes.gradient_and_squares(theta.astype(self.dtype))[:2]
        pull = noise * self.penalty * theta
        return loss + 0.5 * float(pull @ theta), gradient + pull

    def loss(self, theta):
        """The mean loss without the prior."""
        return self.passes.value(theta.astype(self.dtype))

    def mode(self, theta, noise):
        """Where a descent ends."""
        values = []
        steps = minimize(lambda theta: self.value_and_gradient(theta, noise), theta, Memory(PAIRS))
        n_steps = DESCENT if len(self.network.shapes) == 1 else NET_DESCENT
        for step in islice(steps, n_steps):
            values.append(step.loss)
            is_flat = len(values) > PAIRS and values[-PAIRS] - step.loss <= FLAT * abs(step.loss)
            if step.done or is_flat:
                break
        return step.parameters

    def hessian_products(self, theta, directions, noise):
        """Products of F's Hessian with rows of directions."""
        theta, products = theta.astype(self.dtype), np.empty_like(directions)
        for first in range(0, len(directions), DIRECTIONS):
            some = slice(first, first + DIRECTIONS)
            products[some] = self.passes.hessian_products(
                theta, directions[some].astype(self.dtype)
            )
        return products + noise * self.penalty * directions

    def hessian(self, theta, noise):
        """F's Hessian."""
        H = self.hessian_products(theta, np.eye(theta.size), noise)
        return 0.5 * (H + H.T)

    def hessian_diagonal(self, theta, noise):
        """An estimate of its diagonal by random signs, not below the prior's part."""
        signs = self.rng.choice([-1.0, 1.0], (PROBES, theta.size))
        diagonal = np.mean(signs * self.hessian_products(theta, signs, noise), axis=0)
        return np.maximum(np.abs(diagonal), noise * self.penalty)

    def largest_curvature(self, theta, noise, root, directions):
        """The largest eigenvalue of the chains' Hessians in a metric, by power iterations.

        Parameters
        ----------
        theta : ndarray of shape (n_chains, n_parameters)
        noise : ndarray of shape (n_chains, 1)
        root : callable
            Applies the metric's root to an array of the shape of theta.
        directions : ndarray of the shape of theta
            Where to start.

        Returns
        -------
        curvature : float
        directions : ndarray of the shape of theta
            Where to go on another time.
        """
        for _ in range(POWERS):
            directions = directions / np.maximum(row_norms(directions)[:, None], 1e-300)
            pulled = root(directions)
            products = [
                self.hessian_products(row, direction[None], v)[0]
                for row, direction, v in zip(theta, pulled, noise[:, 0], strict=True)
            ]
            directions = root(np.stack(products))
        return float(row_norms(directions).max()), directions

    # On minibatches, for all chains

    def gradient(self, theta, noise):
        """F of the chains on the next minibatch, on average, and its gradients.

        Parameters
        ----------
        theta : ndarray of shape (n_chains, n_parameters)
        noise : ndarray of shape (n_chains, 1)
            Noise variances.
        """
        first = self._next_batch()
        last = min(first + self.batch_rows, self._whole.n_rows)
        share = self._whole.n_rows / (last - first)
        loss, gradient = self._batch(theta, first, last, share)
        pull = noise * self.penalty * theta
        return loss + 0.5 * float(np.mean((pull * theta).sum(axis=1))), gradient + pull

    def _next_batch(self):
        if self.is_whole:
            return 0
        if self._first == 0:
            self._reorder(self.rng.permutation(self._whole.n_rows))
        first = self._first
        self._first = first + self.batch_rows
        if self._first >= self._whole.n_rows:
            self._first = 0
        return first

    def _reorder(self, index):
        source = self._whole.take(index)
        self.passes = Passes(self.network, source, self.units, self.dtype)

    def _batch(self, theta, first, last, share):
        parts = [self.passes.gradient_of_rows(row, first, last) for row in theta.astype(self.dtype)]
        losses, gradients = zip(*parts, strict=True)
        return share * float(np.mean(losses)), share * np.stack(gradients).astype(np.float64)


class LinearPosterior(Posterior):
    """The same without hidden layers: all chains share the products with the rows."""

    def center(self, theta, n_chains):
        """Take the mode, and prepare the rows for so many chains."""
        source, n = self._whole, self._whole.n_rows
        Z = self.passes.forward.columns(source.X, slice(0, n))
        (W,) = self.network.layers(theta.astype(self.dtype))
        F = Z @ W[:-1] + W[-1]
        residuals(self.network, F, self.passes.Y, source.c)
        self.at_mode = np.vstack([Z.T @ F, F.sum(axis=0)]).astype(np.float64)
        self.n_chains = n_chains
        self._rows = Z, self.passes.Y, source.c, F
        self._reorder(slice(None))

    def _reorder(self, index):
        self.Z, Y, c, self.F_mode = (np.ascontiguousarray(part[index]) for part in self._rows)
        self.Y, self.c = np.repeat(Y, self.n_chains, axis=0), np.repeat(c, self.n_chains)

    def _batch(self, theta, first, last, share):
        m, (n_in, k) = self.n_chains, self.network.shapes[0]
        W = theta.reshape(m, n_in, k).transpose(1, 0, 2).reshape(n_in, m * k).astype(self.dtype)
        Z = self.Z[first:last]
        F = Z @ W[:-1] + W[-1]
        rows, flat = slice(first * m, last * m), F.reshape(-1, k)
        loss = share / m * residuals(self.network, flat, self.Y[rows], self.c[rows])
        if not self.is_whole:
            F.reshape(-1, m, k)[:] -= self.F_mode[first:last, None]
        D = np.vstack([Z.T @ F, F.sum(axis=0)]).reshape(n_in, m, k).transpose(1, 0, 2)
        gradient = share * D.astype(np.float64)
        if not self.is_whole:
            gradient += self.at_mode
        return loss, gradient.reshape(m, -1)


def posterior_of(network, source, *settings):
    """The posterior that suits the net; rows of a source in memory."""
    kind = Posterior if len(network.shapes) > 1 else LinearPosterior
    return kind(network, ArraySource(np.asarray(source.X), Y=source.Y, c=source.c), *settings)
