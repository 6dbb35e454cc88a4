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

    activation, default_rho = "relu", 1.0

    def _begin(self):
        sizes = self.network.sizes
        *self.a, _ = self.passes.activations(self.theta)
        self.z, self.multiplier = self._zeros(sizes[1:]), self._zeros(sizes[-1:])
        self._move(FirstProducts(self.passes, self.beta))

    def _move(self, statistic):
        return self._reduce(statistic, self.a, self.z, self.multiplier)

    def _normal_equations(self, level):
        """H'CH and H'Cz of a layer."""
        return self._move(NormalEquations(self.passes, self.beta, level))[1]

    def _end_of_sweep(self):
        """The net, and the eight lines of the penalised Lagrangian."""
        *slopes, lines, constraint = self._move(SplitLines(self.passes, self.beta, self.gamma))[1]
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
        for level, W in enumerate(self.W):
            gram, moment = self._normal_equations(level)
            gram.flat[:: len(gram) + 1] += self.penalties[level] / self.beta[level]
            W[:] = np.linalg.pinv(gram, hermitian=True) @ moment
            if level < len(self.W) - 1:
                self._move(HiddenRows(self.passes, self.beta, self.gamma, level))
        self._move(TaylorOutputs(self.passes, self.beta, self.n_sweeps >= WARM_UP))
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
        self._move(ProximalOutputs(self.passes, self.beta))
        for level in range(len(self.W) - 1, -1, -1):
            if level < len(self.W) - 1:
                self._move(HiddenRows(self.passes, self.beta, self.gamma, level, is_proximal=True))
            W, beta = self.W[level], self.beta[level]
            gram, moment = self._normal_equations(level)
            proximal = beta / self.total_weight
            hessian = beta * gram
            hessian.flat[:: len(gram) + 1] += self.penalties[level] + proximal
            W[:] = solve_psd(hessian, beta * moment + proximal * W)
        return self._end_of_sweep()


class FirstProducts(SweepStatistic):
    """z, the products of the activations."""

    def add(self, block, parameters, total):
        for _, X, a, z, _ in self.parts(block, parameters):
            for W, below, out in zip(parameters[0], [X, *a], z, strict=True):
                out[:] = product(below, W)


class NormalEquations(SweepStatistic):
    """H'CH and H'Cz of a layer."""

    def __init__(self, passes, beta, level):
        super().__init__(passes, beta)
        self.level = level

    def zero(self, parameters):
        n_in, n_out = self.forward.network.shapes[self.level]
        dtype = self.forward.dtype
        return [np.zeros((n_in, n_in), dtype=dtype), np.zeros((n_in, n_out), dtype=dtype)]

    def add(self, block, parameters, total):
        gram, moment = total
        for output, X, a, z, _ in self.parts(block, parameters):
            H = with_ones([X, *a][self.level])
            weighted = (output.weights * H).T
            gram += weighted @ H
            moment += weighted @ z[self.level]


class HiddenRows(SweepStatistic):
    """a of a hidden layer, from its own z and the next product; then its z.

    Parameters
    ----------
    passes, beta
        As `SweepStatistic` takes them.
    gamma : ndarray of shape (n_layers,)
    level : int
    is_proximal : bool, default=False
        Whether z has a proximal term, of weight beta.
    """

    def __init__(self, passes, beta, gamma, level, is_proximal=False):
        super().__init__(passes, beta)
        self.gamma, self.level, self.is_proximal = gamma, level, is_proximal

    def add(self, block, parameters, total):
        level, W = self.level, parameters[0]
        for _, X, a, z, _ in self.parts(block, parameters):
            a[level][:] = self._activation(W[level + 1], z[level], z[level + 1])
            z[level][:] = self._product(product([X, *a][level], W[level]), z[level], a[level])

    def _activation(self, W, z, ahead):
        beta, gamma = self.beta[self.level + 1], self.gamma[self.level]
        hessian = beta * (W[:-1] @ W[:-1].T)
        hessian.flat[:: len(hessian) + 1] += gamma
        rhs = beta * ((ahead - W[-1]) @ W[:-1].T) + gamma * np.maximum(z, 0)
        return solve_psd(hessian, rhs.T).T

    def _product(self, B, old, a):
        """Entry by entry, the better of the two sides of the ReLU."""
        beta, gamma = self.beta[self.level], self.gamma[self.level]
        if self.is_proximal:
            B, beta = (beta * B + beta * old) / (beta + beta), beta + beta
        above = np.maximum((beta * B + gamma * a) / (beta + gamma), 0)
        below = np.minimum(B, 0)
        cost_above = gamma * (a - above) ** 2 + beta * (above - B) ** 2
        cost_below = gamma * a**2 + beta * (below - B) ** 2
        return np.where(cost_above <= cost_below, above, below)


class TaylorOutputs(SweepStatistic):
    """z of the last layer, and its multiplier."""

    def __init__(self, passes, beta, moves_multiplier):
        super().__init__(passes, beta)
        self.moves_multiplier = moves_multiplier

    def add(self, block, parameters, total):
        W, beta = parameters[0][-1], self.beta[-1]
        for loss, X, a, z, (multiplier,) in self.parts(block, parameters):
            B = product([X, *a][-1], W)
            z[-1][:] = loss.prox(z[-1], B - multiplier / beta, beta)
            if self.moves_multiplier:
                multiplier += beta * (z[-1] - B)


class ProximalOutputs(SweepStatistic):
    """z of the last layer: the penalty and the proximal term are one of their sum's weight."""

    def add(self, block, parameters, total):
        W, beta = parameters[0][-1], self.beta[-1]
        for loss, X, a, z, _ in self.parts(block, parameters):
            B = product([X, *a][-1], W)
            z[-1][:] = loss.prox(z[-1], 0.5 * (B + z[-1]), 2 * beta)


class SplitLines(SweepStatistic):
    """What the eight lines need: pulls on W, lines of V and constraints by layer."""

    def __init__(self, passes, beta, gamma):
        super().__init__(passes, beta)
        self.gamma = gamma

    def zero(self, parameters):
        shapes, dtype = self.forward.network.shapes, self.forward.dtype
        sums = [np.zeros(len(shapes), dtype=dtype) for _ in range(2)]
        return [*(np.zeros(shape, dtype=dtype) for shape in shapes), *sums]

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
