"""Nets of both families on data of any units and offsets: what should not matter does not."""

import numpy as np
import pytest
from helpers import fit_quietly
from scipy import sparse
from sklearn.base import clone, is_classifier

from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
    MeanFieldTwoLayerNetClassifier,
)

pytestmark = pytest.mark.kernels

REGRESSORS = [
    MeanFieldTwoLayerNet(20, alpha=0.01, max_iter=60, random_state=0),
    MeanFieldTwoLayerNet(20, alpha=0.01, solver="flow", max_iter=40, random_state=0),
    MeanFieldTwoLayerNet(20, alpha=0.01, regime="kernel", random_state=0),
    MeanFieldTwoLayerNet(alpha=0.01, activation="square", random_state=0),
    ADMMNetRegressor((20,), alpha=1e-3, max_iter=40, random_state=0),
    ADMMNetRegressor((6, 6, 6), "tanh", alpha=1e-3, max_iter=40, random_state=0),
    ADMMNetRegressor((6,), "logistic", solver="admm", alpha=1e-3, max_iter=20, random_state=0),
]
CLASSIFIERS = [
    MeanFieldTwoLayerNetClassifier(20, alpha=0.01, max_iter=60, random_state=0),
    ADMMNetClassifier((20,), alpha=1e-3, max_iter=40, random_state=0),
]


def data():
    rng = np.random.RandomState(0)
    X = rng.randn(150, 4) * [1, 2, 0.3, 50] + [0, 3, -1, 200]
    return X, np.abs(X[:, 0]) + 0.5 * X[:, 1] + 0.1 * rng.randn(150)


def outputs(model, X, y):
    """Scores or predictions of a fit."""
    model = fit_quietly(clone(model), X, y)
    return model.decision_function(X) if is_classifier(model) else model.predict(X)


COLUMNS = {
    "X * 1e6": lambda X: X * 1e6,
    "X * 1e-6": lambda X: X * 1e-6,
    "X + 1e4": lambda X: X + 1e4,
    "each its own": lambda X: X * [1e6, 1e-6, 10.0, 0.3] + [5e6, 0, 1e3, 0],
}


@pytest.mark.parametrize("change", COLUMNS)
@pytest.mark.parametrize("model", CLASSIFIERS, ids=str)
def test_units_and_offsets_of_columns_change_nothing_for_several_labels(model, change):
    X, y = data()
    y = np.column_stack([y > 1, y > 2, X[:, 0] > 0]).astype(int)
    expected = outputs(model, X, y)
    found = outputs(model, COLUMNS[change](X), y)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.std())


@pytest.mark.parametrize("change", COLUMNS)
@pytest.mark.parametrize("model", [*REGRESSORS, *CLASSIFIERS], ids=str)
def test_units_and_offsets_of_columns_change_nothing(model, change):
    X, y = data()
    y = y > 2 if is_classifier(model) else y
    expected = outputs(model, X, y)
    np.testing.assert_allclose(
        outputs(model, COLUMNS[change](X), y), expected, rtol=0, atol=1e-6 * expected.std()
    )


@pytest.mark.parametrize(("unit", "offset"), [(1e6, 0.0), (1e-6, 0.0), (1.0, 1e6), (1e3, -1e6)])
@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_units_and_offsets_of_targets_change_nothing(model, unit, offset):
    X, y = data()
    expected = outputs(model, X, y)
    found = outputs(model, X, unit * y + offset)
    np.testing.assert_allclose(
        (found - offset) / unit, expected, rtol=0, atol=1e-5 * expected.std()
    )


@pytest.mark.parametrize("model", REGRESSORS, ids=str)
def test_objective_and_certificate_are_in_the_units_of_the_targets(model):
    X, y = data()
    ends = []
    for unit in (1.0, 1e3):
        fit = fit_quietly(clone(model), X, unit * y)
        relative = fit.certificate_.quantity == "KKT residual"
        gap = fit.certificate_.value * (unit**2 if relative else 1.0)
        ends.append((fit.history_["objective"][-1] / unit**2, gap / unit**2))
        F = fit.predict(X) / unit
        assert ends[-1][0] >= 0.5 * np.mean((y - F) ** 2)
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-4, atol=1e-6 * ends[0][0])


@pytest.mark.parametrize("Net", [MeanFieldTwoLayerNet, ADMMNetRegressor])
def test_constant_columns_and_tiny_ones_harm_no_other(Net):
    X, y = data()
    model = Net(random_state=0, alpha=1e-3)
    expected = fit_quietly(model, np.column_stack([X, np.zeros(len(X))]), y).score
    expected = expected(np.column_stack([X, np.zeros(len(X))]), y)
    for constant in (1e8, 1e8 * (1 + 1e-16), 1e-300):
        wide = np.column_stack([X, np.full(len(X), constant)])
        assert fit_quietly(model, wide, y).score(wide, y) == pytest.approx(expected, abs=0.02)
        for part in (*model.coefs_, *model.intercepts_):
            assert np.isfinite(part).all()


def test_memory_maps_are_standardised_when_they_are_read(tmp_path):
    X, y = data()
    model = MeanFieldTwoLayerNet(10, alpha=0.01, max_iter=20, random_state=0)
    expected = fit_quietly(model, X, y).predict(X)
    file = np.memmap(tmp_path / "X", dtype=float, mode="w+", shape=X.shape)
    file[:] = X
    file.flush()
    mapped = np.memmap(tmp_path / "X", dtype=float, mode="r", shape=X.shape)
    np.testing.assert_array_equal(fit_quietly(model, mapped, y).predict(X), expected)


@pytest.mark.parametrize("scale_inputs", [True, False])
@pytest.mark.parametrize("odd", [1e6, 1e-6])
def test_an_odd_first_batch_does_not_spoil_a_stream(odd, scale_inputs):
    rng = np.random.RandomState(0)
    X = rng.randn(4000, 3)
    y = np.abs(X[:, 0]) + X[:, 1]
    model = MeanFieldTwoLayerNet(
        50, solver="flow", alpha=1e-4, scale_inputs=scale_inputs, random_state=0
    )
    model.partial_fit(odd * X[:200], odd * y[:200])
    for _ in range(4):
        for start in range(0, 4000, 200):
            model.partial_fit(X[start : start + 200], y[start : start + 200])
    assert model.score(X, y) > 0.9


def test_a_stream_of_far_columns_is_learned():
    rng = np.random.RandomState(0)
    X = rng.randn(4000, 3)
    y = 1e3 * (np.abs(X[:, 0]) + X[:, 1]) - 5e3
    X = X * [1e-4, 1, 100] + [1, 1e4, 0]
    model = MeanFieldTwoLayerNet(50, solver="flow", alpha=1e-4, random_state=0)
    for _ in range(2):
        for start in range(0, 4000, 200):
            model.partial_fit(X[start : start + 200], y[start : start + 200])
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("solver", ["feasible", "taylor"])
@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_sparse_rows_of_deep_nets_are_dense_ones(n_classes, solver, container):
    X, y = data()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X[np.abs(X) < 1] = 0
    Net = ADMMNetClassifier if n_classes else ADMMNetRegressor
    y = np.digitize(y, [2, 3][: n_classes - 1]) if n_classes else (y - y.mean()) / y.std()
    settings = {"alpha": 1e-3, "solver": solver, "max_iter": 10, "random_state": 0}
    dense = Net((10,), scale_inputs=False, **settings)
    expected = outputs(dense, X, y)
    np.testing.assert_allclose(outputs(dense, container(X), y), expected, rtol=1e-6, atol=1e-8)
    # Of standard units there is one divisor.
    size = np.sqrt(np.mean(X[X != 0] ** 2))
    expected = outputs(dense, X / size, y)
    found = outputs(Net((10,), **settings), container(1e3 * X), y)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


SPARSE = {
    "particles": {"max_iter": 40},
    "flow": {"solver": "flow", "max_iter": 20},
    "conic": {"solver": "conic", "max_iter": 20},
    "kernel": {"regime": "kernel", "max_iter": 40},
    "auto": {"alpha": "auto", "max_iter": 40},
}


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("settings", SPARSE)
@pytest.mark.parametrize("Net", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_sparse_rows_of_mean_field_nets_are_dense_ones(Net, settings, container):
    X, y = data()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X[np.abs(X) < 1] = 0
    y = np.digitize(y, [2, 3]) if Net is MeanFieldTwoLayerNetClassifier else y
    settings = {"alpha": 0.01, "random_state": 0, **SPARSE[settings]}
    dense = Net(20, scale_inputs=False, **settings)
    expected = fit_quietly(clone(dense), X, y)
    found = fit_quietly(clone(dense), container(X), y)
    np.testing.assert_allclose(found.predict(container(X)), expected.predict(X), rtol=1e-5)
    assert found.certificate_.value == pytest.approx(expected.certificate_.value, rel=1e-3)
    # In standard units there is one divisor, and the size of the sparse columns changes nothing.
    scaled = Net(20, **settings)
    expected = fit_quietly(clone(scaled), container(X), y).predict(container(X))
    found = fit_quietly(clone(scaled), container(1e3 * X), y).predict(container(1e3 * X))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("Net", [MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier])
def test_sparse_rows_keep_their_precision_and_their_size(Net):
    X, y = data()
    X = sparse.csr_array(np.where(np.abs(X) < 1, 0, X))
    y = np.digitize(y, [2, 3]) if Net is MeanFieldTwoLayerNetClassifier else y
    model = Net(20, alpha=0.01, max_iter=20, random_state=0)
    for size in (np.float32(1e-9), np.float32(1e15), 1e-100, 1e300):
        rows = (X * size).astype(np.asarray(size).dtype)
        found = fit_quietly(clone(model), rows, y)
        assert found.coefs_[0].dtype == rows.dtype
        expected = fit_quietly(clone(model), X, y).predict(X)
        np.testing.assert_allclose(found.predict(rows), expected, rtol=1e-3)


def test_a_fitted_net_predicts_for_sparse_rows_whatever_its_parameters_say():
    X, y = data()
    model = fit_quietly(MeanFieldTwoLayerNet(20, alpha=0.01, max_iter=20, random_state=0), X, y)
    model.set_params(solver="margin-ascent")
    np.testing.assert_allclose(model.predict(sparse.csr_array(X)), model.predict(X), rtol=1e-12)


def test_a_stream_of_sparse_rows():
    X, y = data()
    X = sparse.csr_array(np.where(np.abs(X) < 1, 0, X / np.abs(X).max(axis=0)))
    for scale_inputs in (True, False):
        model = MeanFieldTwoLayerNet(
            50, solver="flow", alpha=1e-4, scale_inputs=scale_inputs, random_state=0
        )
        for _ in range(100):
            model.partial_fit(X, y)
        assert model.score(X, y) > 0.5


def test_sliding_frank_wolfe_of_sparse_rows():
    X, y = data()
    X = np.where(np.abs(X) < 1, 0, X / np.abs(X).max(axis=0))
    model = MeanFieldTwoLayerNet(solver="sliding-frank-wolfe", alpha=0.01, max_iter=10)
    model.set_params(scale_inputs=False, random_state=0)
    sparse_fit, dense_fit = (
        fit_quietly(clone(model), rows, y) for rows in (sparse.csr_array(X), X)
    )
    ends = [fit.history_["objective"][-1] for fit in (sparse_fit, dense_fit)]
    assert ends[0] == pytest.approx(ends[1], rel=0.01)
    assert sparse_fit.certificate_.scope == "estimate"


def test_margins_take_dense_rows():
    X, y = data()
    with pytest.raises(TypeError, match="Sparse data was passed"):
        MeanFieldTwoLayerNetClassifier(solver="margin-ascent").fit(sparse.csr_array(X), y > 2)


@pytest.mark.parametrize("activation", ["relu", "square"])
def test_far_fewer_rows_than_columns(activation):
    """The net stays in the rows' span, its penalty is that of the columns, and it goes on there."""
    rng = np.random.RandomState(0)
    X, y = 3 * rng.randn(6, 60) + 5, rng.randn(6)
    settings = {"activation": activation, "alpha": 0.01, "random_state": 0}
    model = MeanFieldTwoLayerNet(10, max_iter=30, warm_start=True, **settings)
    fit_quietly(model, X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    W = model.coefs_[0] * X.std(axis=0)[:, None]
    np.testing.assert_allclose(Z.T @ np.linalg.lstsq(Z.T, W)[0], W, atol=1e-10)
    bias = model.intercepts_[0] + X.mean(axis=0) @ model.coefs_[0]
    degree = 2 if activation == "square" else 1
    sizes = np.linalg.norm(np.vstack([W, bias]), axis=0) ** degree
    norm = sizes @ np.linalg.norm(model.coefs_[1], axis=1)
    assert model.variation_norm_ == pytest.approx(norm)
    objective = 0.5 * np.mean((y - model.predict(X)) ** 2) + 0.01 * y.std() * norm
    assert model.history_["objective"][-1] == pytest.approx(objective)
    fit_quietly(model, X, y)
    assert model.history_["objective"][0] <= objective * (1 + 1e-9)
