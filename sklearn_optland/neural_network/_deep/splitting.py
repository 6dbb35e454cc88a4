"""Nets of ReLUs whose products z_l = H_l W_l and activations a_l = relu(z_l) are split.

Both have quadratic penalties, beta_l |H_l W_l - z_l|^2 / 2 and gamma_l |a_l - relu(z_l)|^2 / 2.

Taylor   From the first layer to the last. A multiplier for z_L = H_L W_L only, which is seen by the
         update of z_L and by no other (Taylor et al. 2016).

BCD      Block coordinate descent without multipliers; proximal terms for W and z; from the output
         back to the input (Zeng et al. 2019).
"""

import numpy as np

from sklearn_optland.neural_network._deep.kkt import lines_of
from sklearn_optland.neural_network._deep.sweeps import (
    Sweeps,
    SweepStatistic,
    product,
    solve_psd,
    with_ones,
)

# Taylor et al.: gamma is 10 beta, and the multiplier waits for the first sweeps.
GAMMA = 10.0
WARM_UP = 10


class Split(Sweeps):
    """z, a and W; what rows have is a of the hidden layers, z, and a multiplier of z_L."""

    activations, default_rho = ("relu",), 1.0

    def _begin(self):
        sizes = self.network.sizes
        *self.a, _ = self.passes.activations(self.theta)
        self.z, self.multiplier = self._zeros(sizes[1:]), self._zeros(sizes[-1:])
        self._move(FirstProducts(self.passes, self.beta))

    def _move(self, statistic):
        return self._reduce(statistic, self.a, self.z, self.multiplier)[1]

    def _end_of_sweep(self):
        """The net, and the eight lines of the penalised Lagrangian."""
        *slopes, lines, constraint = self._move(SplitLines(self.passes, self.beta, self.gamma))
        squares = [
            np.sum((slope + penalty[:, None] * W) ** 2)
            for slope, penalty, W in zip(slopes, self.penalties, self.W, strict=True)
        ]
        return self._step(lines_of(squares, lines, constraint))


class Taylor(Split):
    """Sweeps of Taylor et al., from the first layer to the last."""

    def __init__(self, objective, theta, rho):
        super().__init__(objective, theta, rho)
        self.gamma, self.n_sweeps = (GAMMA * rho).astype(objective.dtype), 0

    def _sweep(self):
        settings = self.passes, self.beta, self.gamma, self.n_sweeps >= WARM_UP
        for level, W in enumerate(self.W):
            # Rows of a layer move when its weights have, and the next layer's weights see them.
            moved = level - 1 if level else None
            gram, moment = self._move(TaylorSweep(*settings, moved=moved, summed=level))
            gram.flat[:: len(gram) + 1] += self.penalties[level] / self.beta[level]
            W[:] = np.linalg.pinv(gram, hermitian=True) @ moment
        self._move(TaylorSweep(*settings, moved=level))
        self.n_sweeps += 1
        return self._end_of_sweep()


class BlockCoordinateDescent(Split):
    """Sweeps of block coordinate descent, from the last layer to the first.

    Parameters
    ----------
    objective, theta, rho
        As `Sweeps` takes them; gamma = beta = the weight of the proximal terms = rho.
    total_weight : float
        Sum of the sample weights. The block of W has a term for each unit of them, so that the
        weight of its proximal term is rho / total_weight.
    """

    def __init__(self, objective, theta, rho, total_weight):
        super().__init__(objective, theta, rho)
        self.gamma, self.total_weight = self.beta, total_weight

    def _sweep(self):
        settings = self.passes, self.beta, self.gamma
        for level in range(len(self.W) - 1, -1, -1):
            W, beta = self.W[level], self.beta[level]
            gram, moment = self._move(ProximalSweep(*settings, moved=level, summed=level))
            proximal = beta / self.total_weight
            hessian = beta * gram
            hessian.flat[:: len(gram) + 1] += self.penalties[level] + proximal
            W[:] = solve_psd(hessian, beta * moment + proximal * W)
        return self._end_of_sweep()


class FirstProducts(SweepStatistic):
    """z, the products of the activations."""

    writes = (3,)

    def add(self, block, parameters, total):
        for _, X, a, z, _ in self.parts(block, parameters):
            for W, below, out in zip(parameters[0], [X, *a], z, strict=True):
                out[:] = product(below, W)


class LayerSweep(SweepStatistic):
    """Move what rows have of one layer, then sum the normal equations of one: H'CH and H'Cz.

    Parameters
    ----------
    passes, beta
        As `SweepStatistic` takes them.
    gamma : ndarray of shape (n_layers,)
    moved : int or None
        The layer whose z moves, and before that, of a hidden layer, a.
    summed : int, default=None
        The layer of the normal equations.
    """

    writes = (2, 3, 4)

    def __init__(self, passes, beta, gamma, *, moved, summed=None):
        super().__init__(passes, beta)
        self.gamma, self.moved, self.summed = gamma, moved, summed
        if summed is not None:
            n_in, n_out = passes.network.shapes[summed]
            self.shape = [(n_in, n_in), (n_in, n_out)]

    def add(self, block, parameters, total):
        W, moved, summed = parameters[0], self.moved, self.summed
        for loss, X, a, z, (multiplier,) in self.parts(block, parameters):
            inputs = [X, *a]
            if moved is not None:
                B = product(inputs[moved], W[moved])
                if moved < self.n_layers - 1:
                    a[moved][:] = self.activations(W[moved + 1], z[moved], z[moved + 1])
                    z[moved][:] = self.products(B, z[moved], a[moved])
                else:
                    z[moved][:] = self.outputs(loss, B, z[moved], multiplier)
            if summed is not None:
                gram, moment = total
                H = with_ones(inputs[summed])
                weighted = (loss.weights * H).T
                gram += weighted @ H
                moment += weighted @ z[summed]

    def activations(self, W, z, ahead):
        """a of a hidden layer, from its own z and the next product."""
        beta, gamma = self.beta[self.moved + 1], self.gamma[self.moved]
        hessian = beta * (W[:-1] @ W[:-1].T)
        hessian.flat[:: len(hessian) + 1] += gamma
        rhs = beta * ((ahead - W[-1]) @ W[:-1].T) + gamma * np.maximum(z, 0)
        return solve_psd(hessian, rhs.T).T

    def side(self, B, a, beta):
        """z of a hidden layer: entry by entry, the better of the two sides of the ReLU."""
        gamma = self.gamma[self.moved]
        above = np.maximum((beta * B + gamma * a) / (beta + gamma), 0)
        below = np.minimum(B, 0)
        cost_above = gamma * (a - above) ** 2 + beta * (above - B) ** 2
        cost_below = gamma * a**2 + beta * (below - B) ** 2
        return np.where(cost_above <= cost_below, above, below)


class TaylorSweep(LayerSweep):
    """Rows of Taylor et al.; the multiplier moves after the outputs, or not yet."""

    def __init__(self, passes, beta, gamma, moves_multiplier, **layers):
        super().__init__(passes, beta, gamma, **layers)
        self.moves_multiplier = moves_multiplier

    def products(self, B, old, a):
        """z of a hidden layer."""
        return self.side(B, a, self.beta[self.moved])

    def outputs(self, loss, B, old, multiplier):
        """z of the last layer."""
        beta = self.beta[self.moved]
        z = loss.prox(old, B - multiplier / beta, beta)
        if self.moves_multiplier:
            multiplier += beta * (z - B)
        return z


class ProximalSweep(LayerSweep):
    """Rows of block coordinate descent: z has proximal terms, of weight beta."""

    def products(self, B, old, a):
        """z of a hidden layer."""
        beta = self.beta[self.moved]
        return self.side((beta * B + beta * old) / (beta + beta), a, beta + beta)

    def outputs(self, loss, B, old, multiplier):
        """z of the last layer; the penalty and the proximal term are one of their sum's weight."""
        return loss.prox(old, 0.5 * (B + old), 2 * self.beta[self.moved])


class SplitLines(SweepStatistic):
    """What the eight lines need: pulls on W, lines of V and constraints by layer."""

    def __init__(self, passes, beta, gamma):
        super().__init__(passes, beta)
        self.gamma, self.shape = gamma, [*passes.network.shapes, self.n_layers, self.n_layers]

    def add(self, block, parameters, total):
        W, n_layers = parameters[0], self.n_layers
        *slopes, lines, constraint = total
        for output, X, a, z, (multiplier,) in self.parts(block, parameters):
            c, inputs = output.weights, [X, *a]
            gaps = [product(inputs[level], W[level]) - z[level] for level in range(n_layers)]
            pulls = [beta * gap for beta, gap in zip(self.beta, gaps, strict=True)]
            pulls[-1] = pulls[-1] - multiplier
            for level in range(n_layers - 1):
                kink = a[level] - np.maximum(z[level], 0)
                pull = pulls[level + 1] @ W[level + 1][:-1].T
                lines[level] += np.sum(c * (self.gamma[level] * kink + pull) ** 2)
                constraint[level] += np.sum(c * gaps[level] ** 2) + np.sum(c * kink**2)
            lines[-1] += np.sum(c * (output.slope(z[-1])[1] - pulls[-1]) ** 2)
            constraint[-1] += np.sum(c * gaps[-1] ** 2)
            for slope, below, pull in zip(slopes, inputs, pulls, strict=True):
                slope += (c * with_ones(below)).T @ pull
