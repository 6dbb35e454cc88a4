"""ADMM, Algorithm 1: nets of sigmoids.

Minimise sum c_i l(V_L) + alpha/2 |W|^2 so that V_l = sigma(H_l W_l), V_L = H_L W_L, by the
augmented Lagrangian

    sum_i c_i [ l(V_L) + sum_l <Lambda_l, N_l - V_l> + beta_l/2 |N_l - V_l|^2 ] + penalty,

N_l the layer's output. A sweep is Algorithm 1: W from the last layer to the first, V from the first
to the last, then the multipliers. Blocks of linear layers are minimised exactly. sigma(u) + b,
squared and halved, is majorized in u by a parabola of curvature

    1/16 + max|sigma''| max(|b|, |1 + b|),

since sigma' <= 1/4 and sigma + b lies between b and 1 + b: one step on it for W (the largest
curvature of all entries) and for V (the largest of each row) lowers the Lagrangian.
"""

import numpy as np

from sklearn_optland._net.entrywise_fast import KINDS, activate, times_slope
from sklearn_optland.neural_network._deep.kkt import lines_of
from sklearn_optland.neural_network._deep.sweeps import (
    Sweeps,
    SweepStatistic,
    solve_psd,
    with_ones,
)

STEEPEST = 1 / (6 * np.sqrt(3))  # max |sigma''| of the sigmoid


class Admm(Sweeps):
    """Sweeps of Algorithm 1."""

    activations, default_rho = ("logistic",), 0.1

    def _begin(self):
        self.V = self.passes.activations(self.theta)
        self.multipliers = self._zeros(self.network.sizes[1:])
        self._visit(LayerSums(self.passes, self.beta))

    def _visit(self, statistic):
        """Sum what the sweep of W and the KKT lines need; return the Lagrangian of the rows."""
        lagrangian, totals = self._reduce(statistic, self.V, self.multipliers)
        self.totals = statistic.split(totals)
        return lagrangian

    def _sweep(self):
        self._update_weights()
        spectra = [np.linalg.eigh(W[:-1] @ W[:-1].T) for W in self.W]
        lagrangian = self._visit(RowSweep(self.passes, self.beta, spectra))
        _, _, slopes, lines, constraint, _ = self.totals
        squares, penalty = [], 0.0
        for W, slope, strength in zip(self.W, slopes, self.penalties, strict=True):
            squares.append(np.sum((slope + strength[:, None] * W) ** 2))
            penalty += 0.5 * float(np.sum(strength[:, None] * W**2))
        step = self._step(lines_of(squares, lines, constraint))
        step.curves["lagrangian"] = self.objective.unit * (lagrangian + penalty)
        return step

    def _update_weights(self):
        """W from the last layer to the first."""
        grams, pulls, *_, widest = self.totals
        last = len(self.W) - 1
        for level in range(last, -1, -1):
            W, penalty, beta = self.W[level], self.penalties[level], self.beta[level]
            curvature = 1.0 if level == last else 1 / 16 + STEEPEST * widest[level]
            hessian = beta * curvature * grams[level] + np.diag(penalty)
            W -= solve_psd(hessian, beta * pulls[level] + penalty[:, None] * W)


class LayerSums(SweepStatistic):
    """Grams and pulls of each layer, the KKT lines, the largest |sigma + b|; the Lagrangian."""

    def __init__(self, passes, beta):
        super().__init__(passes, beta)
        shapes, n = passes.network.shapes, self.n_layers
        self.shape = [*passes.network.gram_shapes(range(n)), *shapes, *shapes, n, n, n]

    def split(self, totals):
        """Grams, pulls and slopes by layer, lines of V, constraints, largest |sigma + b|."""
        n = self.n_layers
        return totals[:n], totals[n : 2 * n], totals[2 * n : 3 * n], *totals[3 * n :]

    def merge(self, total, part):
        super().merge(total[:-1], part[:-1])
        np.maximum(total[-1], part[-1], out=total[-1])

    def add(self, block, parameters, total):
        W, lagrangian = parameters[0], 0.0
        for loss, X, V, multipliers in self.parts(block, parameters):
            lagrangian += self.add_rows(W, loss, X, V, multipliers, total)
        return lagrangian

    def add_rows(self, W, loss, X, V, multipliers, total):
        """Add some rows; return their part of the Lagrangian."""
        grams, pulls, slopes, lines, constraint, widest = self.split(total)
        c, couplings, terms = loss.weights, [], 0.0
        for level, (below, above) in enumerate(zip([X, *V], V, strict=False)):
            H, Lambda, beta = with_ones(below), multipliers[level], self.beta[level]
            N, times = self.output(W, below, level)
            gap, shift = N - above, Lambda / beta
            weighted, pull = (c * H).T, times(Lambda)
            grams[level] += weighted @ H
            pulls[level] += weighted @ times(gap + shift)
            slopes[level] += weighted @ pull
            couplings.append(pull @ W[level][:-1].T)
            largest = _largest_output(shift - above).max()
            widest[level] = np.maximum(widest[level], largest)
            constraint[level] += np.sum(c * gap**2)
            terms += np.sum(c * (Lambda * gap + 0.5 * beta * gap**2))
        value, slope = loss.slope(V[-1])
        for level in range(self.n_layers - 1):
            lines[level] += np.sum(c * (couplings[level + 1] - multipliers[level]) ** 2)
        lines[-1] += np.sum(c * (slope - multipliers[-1]) ** 2)
        return value + float(terms)

    def output(self, W, V_below, level):
        """N_l, and sigma' as a function of D: D * sigma'."""
        is_hidden = level < self.n_layers - 1
        Z = np.ascontiguousarray(V_below @ W[level][:-1])
        activate(Z, W[level][-1], KINDS["logistic" if is_hidden else "identity"])

        def times(D):
            D = np.ascontiguousarray(D).copy()
            if is_hidden:
                times_slope(D, Z, KINDS["logistic"])
            return D

        return Z, times


class RowSweep(LayerSums):
    """Move V from the first layer to the last, then the multipliers; then sum.

    Parameters
    ----------
    passes, beta
        As `SweepStatistic` takes them.
    spectra : list of (ndarray, ndarray)
        Eigenvalues and eigenvectors of each layer's W W', without the bias.
    """

    writes = (2, 3)

    def __init__(self, passes, beta, spectra):
        super().__init__(passes, beta)
        self.spectra = spectra

    def add_rows(self, W, loss, X, V, multipliers, total):
        """Move some rows, then add them."""
        last, inputs, outputs = self.n_layers - 1, [X, *V[:-1]], []
        for level in range(last):
            outputs.append(self.output(W, inputs[level], level)[0])
            self._move(W, V, multipliers, level, outputs[level])
        outputs.append(self.output(W, inputs[last], last)[0])
        beta = self.beta[last]
        V[last][:] = loss.prox(V[last], outputs[last] + multipliers[last] / beta, beta)
        for level, Lambda in enumerate(multipliers):
            Lambda += self.beta[level] * (outputs[level] - V[level])
        return super().add_rows(W, loss, X, V, multipliers, total)

    def _move(self, W, V, multipliers, level, N):
        """V_l, which is in its own layer's constraint, and in that of the next layer."""
        beta, beta_next = self.beta[level : level + 2]
        ahead, times = self.output(W, V[level], level + 1)
        b = multipliers[level + 1] / beta_next - V[level + 1]
        rhs = beta * (N - V[level]) + multipliers[level]
        rhs -= beta_next * (times(ahead + b) @ W[level + 1][:-1].T)
        curvature = np.ones((len(b), 1), dtype=b.dtype)
        if level + 1 < self.n_layers - 1:
            bound = _largest_output(b).max(axis=1, keepdims=True)
            curvature = (1 / 16 + STEEPEST * bound).astype(b.dtype)
        eigenvalues, Q = self.spectra[level + 1]
        scale = beta + beta_next * curvature * np.maximum(eigenvalues, 0)
        V[level] += ((rhs @ Q) / scale) @ Q.T


def _largest_output(b):
    """The largest |sigma + b|, wherever the sigmoid goes."""
    return np.maximum(np.abs(b), np.abs(1 + b))
