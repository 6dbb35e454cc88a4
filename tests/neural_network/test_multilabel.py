"""Nets of both families on rows that have any number of labels: a logit for each column."""

import numpy as np
import pytest
from helpers import fit_quietly
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import log_loss

from sklearn_optland._estimator.early_stopping import row_losses
from sklearn_optland._net.forward import LossKind, residuals
from sklearn_optland.neural_network import ADMMNetClassifier, MeanFieldTwoLayerNetClassifier
from sklearn_optland.neural_network._deep.sweeps import OutputLoss

pytestmark = pytest.mark.kernels

MeanField = MeanFieldTwoLayerNetClassifier
MODELS = [
    ADMMNetClassifier((8,), alpha=1e-3, max_iter=30, random_state=0),
    ADMMNetClassifier((8,), "logistic", solver="admm", alpha=1e-3, max_iter=30, random_state=0),
    ADMMNetClassifier((8,), "tanh", solver="emsa", alpha=1e-3, max_iter=10, random_state=0),
    ADMMNetClassifier((8,), solver="taylor", alpha=1e-3, max_iter=30, random_state=0),
    MeanField(20, alpha=1e-3, max_iter=60, random_state=0),
    MeanField(20, alpha=1e-3, solver="flow", max_iter=60, random_state=0),
    MeanField(20, alpha=1e-3, solver="conic", max_iter=60, random_state=0),
    MeanField(alpha=1e-2, solver="sliding-frank-wolfe", max_iter=5, random_state=0),
    MeanField(40, alpha=1e-3, regime="kernel", max_iter=60, random_state=0),
    MeanField(alpha=1e-2, activation="square", max_iter=60, random_state=0),
]


def data(seed=0, n=120, d=4):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    scores = X @ rng.randn(d, 3) + np.abs(X[:, :1]) - 0.5 + 0.3 * rng.randn(n, 3)
    return X, (scores > 0).astype(int)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_objective_and_predictions_are_those_of_the_scores(model):
    X, Y = data()
    model = fit_quietly(clone(model), X, Y)
    F = model.decision_function(X)
    assert F.shape == Y.shape
    np.testing.assert_array_equal(model.predict(X), F > 0)
    assert model.predict(X).dtype == Y.dtype
    P = model.predict_proba(X)
    np.testing.assert_allclose(P, 1 / (1 + np.exp(-F)), rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(P), rtol=1e-6, atol=1e-12)
    assert model.out_activation_ == "logistic"
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    loss = sum(log_loss(Y[:, j], P[:, j]) for j in range(3))
    objective = model.history_["objective"].min()
    assert 0 < objective - loss < objective
    assert model.score(X, Y) > 0.5
    assert (model.predict(X) == Y).mean() > 0.8


@pytest.mark.parametrize(
    "model",
    [
        ADMMNetClassifier((), alpha=0.05, tol=1e-7, random_state=0),
        MeanField(alpha=0.05, activation="square", tol=1e-8, random_state=0),
    ],
    ids=str,
)
def test_convex_fits_without_shared_weights_are_those_of_each_label(model):
    X, Y = data()
    scores = fit_quietly(clone(model), X, Y).decision_function(X)
    for label in range(3):
        alone = fit_quietly(clone(model), X, Y[:, label]).decision_function(X)
        np.testing.assert_allclose(scores[:, label], alone, atol=1e-3 * np.abs(alone).max())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [{}, {"regime": "kernel"}, {"activation": "square"}], ids=str)
def test_gaps_hold(settings, seed):
    X, Y = data(seed, d=2)
    model = MeanField(40, alpha=0.01, random_state=0, **settings)
    rough = fit_quietly(clone(model).set_params(max_iter=15, tol=0), X, Y)
    if not settings:
        model.set_params(solver="sliding-frank-wolfe", max_iter=60)
    best = fit_quietly(model.set_params(tol=1e-6), X, Y)
    assert rough.certificate_.scope == best.certificate_.scope == "global"
    assert best.certificate_.relative < 1e-3
    rise = rough.history_["objective"][-1] - best.history_["objective"][-1]
    assert rise <= rough.certificate_.value * (1 + 1e-6) + 1e-9


def test_rows_with_one_label_each_are_no_softmax():
    # The labels are exclusive in these rows, and are fitted one by one all the same.
    X, Y = data()
    Y = np.eye(3, dtype=int)[Y.argmax(axis=1)]
    P = fit_quietly(clone(MODELS[0]), X, Y).predict_proba(X)
    assert np.abs(P.sum(axis=1) - 1).max() > 1e-3


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=str)
def test_indicators_may_be_sparse_and_of_any_type(model):
    X, Y = data()
    expected = fit_quietly(clone(model), X, Y).decision_function(X)
    for other in (sparse.csr_matrix(Y), sparse.csr_array(Y), Y.astype(float), Y.astype(bool)):
        found = fit_quietly(clone(model), X, other)
        np.testing.assert_array_equal(found.decision_function(X), expected)
        assert found.predict(X).dtype == other.dtype


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=str)
def test_weights_count_rows(model):
    X, Y = data()
    weights = np.random.RandomState(0).randint(0, 3, len(X))
    once = fit_quietly(clone(model), X, Y, sample_weight=weights)
    repeated = fit_quietly(
        clone(model), np.repeat(X, weights, axis=0), np.repeat(Y, weights, axis=0)
    )
    np.testing.assert_allclose(
        once.decision_function(X), repeated.decision_function(X), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=str)
def test_rows_held_out_are_judged_by_all_labels(model):
    X, Y = data(n=400)
    model = clone(model).set_params(early_stopping=True, alpha="auto", max_iter=200)
    model = fit_quietly(model, X, Y)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert 0.3 < model.best_validation_score_ <= 1
    assert np.isfinite(fit_quietly(clone(model).set_params(early_stopping=False), X, Y).alpha_)


def test_a_stream_of_indicators_is_learned_and_stays_one():
    X, Y = data(n=400)
    model = MeanField(50, solver="flow", alpha=1e-4, random_state=0)
    for _ in range(30):
        model.partial_fit(X, Y)
    assert (model.predict(X) == Y).mean() > 0.85
    with pytest.raises(ValueError, match="y: found one column; allowed is an indicator matrix"):
        model.partial_fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="an indicator matrix of 2 columns"):
        model.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match="an indicator matrix of 3 columns"):
        MeanField(solver="flow").fit(X, Y.argmax(axis=1)).partial_fit(X, Y)
    after = fit_quietly(MeanField(20, alpha=1e-3, solver="flow", max_iter=50), X, Y)
    np.testing.assert_array_equal(after.partial_fit(X, Y).predict(X).shape, Y.shape)


@pytest.mark.parametrize("Net", [ADMMNetClassifier, MeanField])
def test_what_does_not_go_with_several_labels(Net):
    X, Y = data()
    with pytest.raises(ValueError, match="class_weight: found 'balanced'; allowed with an ind"):
        Net(class_weight="balanced").fit(X, Y)
    with pytest.raises(ValueError, match="inhomogeneous"):
        Net().fit(X[:2], [[0, 1], [1]])
    with pytest.raises(ValueError, match="y: found 3 labels; allowed with solver='margin-ascent'"):
        MeanField(solver="margin-ascent").fit(X, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_residuals_and_prox_are_those_of_the_labels(dtype):
    rng = np.random.RandomState(0)
    F, Y = rng.randn(50, 3).astype(dtype), (rng.rand(50, 3) > 0.5).astype(dtype)
    c, target = rng.rand(50), rng.randn(50, 3).astype(dtype)
    expected = [row_losses(F[:, [j]], Y[:, [j]], True) for j in range(3)]
    np.testing.assert_allclose(row_losses(F, Y, True, True), sum(expected), rtol=1e-12)
    D = F.copy()
    loss = residuals(LossKind(True, True), D, Y, c)
    assert loss == pytest.approx(c @ sum(expected), rel=1e-6)
    np.testing.assert_allclose(D, c[:, None] * (1 / (1 + np.exp(-F)) - Y), atol=1e-6)
    found = OutputLoss(Y, c, True, True).prox(F, target, 0.5)
    for j in range(3):
        one = OutputLoss(Y[:, [j]], c, True).prox(F[:, [j]], target[:, [j]], 0.5)
        np.testing.assert_allclose(found[:, [j]], one, rtol=1e-6, atol=1e-6)
