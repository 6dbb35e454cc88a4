"""Products with a net's Hessian against differences of gradients, and a closed form."""

import numpy as np
import pytest
from process_source import ProcessSource

from sklearn_optland._net.network import Network
from sklearn_optland._net.passes import Passes
from sklearn_optland._net.units import Units
from sklearn_optland._rows.source import ArraySource

LOSSES = {"squared error": (False, 2), "binary": (True, 1), "softmax": (True, 4)}


def passes_of(loss, activation, seed, *, sizes=(6, 5), n=90, source=ArraySource):
    multilabel = loss == "multilabel"
    is_log_loss, k = (True, 3) if multilabel else LOSSES[loss]
    rng = np.random.RandomState(seed)
    if not is_log_loss:
        Y = rng.randn(n, k)
    elif k == 1 or multilabel:
        Y = rng.randint(0, 2, (n, k)).astype(float)
    else:
        Y = np.eye(k)[rng.randint(0, k, n)]
    c = rng.rand(n) + 0.01
    c /= c.sum()
    network = Network((4, *sizes, k), activation, is_log_loss, multilabel)
    units = Units(None, None, np.zeros(k), 1.0)
    rows = source(rng.randn(n, 4), Y=Y, c=c)
    return Passes(network, rows, units, np.float64), network.glorot(rng, np.float64)


@pytest.mark.parametrize("loss", [*LOSSES, "multilabel"])
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
@pytest.mark.parametrize("sizes", [(), (6,), (6, 5)])
def test_products_are_differences_of_gradients(loss, activation, sizes, global_random_seed):
    passes, theta = passes_of(loss, activation, global_random_seed, sizes=sizes)
    directions = np.random.RandomState(global_random_seed).randn(3, len(theta))
    products = passes.hessian_products(theta, directions)
    step = 1e-9 if activation == "relu" else 1e-5  # a longer one would cross kinks
    for direction, product in zip(directions, products, strict=True):
        ahead, behind = (
            passes.gradient_and_squares(theta + sign * step * direction)[1] for sign in (1, -1)
        )
        difference = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(
            product, difference, rtol=1e-4, atol=1e-5 * np.abs(product).max()
        )


@pytest.mark.parametrize("loss", [*LOSSES, "multilabel"])
def test_hessian_is_symmetric(loss, global_random_seed):
    passes, theta = passes_of(loss, "tanh", global_random_seed)
    H = passes.hessian_products(theta, np.eye(len(theta)))
    np.testing.assert_allclose(H, H.T, atol=1e-13)


def test_hessian_of_a_linear_model_is_its_gram_matrix(global_random_seed):
    passes, theta = passes_of("squared error", "identity", global_random_seed, sizes=())
    source = passes.source
    X = np.hstack([source.X, np.ones((source.n_rows, 1))])
    gram = X.T @ (source.c[:, None] * X)
    H = passes.hessian_products(theta, np.eye(len(theta)))
    np.testing.assert_allclose(H, np.kron(gram, np.eye(2)), atol=1e-13)


def test_multilabel_loss_is_a_sum_over_labels(global_random_seed):
    passes, theta = passes_of("multilabel", "tanh", global_random_seed)
    value, gradient, *_ = passes.gradient_and_squares(theta)
    assert value == pytest.approx(passes.value(theta), rel=1e-14)
    F, Y = passes.activations(theta)[-1], passes.source.Y
    loss = np.logaddexp(0, F) - Y * F
    assert value == pytest.approx(passes.source.c @ loss.sum(axis=1), rel=1e-12)
    direction, step = np.random.RandomState(global_random_seed).randn(len(theta)), 1e-6
    ahead, behind = (passes.value(theta + sign * step * direction) for sign in (1, -1))
    assert gradient @ direction == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)


def test_rows_may_be_elsewhere():
    here, theta = passes_of("softmax", "tanh", 0)
    there, _ = passes_of("softmax", "tanh", 0, source=ProcessSource)
    directions = np.random.RandomState(0).randn(2, len(theta))
    np.testing.assert_allclose(
        there.hessian_products(theta, directions),
        here.hessian_products(theta, directions),
        rtol=1e-12,
        atol=1e-15,
    )
