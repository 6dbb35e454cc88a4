"""The kernel of least-squares paths on a Gram matrix, against the definitions of its results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_optland.linear_model._finite_sum.gram_path_fast import SupportInverse, gram_path

pytestmark = pytest.mark.kernels


def path_of(X, y, strengths, positive, tol, pieces):
    """Coefficients, objectives and gaps of a path that is taken in pieces."""
    n, d = X.shape
    H, pulls, square = X.T @ X / n, X.T @ y / n, y @ y / n
    lengths = np.sqrt(np.mean(X**2, axis=0))
    inverse, w = SupportInverse(d, d), np.zeros(d)
    coefs, curves = np.zeros((len(strengths), d + 1)), np.empty((len(strengths), 2))
    for first, end in pieces:
        gram_path(
            *(H, pulls, lengths, square, strengths, positive, tol),
            *(w, inverse, coefs, curves, first, end),
        )
    return coefs[:, :-1], curves


@given(
    seed=st.integers(0, 10**6),
    d=st.integers(1, 40),
    rank=st.integers(1, 40),
    has_l2=st.booleans(),
    positive=st.booleans(),
    n_strengths=st.sampled_from([2, 12, 50]),
)
def test_each_point_of_a_path_is_certified_and_optimal(
    seed, d, rank, has_l2, positive, n_strengths
):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(50, min(rank, d))) @ rng.normal(size=(min(rank, d), d))
    X[:, rng.integers(d)] = 0.0
    y = X @ (rng.normal(size=d) * (rng.random(d) < 0.5)) + rng.normal(size=50)
    largest = max(np.abs(X.T @ y).max() / 50, 1e-3)
    l1 = largest * np.geomspace(1, 1e-3, n_strengths)
    strengths = np.column_stack([l1, 0.3 * l1 * has_l2])
    whole = path_of(X, y, strengths, positive, 1e-9, [(0, n_strengths)])
    cut = rng.integers(1, n_strengths)
    pieces = path_of(X, y, strengths, positive, 1e-9, [(0, cut), (cut, n_strengths)])
    for coefs, curves in (whole, pieces):
        for w, (objective, gap), (l1, l2) in zip(coefs, curves, strengths, strict=True):
            residuals = y - X @ w
            value = 0.5 * np.mean(residuals**2) + l1 * np.abs(w).sum() + 0.5 * l2 * w @ w
            assert objective == pytest.approx(value, rel=1e-10)
            assert gap <= 1e-9 * objective
            assert not positive or (w >= 0).all()
            # the dual value of the residuals, scaled into the feasible set where that is bounded
            v = X.T @ residuals / 50
            v = np.maximum(v, 0.0) if positive else np.abs(v)
            scale = 1.0 if l2 else min(1.0, l1 / max(v.max(), 1e-300))
            beyond = np.maximum(v - l1, 0.0)
            conjugate = beyond @ beyond / (2 * l2) if l2 else 0.0
            dual = scale * (residuals @ y) / 50 - 0.5 * scale**2 * np.mean(residuals**2)
            assert value - (dual - conjugate) <= gap + 1e-12 * (1 + value)
