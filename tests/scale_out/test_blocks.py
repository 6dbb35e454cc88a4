"""Rows in blocks that are read as they are needed, without Dask: fits of all rows in memory."""

import gc
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from scale_out.data import PARTITIONS, refused, two_or_more_classes
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    LatentLogisticRegression,
)
from sklearn_optland.neural_network import (
    ADMMNetClassifier,
    ADMMNetRegressor,
    MeanFieldTwoLayerNet,
)
from sklearn_optland.utils import RowBlocks

MODELS = {
    "two classes": (BoundMajorizationLogisticRegression(tol=0.0), 2),
    "three classes": (BoundMajorizationLogisticRegression(tol=0.0), 3),
    "feasible": (ADMMNetClassifier((4,), alpha=1e-4, max_iter=5, random_state=0), 3),
    "taylor": (ADMMNetRegressor((4,), solver="taylor", max_iter=3, random_state=0), 0),
    "particles": (MeanFieldTwoLayerNet(5, alpha=1e-3, max_iter=3, random_state=0), 0),
}


def data_for(n_classes, dtype=np.float64):
    X, y, w = two_or_more_classes(n_classes or 2, 0)
    return X.astype(dtype), y if n_classes else X[:, 0] + np.abs(X[:, 1]), w


def fit(model, X, y, w=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(model).fit(X, y, w)


def same(found, expected):
    names = ("coef_", "intercept_") if hasattr(found, "coef_") else ("coefs_", "intercepts_")
    for name in names:
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            scale = np.abs(other).max()
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-8 * max(scale, 1.0))
    assert found.certificate_.scope == expected.certificate_.scope
    assert found.certificate_.reached is expected.certificate_.reached


def cut(A, sizes, read_later=True):
    """Blocks of these lengths, functions that read them."""
    parts = np.split(A, np.cumsum(sizes)[:-1])
    if not read_later:
        return RowBlocks(parts)
    return RowBlocks([lambda part=part: part.copy() for part in parts])


@pytest.fixture
def folder(tmp_path):
    """A folder of two Parquet files, each of several row groups: x0 to x4, y and w."""

    def write(X, y, w):
        columns = {f"x{j}": X[:, j] for j in range(X.shape[1])}
        table = pa.table({"w": w, **columns, "y": y})
        parquet.write_table(table.slice(0, 350), tmp_path / "0.parquet", row_group_size=150)
        parquet.write_table(table.slice(350), tmp_path / "1.parquet", row_group_size=200)
        return tmp_path

    return write


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize(("model", "n_classes"), MODELS.values(), ids=MODELS)
def test_blocks_give_what_arrays_give(model, n_classes, sizes):
    X, y, w = data_for(n_classes)
    found = fit(model, cut(X, sizes), cut(y, sizes), cut(w, sizes))
    same(found, fit(model, X, y, w))
    assert found.n_features_in_ == 5


@pytest.mark.parametrize("name", ["two classes", "three classes", "feasible"])
def test_parquet_gives_what_arrays_give(name, folder):
    model, n_classes = MODELS[name]
    X, y, w = data_for(n_classes)
    path = folder(X, y, w)
    rows = RowBlocks.from_parquet(path, exclude=["y", "w"])
    assert rows.lengths == [150, 150, 50, 200, 50]
    targets, weights = (RowBlocks.from_parquet(str(path), name) for name in "yw")
    found, expected = fit(model, rows, targets, weights), fit(model, X, y, w)
    same(found, expected)
    assert found.feature_names_in_.tolist() == [f"x{j}" for j in range(5)]
    np.testing.assert_array_equal(found.predict(rows), expected.predict(X))
    np.testing.assert_allclose(
        found.predict_proba(rows),
        found.predict_proba(pd.DataFrame(X, columns=found.feature_names_in_)),
        rtol=1e-12,
    )
    assert found.score(rows, targets, weights) == pytest.approx(expected.score(X, y, w), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_memory_maps(n_classes, dtype, tmp_path):
    X, y, w = data_for(n_classes, dtype)
    np.save(tmp_path / "X.npy", X)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = BoundMajorizationLogisticRegression(tol=0.0)
    found = fit(model, RowBlocks.from_array(X, 250), y, w)
    expected = fit(model, np.array(X), y, w)
    tolerance = {"rtol": 0, "atol": (1e-8 if dtype is np.float64 else 1e-5)}
    np.testing.assert_allclose(found.coef_, expected.coef_, **tolerance)
    assert found.coef_.dtype == dtype
    assert found.certificate_.scope == "global"


def test_csr_frames_and_blocks_in_memory():
    X, y, w = data_for(2)
    X = X * (np.abs(X) > 0.5)
    model, sizes = BoundMajorizationLogisticRegression(tol=0.0), PARTITIONS["three"]
    parts = cut(X, sizes, read_later=False).blocks
    expected = fit(model, X, y, w)
    same(
        fit(
            model,
            RowBlocks([lambda part=part: csr_array(part) for part in parts]),
            cut(y, sizes),
            cut(w, sizes),
        ),
        expected,
    )
    same(fit(model, RowBlocks(map(csr_array, parts)), y, w), expected)
    frames = [pd.DataFrame(part, columns=list("abcde")) for part in parts]
    found = fit(model, RowBlocks(frames), y, w)
    same(found, expected)
    assert found.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="X: found columns"):
        found.predict(RowBlocks(frames, names=list("abcdx")))


@pytest.mark.parametrize(("model", "n_classes"), MODELS.values(), ids=MODELS)
def test_one_block_at_a_time_is_in_memory(model, n_classes):
    X, y, w = data_for(n_classes)
    alive, most = set(), []

    def read(first):
        block = X[first : first + 100].copy()
        alive.add(first)
        weakref.finalize(block, alive.discard, first)
        most.append(len(alive))
        return block

    rows = RowBlocks(
        [lambda first=first: read(first) for first in range(0, 600, 100)], lengths=[100] * 6
    )
    gc.disable()  # what is let go of is let go of at once
    try:
        with threadpool_limits(1):
            fit(model, rows, y, w)
    finally:
        gc.enable()
    assert max(most) <= 2, most  # the one that ends and the one that begins
    assert len(most) >= 12


def test_bad_blocks_are_named():
    X, y, _ = data_for(2)
    sizes = PARTITIONS["three"]
    refused("y: found an array of 600 rows, and X has an unknown number", cut(X, sizes), y)
    refused("X: found ndarray; with y or sample_weight", X, cut(y, sizes))
    refused("y: found 7 partitions; allowed are 3", cut(X, sizes), cut(y, PARTITIONS["seven"]))
    refused("Partition 1: y: found 350 rows", cut(X, sizes), cut(y, (50, 350, 200)))
    refused("take.*RowBlocks|RowBlocks", cut(X, sizes), y, model=LatentLogisticRegression())
    X[400, 0] = np.nan
    refused("Partition 2: Input X contains NaN", cut(X, sizes), cut(y, sizes))
    with pytest.raises(ValueError, match="blocks: found none"):
        RowBlocks([])
    with pytest.raises(ValueError, match="lengths: found 1; allowed are 2"):
        RowBlocks([X, X], lengths=[600])
    with pytest.raises(ValueError, match="block_rows: found 0"):
        RowBlocks.from_array(X, 0)


def test_blocks_are_no_array():
    """Else each class of scikit-learn would refuse them in words of its own."""
    X, y, _ = data_for(2)
    for use in (np.asarray, StandardScaler().fit, lambda rows: LogisticRegression().fit(rows, y)):
        with pytest.raises(TypeError, match="found RowBlocks, which are no array"):
            use(cut(X, (300, 300)))


def test_blocks_of_a_transformer(folder):
    X, y, w = data_for(2)
    path = folder(X, y, w)
    rows = RowBlocks.from_parquet(path, exclude=["y", "w"])
    scaler = StandardScaler()
    for block in rows:
        scaler.partial_fit(block)
    scaled = rows.map(scaler.transform, names=["a", "b"])
    assert (scaled.lengths, scaled.names) == (rows.lengths, ["a", "b"])
    np.testing.assert_array_equal(np.concatenate(list(scaled)), scaler.transform(X))


def test_blocks_that_change_are_refused():
    X, y, _ = data_for(2)
    reads = []

    def read():
        reads.append(1)
        return X if len(reads) < 3 else X[1:]

    refused("X: found a block of shape", RowBlocks([read]), RowBlocks([y]))


def test_bad_parquet_is_named(folder):
    X, y, w = data_for(2)
    path = folder(X, y, w)
    with pytest.raises(ValueError, match=r"columns: found \['z'\]"):
        RowBlocks.from_parquet(path, "z")
    with pytest.raises(ValueError, match="columns: found 'y' of type string"):
        RowBlocks.from_parquet(path)
    parquet.write_table(pa.table({"x": pa.array([], pa.float64())}), path / "none.parquet")
    with pytest.raises(ValueError, match="source: found no rows"):
        RowBlocks.from_parquet(path / "none.parquet")


def test_missing_numbers_of_parquet_are_nan(tmp_path):
    table = pa.table({"a": pa.array([1.0, None, 2.0]), "b": pa.array([1, 2, 3])})
    parquet.write_table(table, tmp_path / "0.parquet")
    (block,) = RowBlocks.from_parquet(tmp_path / "0.parquet")
    np.testing.assert_array_equal(block, [[1, 1], [np.nan, 2], [2, 3]])
    refused("Partition 0: Input X contains NaN", RowBlocks([block]), [0, 1, 1])


def test_blocks_need_no_dask():
    program = (
        "import sys, numpy as np; "
        "from sklearn_optland.linear_model import BoundMajorizationLogisticRegression as Model; "
        "from sklearn_optland.utils import RowBlocks; X = np.eye(4); "
        "rows = RowBlocks([lambda: X[:2], lambda: X[2:]]); "
        "Model().fit(rows, RowBlocks([[0, 1], [0, 1]], lengths=[2, 2])).predict(rows); "
        "assert 'dask' not in sys.modules"
    )
    subprocess.run([sys.executable, "-Ic", program], check=True)
