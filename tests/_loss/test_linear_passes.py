"""Passes over the data against NumPy, also by several threads."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from helpers import assert_close, read_only
from log_loss_targets import classes, loss, residuals, scores
from numpy.testing import assert_array_equal
from scipy.special import softmax

from sklearn_optland._loss import float32_dense_fast as tile_kernels
from sklearn_optland._loss import linear_passes_fast as kernels

pytestmark = pytest.mark.kernels


def test_rows_know_their_shape(data):
    assert (data.rows.n_rows, data.rows.n_columns) == (data.n, data.d)


@scores
def test_loss_gradient(data, k):
    y, c = classes(data.rng, data.n, k)
    W, start = data.rng.normal(size=(2, data.d + 1, k))
    Z, G = np.full((data.n, k), np.nan), start.copy()
    value = sum(
        kernels.loss_gradient(data.rows, first, last, y, c, *read_only(W), Z, G)
        for first, last in data.pieces
    )
    assert_close(Z, data.A @ W)
    assert value == pytest.approx(loss(Z, y, c), rel=1e-13)
    assert_close(G, start + data.A.T @ residuals(Z, y, c))


@scores
def test_forward_and_backward(data, k):
    W, start = data.rng.normal(size=(2, data.d + 1, k))
    (R,) = read_only(data.rng.normal(size=(data.n, k)))
    Z, G = np.full((data.n, k), np.nan), start.copy()
    for first, last in data.pieces:
        kernels.forward(data.rows, first, last, *read_only(W), Z)
        kernels.backward(data.rows, first, last, R, G)
    assert_close(Z, data.A @ W)
    assert_close(G, start + data.A.T @ R)


@scores
def test_a_piece_leaves_other_rows_alone(data, k):
    y, c = classes(data.rng, data.n, k)
    W = data.rng.normal(size=(data.d + 1, k))
    first, last = data.n // 3, data.n - data.n // 4
    inside = np.zeros(data.n, bool)
    inside[first:last] = True
    for kernel in ("forward", "loss_gradient"):
        Z, G = np.full((data.n, k), 7.0), np.zeros((data.d + 1, k))
        if kernel == "forward":
            kernels.forward(data.rows, first, last, W, Z)
        else:
            kernels.loss_gradient(data.rows, first, last, y, c, W, Z, G)
            assert_close(G, data.A[inside].T @ residuals(Z, y, c)[inside])
        assert (Z[~inside] == 7.0).all()
        assert_close(Z[inside], (data.A @ W)[inside])


def test_binary_hessian_product(data):
    V, start = data.rng.normal(size=(2, data.d + 1, 1))
    h, Z, out = data.rng.random(data.n), np.full((data.n, 1), np.nan), start.copy()
    for first, last in data.pieces:
        kernels.binary_hessian_product(data.rows, first, last, *read_only(h, V), Z, out)
    assert_close(Z, data.A @ V)
    assert_close(out, start + data.A.T @ (h[:, None] * Z))


@pytest.mark.parametrize("k", [2, 5])
def test_hessian_product(data, k):
    V, start = data.rng.normal(size=(2, data.d + 1, k))
    P = softmax(data.rng.normal(size=(data.n, k)), axis=1)
    h, out = data.rng.random(data.n), start.copy()
    for first, last in data.pieces:
        kernels.hessian_product(data.rows, first, last, *read_only(h, P, V), out)
    T = data.A @ V
    T = P * (T - np.sum(P * T, axis=1, keepdims=True))
    assert_close(out, start + data.A.T @ (h[:, None] * T))


def in_two_threads(kernel, shared, n):
    """Run kernel(rows, first, last) on halves of n rows at the same time, in turn many times."""
    halves, start = ((0, n // 2), (n // 2, n)), Barrier(2, timeout=60)

    def work(first, last):
        rows = shared.share()
        start.wait()
        return sum(kernel(rows, first, last) for _ in range(5)) / 5

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(work, *zip(*halves, strict=True)))


@scores
def test_shared_rows_in_two_threads(data, k):
    y, c = classes(data.rng, data.n, k)
    W = data.rng.normal(size=(data.d + 1, k))
    Z = np.full((data.n, k), np.nan)

    def kernel(rows, first, last):
        G, C = np.zeros((data.d + 1, k)), np.zeros((data.d + 1, data.d + 1))
        value = kernels.loss_gradient(rows, first, last, y, c, W, Z, G)
        kernels.weighted_gram(rows, first, last, c, C)
        return np.concatenate([[value], G.ravel(), np.tril(C).ravel()])

    total = in_two_threads(kernel, data.rows, data.n)
    assert_close(Z, data.A @ W)
    G, C = data.A.T @ residuals(Z, y, c), np.tril(data.A.T @ (c[:, None] * data.A))
    for part, expected in zip(
        np.split(total, [1, 1 + G.size]),
        (np.array([loss(Z, y, c)]), G.ravel(), C.ravel()),
        strict=True,
    ):
        assert_close(part, expected, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "k"), [(1, 1, 3), (33, 5, 3), (5000, 70, 4)])
def test_shared_tiles_in_two_threads(n, d, k, dtype, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    (X,) = read_only(rng.normal(size=(n, d)).astype(dtype))
    A = np.column_stack([X, np.ones(n)]).astype(float)
    y, c = classes(rng, n, k)
    W, V = read_only(*rng.normal(size=(2, d + 1, k)))
    tiles = tile_kernels.as_tiles(X, rng.random(d) + 0.5, k)
    P, Z = softmax(A @ W, axis=1), np.full((n, k), np.nan)
    tiled = tile_kernels.softmax(A @ W)

    def kernel(tiles, first, last):
        G, H = np.zeros((2, d + 1, k))
        value = tile_kernels.loss_gradient(tiles, first, last, y, c, W, Z, G)
        tile_kernels.hessian_product(tiles, first, last, c, tiled, V, H)
        return np.concatenate([[value], G.ravel(), H.ravel()])

    value, *products = in_two_threads(kernel, tiles, tiles.n_tiles)
    assert value == pytest.approx(loss(A @ W, y, c), rel=1e-5)
    T = A @ V
    H = A.T @ (c[:, None] * P * (T - np.sum(P * T, axis=1, keepdims=True)))
    assert_close(Z, A @ W, rtol=1e-5)
    assert_close(np.array(products), np.append(A.T @ residuals(A @ W, y, c), H), rtol=1e-4)


def test_squares(data):
    X = data.A[:, :-1]
    rows, columns = read_only(data.rng.random(data.n), data.rng.random(data.d))
    by_column, by_row = np.ones(data.d), np.full(data.n, np.nan)
    for first, last in data.pieces:
        kernels.column_squares(data.rows, first, last, rows, by_column)
        kernels.row_squares(data.rows, first, last, columns, by_row)
    assert_close(by_column, 1 + rows @ X**2)
    assert_close(by_row, X**2 @ columns)


@pytest.mark.parametrize("signs", ["positive", "negative", "mixed", "zero"])
def test_weighted_gram(data, signs):
    h = {
        "positive": data.rng.random(data.n) + 0.1,
        "negative": -data.rng.random(data.n) - 0.1,
        "mixed": data.rng.normal(size=data.n) * (data.rng.random(data.n) < 0.7),
        "zero": np.zeros(data.n),
    }[signs]
    start = data.rng.normal(size=(data.d + 1, data.d + 1))
    C = start.copy()
    for first, last in data.pieces:
        kernels.weighted_gram(data.rows, first, last, *read_only(h), C)
    assert_close(np.tril(C), np.tril(start + data.A.T @ (h[:, None] * data.A)))
    assert_array_equal(np.triu(C, 1), np.triu(start, 1))  # the caller's
