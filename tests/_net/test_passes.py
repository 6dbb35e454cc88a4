"""Passes through a net: gradients, units of the data, blocks, float32."""

import numpy as np
import pytest
from _net.nets import scaled
from helpers import fit_quietly
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor

from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import choose_units

pytestmark = pytest.mark.kernels

LOSSES = {"squared error": (False, 2), "binary": (True, 1), "softmax": (True, 4)}


def problem(loss, activation, seed, *, n=90, far=False, dtype=np.float64, sizes=(6, 5)):
    """A net, passes over random data and a start."""
    is_log_loss, k = LOSSES[loss]
    rng = np.random.RandomState(seed)
    X = rng.randn(n, 4)
    if far:
        X = X * [1, 300, 1, 0.1] + [0, 0, 70, 0]
    if not is_log_loss:
        Y = rng.randn(n, k) * 30 + 7
    elif k == 1:
        Y = rng.randint(0, 2, (n, 1))
    else:
        Y = np.eye(k)[rng.randint(0, k, n)]
    c = rng.rand(n)
    c /= c.sum()
    network = Network((4, *sizes, k), activation, is_log_loss)
    units = choose_units(X, Y, c, is_log_loss)
    passes = Passes(network, X.astype(dtype), Y, c, units)
    return network, units, passes, network.glorot(rng, dtype)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
@pytest.mark.parametrize("far", [False, True])
def test_gradient_is_the_slope_of_the_loss(loss, activation, far, global_random_seed):
    _, _, passes, theta = problem(loss, activation, global_random_seed, far=far)
    value, gradient = passes.gradient(theta)
    assert value == pytest.approx(passes.value(theta), rel=1e-14)
    directions = np.random.RandomState(global_random_seed).randn(5, len(theta))
    step = 1e-6
    slopes = [
        (passes.value(theta + step * d) - passes.value(theta - step * d)) / (2 * step)
        for d in directions
    ]
    np.testing.assert_allclose(directions @ gradient, slopes, rtol=1e-5, atol=1e-7)


def test_gradient_is_that_of_scikit_learns_net(global_random_seed):
    X, y = scaled(load_diabetes)
    y = (y - y.mean()) / y.std()
    rate = 1e-3
    mlp = MLPRegressor(
        hidden_layer_sizes=(7, 5),
        activation="tanh",
        solver="sgd",
        alpha=len(X) * 0.01,  # which it divides by n
        momentum=0.0,
        learning_rate_init=rate,
        batch_size=len(X),
        max_iter=1,
        warm_start=True,
        random_state=global_random_seed,
    )
    fit_quietly(mlp, X, y)
    before = [W.copy() for W in mlp.coefs_], [b.copy() for b in mlp.intercepts_]
    fit_quietly(mlp, X, y)  # one full step of gradient descent
    c = np.full(len(X), 1 / len(X))
    network = Network((10, 7, 5, 1), "tanh", False)
    units = choose_units(X, y[:, None], c, False)
    theta = units.to_inside(network, *before, np.float64)
    gradient = Passes(network, X, y[:, None], c, units).gradient(theta)[1]
    gradient += 0.01 * units.penalty_factors(network, np.float64) * theta
    moved = units.to_inside(network, mlp.coefs_, mlp.intercepts_, np.float64)
    np.testing.assert_allclose((theta - moved) / rate, gradient, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_units_are_an_exact_change_of_parameters(loss, global_random_seed):
    network, units, _, theta = problem(loss, "tanh", global_random_seed, far=True)
    assert units.shift is not None
    there_and_back = units.to_inside(network, *units.to_user(network, theta), np.float64)
    np.testing.assert_allclose(there_and_back, theta, rtol=1e-10, atol=1e-10)
    coefs, _ = units.to_user(network, theta)
    penalty = np.sum(units.penalty_factors(network, np.float64) * theta**2)
    np.testing.assert_allclose(
        sum(np.sum(W**2) for W in coefs), units.size**2 * penalty, rtol=1e-12
    )


def test_sums_over_blocks_do_not_depend_on_the_blocks(global_random_seed):
    network, _, passes, theta = problem("softmax", "relu", global_random_seed, far=True)
    whole = passes.gradient(theta), passes.grams(theta, [0, 1, 2])
    passes.block_rows, passes._buffers = 7, {}
    value, gradient = passes.gradient(theta)
    assert value == pytest.approx(whole[0][0], rel=1e-13)
    np.testing.assert_allclose(gradient, whole[0][1], atol=1e-14)
    V = passes.activations(theta, 0, len(passes.X))
    for gram, other, below in zip(passes.grams(theta, [0, 1, 2]), whole[1], V, strict=False):
        H = np.column_stack([below, np.ones(len(below))])
        np.testing.assert_allclose(gram, other, atol=1e-13)
        np.testing.assert_allclose(gram, H.T @ (passes.c[:, None] * H), atol=1e-13)
    assert len(gram) == network.sizes[2] + 1


def test_float32_passes_are_close(global_random_seed):
    exact = problem("softmax", "logistic", global_random_seed, far=True)
    coarse = problem("softmax", "logistic", global_random_seed, far=True, dtype=np.float32)
    (value, gradient), (value32, gradient32) = (p[2].gradient(p[3]) for p in (exact, coarse))
    assert gradient32.dtype == np.float32
    assert value32 == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradient32, gradient, atol=1e-6)
