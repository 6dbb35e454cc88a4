"""The arc-cosine kernel and its random features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from sklearn_optland._net.directions import random_directions
from sklearn_optland.kernel_approximation import ArcCosineSampler
from sklearn_optland.metrics.pairwise import arc_cosine_kernel
from sklearn_optland.neural_network import MeanFieldTwoLayerNet


def relative_error(features, kernel):
    return np.linalg.norm(features @ features.T - kernel) / np.linalg.norm(kernel)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_kernel_is_the_mean_over_random_units(degree):
    """In two dimensions it is an integral over the angle of w and a moment of its length."""
    angles = (np.arange(20000) + 0.5) * (2 * np.pi / 20000)
    W = np.stack([np.cos(angles), np.sin(angles)])
    moment = {0: 1.0, 1: 2.0, 2: 8.0}[degree]
    X = np.array([[1.0, 0.5], [-0.3, 2.0], [0.2, -1.0], [-2.0, -1.0], [0.0, 0.0]])
    units = (X @ W > 0) * np.maximum(X @ W, 0) ** degree
    expected = 2 * moment * units @ units.T / len(angles)
    kernel = arc_cosine_kernel(X, degree=degree)
    np.testing.assert_allclose(kernel, expected, atol=1e-3 if degree == 0 else 1e-6)
    np.testing.assert_allclose(arc_cosine_kernel(X, X.copy(), degree=degree), kernel, atol=1e-7)
    np.testing.assert_allclose(arc_cosine_kernel(X[:2], X, degree=degree), kernel[:2], atol=1e-7)


@given(seed=st.integers(0, 1000), degree=st.sampled_from([0, 1, 2]), bias=st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_kernel_is_one(seed, degree, bias):
    """Symmetric and positive; a bias is one more column; layers compose."""
    X = np.random.RandomState(seed).randn(12, 4)
    K = arc_cosine_kernel(X, degree=degree, bias=bias)
    # between rows that are nearly opposite little is left of the squares of their lengths
    np.testing.assert_allclose(K, K.T, rtol=1e-12, atol=1e-14 * K.max())
    assert np.linalg.eigvalsh(K)[0] > -1e-9 * np.trace(K)
    more = np.column_stack([X, np.full(12, bias)])
    np.testing.assert_allclose(K, arc_cosine_kernel(more, degree=degree), rtol=1e-7, atol=1e-7)
    root = np.linalg.svd(K)
    features = root[0] * np.sqrt(root[1])  # K = features features'
    deep = arc_cosine_kernel(X, degree=degree, bias=bias, depth=2)
    once = arc_cosine_kernel(features, degree=degree, bias=bias)
    np.testing.assert_allclose(deep, once, rtol=1e-4, atol=1e-4 * np.abs(deep).max())


def test_relus_keep_lengths():
    X = np.random.RandomState(0).randn(5, 3)
    for depth in (1, 4):
        diagonal = np.diag(arc_cosine_kernel(X, depth=depth))
        np.testing.assert_allclose(diagonal, (X**2).sum(axis=1), rtol=1e-12)


def test_kernel_takes_what_pairwise_kernels_take():
    X = np.random.RandomState(0).randn(6, 3).astype(np.float32)
    K = arc_cosine_kernel(X)
    assert K.dtype == np.float32
    np.testing.assert_allclose(arc_cosine_kernel(sparse.csr_array(X)), K, rtol=1e-6)
    assert arc_cosine_kernel(X, X.astype(float)).dtype == np.float64
    with pytest.raises(ValueError, match="Incompatible dimension"):
        arc_cosine_kernel(X, X[:, :2])
    with pytest.raises(ValueError, match="'degree' parameter"):
        arc_cosine_kernel(X, degree=3)
    with pytest.raises(ValueError, match="X, Y: found rows whose kernel overflows float64"):
        arc_cosine_kernel([[1e100, 0.0]], degree=2)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("size", [1e-200, 1e250])
def test_rows_of_any_length(container, size):
    """Angles are those of the directions, and lengths that multiply to others are no overflow."""
    X = np.random.RandomState(0).randn(4, 3)
    small, large = container(X * size), container(X / size)
    np.testing.assert_allclose(arc_cosine_kernel(small, large), arc_cosine_kernel(X), rtol=1e-7)
    for depth in (1, 3):
        found = arc_cosine_kernel(small, degree=0, depth=depth)
        np.testing.assert_allclose(found, arc_cosine_kernel(X, degree=0, depth=depth), rtol=1e-12)
    if size < 1:  # nothing is left beside the bias
        np.testing.assert_allclose(arc_cosine_kernel(small, bias=1.0), 1.0, rtol=1e-7)


@pytest.mark.parametrize(("n", "d"), [(1, 3), (7, 3), (6, 3), (20, 3), (8, 20), (5, 1)])
def test_directions(n, d):
    U = random_directions(n, d, np.random.RandomState(0))
    assert U.shape == (n, d)
    np.testing.assert_allclose(np.linalg.norm(U, axis=1), 1.0)
    np.testing.assert_array_equal(U[1::2], -U[::2][: n // 2])
    block = U[::2][:d]
    np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-12)


def test_directions_are_uniform():
    rng = np.random.RandomState(0)
    firsts = np.array([random_directions(6, 3, rng)[2 * k] for _ in range(2000) for k in range(3)])
    # each coordinate of a uniform point of the sphere in space is uniform
    for column in firsts.T:
        counts = np.histogram(column, bins=10, range=(-1, 1))[0]
        assert np.abs(counts - 600).max() < 4.5 * np.sqrt(600)


@pytest.mark.parametrize("scaled", [False, True])
def test_error_on_digits(scaled):
    X = load_digits().data[:500] / 16
    X = StandardScaler().fit_transform(X) if scaled else X
    kernel = arc_cosine_kernel(X)
    for m, most in ((128, 0.09), (256, 0.065), (512, 0.045)):
        samplers = [ArcCosineSampler(m, random_state=seed) for seed in range(4)]
        errors = [relative_error(sampler.fit_transform(X), kernel) for sampler in samplers]
        assert np.mean(errors) <= most
        plain = ArcCosineSampler(m, orthogonal=False, random_state=0).fit_transform(X)
        assert np.mean(errors) < 0.7 * relative_error(plain, kernel)


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize("settings", [{}, {"bias": 0.7}, {"depth": 2}, {"depth": 2, "bias": 0.7}])
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_features_have_the_kernel(degree, settings, orthogonal):
    X = np.random.RandomState(1).randn(20, 5)
    settings = {"degree": degree, **settings}
    kernel = arc_cosine_kernel(X, **settings)
    few, many = (
        np.mean(
            [
                relative_error(
                    ArcCosineSampler(
                        m, orthogonal=orthogonal, random_state=seed, **settings
                    ).fit_transform(X),
                    kernel,
                )
                for seed in range(3)
            ]
        )
        for m in (60, 960)
    )
    assert many < 0.6 * few
    if orthogonal:
        assert many < 0.15


def test_the_linear_part_is_exact():
    X = np.random.RandomState(2).randn(9, 6)
    sampler = ArcCosineSampler(24, random_state=0).fit(X)
    features = sampler.transform(X)
    odd = (features[:, ::2] - features[:, 1::2]) / np.sqrt(2)
    np.testing.assert_allclose(odd @ odd.T, X @ X.T / 2, rtol=1e-12, atol=1e-12)


def test_sparse_rows_float32_and_names():
    X = np.random.RandomState(3).randn(8, 5) * (np.random.RandomState(4).rand(8, 5) < 0.4)
    for degree in (0, 1, 2):
        sampler = ArcCosineSampler(7, degree=degree, bias=0.5, random_state=0)
        dense = sampler.fit_transform(X)
        np.testing.assert_allclose(sampler.transform(sparse.csr_array(X)), dense, rtol=1e-12)
        single = sampler.transform(X.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, dense, rtol=1e-4, atol=1e-4)
        single = sampler.fit(X.astype(np.float32)).random_weights_[0]
        assert single.dtype == np.float32
    names = sampler.get_feature_names_out()
    assert names[0] == "arccosinesampler0"
    assert len(names) == 7


def test_nets_of_the_kernel_regime_have_these_neurons():
    X, y = np.random.RandomState(0).randn(30, 4), np.arange(30.0)
    net = MeanFieldTwoLayerNet(
        12, regime="kernel", alpha=1e-3, scale_inputs=False, random_state=0
    ).fit(X, y)
    neurons = np.vstack([net.coefs_[0], net.intercepts_[0]])
    np.testing.assert_allclose(neurons[:, 1::2], -neurons[:, ::2])
    gram = neurons[:, ::2][:, :5].T @ neurons[:, ::2][:, :5]
    np.testing.assert_allclose(gram, np.eye(5), atol=1e-7)


def test_refusals():
    sampler = ArcCosineSampler(4, degree=2, random_state=0).fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="X: found values whose features overflow float64"):
        sampler.transform([[1e200, 1.0]])
    with pytest.raises(ValueError, match="X has 3 features"):
        sampler.transform([[1.0, 2.0, 3.0]])
    for name, value in (("degree", 3), ("bias", -1.0), ("depth", 0), ("n_components", 0)):
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            ArcCosineSampler(**{name: value}).fit([[1.0]])
