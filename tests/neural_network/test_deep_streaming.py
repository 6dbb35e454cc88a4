"""partial_fit of deep nets: a step on each mini-batch, units of the recent batches."""

import pickle

import numpy as np
import pytest
from helpers import fit_quietly
from scipy import sparse
from sklearn.base import clone

from sklearn_optland._net.network import Network
from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor
from sklearn_optland.neural_network._deep.metric import DELTA

pytestmark = pytest.mark.kernels


def data(n=2000):
    rng = np.random.RandomState(0)
    X = rng.randn(n, 3)
    return X, np.abs(X[:, 0]) + X[:, 1]


def stream(model, X, y, passes=4, size=200, **options):
    for _ in range(passes):
        for start in range(0, len(y), size):
            rows = slice(start, start + size)
            model.partial_fit(X[rows], y[rows], **options)
    return model


def test_a_step_is_the_gradient_in_the_metric_of_the_batch():
    X, y = data(150)
    alpha = 0.01
    model = ADMMNetRegressor((4,), "tanh", alpha=alpha, scale_inputs=False, random_state=0)
    start = Network((3, 4, 1), "tanh", False)
    theta = start.glorot(np.random.RandomState(0), np.float64)
    model.partial_fit(X, y)
    # In units of the targets, which is all that a net without scale_inputs changes.
    y = (y - y.mean()) / (size := y.std())
    offset = (model.intercepts_[-1] - data(150)[1].mean()) / size
    found = [np.vstack([model.coefs_[0], model.intercepts_[0]])]
    found.append(np.vstack([model.coefs_[1] / size, offset]))
    W = start.layers(theta)
    H = [np.column_stack([X, np.ones(150)])]
    V = np.tanh(H[0] @ W[0])
    H.append(np.column_stack([V, np.ones(150)]))
    D = (H[1] @ W[1] - y[:, None]) / 150
    D = [(D @ W[1][:-1].T) * (1 - V**2), D]
    steps = []
    for level, penalty in enumerate((alpha / size**2, alpha)):
        pull = penalty * np.vstack([W[level][:-1], np.zeros((1, W[level].shape[1]))])
        G = H[level].T @ H[level] / 150
        mean = np.sum(G**2) / np.trace(G)
        ridge = np.append(np.full(len(G) - 1, penalty), 0.0)
        M = G + DELTA * mean * np.eye(len(G)) + np.diag(ridge)
        steps.append(np.linalg.solve(M, H[level].T @ D[level] + pull))
    sizes = [(W[j] - found[j]) / steps[j] for j in range(2)]
    length = sizes[0].flat[0]
    assert np.log2(length) == pytest.approx(round(np.log2(length)), abs=1e-6)
    for ratio in sizes:
        np.testing.assert_allclose(ratio, length, rtol=1e-6)


@pytest.mark.parametrize("Net", [ADMMNetRegressor, ADMMNetClassifier])
def test_streams_are_learned(Net):
    X, y = data()
    is_classifier = Net is ADMMNetClassifier
    options = {"classes": [False, True]} if is_classifier else {}
    y = y > 1 if is_classifier else 1e3 * y - 5e3
    X = X * [1e-4, 1, 100] + [1, 1e4, 0]
    model = stream(Net(random_state=0), X, y, **options)
    assert model.score(X, y) > 0.9
    assert model.n_iter_ == 40
    assert not hasattr(model, "certificate_")
    copy = pickle.loads(pickle.dumps(model))
    assert copy.partial_fit(X[:300], y[:300]).n_iter_ == 42


def test_several_labels_and_sparse_rows():
    X, y = data()
    X[np.abs(X) < 0.5] = 0
    Y = np.column_stack([y > 1, X[:, 2] > 0]).astype(int)
    model = ADMMNetClassifier((20,), scale_inputs=False, random_state=0)
    dense, csr = (stream(clone(model), rows, Y, passes=2) for rows in (X, sparse.csr_matrix(X)))
    assert (dense.predict(X) == Y).mean() > 0.9
    np.testing.assert_allclose(
        csr.decision_function(X), dense.decision_function(X), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("scale_inputs", [True, False])
@pytest.mark.parametrize("odd", [1e6, 1e-6])
def test_an_odd_first_batch_does_not_spoil_a_stream(odd, scale_inputs):
    X, y = data()
    model = ADMMNetRegressor((50,), alpha=1e-4, scale_inputs=scale_inputs, random_state=0)
    model.partial_fit(odd * X[:200], odd * y[:200])
    assert stream(model, X, y).score(X, y) > 0.9


@pytest.mark.parametrize("odd", [1e6, 1e-6])
def test_an_odd_batch_after_a_fit_changes_little(odd):
    X, y = data()
    model = fit_quietly(ADMMNetRegressor((20,), alpha=1e-4, max_iter=50, random_state=0), X, y)
    before = model.score(X, y)
    model.partial_fit(X[:200], y[:200])
    assert model.score(X, y) > before - 0.01
    model.partial_fit(odd * X[:200], odd * y[:200])
    assert stream(model, X, y, passes=2).score(X, y) > before - 0.05


def test_units_of_data_change_nothing():
    X, y = data(600)
    expected = stream(ADMMNetRegressor((10,), random_state=0), X, y).predict(X)
    shift = np.array([1e3, -5.0, 0.0])
    found = stream(ADMMNetRegressor((10,), random_state=0), 1e4 * X + shift, 1e3 * y + 7)
    np.testing.assert_allclose(
        (found.predict(1e4 * X + shift) - 7) / 1e3, expected, atol=1e-5 * expected.std()
    )


def test_other_layers_begin_anew():
    X, y = data(400)
    model = ADMMNetRegressor((10,), random_state=0).partial_fit(X, y)
    model.set_params(hidden_layer_sizes=(5, 4)).partial_fit(X, y)
    assert [W.shape for W in model.coefs_] == [(3, 5), (5, 4), (4, 1)]


def test_what_a_stream_refuses():
    X, y = data(400)
    assert not hasattr(ADMMNetRegressor(solver="taylor"), "partial_fit")
    with pytest.raises(ValueError, match="y: found 2 outputs; allowed are 1"):
        ADMMNetRegressor().partial_fit(X, y).partial_fit(X, np.column_stack([y, y]))
    net = ADMMNetClassifier((5,), random_state=0)
    with pytest.raises(ValueError, match="classes: found None; the first call of partial_fit"):
        net.partial_fit(X, y > 1)
    net.partial_fit(X, y > 1, classes=[False, True])
    with pytest.raises(ValueError, match=r"y: found labels \[2\]; allowed are \[False, True\]"):
        net.partial_fit(X, np.full(len(X), 2))
