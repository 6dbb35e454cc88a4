"""Precision at k against loops over rows."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from sklearn_optland.metrics import (
    label_propensities,
    precision_at_k,
    propensity_scored_precision,
)

SHAPES = st.tuples(st.integers(1, 12), st.integers(2, 8))


@st.composite
def rankings(draw):
    """Indicators, scores with ties, and k."""
    shape = draw(SHAPES)
    Y = draw(arrays(int, shape, elements=st.integers(0, 1)))
    scores = draw(arrays(float, shape, elements=st.integers(-3, 3)))
    return Y, scores, draw(st.integers(1, 10))


def first(scores, k):
    """The labels of the highest scores of a row, ties by column."""
    return sorted(range(len(scores)), key=lambda label: (-scores[label], label))[:k]


@given(rankings(), st.booleans())
def test_precision_is_that_of_a_loop(ranking, is_weighted):
    Y, scores, k = ranking
    weights = np.arange(1, len(Y) + 1.0) if is_weighted else np.ones(len(Y))
    each = [sum(Y[i, label] for label in first(scores[i], k)) / k for i in range(len(Y))]
    expected = np.average(each, weights=weights)
    found = precision_at_k(Y, scores, k, sample_weight=weights if is_weighted else None)
    assert found == pytest.approx(expected)
    # All scores stored, in any order, are a dense matrix.
    columns = np.argsort(-scores, axis=1, kind="stable")
    parts = np.take_along_axis(scores, columns, 1).ravel(), columns.ravel()
    stored = sparse.csr_array((*parts, np.arange(0, Y.size + 1, Y.shape[1])), Y.shape)
    assert precision_at_k(sparse.csr_matrix(Y), stored, k) == pytest.approx(np.mean(each))


@given(rankings())
def test_propensities_of_one_leave_hits_over_the_most_hits(ranking):
    Y, scores, k = ranking
    most = np.minimum(Y.sum(axis=1), k).sum()
    found = propensity_scored_precision(Y, scores, np.ones(Y.shape[1]), k)
    expected = precision_at_k(Y, scores, k) * k * len(Y) / most if most else 0
    assert found == pytest.approx(expected)


@given(rankings(), st.integers(0, 1000))
def test_propensity_scored_precision_is_that_of_a_loop(ranking, seed):
    Y, scores, k = ranking
    p = np.random.RandomState(seed).uniform(0.1, 1, Y.shape[1])
    gains = Y / p
    found = sum(gains[i, first(scores[i], k)].sum() for i in range(len(Y)))
    best = sum(gains[i, first(gains[i], k)].sum() for i in range(len(Y)))
    assume(best > 0)
    assert propensity_scored_precision(Y, scores, p, k) == pytest.approx(found / best)
    assert propensity_scored_precision(Y, gains, p, k) == pytest.approx(1)


def test_what_is_not_stored_is_not_ranked():
    Y = np.array([[1, 1, 0], [1, 0, 0]])
    scores = sparse.csr_array((np.array([-1.0]), np.array([1]), np.array([0, 1, 1])), (2, 3))
    assert precision_at_k(Y, scores, 1) == 0.5
    assert precision_at_k(Y, scores, 2) == 0.25
    assert propensity_scored_precision(Y, scores, [1.0, 0.5, 1.0], 1) == 2 / 3


def test_propensities_are_those_of_the_formula():
    Y = np.arange(5) < np.array([1, 2, 3, 5] * 25)[:, None]
    n = Y.sum(axis=0)
    C = (np.log(100) - 1) * 2.5**0.55
    expected = 1 / (1 + C * np.exp(-0.55 * np.log(n + 1.5)))
    found = label_propensities(Y.astype(int))
    np.testing.assert_allclose(found, expected)
    assert (np.diff(found) <= 0).all()  # labels that come less often
    np.testing.assert_allclose(label_propensities(sparse.csr_array(Y.astype(int))), expected)
    assert (label_propensities(np.eye(2, dtype=int)) == 1).all()  # too few rows for the model


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda Y, S: precision_at_k(Y[:, 0], S), "y_true: found no indicator matrix"),
        (lambda Y, S: precision_at_k(Y, S[:, :2]), "y_score: found 2 columns; allowed are 3"),
        (lambda Y, S: precision_at_k(Y, S[:2]), "inconsistent numbers of samples"),
        (lambda Y, S: precision_at_k(Y, S * np.nan), "y_score: found NaN"),
        (lambda Y, S: precision_at_k(Y, S, 0), "'k' parameter"),
        (lambda Y, S: propensity_scored_precision(Y, S, [1, 1]), "propensities: found the shape"),
        (lambda Y, S: propensity_scored_precision(Y, S, [0, 1, 1]), "propensities: found values"),
        (lambda Y, S: label_propensities(S), "y: found no indicator matrix"),
    ],
)
def test_bad_input_is_refused(call, message):
    Y = np.eye(3, dtype=int)
    with pytest.raises(ValueError, match=message):
        call(Y, Y + 0.5 * np.arange(3))
