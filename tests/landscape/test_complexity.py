"""Spectral complexity and margins: against NumPy, exact transformations, and random labels."""

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
from helpers import SEEDS, fit_quietly
from hypothesis import given
from hypothesis import strategies as st
from landscape.nets import classifier, digits, iris, regressor
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from sklearn_optland.landscape import margin_rate, normalized_margins, spectral_complexity
from sklearn_optland.landscape._complexity import SLOPES, matrices_of
from sklearn_optland.neural_network import ADMMNetClassifier

X, y = iris()
FITTED = fit_quietly(MLPClassifier((1,), max_iter=1), X, y)


def net_of(seed, sizes, activation):
    """A classifier with drawn weights."""
    rng, net = np.random.RandomState(seed), deepcopy(FITTED)
    net.activation, net.n_layers_ = activation, len(sizes)
    shapes = list(pairwise(sizes))
    net.coefs_ = [rng.randn(*shape) for shape in shapes]
    net.intercepts_ = [rng.randn(shape[1]) for shape in shapes]
    return net


ACTIVATIONS = {
    "relu": lambda Z: np.maximum(Z, 0),
    "tanh": np.tanh,
    "logistic": lambda Z: 1 / (1 + np.exp(-Z)) - 0.5,
    "identity": lambda Z: Z,
}


@given(
    seed=SEEDS,
    hidden=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    activation=st.sampled_from(list(ACTIVATIONS)),
)
def test_it_is_the_papers_formula(seed, hidden, activation):
    net = net_of(seed, (4, *hidden, 3), activation)
    reference = [0.1 * W for W in net.coefs_]
    slope, product, total = SLOPES[activation], 1.0, 0.0
    for W, M in zip(net.coefs_, reference, strict=True):
        A = W.T  # as the paper has it: x -> A x
        norm = np.linalg.svd(A, compute_uv=False)[0]
        product *= norm
        columns = [np.linalg.norm(row) for row in A - M.T]  # columns of the transpose
        total += (sum(columns) / norm) ** (2 / 3)
    expected = slope ** len(hidden) * product * total**1.5
    found = spectral_complexity(net, reference=reference, biases=False)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_net_with_biases_is_one_without(activation):
    net = net_of(0, (4, 5, 6, 3), activation)
    V, function = np.column_stack([X, np.ones(len(X))]), ACTIVATIONS[activation]
    matrices = matrices_of(net, True)
    for A in matrices[:-1]:
        Z = V @ A
        V = np.column_stack([function(Z[:, :-1]), Z[:, -1]])  # the constant goes on
        assert_allclose(V[:, -1], 1.0)
    P = np.exp(V @ matrices[-1])
    assert_allclose(P / P.sum(axis=1, keepdims=True), net.predict_proba(X))
    # Its constants are no distance from where training began.
    assert spectral_complexity(net, reference=net.coefs_) > 0
    net.intercepts_ = [0 * b for b in net.intercepts_]
    if activation != "logistic":
        assert spectral_complexity(net, reference=net.coefs_) == 0


def test_the_scale_of_layers_that_cancels_does_not_matter():
    net = net_of(0, (4, 5, 3), "relu")
    complexity = spectral_complexity(net, biases=False)
    net.coefs_ = [3.0 * net.coefs_[0], net.coefs_[1] / 3.0]
    assert spectral_complexity(net, biases=False) == pytest.approx(complexity)
    net.coefs_ = [net.coefs_[0], 0 * net.coefs_[1]]
    assert spectral_complexity(net, biases=False) == 0
    with pytest.raises(ValueError, match="found a net of complexity 0"):
        normalized_margins(net, X, y, biases=False)


@pytest.mark.parametrize("labels", [y, y > 0], ids=["three", "two"])
@pytest.mark.parametrize("kind", [LogisticRegression, lambda: MLPClassifier((4,), "logistic")])
def test_margins_are_those_of_the_scores(kind, labels):
    model = fit_quietly(kind(), X, labels)
    margins = normalized_margins(model, X, labels)
    unit = spectral_complexity(model) * np.sqrt((X**2).sum() + len(X)) / len(X)
    log_proba = model.predict_log_proba(X)
    codes = np.searchsorted(model.classes_, labels)
    expected = [
        row[code] - max(np.delete(row, code)) for row, code in zip(log_proba, codes, strict=True)
    ]
    assert_allclose(margins * unit, expected, atol=1e-9)
    assert np.mean(margins > 0) == model.score(X, labels)


def test_the_rate_is_the_sum_of_its_parts():
    model = classifier(X, y, 5)
    gamma = np.array([0.5, 2.0])
    rate = margin_rate(model, X, y, gamma, delta=0.1, constant=3.0)
    complexity = spectral_complexity(model)
    margins = normalized_margins(model, X, y)
    size = np.sqrt((X**2).sum() + len(X))
    margins *= complexity * size / len(X)
    assert_allclose(rate.error_at_margin, [np.mean(margins <= g) for g in gamma])
    expected = 3.0 * size * complexity * np.log(6) / (gamma * len(X))
    assert_allclose(rate.complexity_term, expected)
    assert rate.confidence_term == pytest.approx(3.0 * np.sqrt(np.log(10) / len(X)))
    total = rate.error_at_margin + rate.complexity_term + rate.confidence_term
    assert_allclose(rate.rate, total)
    assert margin_rate(model, X, y, 0.5, delta=0.1, constant=3.0).rate == rate.rate[0]


@pytest.mark.parametrize(
    "net",
    [
        MLPClassifier((64,), alpha=0, solver="lbfgs", max_iter=3000, random_state=0),
        ADMMNetClassifier((64,), alpha=1e-6, random_state=0),
    ],
    ids=["MLP", "ADMM"],
)
def test_random_labels_need_more_complexity_and_have_smaller_margins(net):
    X, y = digits(1000)
    true, random = (
        (labels, fit_quietly(clone(net), X, labels))
        for labels in (y, np.random.RandomState(0).permutation(y))
    )
    assert true[1].score(X, true[0]) == random[1].score(X, random[0]) == 1.0
    for biases in (False, True):
        complexities = [spectral_complexity(model, biases=biases) for _, model in (true, random)]
        assert complexities[1] > 5 * complexities[0]
    margins = [np.median(normalized_margins(model, X, labels)) for labels, model in (true, random)]
    assert margins[0] > 5 * margins[1]


def test_rows_of_any_size_have_margins():
    X, y = iris()
    model = LogisticRegression(max_iter=1000).fit(X, y)
    model.intercept_[:] = 0.0
    expected = normalized_margins(model, X, y, biases=False)
    for scale in (1e-200, 1e200):
        found = normalized_margins(model, X * scale, y, biases=False)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_what_has_no_margins_is_refused():
    model, net = LogisticRegression().fit(X, y), regressor(X, X[:, 0])
    assert spectral_complexity(net) > 0
    with pytest.raises(ValueError, match="found MLPRegressor; allowed are classifiers"):
        normalized_margins(net, X, X[:, 0])
    several = np.eye(3, dtype=int)[y]
    with pytest.raises(ValueError, match="several labels a row"):
        normalized_margins(fit_quietly(MLPClassifier(max_iter=1), X, several), X, several)
    with pytest.raises(ValueError, match=r"X: found the shape \(150, 2\)"):
        normalized_margins(model, X[:, :2], y)
    with pytest.raises(ValueError, match=r"X: found the shape \(9, 4\)"):
        normalized_margins(model, X[:9], y)
    with pytest.raises(ValueError, match="gamma: found"):
        margin_rate(model, X, y, [1.0, 0.0])
    with pytest.raises(ValueError, match=r"reference: found the shapes \[\(1, 1\)\]"):
        spectral_complexity(model, reference=[np.ones((1, 1))])
