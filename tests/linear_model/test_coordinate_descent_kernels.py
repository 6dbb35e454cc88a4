"""Coordinate descent on quadratic models, and columns of sparse rows, against NumPy and SciPy."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from linear_model.finite_sum_steps import soft
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_optland._rows.rows import as_rows
from sklearn_optland.linear_model._finite_sum.coordinate_descent_fast import (
    columns_changes,
    columns_felt,
    copy_columns,
    count_columns,
    descend_columns,
    scaled_columns,
)
from sklearn_optland.linear_model._finite_sum.gram_descent_fast import descend_gram, minimize_gram

pytestmark = pytest.mark.kernels

STORAGES = {"gram": None, "dense": np.ascontiguousarray, "csr": sparse.csr_array}
by_storage = pytest.mark.parametrize("storage", STORAGES)
seeds = st.integers(0, 2**32 - 1)
strengths = st.tuples(
    st.sampled_from([0.0, 0.02, 0.3, 3.0]), st.sampled_from([0.0, 0.1]), st.booleans()
)


class Model:
    """-v'(w - w0) + (w - w0)'H(w - w0) / 2 + l1 |w|_1 + l2/2 |w|^2, H = A (I - ss') A'.

    v = A (I - ss') u + tilt.

    One row of A and one of its columns are empty.
    """

    def __init__(self, seed, has_intercept, n=15, d=6):
        rng = np.random.default_rng(seed)
        self.A = rng.normal(size=(d, n)) * (rng.random((d, n)) < 0.6) * rng.uniform(0.1, 3, (d, 1))
        self.A[rng.integers(d)] = 0.0
        self.A[:, rng.integers(n)] = 0.0
        s = rng.uniform(0.1, 1, size=n)
        self.s = s / np.linalg.norm(s) if has_intercept else np.zeros(n)
        self.u = rng.normal(size=n)
        self.sums = self.A @ self.s
        self.H = self.A @ self.A.T - np.outer(self.sums, self.sums)
        self.tilt = 0.1 * rng.normal(size=d) * self.A.any(axis=1)
        self.v = self.pulls(self.u)
        self.w = rng.normal(size=d) * (rng.random(d) < 0.5)

    def pulls(self, u):
        return self.A @ (u - self.s * (self.s @ u)) + self.tilt

    def start(self, positive):
        """Where the penalty lets it begin."""
        return np.maximum(self.w, 0.0) if positive else self.w.copy()

    def descend(self, storage, w, l1, l2, positive, tol, max_epochs):
        """Change w; return the epochs and v - H (w - w0)."""
        settings = l1, l2, positive, tol, max_epochs
        if storage == "gram":
            v = self.v.copy()
            return descend_gram(self.H, v, w, *settings), v
        rows, u = as_rows(STORAGES[storage](self.A)), self.u.copy()
        curvatures = np.sum(self.A**2, axis=1) - self.sums**2
        before = w.copy()
        model = rows, self.s, self.sums, curvatures, u, w, self.tilt
        epochs = descend_columns(*model, *settings)
        assert_allclose(u, self.u - self.A.T @ (w - before), atol=1e-11)
        return epochs, self.pulls(u)

    def value(self, w, w0, l1, l2):
        step = w - w0
        smooth = -self.v @ step + 0.5 * step @ self.H @ step
        return smooth + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w


def numpy_descent(model, w, l1, l2, positive, tol, max_epochs):
    """Epochs over the support until it is at rest, then one over all, and so on; w and epochs."""
    w0, over_all = w.copy(), True
    for epoch in range(1, max_epochs + 1):
        worst = 0.0
        for j in range(len(w)) if over_all else np.flatnonzero(w):
            bend = model.H[j, j]
            if bend + l2 > 0:
                pull = model.v[j] - model.H[j] @ (w - w0)
                new = soft(bend * w[j] + pull, l1, positive) / (bend + l2)
                worst = max(worst, (bend + l2) * abs(new - w[j]))
                w[j] = new
        if worst <= tol:
            if over_all:
                return epoch
            over_all = True
        else:
            over_all = False
    return max_epochs


@by_storage
@given(seed=seeds, has_intercept=st.booleans(), penalty=strengths, max_epochs=st.integers(0, 8))
def test_epochs_are_those_of_numpy(storage, seed, has_intercept, penalty, max_epochs):
    model = Model(seed, has_intercept)
    w = model.start(penalty[-1])
    w0, expected = w.copy(), w.copy()
    epochs, v = model.descend(storage, w, *penalty, 1e-3, max_epochs)
    assert epochs == numpy_descent(model, expected, *penalty, 1e-3, max_epochs)
    assert_allclose(w, expected, atol=1e-10)
    assert_array_equal(w == 0, expected == 0)
    assert_allclose(v, model.v - model.H @ (w - w0), atol=1e-10)


@by_storage
@given(seed=seeds, has_intercept=st.booleans(), penalty=strengths)
def test_the_end_fulfils_the_conditions_of_the_optimum(storage, seed, has_intercept, penalty):
    l1, l2, positive = penalty
    model = Model(seed, has_intercept)
    w = model.start(positive)
    w[np.diag(model.H) <= 0] = 0.0  # without l2 an empty column stays where it is
    epochs, v = model.descend(storage, w, *penalty, 1e-11, 100_000)
    assert epochs < 100_000
    pull = v - l2 * w
    assert_allclose(pull[w != 0], l1 * np.sign(w[w != 0]), atol=1e-8)
    assert (pull[w == 0] <= l1 + 1e-8).all()
    assert (pull[w == 0] >= -l1 - 1e-8).all() or positive
    assert (w >= 0).all() or not positive


@given(
    seed=seeds,
    has_intercept=st.booleans(),
    penalty=strengths,
    shape=st.sampled_from([(15, 6), (4, 8)]),
)
def test_solutions_on_the_support_end_at_the_same_minimum(seed, has_intercept, penalty, shape):
    l1, l2, positive = penalty
    assume(l2 or shape[0] > shape[1])  # a singular matrix alone holds nothing
    model = Model(seed, has_intercept, *shape)
    w, slow = model.start(positive), model.start(positive)
    w[np.diag(model.H) <= 0] = slow[np.diag(model.H) <= 0] = 0.0
    w0, v = w.copy(), model.v.copy()
    minimize_gram(model.H, v, w, *penalty, 0.0, 0.0, 1e-9)
    assert_allclose(v, model.v - model.H @ (w - w0), atol=1e-8)
    model.descend("gram", slow, *penalty, 1e-11, 100_000)
    least = model.value(slow, w0, l1, l2)
    assert model.value(w, w0, l1, l2) <= least + 1e-6 * (1 + abs(least))
    assert (w >= 0).all() or not positive


@by_storage
@given(seed=seeds, has_intercept=st.booleans(), penalty=strengths)
def test_no_epoch_raises_the_value_of_the_model(storage, seed, has_intercept, penalty):
    l1, l2, positive = penalty
    model = Model(seed, has_intercept)
    w0 = model.start(positive)
    values = []
    for max_epochs in range(8):
        w = w0.copy()
        model.descend(storage, w, *penalty, 0.0, max_epochs)
        values.append(model.value(w, w0, l1, l2))
    assert (np.diff(values) <= 1e-12).all()


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_a_model_without_columns_takes_one_epoch(storage):
    rows = as_rows(STORAGES[storage](np.empty((0, 4))))
    none, s, u = np.empty(0), np.full(4, 0.5), np.arange(4.0)
    assert descend_columns(rows, s, none, none, u, none, none, 0.1, 0.0, False, 0.0, 10) == 1
    assert_array_equal(u, np.arange(4.0))


def sparse_array(rng, shape, density):
    """A dense array that is mostly zeros, a row and a column without any entry."""
    dense = rng.normal(size=shape) * (rng.random(shape) < density)
    dense[rng.integers(shape[0])], dense[:, rng.integers(shape[1])] = 0.0, 0.0
    return dense


shapes = st.tuples(st.integers(1, 12), st.integers(1, 9))
densities = st.sampled_from([0.0, 0.2, 0.7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(seed=seeds, shape=shapes, density=densities)
def test_columns_are_copied_as_scipy_does(dtype, seed, shape, density):
    X = sparse.csr_array(sparse_array(np.random.default_rng(seed), shape, density).astype(dtype))
    indptr, values = np.zeros(shape[1] + 1, dtype=np.int64), np.full(X.nnz, np.nan)
    rows = np.full(X.nnz, -1, dtype=np.int32)
    count_columns(as_rows(X), indptr[1:])
    indptr = np.cumsum(indptr)
    ends = indptr[:-1].copy()
    copy_columns(as_rows(X), ends, values, rows)
    expected = X.tocsc()
    assert_array_equal(indptr, expected.indptr)
    assert_array_equal(ends, expected.indptr[1:])
    assert_array_equal(rows, expected.indices)
    assert_array_equal(values, expected.data)


@given(seed=seeds, shape=shapes, density=densities)
def test_scaled_columns_are_those_that_scipy_slices(seed, shape, density):
    rng = np.random.default_rng(seed)
    n, d = shape
    dense = sparse_array(rng, shape, density)
    X = sparse.csc_array(dense)
    chosen = rng.permutation(d)[: rng.integers(d + 1)]
    roots, s = rng.uniform(0, 2, size=n), rng.normal(size=n)
    out_indptr = np.append(0, np.cumsum(np.diff(X.indptr)[chosen]))
    out = np.full(out_indptr[-1], np.nan)
    out_rows = np.full(out_indptr[-1], -1, dtype=np.int32)
    sums, squares = np.full((2, len(chosen)), np.nan)
    scaled_columns(
        *(X.data, X.indices.astype(np.int32), X.indptr.astype(np.int64), chosen, roots, s),
        *(out_indptr, out, out_rows, sums, squares),
    )
    A = dense[:, chosen].T * roots
    made = sparse.csr_array((out, out_rows, out_indptr), shape=A.shape)
    assert_array_equal(made.toarray(), A)
    assert_allclose(sums, A @ s, atol=1e-13)
    assert_allclose(squares, np.sum(A**2, axis=1), atol=1e-13)


@pytest.mark.parametrize("storage", ["dense", "csr"])
@given(seed=seeds)
def test_products_with_some_columns(storage, seed):
    rng = np.random.default_rng(seed)
    model = Model(seed, has_intercept=False)
    rows = as_rows(STORAGES[storage](model.A))
    d, n = model.A.shape
    chosen = rng.permutation(d)[: rng.integers(d + 1)]
    step, before, felt = rng.normal(size=len(chosen)), rng.normal(size=n), np.empty(len(chosen))
    scores = before.copy()
    columns_changes(rows, chosen, step, scores)
    assert_allclose(scores, before + step @ model.A[chosen], atol=1e-12)
    columns_felt(rows, chosen, model.u, felt)
    assert_allclose(felt, model.A[chosen] @ model.u, atol=1e-12)
