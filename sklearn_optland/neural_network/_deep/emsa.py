"""EMSA, the extended method of successive approximations, of Pontryagin's maximum principle.

A net is a discrete-time control problem: layers are times, V_l = g_l(V_{l-1}, W_l) the state,
W_l the control (Li, Chen, Tai and E 2017, section 3; Algorithm 2). With the adjoints D_l = dl/dV_l
of each row, the paper's -P_l, a sweep is

    forward    V_l = sigma(H_l W_l), V_L = H_L W_L,     H_l = [V_{l-1}, 1], V_0 = X
    backward   D_L = dl/dV_L,  D_{l-1} = A_l(D_l, W_l),   A_l(D, W) = (D * sigma'(H_l W)) W'
    controls   W_l <- argmin over W of minus the augmented Hamiltonian,
                   sum_i c_i [ <D_l, g_l(V_{l-1}, W)> + rho_l/2 |g_l(V_{l-1}, W) - V_l|^2
                               + rho_l/2 |A_l(D_l, W) - D_{l-1}|^2 ]  +  alpha/2 |W|^2,

all layers from the same states and adjoints, by some steps of L-BFGS, as the paper has it. The
terms of rho hold the new controls to the old states and adjoints. Without them (MSA, Algorithm 1)
the method diverges; with a large enough rho each sweep lowers the objective. The first layer has no
term of the adjoints: it would weigh their change by that of V_0 = X, which is 0 (Lemma 2).

How large rho has to be is not known beforehand. A sweep that raises the objective is taken back,
and done again with twice the rho; after one that lowers it, rho falls by a fifth.
"""

from itertools import islice

import numpy as np

from sklearn_optland._net.entrywise_fast import KINDS, activate, times_slope
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._rows.reduce import reduce
from sklearn_optland.neural_network._deep.kkt import feasible_lines
from sklearn_optland.neural_network._deep.sweeps import Sweeps, SweepStatistic, with_ones

# Steps of L-BFGS for a layer in a sweep, and their pairs.
STEPS = 10
# Of rho: after a sweep that raised the objective, after one that lowered it, and so many of the
# former in a row after which rounding is all that is left.
GROWTH, DECAY, MAX_GROWTHS = 2.0, 0.8, 30


class Emsa(Sweeps):
    """Sweeps of EMSA; the objective falls from one to the next."""

    activations, default_rho = ("logistic", "tanh"), 1.0

    def _begin(self):
        sizes = self.network.sizes[1:]
        self.V, self.D = self._zeros(sizes), self._zeros(sizes)
        self.point = self.objective.at(self.theta)

    def _sweep(self):
        self._reduce(StatesAndAdjoints(self.passes, self.beta), self.V, self.D)
        self.objective.n_passes += 1
        is_lower = False
        for _ in range(MAX_GROWTHS):
            controls = [self._best_control(level) for level in range(len(self.W))]
            new = self.objective.at(np.concatenate(controls))
            is_lower = new.objective < self.point.objective
            self.beta *= self.beta.dtype.type(DECAY if is_lower else GROWTH)
            if is_lower:
                self.point, self.W = new, self.network.layers(new.theta)
                break
        lines = feasible_lines(self.network, self.point.gradient)
        return self.objective.step(self.point, lines, done=not is_lower)

    def _best_control(self, level):
        """Weights of a layer that lower minus the augmented Hamiltonian, as a flat array."""
        shape, penalty = self.W[level].shape, self.penalties[level][:, None]
        statistic, n_passes = Hamiltonian(self.passes, self.beta, level), 0

        def function(control):
            W = control.reshape(shape)
            parameters = W, self.passes.Y, self.V, self.D
            value, gradient = reduce(statistic, self.passes.source, parameters)
            pull = penalty * W
            return value + 0.5 * float(np.vdot(W, pull)), (gradient + pull).ravel()

        control = self.W[level].ravel()
        for step in islice(minimize(function, control, Memory(STEPS)), STEPS):
            control, n_passes = step.parameters, step.curves["passes"]
        self.objective.n_passes += n_passes / len(self.W)
        return control


class StatesAndAdjoints(SweepStatistic):
    """V, the outputs of all layers, and D, the derivatives of a row's loss by them."""

    writes = (2, 3)

    def add(self, block, parameters, total):
        W, last = parameters[0], self.n_layers - 1
        for loss, X, V, D in self.parts(block, parameters):
            below = X
            for level in range(last + 1):
                below = V[level][:] = self.layer(level, below, W[level])
            D[last][:] = loss.slope(V[last])[1]
            for level in range(last, 0, -1):
                D[level - 1][:] = self.times_slope(level, D[level], V[level]) @ W[level][:-1].T

    def kind(self, level):
        """The number of a layer's activation."""
        return KINDS[self.forward.network.activation if level < self.n_layers - 1 else "identity"]

    def layer(self, level, below, W):
        """Outputs of a layer."""
        Z = np.ascontiguousarray(below @ W[:-1])
        activate(Z, W[-1], self.kind(level))
        return Z

    def times_slope(self, level, D, V):
        """D * sigma', V being the layer's outputs."""
        D = np.ascontiguousarray(D).copy()
        times_slope(D, np.ascontiguousarray(V), self.kind(level))
        return D


class Hamiltonian(StatesAndAdjoints):
    """Minus the augmented Hamiltonian of a layer, without its penalty, and its gradient by W."""

    writes = ()

    def __init__(self, passes, beta, level):
        super().__init__(passes, beta)
        self.level, self.shape = level, passes.network.shapes[level]

    def add(self, block, parameters, total):
        W, level, value = parameters[0], self.level, 0.0
        rho = self.beta[level]
        for loss, X, V, D in self.parts(block, parameters):
            c, below = loss.weights, V[level - 1] if level else X
            N = self.layer(level, below, W)
            moved = N - V[level]
            value += np.sum(c * (D[level] * N + 0.5 * rho * moved**2))
            pull = self.times_slope(level, D[level] + rho * moved, N)
            if level:
                slope = self.times_slope(level, D[level], N)
                adjoints_moved = slope @ W[:-1].T - D[level - 1]
                value += 0.5 * rho * np.sum(c * adjoints_moved**2)
                by_slope = rho * (adjoints_moved @ W[:-1])
                pull += by_slope * slope * self.curvature(level, N)
                total[:-1] += rho * ((c * adjoints_moved).T @ slope)
            total += (c * with_ones(below)).T @ pull
        return float(value)

    def curvature(self, level, N):
        """sigma'' / sigma' of a layer with outputs N."""
        if level == self.n_layers - 1:
            return 0.0
        return -2 * N if self.forward.network.activation == "tanh" else 1 - 2 * N
