"""Logistic regression on Dask's collections: the coefficients of a fit in memory."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from scale_out.data import (
    PARTITIONS,
    as_array,
    as_csr,
    as_frame,
    two_or_more_classes,
    with_unknown_lengths,
)
from scipy.sparse import csr_array

from sklearn_optland._rows import dask_source, partition
from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.utils import RowBlocks

# Until no step lowers the objective.
SETTINGS = {"tol": 0.0, "max_iter": 100}


def fit(X, y, w=None, **parameters):
    return BoundMajorizationLogisticRegression(**(SETTINGS | parameters)).fit(X, y, w)


def same(found, expected, rtol=1e-8):
    assert found.certificate_.scope == expected.certificate_.scope
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    atol = rtol * max(np.abs(expected.coef_).max(), np.abs(expected.intercept_).max())
    for name in ("coef_", "intercept_"):
        one, other = getattr(found, name), getattr(expected, name)
        assert isinstance(one, np.ndarray)
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@pytest.fixture(params=[2, 3])
def data(request, global_random_seed):
    return two_or_more_classes(request.param, global_random_seed)


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("kind", ["array", "columns", "frame", "csr", "unknown"])
def test_collections_give_what_arrays_give(kind, sizes, data):
    X, y, w = data
    expected = fit(X, y, w)
    cut = as_frame if kind == "frame" else as_array
    dX, dy, dw = (cut(A, sizes) for A in (X, y, w))
    if kind == "columns":
        dX = as_array(X, sizes, split_columns=True)
    elif kind == "csr":
        dX = as_csr(X, sizes)
    elif kind == "unknown":
        dX, dy = with_unknown_lengths(dX), with_unknown_lengths(dy)
    found = fit(dX, dy, dw)
    same(found, expected)
    assert found.n_features_in_ == 5
    if kind == "frame":
        assert found.feature_names_in_.tolist() == list("abcde")
    # the bound holds for the objective of the other fit too
    least = expected.history_["objective"][-1] - expected.certificate_.value
    assert found.history_["objective"][-1] + 1e-12 * least >= least
    assert found.certificate_.value <= 1e-12 * least


@pytest.mark.parametrize(
    "parameters",
    [
        {"curvature": "jc12"},
        {"curvature": "bohning", "max_iter": 3000},
        {"curvature": "bohning-nesterov", "max_iter": 3000},
        {"fit_intercept": False},
        {"class_weight": "balanced"},
        {"class_weight": {"class 1": 3.0}},
        {"C": 1e-3},
        {"C": np.inf},
    ],
    ids=str,
)
def test_parameters(parameters, data):
    X, y, w = data
    sizes = PARTITIONS["seven"]
    found = fit(*(as_array(A, sizes) for A in (X, y, w)), **parameters)
    # Steps of a bound end where the objective is rounding: its root is left of the coefficients.
    same(found, fit(X, y, w, **parameters), 1e-6 if "curvature" in parameters else 1e-8)


def test_arrays_beside_a_dask_array(data):
    X, y, w = data
    same(fit(as_array(X, PARTITIONS["three"]), y, w), fit(X, y, w))


def test_other_chunks_of_y(data):
    X, y, _ = data
    same(fit(as_array(X, (600,)), as_array(y, (1, 599))), fit(X, y))


def test_float32(data):
    X, y, w = data
    X = X.astype(np.float32)
    sizes = PARTITIONS["three"]
    same(fit(as_array(X, sizes), as_array(y, sizes), w), fit(X, y, w), rtol=1e-6)


def test_a_start_from_the_last_fit(data):
    X, y, w = data
    model = BoundMajorizationLogisticRegression(warm_start=True, **SETTINGS).fit(X, y, w)
    before = model.coef_
    model.fit(as_array(X, (600,)), y, w)
    assert model.n_iter_ <= 5
    np.testing.assert_allclose(model.coef_, before, rtol=0, atol=1e-8 * np.abs(before).max())


def test_partitions_change_no_sample(data, monkeypatch):
    """Rows are drawn by a hash of their number: steps from samples are those of an array."""
    X, y, w = (np.tile(A, (20, *[1] * (A.ndim - 1))) for A in data)
    models = [
        fit(*(as_array(A, sizes) for A in (X, y, w)), tol=1e-6)
        for sizes in ((12000,), (1000, 7000, 4000))
    ]
    assert models[0].n_iter_ == models[1].n_iter_
    same(*models, rtol=1e-10)


def test_a_model_pickles_and_loads_without_dask(tmp_path, data):
    X, y, w = data
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(fit(as_array(X, (300, 300)), y, w)))
    program = (
        "import pickle, sys; model = pickle.load(open(sys.argv[1], 'rb')); "
        "model.predict([[0.0] * 5]); assert 'dask' not in sys.modules"
    )
    subprocess.run([sys.executable, "-Ic", program, str(path)], check=True)


def test_a_fit_in_memory_imports_no_dask():
    program = (
        "import sys, numpy as np; "
        "from sklearn_optland.linear_model import BoundMajorizationLogisticRegression as Model; "
        "Model().fit(np.eye(4), [0, 1, 0, 1]).predict(np.eye(4)); assert 'dask' not in sys.modules"
    )
    subprocess.run([sys.executable, "-Ic", program], check=True)


def test_dense_and_csr_agree(data):
    X, y, w = data
    X = X * (np.abs(X) > 1)
    sizes = PARTITIONS["seven"]
    same(fit(as_csr(X, sizes), as_array(y, sizes), as_array(w, sizes)), fit(csr_array(X), y, w))


def test_few_numbers_a_row_are_kept(global_random_seed, monkeypatch):
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(4000, 20).astype(np.float32)
    y = (X.sum(axis=1) + 3 * rng.logistic(size=4000) > 0).astype(np.int64)
    bytes_a_row, serve = [], dask_source.serve

    def counted(rows, key, message):
        answer = serve(rows, key, message)
        columns = sum(column.rows.nbytes for column in rows[1].values())
        scores = sum(array.nbytes for array in partition._states[key].arrays.values())
        bytes_a_row.append((columns + scores) / 1000)
        return answer

    monkeypatch.setattr(dask_source, "serve", counted)
    blocks = RowBlocks.from_array(X, 1000), RowBlocks.from_array(y, 1000)
    model = BoundMajorizationLogisticRegression().fit(*blocks)
    assert model.plan_ == ("quasi-newton from samples", "gram")
    assert max(bytes_a_row) <= 5 * 8 + 1.01
    expected = BoundMajorizationLogisticRegression().fit(X, y)
    loss, best = model.certificate_, expected.certificate_
    assert loss.reached
    assert best.reached
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=5e-3)
