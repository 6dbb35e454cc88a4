"""Passes through a net: gradients, units of the data, blocks, float32, rows elsewhere."""

import numpy as np
import pytest
from _net.nets import scaled
from helpers import fit_quietly
from process_source import ProcessSource
from sklearn.datasets import load_diabetes
from sklearn.neural_network import MLPRegressor

from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import choose_units, column_moments, extremes, root_mean_square
from sklearn_optland._rows.source import ArraySource

pytestmark = pytest.mark.kernels

LOSSES = {"squared error": (False, 2), "binary": (True, 1), "softmax": (True, 4)}


def problem(
    loss, activation, seed, *, n=90, far=False, dtype=np.float64, sizes=(6, 5), source=ArraySource
):
    """A net, units, passes over random data and a start."""
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
    units = choose_units(ArraySource(X, Y=Y, c=c), k, is_log_loss)
    passes = Passes(network, source(X.astype(dtype), Y=Y, c=c), units, dtype)
    return network, units, passes, network.glorot(rng, dtype)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
@pytest.mark.parametrize("far", [False, True])
def test_gradient_is_the_slope_of_the_loss(loss, activation, far, global_random_seed):
    _, _, passes, theta = problem(loss, activation, global_random_seed, far=far)
    value, gradient, *_ = passes.gradient_and_squares(theta)
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
    source = ArraySource(X, Y=y[:, None], c=c)
    units = choose_units(source, 1, False)
    theta = units.to_inside(network, *before, np.float64)
    gradient = Passes(network, source, units, X.dtype).gradient_and_squares(theta)[1]
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
    network, units, passes, theta = problem("softmax", "relu", global_random_seed, far=True)
    whole = passes.gradient_and_squares(theta), passes.grams(theta, [0, 1, 2])
    passes.forward.block_rows = 7
    value, gradient, *_ = passes.gradient_and_squares(theta)
    assert value == pytest.approx(whole[0][0], rel=1e-13)
    np.testing.assert_allclose(gradient, whole[0][1], atol=1e-14)
    X, c = passes.source.X, passes.source.c
    V = [(X - units.shift) / units.scale, *passes.activations(theta)]
    for gram, other, below in zip(passes.grams(theta, [0, 1, 2]), whole[1], V, strict=False):
        H = np.column_stack([below, np.ones(len(below))])
        np.testing.assert_allclose(gram, other, atol=1e-13)
        np.testing.assert_allclose(gram, H.T @ (c[:, None] * H), atol=1e-13)
    assert len(gram) == network.sizes[2] + 1


def test_float32_passes_are_close(global_random_seed):
    exact = problem("softmax", "logistic", global_random_seed, far=True)
    coarse = problem("softmax", "logistic", global_random_seed, far=True, dtype=np.float32)
    (value, gradient), (value32, gradient32) = (
        p[2].gradient_and_squares(p[3])[:2] for p in (exact, coarse)
    )
    assert gradient32.dtype == np.float32
    assert value32 == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(gradient32, gradient, atol=1e-6)


def test_float32_copies_are_in_standard_units(global_random_seed):
    _, _, passes, theta = problem("squared error", "tanh", global_random_seed, far=True)
    coarse = passes.in_float32()
    value, gradient, *_ = coarse.gradient_and_squares(theta.astype(np.float32))
    assert gradient.dtype == np.float32
    assert value == pytest.approx(passes.value(theta), rel=1e-5)
    np.testing.assert_allclose(gradient, passes.gradient_and_squares(theta)[1], atol=1e-5)
    assert coarse.columns_square() == pytest.approx(passes.columns_square(), rel=1e-5)


def test_squares_and_grams_of_one_pass(global_random_seed):
    _, _, passes, theta = problem("softmax", "tanh", global_random_seed)
    loss, gradient, squares, grams = passes.gradient_and_squares(theta, [1, 2])
    others = passes.gradient_and_squares(theta)
    assert loss == others[0]
    np.testing.assert_array_equal(gradient, others[1])
    for level, expected in zip((1, 2), passes.grams(theta, [1, 2]), strict=True):
        np.testing.assert_allclose(grams[level], expected, rtol=1e-13)
        # The Gram's last entry, the bias', is the sum of the weights.
        assert squares[0, level] == pytest.approx(np.trace(expected) - 1)


@pytest.mark.parametrize("in_float32", [False, True])
def test_rows_in_other_processes(in_float32, global_random_seed):
    results = []
    for source in (ArraySource, ProcessSource):
        _, _, passes, theta = problem(
            "squared error", "tanh", global_random_seed, far=True, source=source
        )
        near = passes.in_float32() if in_float32 else passes
        theta = theta.astype(near.dtype)
        loss, gradient, squares, grams = near.gradient_and_squares(theta, [0, 1])
        results.append(
            [near.value(theta), loss, gradient, squares, *grams.values(), near.columns_square()]
        )
        if source is ProcessSource:
            units = choose_units(passes.source, 2, False)
            passes.source.close()
        else:
            expected = choose_units(passes.source, 2, False)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5 if in_float32 else 1e-12, atol=1e-7)
    for name in ("shift", "scale", "mean", "size"):
        np.testing.assert_allclose(getattr(units, name), getattr(expected, name), rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_moments_do_not_overflow(scale, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    A, c = rng.randn(50, 3) + np.array([0, 5, -2]), rng.rand(50)
    c /= c.sum()
    source = ArraySource(scale * A, c=c)
    mean, deviation = column_moments(source, 3)
    np.testing.assert_allclose(mean / scale, c @ A, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(deviation / scale, np.sqrt(c @ (A - c @ A) ** 2), rtol=1e-12)
    np.testing.assert_array_equal(
        extremes(source, 3), [(scale * A).max(axis=0), (scale * A).min(axis=0)]
    )
    for center in (0.0, A[0]):
        length = np.sqrt(c @ np.sum((A - center) ** 2, axis=1) + 4)
        found = root_mean_square(source, 3, center=scale * center, bias=2 * scale)
        assert found == pytest.approx(scale * length)
