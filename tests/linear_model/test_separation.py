"""`separation`: the kind is that of another linear program, and the witness proves it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from sklearn_optland.linear_model import separation
from sklearn_optland.linear_model._logistic.faces import separate

KINDS = ["overlap", "quasi-complete", "complete"]


def problem(kind, n_classes, seed, n=40, d=3):
    """Random rows of a kind, of whole numbers: nothing is near."""
    rng = np.random.RandomState(seed)
    X = rng.randint(-4, 5, (n, d)).astype(float)
    if kind == "complete":
        y = np.r_[np.arange(n_classes), rng.randint(n_classes, size=n - n_classes)]
        return np.c_[X, np.eye(n_classes)[y][:, 1:]], y
    X, y = np.repeat(X, n_classes, axis=0), np.tile(np.arange(n_classes), n)  # all of all classes
    if kind == "quasi-complete":
        only = (y == 1) & (rng.rand(len(y)) < 0.3)
        only[1] = True
        X = np.c_[X, only]
    return X, y


def pairs(X, y, fit_intercept=True):
    """The gradients of the margins by loops: (n_pairs, d k)."""
    k = y.max() + 1
    X = np.c_[X, np.ones(len(X))] if fit_intercept else X
    A = []
    for x, label in zip(X, y, strict=True):
        for step in range(1, k):
            sign = np.zeros(k)
            sign[label], sign[(label + step) % k] = 1.0, -1.0
            A.append(np.kron(sign, x))
    return np.array(A)


def kind_by_box(A):
    """The kind by Konis' program, and that of the largest least margin."""
    n, p = A.shape
    some = linprog(-A.sum(axis=0), A_ub=-A, b_ub=np.zeros(n), bounds=(-1, 1))
    if -some.fun < 1e-7:
        return "overlap"
    least = linprog(
        np.r_[np.zeros(p), -1.0],
        A_ub=np.c_[-A, np.ones(n)],
        b_ub=np.zeros(n),
        bounds=[(-1, 1)] * p + [(None, 1)],
    )
    return "complete" if -least.fun > 1e-7 else "quasi-complete"


def check_witness(found, X, y, fit_intercept=True):
    A = pairs(X, y, fit_intercept)
    W = found.direction if not fit_intercept else np.c_[found.direction, found.intercept]
    W = np.vstack([np.zeros_like(W), W]) if len(W) == 1 else W
    margins = A @ W.ravel()
    np.testing.assert_allclose(margins, found.margins.ravel(), atol=1e-6 * (1 + np.abs(W).max()))
    positive = found.margins > 0.5
    np.testing.assert_array_equal(np.flatnonzero(positive.any(axis=1)), found.rows)
    assert np.abs(margins[~positive.ravel()]).max(initial=0.0) < 1e-6
    if found.kind == "complete":
        assert positive.all()
        return
    q = found.weights.ravel()
    assert (q >= 0).all()
    assert (q[~positive.ravel()] > 0).all()
    assert np.abs(A.T @ q).max() <= 1e-6 * (np.abs(A).T @ q).max()


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("storage", [np.ascontiguousarray, sparse.csr_array])
def test_kind_and_witness(kind, n_classes, storage, global_random_seed):
    X, y = problem(kind, n_classes, global_random_seed)
    found = separation(storage(X), y)
    assert found.kind == kind == kind_by_box(pairs(X, y))
    check_witness(found, X, y)


@settings(deadline=None)
@given(
    n=st.integers(4, 30),
    d=st.integers(1, 4),
    n_classes=st.integers(2, 3),
    size=st.integers(1, 4),
    fit_intercept=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_kind_is_that_of_another_program(n, d, n_classes, size, fit_intercept, seed):
    rng = np.random.RandomState(seed)
    X = rng.randint(-size, size + 1, (n, d)).astype(float)
    y = np.r_[np.arange(n_classes), rng.randint(n_classes, size=n - n_classes)]
    noise = rng.choice([0.0, 0.5, 3.0])
    target = X @ rng.randint(-2, 3, d) + noise * rng.randn(n)
    y[n_classes:] = np.searchsorted(np.sort(target[: n_classes - 1]), target[n_classes:])
    found = separation(X, y, fit_intercept=fit_intercept)
    assert found.kind == kind_by_box(pairs(X, y, fit_intercept))
    check_witness(found, X, y, fit_intercept)


def most_pairs(A):
    """How many rows of A one v with Av >= 0 can make positive."""
    n, p = A.shape
    program = {"A_ub": np.c_[-A, np.eye(n)], "b_ub": np.zeros(n)}
    bounds = [(None, None)] * p + [(0, 1)] * n
    return round(-linprog(np.r_[np.zeros(p), -np.ones(n)], bounds=bounds, **program).fun)


@pytest.mark.parametrize("seed", range(40))
def test_several_classes_are_separated_as_far_as_can_be(seed):
    """By Newton's method alone, through as many rounds as it takes."""
    rng = np.random.RandomState(seed)
    n_classes, n, size = 3 + seed % 3, 25, rng.randint(1, 5)
    X = rng.randint(-size, size + 1, (n, 3)).astype(float)
    y = np.r_[np.arange(n_classes), rng.randint(n_classes, size=n - n_classes)]
    target = X @ rng.randint(-2, 3, 3) + rng.choice([0.0, 0.5, 3.0]) * rng.randn(n)
    y[n_classes:] = np.searchsorted(np.sort(target[: n_classes - 1]), target[n_classes:])
    with_ones, A = np.c_[X, np.ones(n)] / size, pairs(X, y)
    W, weights = separate(with_ones, y, n_classes)
    Z = with_ones @ W
    margins = Z[np.arange(n), y][:, None] - Z
    is_pair = np.arange(n_classes) != y[:, None]
    separated = is_pair & (margins > 0.5)
    assert separated.sum() == most_pairs(A)
    assert np.abs(margins[is_pair & ~separated]).max(initial=0.0) < 1e-7
    assert (weights[is_pair & ~separated] > 0).all()
    assert (weights[~is_pair | separated] == 0).all()
    q = np.where(is_pair, -weights, 0.0)
    q[np.arange(n), y] = weights.sum(axis=1)
    assert np.abs(with_ones.T @ q).max() < 1e-9 * n


@pytest.mark.parametrize(
    ("gap", "kind"), [(1e-5, "complete"), (0.0, "quasi-complete"), (-1e-5, "overlap")]
)
def test_near_separation(gap, kind):
    x = np.r_[np.linspace(-1, 0, 10), np.linspace(gap, 1, 10)][:, None]
    assert separation(x, np.repeat([0, 1], 10)).kind == kind


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_units_and_offsets_do_not_matter(kind, offset, unit):
    X, y = problem(kind, 3, 0)
    found, other = separation(X, y), separation((X + offset) * unit, y)
    assert other.kind == kind
    np.testing.assert_array_equal(other.rows, found.rows)
    if kind == "quasi-complete":
        np.testing.assert_array_equal(other.columns, [X.shape[1] - 1])


def test_rows_without_weight_are_left_out():
    X, y = np.array([[0.0], [1.0], [2.0], [0.5]]), np.array(["b", "b", "c", "a"])
    found = separation(X, y, sample_weight=[1, 1, 1, 0])
    assert found.kind == "complete"
    assert found.direction.shape == (1, 1)
    np.testing.assert_array_equal(found.rows, [0, 1, 2])
    assert np.isnan(found.margins[3]).all()


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[1.0], [2.0]], [1, 1], "y: found the one class"),
        ([[1.0], [np.nan]], [0, 1], "NaN"),
        ([[1.0]], [0, 1], "inconsistent"),
    ],
)
def test_refusals(X, y, message):
    with pytest.raises(ValueError, match=message):
        separation(X, y)
