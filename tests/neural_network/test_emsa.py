"""EMSA: iterates of an independent version, sweeps that lower the objective."""

from itertools import islice

import numpy as np
import pytest
from helpers import fit_quietly
from neural_network.splitting_oracles import forward_objective, loss_and_slope, ones, unflatten
from neural_network.test_deep_splitting import LOSSES

from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import choose_units
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor
from sklearn_optland.neural_network._deep.emsa import DECAY, GROWTH, STEPS, Emsa
from sklearn_optland.neural_network._deep.kkt import Objective

pytestmark = pytest.mark.kernels

SMOOTH = {
    "tanh": (np.tanh, lambda v: 1 - v * v),
    "logistic": (lambda z: 0.5 + 0.5 * np.tanh(z / 2), lambda v: v * (1 - v)),
}
ALPHA = 0.01


class ReferenceEmsa:
    """Algorithm 2 of Li et al. row by row; derivatives of the Hamiltonian by complex steps."""

    def __init__(self, theta, network, X, Y, c, rho):
        self.W, self.rho = unflatten(theta, network.shapes), rho.copy()
        self.X, self.Y, self.c, self.is_log_loss = X, Y, c, network.is_log_loss
        self.activation, self.slope = SMOOTH[network.activation]

    def layer(self, level, V, W):
        Z = ones(V) @ W
        return Z if level == len(self.W) - 1 else self.activation(Z)

    def adjoint(self, level, D, V, W):
        slope = 1.0 if level == len(self.W) - 1 else self.slope(self.layer(level, V, W))
        return (D * slope) @ W[:-1].T

    def objective(self, W):
        kind = self.is_log_loss, self.activation
        return forward_objective(W, self.X, self.Y, self.c, ALPHA, *kind)

    def trace(self):
        self.V = [self.X]
        for level, W in enumerate(self.W):
            self.V.append(self.layer(level, self.V[-1], W))
        self.D = [loss_and_slope(self.V[-1], self.Y, self.is_log_loss)[1]]
        for level in range(len(self.W) - 1, 0, -1):
            self.D.insert(0, self.adjoint(level, self.D[0], self.V[level], self.W[level]))
        self.D.insert(0, None)

    def hamiltonian(self, level, W):
        """Minus the augmented one; D_l and V_l are the l-th entries, after layer l - 1."""
        V, D, rho = self.V[level], self.D[level + 1], self.rho[level]
        N = self.layer(level, V, W)
        rows = (D * N + rho / 2 * (N - self.V[level + 1]) ** 2).sum(axis=1)
        if level:
            rows = rows + rho / 2 * ((self.adjoint(level, D, V, W) - self.D[level]) ** 2).sum(
                axis=1
            )
        return self.c @ rows + ALPHA / 2 * (W[:-1] ** 2).sum()

    def control(self, level):
        shape = self.W[level].shape

        def function(w):
            steps = w + 1e-30j * np.eye(len(w))
            slopes = [self.hamiltonian(level, step.reshape(shape)).imag for step in steps]
            return self.hamiltonian(level, w.reshape(shape)), np.array(slopes) / 1e-30

        *_, last = islice(minimize(function, self.W[level].ravel(), Memory(STEPS)), STEPS)
        return last.parameters.reshape(shape)

    def sweep(self):
        self.trace()
        before = self.objective(self.W)
        while True:
            W = [self.control(level) for level in range(len(self.W))]
            if self.objective(W) < before:
                break
            self.rho *= GROWTH
        self.rho *= DECAY
        self.W = W


def problem(loss, activation, seed):
    is_log_loss, k = LOSSES[loss]
    rng = np.random.RandomState(seed)
    X, c = rng.randn(30, 3), rng.rand(30) + 0.5
    c /= c.sum()
    Y = X @ rng.randn(3, k) + 0.3 * rng.randn(30, k)
    if is_log_loss:
        Y = (Y > 0).astype(float) if k == 1 else np.eye(k)[Y.argmax(axis=1)]
    else:
        Y = (Y - c @ Y) / np.sqrt(np.mean(c @ (Y - c @ Y) ** 2))
    network, source = Network((3, 4, 3, k), activation, is_log_loss), ArraySource(X, Y=Y, c=c)
    passes = Passes(network, source, choose_units(source, k, is_log_loss), X.dtype)
    objective = Objective(
        passes, ALPHA, choose_units(source, k, True).penalty_factors(network, float)
    )
    return objective, network.glorot(rng, np.float64), X, Y, c


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("loss", LOSSES)
def test_iterates_are_those_of_an_independent_version(loss, activation, global_random_seed):
    objective, theta, X, Y, c = problem(loss, activation, global_random_seed)
    objective.passes.forward.block_rows = 7
    rho = np.array([0.05, 0.1, 0.2])
    reference = ReferenceEmsa(theta, objective.network, X, Y, c, rho)
    for step in islice(Emsa(objective, theta, rho), 3):
        reference.sweep()
        flat = np.concatenate([W.ravel() for W in reference.W])
        np.testing.assert_allclose(step.parameters, flat, rtol=1e-6, atol=1e-6)
        assert step.loss == pytest.approx(reference.objective(reference.W), rel=1e-8)


@pytest.mark.parametrize("rho", [1e-3, 1.0])
@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("Net", [ADMMNetClassifier, ADMMNetRegressor])
def test_each_sweep_lowers_the_objective(Net, activation, rho, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(80, 3)
    y = X[:, 0] * X[:, 1] > 0
    net = Net((6, 6), activation, solver="emsa", rho=rho, alpha=1e-3, tol=0, max_iter=15)
    net.set_params(random_state=global_random_seed)
    curve = fit_quietly(net, X, y.astype(float)).loss_curve_
    assert (np.diff(curve[:-1]) < 0).all()
    assert curve[-1] <= curve[-2]
    assert net.loss_ == pytest.approx(curve[-1])


def test_it_ends_where_nothing_is_gained():
    # A linear net's Hamiltonian has the optimum for its minimum; there no rho brings more.
    rng = np.random.RandomState(0)
    X, y = rng.randn(60, 3), rng.randn(60)
    net = ADMMNetRegressor((), "tanh", solver="emsa", alpha=0.1, tol=0, max_iter=500)
    net = fit_quietly(net, X, y)
    assert net.n_iter_ < 500
    assert net.certificate_.scope == "global"
    assert net.certificate_.relative < 1e-10


def test_relu_is_refused():
    X, y = np.eye(4), np.arange(4.0)
    with pytest.raises(ValueError, match="allowed with solver='emsa' is 'logistic' or 'tanh'"):
        ADMMNetRegressor(solver="emsa").fit(X, y)
