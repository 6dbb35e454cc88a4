"""Every kernel against NumPy or exact arithmetic; runs under bounds checks and sanitizers too."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, localcontext
from functools import cache
from itertools import pairwise, product
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, log_expit, logsumexp, softmax, xlogy

from sklearn_optland._loss import float32_dense_fast as tile_kernels
from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland._loss import partition_bound_fast as partition_kernels
from sklearn_optland._rows import rows as _rows
from sklearn_optland._rows.row_orders_fast import draw_rows
from sklearn_optland.linear_model._logistic import dual_ascent_fast as dual_kernels

TINY = np.exp(-708.0) * (1 + 1e-12)  # the kernels hold exp at this, for smaller values
# Rows, given those of a block, and columns: 1100 make a dense block small, 1 is the narrowest.
SHAPES = {
    "one value": (lambda block: 1, 1),
    "a few rows": (lambda block: 7, 3),
    "a block but one row": (lambda block: block - 1, 2),
    "a block, one column": (lambda block: block, 1),
    "two panels and a row, three tiles": (lambda block: 129, 21),
    "a block and a row": (lambda block: block + 1, 3),
    "a block and a row, wide": (lambda block: block + 1, 1100),
}
scores = pytest.mark.parametrize("k", [1, 2, 5])


def read_only(*arrays):
    for array in arrays:
        array.flags.writeable = False
    return arrays


def assert_close(actual, expected, rtol=1e-12):
    """Close relative to the largest entry."""
    assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=1e-300))


@pytest.fixture(
    params=product(["dense", "csr"], ["float32", "float64"], SHAPES),
    ids=lambda param: "-".join(param).replace(" ", "_"),
)
def data(request, global_random_seed):
    """Read-only data: X as rows, A = [X 1] in float64, and bounds of pieces, one of them empty."""
    layout, dtype, shape = request.param
    rng = np.random.default_rng(global_random_seed)
    rows_of, d = SHAPES[shape]
    one_row = sparse.csr_array((1, d)) if layout == "csr" else np.ones((1, d))
    n = rows_of(_rows.as_rows(one_row).block_size)
    X = rng.normal(size=(n, d)).astype(dtype)
    if layout == "csr":
        X *= rng.random((n, d)) < 0.3
        if n > 1:
            X[0] = X[n // 2] = 0
        if d > 1:
            X[:, 0] = X[:, d // 2] = 0
    A = np.column_stack([X, np.ones(n)]).astype(float)
    if layout == "csr":
        X = sparse.csr_array(X)
    read_only(*((X.data, X.indices, X.indptr) if layout == "csr" else (X,)))
    pieces = list(pairwise([0, n // 3, n // 3, n]))
    return SimpleNamespace(rows=_rows.as_rows(X), A=A, n=n, d=d, rng=rng, pieces=pieces)


def classes(rng, n, k):
    """Class numbers and positive weights."""
    return read_only(rng.integers(0, max(k, 2), n, dtype=np.int32), rng.random(n) + 0.1)


def residuals(Z, y, c):
    """c (P - Y) in NumPy."""
    if Z.shape[1] == 1:
        return c[:, None] * (expit(Z) - y[:, None])
    return c[:, None] * (softmax(Z, axis=1) - np.eye(Z.shape[1])[y])


def loss(Z, y, c):
    """Log-loss in NumPy."""
    if Z.shape[1] == 1:
        return -c @ log_expit(np.where(y, 1, -1) * Z[:, 0])
    return c @ (logsumexp(Z, axis=1) - np.take_along_axis(Z, y[:, None], axis=1)[:, 0])


# Passes over the data


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


@given(seed=SEEDS, n=st.integers(1, 9), d=st.integers(1, 9), share=st.sampled_from([0, 0.2, 1]))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_copy(dtype, seed, n, d, share):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) * (rng.random((n, d)) < share)).astype(dtype)
    read_only(X)
    copy = _rows.sparse_copy(X)
    assert copy.dtype == dtype
    assert copy.has_canonical_format
    assert copy.nnz == np.count_nonzero(X)
    assert_array_equal(copy.toarray(), X)


def test_squares(data):
    X = data.A[:, :-1]
    rows, columns = read_only(data.rng.random(data.n), data.rng.random(data.d))
    by_column, by_row = np.ones(data.d), np.full(data.n, np.nan)
    for first, last in data.pieces:
        kernels.column_squares(data.rows, first, last, rows, by_column)
        kernels.row_squares(data.rows, first, last, columns, by_row)
    assert_close(by_column, 1 + rows @ X**2)
    assert_close(by_row, X**2 @ columns)


def test_draw_rows(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    n = 20_000
    c, squares = read_only(rng.random(n) + 0.1, rng.exponential(size=n))
    index, probability = draw_rows(c, squares, 0.1, 0.2, global_random_seed)
    expected = np.minimum(1.0, c * (0.1 + 0.2 * squares))
    assert (np.diff(index) > 0).all()
    assert_close(probability, expected[index])
    deviation = np.sqrt(np.sum(expected * (1 - expected)))
    assert abs(len(index) - expected.sum()) <= 5 * deviation
    # unbiased: a sum over the rows, from those drawn and weighted back
    values = np.cos(np.arange(n))
    deviation = np.sqrt(np.sum(values**2 * (1 - expected) / expected))
    assert abs(np.sum(values[index] / probability) - values.sum()) <= 5 * deviation
    more, _ = draw_rows(c, squares, 0.3, 0.2, global_random_seed)
    assert set(index) <= set(more)
    everything, ones = draw_rows(c, squares, 1e9, 0.0, global_random_seed)
    assert_array_equal(everything, np.arange(n))
    assert (ones == 1).all()
    nothing, _ = draw_rows(c, squares, 0.0, 0.0, global_random_seed)
    assert len(nothing) == 0


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


# Rows


@given(
    seed=SEEDS,
    n=st.integers(1, 40),
    d=st.integers(1, 40),
    density=st.floats(0, 1),
    dtype=st.sampled_from([np.float32, np.float64]),
    index=st.sampled_from([np.int32, np.int64]),
    container=st.sampled_from([sparse.csr_array, sparse.csr_matrix]),
)
def test_any_csr(seed, n, d, density, dtype, index, container):
    # entries in any order, some repeated, some stored zeros; the caller's matrix stays as it is
    rng = np.random.default_rng(seed)
    counts = rng.binomial(2 * d, density / 2, size=n)
    indptr = np.append(0, np.cumsum(counts)).astype(index)
    indices = rng.integers(0, d, indptr[-1]).astype(index)
    values = rng.integers(-2, 3, indptr[-1]).astype(dtype)
    X = container((values, indices, indptr), shape=(n, d))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    before = [array.copy() for array in (X.data, X.indices, X.indptr)]
    read_only(X.data, X.indices, X.indptr)

    rows = _rows.as_rows(X)
    for array, copy in zip((X.data, X.indices, X.indptr), before, strict=True):
        assert_array_equal(array, copy)
        assert array.dtype == copy.dtype

    A = np.zeros((n, d + 1))
    np.add.at(A, (np.repeat(np.arange(n), counts), indices), values)
    A[:, d] = 1.0
    W, h = rng.integers(-3, 4, (d + 1, 2)).astype(float), rng.integers(-3, 4, n).astype(float)
    Z, G, C = np.empty((n, 2)), np.zeros((d + 1, 2)), np.zeros((d + 1, d + 1))
    kernels.forward(rows, 0, n, W, Z)
    kernels.backward(rows, 0, n, Z, G)
    kernels.weighted_gram(rows, 0, n, h, C)
    assert_array_equal(Z, A @ W)  # integers: exact
    assert_array_equal(G, A.T @ Z)
    assert_array_equal(C, np.tril(A.T @ (h[:, None] * A)))


def test_missing_rows_are_refused():
    with pytest.raises(TypeError, match="rows"):
        kernels.forward(None, 0, 1, np.zeros((2, 1)), np.zeros((1, 1)))


# Scores without data


@scores
@pytest.mark.parametrize("n", [1, 1023, 1024, 1025])
def test_loss_along(n, k, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    y, c = classes(rng, n, k)
    Z, dZ = read_only(*rng.normal(size=(2, n, k)))
    t = 0.37
    value, slope = log_loss.loss_along(y, c, Z, dZ, t)
    assert value == pytest.approx(loss(Z + t * dZ, y, c), rel=1e-13)
    expected = residuals(Z + t * dZ, y, c) * dZ
    assert slope == pytest.approx(expected.sum(), abs=1e-13 * np.abs(expected).sum())


@pytest.mark.parametrize("k", [2, 3, 50])
@pytest.mark.parametrize("n", [1, 1024, 1025])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_softmax(n, k, scale, global_random_seed):
    (Z,) = read_only(scale * np.random.default_rng(global_random_seed).normal(size=(n, k)))
    P = np.full((n, k), np.nan)
    log_loss.softmax(Z, P)
    assert_allclose(P, softmax(Z, axis=1), rtol=1e-13, atol=TINY)


def newton_dual(z, dz):
    """The largest cut <= 1 that keeps p + cut p (1 - p) dz in [0, 1], and the KL of each row."""
    p, q = expit(z), expit(-z)
    cut = 1 / max(1.0, np.max(-q * dz), np.max(p * dz))
    up, down = np.maximum(0.0, [1 + cut * q * dz, 1 - cut * p * dz])  # relative to p and q
    return cut, p * up, xlogy(p * up, up) + xlogy(q * down, down)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 1025])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("move", [0.0, 0.3, 3.0, 1e3])
def test_logistic_dual(n, scale, move, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    y, c = classes(rng, n, 1)
    z, dz = read_only(scale * rng.normal(size=n), move * rng.normal(size=n))
    R = np.full((n, 1), np.nan)
    cut, divergence = log_loss.logistic_dual(z[:, None], dz[:, None], y, c, R)
    expected_cut, p, terms = newton_dual(z, dz)
    assert cut == pytest.approx(expected_cut, rel=1e-13)
    assert_allclose(R[:, 0], c * (p - y), rtol=0, atol=1e-13)
    assert divergence == pytest.approx(c @ terms, rel=1e-11, abs=1e-15 * n)
    assert (np.abs(R[:, 0]) <= c * (1 + 1e-13)).all()  # p' in [0, 1]: the bound is proven by that
    assert (R[:, 0] * (0.5 - y) >= -1e-16).all()


@pytest.mark.parametrize("dz", [1e-8, 1e-4, 1e-3, 2e-3, 0.5, 1.0, -0.9, -1e-3])
@pytest.mark.parametrize("z", [-40.0, -1.0, 0.0, 2.0, 40.0])
def test_the_divergence_of_a_small_step_keeps_its_relative_accuracy(z, dz):
    R = np.empty((1, 1))
    column = np.array([[dz]])
    cut, divergence = log_loss.logistic_dual(
        np.array([[z]]), column, np.ones(1, np.int32), np.ones(1), R
    )
    assert cut == 1.0
    with localcontext() as context:
        context.prec = 60
        p, dz = 1 / (1 + (-Decimal(z)).exp()), Decimal(dz)
        up, down = 1 + (1 - p) * dz, 1 - p * dz
        expected = float(
            p * up * up.ln() + (1 - p) * down * down.ln() if down else p * up * up.ln()
        )
    assert divergence == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("size", [500.0, 1e5, 1e300])
def test_logistic_dual_at_extreme_scores(size):
    z = np.array([size, -size, size, -size])[:, None]
    y, c = np.array([0, 1, 1, 0], np.int32), np.ones(4)
    for dz in (np.zeros(4), np.full(4, 1e-3), np.array([-1e3, 1e3, 1e3, -1e3]), np.full(4, 1e300)):
        R = np.full((4, 1), np.nan)
        cut, divergence = log_loss.logistic_dual(z, dz[:, None], y, c, R)
        assert 0 < cut <= 1
        assert 0 <= divergence < np.inf
        assert (np.abs(R) <= 1).all()


# Accuracy and extreme scores


@cache
def exact():
    """Log-loss log(1 + exp(-m)) and residual exp(-m) / (1 + exp(-m)) of MARGINS, by 400 digits."""
    with localcontext() as context:
        context.prec = 400
        e = [(-Decimal(float(m))).exp() for m in MARGINS]
        return np.array([[float((1 + x).ln()) for x in e], [float(x / (1 + x)) for x in e]])


def row_losses(Z, y):
    """The loss of each row by itself, computed in the company of the others."""
    return np.array([log_loss.loss_along(y, one, Z, Z, 0.0)[0] for one in np.eye(len(y))])


def row_residuals(Z, y):
    """The residuals of each row: the gradient for X = I."""
    n, k = Z.shape
    G, scores = np.zeros((n + 1, k)), np.empty((n, k))
    rows = _rows.as_rows(sparse.csr_array(np.eye(n)))
    W = np.vstack([Z, np.zeros((1, k))])
    kernels.loss_gradient(rows, 0, n, y, np.ones(n), W, scores, G)
    assert_array_equal(scores, Z)
    return G[:-1]


def as_scores(margins, k):
    """Rows of scores with these margins: y = 1 or a class against one other, the rest far below."""
    n = len(margins)
    if k == 1:
        y = np.arange(n, dtype=np.int32) % 2
        return (np.where(y, 1.0, -1.0) * margins)[:, None], y
    Z, y = np.full((n, k), -2000.0), np.arange(n, dtype=np.int32) % k
    Z[np.arange(n), y], Z[np.arange(n), (y + 1) % k] = margins, 0.0
    return Z, y


POSITIVE = np.geomspace(1e-300, 670, 200)
MARGINS = np.concatenate([-POSITIVE, [0.0], POSITIVE, np.arange(-40, 40, 0.3)])


def test_binary_loss_is_log_expit_to_4_ulp():
    Z, y = as_scores(np.concatenate([MARGINS, np.linspace(-700, 700, 1001)]), 1)
    expected = -log_expit(np.where(y, 1, -1) * Z[:, 0])
    assert_array_equal(np.abs(row_losses(Z, y) - expected) <= 4 * np.spacing(expected), True)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_losses_and_residuals_keep_their_relative_accuracy(k):
    # also of rows that are classified perfectly, whose residual is exp(-margin)
    Z, y = as_scores(MARGINS, k)
    expected_loss, share = exact()
    assert_allclose(row_losses(Z, y), expected_loss, rtol=1e-15)
    R = row_residuals(Z, y)
    if k == 1:
        assert_allclose(R[:, 0], np.where(y, -share, share), rtol=1e-15)
    else:
        own, other = np.arange(len(y)), (y + 1) % k
        assert_allclose(R[own, y], -share, rtol=1e-15)
        assert_allclose(R[own, other], share, rtol=1e-15)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("size", [500.0, 709.0, 1e5, 1e300, 1.7e308])
def test_extreme_scores(k, size):
    margins = np.array([size, -size] * 3)
    Z, y = as_scores(margins, k)
    if size > 2000 and k > 2:
        Z[Z == -2000.0] = -size
    losses, R = row_losses(Z, y), row_residuals(Z, y)
    right = margins > 0
    assert_allclose(losses[~right], size, rtol=1e-15)
    # a right row: exp(-margin), or what stands for it where that underflows
    tiny = np.maximum(np.exp(-size), TINY)
    assert_allclose(losses[right], tiny, rtol=1e-12 if size == 500 else k)
    own = R[np.arange(len(y)), y if k > 1 else 0]
    assert_allclose(np.abs(own[~right]), 1.0, rtol=1e-15)
    assert_allclose(np.abs(own[right]), tiny, rtol=1e-12 if size == 500 else k)
    assert_array_equal(np.sign(own), -1 if k > 1 else np.where(y, -1, 1))
    if k > 1:
        P = np.empty_like(Z)
        log_loss.softmax(Z, P)
        assert_allclose(P.sum(axis=1), 1, rtol=1e-15)
        assert_array_equal(P.argmax(axis=1), Z.argmax(axis=1))
        assert (P > 0).all()


@pytest.mark.parametrize("size", [0.0, 1e-300, 500.0, 1e5, 1e300])
def test_curvatures_at_extreme_scores(size):
    Z = np.array([[size], [-size]])
    h = np.full(2, np.nan)
    for radius, limit in ((0.0, TINY), (1.0, TINY), (np.inf, 1.0 / max(size, 1.0))):
        log_loss.binary_curvature(Z, np.ones(2), np.full(2, radius), h)
        assert h[0] == h[1]
        assert 0 < h[0] <= 0.25
        if size >= 1e5:
            assert h[0] <= limit
    for row in ([size, -size, 0.0], [size, size, -size]):
        Z, S = np.array([row]), np.full((1, 3, 3), np.nan)
        partition_kernels.jc12_curvature(Z, np.argsort(-Z, axis=1), S)
        assert np.isfinite(S).all()
        assert_allclose(S.sum(axis=2), 0, atol=1e-15)


# Curvatures that majorize


def test_binary_curvature(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    z = np.concatenate([[0.0, 1e-300], rng.normal(size=500) * np.geomspace(1e-6, 100, 500)])
    c, radius, h = rng.random(z.size), rng.exponential(size=z.size), np.empty(z.size)
    read_only(z, c, radius)

    def newton(z):
        return expit(z) * expit(-z)

    with np.errstate(invalid="ignore"):
        jc12 = np.where(np.abs(z) > 1e-8, np.tanh(z / 2) / (2 * z), 0.25)
    reached = newton(np.maximum(np.abs(z) - radius, 0.0))
    for r, expected in (
        (np.zeros(z.size), newton(z)),
        (np.full(z.size, np.inf), jc12),
        (radius, np.minimum(jc12, reached)),
    ):
        log_loss.binary_curvature(z[:, None], c, r, h)
        assert_allclose(h, c * expected, rtol=2e-12)


@given(
    z=st.floats(-50, 50) | st.floats(-1e-3, 1e-3),
    radius=st.floats(0, 100) | st.just(np.inf),
    part=st.floats(-1, 1) | st.sampled_from([-1.0, 1.0]),
)
def test_binary_curvature_majorizes_within_its_radius(z, radius, part):
    h = np.empty(1)
    log_loss.binary_curvature(np.array([[z]]), np.ones(1), np.array([radius]), h)
    moves = [part * radius] if radius < np.inf else [part, 1e3 * part, -2 * z]
    with localcontext() as context:
        context.prec = 60
        z, h = Decimal(z), Decimal(float(h[0]))
        for move in map(Decimal, moves):  # at -2 z, the bound of JC12 touches once more
            model = (1 + z.exp()).ln() + move / (1 + (-z).exp()) + h * move * move / 2
            rounding = Decimal("2e-12") * h * move * move / 2
            assert (1 + (z + move).exp()).ln() <= model + rounding + Decimal("1e-50")


@given(seed=SEEDS, k=st.integers(2, 8), scale=st.floats(-3, 2), descending=st.booleans())
def test_jc12_curvature_is_partition_bound_with_unit_features(seed, k, scale, descending):
    rng = np.random.default_rng(seed)
    n = 3
    Z = 10**scale * rng.normal(size=(n, k))
    Z[0] = np.round(Z[0])  # ties
    order = np.argsort(-Z if descending else rng.random((n, k)), axis=1)
    S = np.full((n, k, k), np.nan)
    partition_kernels.jc12_curvature(*read_only(Z, order), S)
    for i in range(n):
        mu, sigma = np.zeros(k), np.zeros((k, k))
        log_z = partition_kernels.partition_bound(np.eye(k), Z[i], order[i], mu, sigma)
        assert log_z == pytest.approx(logsumexp(Z[i]), rel=1e-14, abs=1e-14)
        assert_allclose(mu, softmax(Z[i]), atol=1e-14)
        assert_allclose(S[i], sigma, atol=1e-14)


@given(
    seed=SEEDS,
    k=st.integers(2, 8),
    scale=st.floats(-3, 2),
    move=st.floats(-2, 4),
    descending=st.booleans(),
)
def test_jc12_curvature_majorizes(seed, k, scale, move, descending):
    rng = np.random.default_rng(seed)
    z, dz = 10**scale * rng.normal(size=k), 10**move * rng.normal(size=k)
    S = np.full((1, k, k), np.nan)
    order = np.argsort(-z if descending else rng.random(k))
    partition_kernels.jc12_curvature(z[None], order[None], S)
    S = S[0]
    assert_allclose(S, S.T, rtol=0, atol=1e-16)
    assert np.linalg.eigvalsh(S)[0] >= -1e-15 * k
    assert_allclose(S.sum(axis=1), 0, atol=1e-15 * k)
    p = softmax(z)
    assert np.linalg.eigvalsh(S - np.diag(p) + np.outer(p, p))[0] >= -1e-14  # for small moves
    change, model = logsumexp(z + dz) - logsumexp(z) - p @ dz, dz @ S @ dz / 2
    scale = np.abs(z).max() + np.abs(dz).max() + np.abs(dz) @ np.abs(S) @ np.abs(dz)
    assert change <= model + 1e-14 * (1 + scale)


def test_partition_bound_skips_what_has_no_weight(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    features, log_alpha = read_only(rng.normal(size=(6, 2)), rng.normal(size=6))
    weightless = np.array([-np.inf, *log_alpha, -np.inf])
    padded = np.vstack([np.full(2, 9.0), features, np.full(2, 9.0)])
    results = []
    for f, a in ((features, log_alpha), (padded, weightless)):
        mu, sigma = np.zeros(2), np.zeros((2, 2))
        order = np.argsort(-a)
        results.append(
            (partition_kernels.partition_bound(f, a, *read_only(order), mu, sigma), mu, sigma)
        )
    for some, all_of_them in zip(*results, strict=True):
        assert_array_equal(some, all_of_them)


class DualProblem:
    """A multinomial problem for `dual_pass`, some of its rows empty, and its dual objective."""

    def __init__(self, seed, k, q):
        rng = np.random.default_rng(seed)
        self.n, self.d, self.k = 12, 9, k
        dense = rng.normal(size=(self.n, self.d)) * (rng.random((self.n, self.d)) < 0.5)
        self.X = sparse.csr_array(dense.astype(np.float32))
        self.y = rng.integers(0, k, self.n).astype(np.int32)
        self.Y = np.eye(k)[self.y]
        self.l2 = float(rng.uniform(0.5, 2.0))
        self.rho = float(rng.uniform(0.5, 2.0))
        squares = (self.X**2).sum(axis=1)
        self.c = (q * rng.uniform(0.5, 2.0, self.n) / squares.mean()).astype(np.float32)
        self.q = (self.c * (squares / self.l2 + 1 / self.rho)).astype(np.float32)
        self.order = np.arange(self.n, dtype=np.int32)
        self.logs = np.empty((self.n, k), np.float32)
        self.V = np.zeros((self.d + 1, k), np.float32)

    def step(self, order, *, fresh):
        X = self.X
        indptr, indices = X.indptr.astype(np.int64), X.indices.astype(np.int32)
        rows = order, indptr, indices, X.data, self.y, self.c, self.q
        read_only(*rows)
        return dual_kernels.dual_pass(*rows, self.l2, self.rho, fresh, self.logs, self.V)

    def pulls(self, P):
        return self.c[:, None] * (self.Y - P)

    def parameters(self, P):
        V = self.X.T @ self.pulls(P) / self.l2
        return np.vstack([V, self.pulls(P).sum(axis=0) / self.rho])

    def dual(self, P):
        V = self.parameters(P)
        squares = self.l2 * (V[:-1] ** 2).sum() + self.rho * (V[-1] ** 2).sum()
        return -0.5 * squares - (self.c[:, None] * xlogy(P, P)).sum()

    def probabilities(self):
        P = np.exp(self.logs.astype(float))
        return P / P.sum(axis=1, keepdims=True)

    def scores(self, V):
        return self.X @ V[:-1] + V[-1]


dual_problems = pytest.mark.parametrize(
    ("k", "q"), [(3, 1e-3), (3, 1.0), (20, 1.0), (37, 30.0), (5, 1e4)]
)


@dual_problems
def test_dual_steps_ascend_and_their_parameters_follow(k, q, global_random_seed):
    problem = DualProblem(global_random_seed, k, q)
    problem.step(problem.order, fresh=True)
    P = problem.probabilities()
    for i in np.tile(problem.order, 5):
        before = problem.dual(P)
        problem.step(np.array([i], np.int32), fresh=False)
        others = np.delete(problem.order, i)
        assert_array_equal(P[others], problem.probabilities()[others])
        P = problem.probabilities()
        assert problem.dual(P) >= before - 1e-5 * abs(before)
    rounding = max(1e-4, 1e-7 * q)  # of float32 probabilities, q times
    assert_allclose(problem.V, problem.parameters(P), rtol=0, atol=rounding * abs(problem.V).max())


@dual_problems
def test_a_dual_step_solves_its_row(k, q, global_random_seed):
    # Against the fixed point p = softmax(z + q (old - p)), by bisection on log p = m - q p - t.
    problem = DualProblem(global_random_seed, k, q)
    problem.step(problem.order, fresh=True)
    for i in problem.order:
        old = problem.probabilities()
        m = problem.scores(problem.V.astype(float))[i] + problem.q[i] * old[i]
        problem.step(np.array([i], np.int32), fresh=False)
        for _ in range(20):  # the kernel stops early: repeated, its steps must agree
            problem.V[:] = problem.parameters(problem.probabilities())
            problem.step(np.array([i], np.int32), fresh=False)

        def probabilities(t, m=m, q=float(problem.q[i])):
            low, high = np.full(k, -80.0), np.zeros(k)
            for _ in range(80):
                middle = (low + high) / 2
                above = middle + q * np.exp(middle) > m - t
                low, high = np.where(above, low, middle), np.where(above, middle, high)
            return np.exp(low)

        low, high = m.min() - 100.0, m.max() + 100.0
        for _ in range(80):
            t = (low + high) / 2
            low, high = (t, high) if probabilities(t).sum() > 1 else (low, t)
        assert_allclose(problem.probabilities()[i], probabilities(low), rtol=0, atol=2e-5)


def test_dual_passes_converge_and_tell_the_gap(global_random_seed):
    problem = DualProblem(global_random_seed, 6, 1.0)
    problem.step(problem.order, fresh=True)
    gaps = [problem.step(problem.order, fresh=False) for _ in range(40)]
    assert gaps[-1] < 1e-8 * gaps[0]
    P = softmax(problem.scores(problem.V.astype(float)), axis=1)
    assert_allclose(problem.probabilities(), P, rtol=0, atol=1e-5)
