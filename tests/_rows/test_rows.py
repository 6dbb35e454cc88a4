"""Rows: every kind of CSR and dense array, copies, draws."""

import numpy as np
import pytest
from helpers import SEEDS, read_only
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from sklearn_optland._loss import linear_passes_fast as kernels
from sklearn_optland._rows import rows as _rows

pytestmark = pytest.mark.kernels


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
