"""What can be wrong with partitions, and estimators that take none: errors that name it."""

import dask
import dask.array as da
import numpy as np
import pytest
from scale_out.data import as_array, as_frame, refused, two_or_more_classes, with_unknown_lengths

from sklearn_optland.decomposition import LowRankFactorization
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    LatentLogisticRegression,
)
from sklearn_optland.neural_network import ADMMNetRegressor, MeanFieldTwoLayerNet
from sklearn_optland.structured import ChainCRFClassifier
from sklearn_optland.tree import LOMTreeClassifier

SIZES = (200, 150, 250)


@pytest.fixture
def data():
    return two_or_more_classes(2, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_one_partition(data, bad):
    X, y, w = data
    X[370, 2] = bad
    refused(r"Partition 2: Input X contains", as_array(X, SIZES), as_array(y, SIZES))
    X[370, 2], w[210] = 0.0, bad
    refused(r"Partition 1: .*sample_weight", as_array(X, SIZES), y, as_array(w, SIZES))


def test_nan_in_targets(data):
    X, _, _ = data
    t = X[:, 0].copy()
    t[-1] = np.nan
    refused(r"Partition 2: .*y contains NaN", as_array(X, SIZES), t, model=ADMMNetRegressor())


def test_lengths_that_differ(data):
    X, y, w = data
    refused("y: found 599 rows", as_array(X, SIZES), as_array(y[1:], (599,)))
    refused("y: found an array of 599 rows", as_array(X, SIZES), y[1:])
    refused("y: found 2 partitions; allowed are 3", as_frame(X, SIZES), as_array(y, (300, 300)))
    unknown = with_unknown_lengths(as_array(X, SIZES))
    refused("y: found an array of 600 rows, and X has an unknown number", unknown, y)
    other = with_unknown_lengths(as_array(y, (200, 151, 249)))
    refused(r"Partition [12]: y: found (151|249) rows; allowed are", unknown, other)
    refused("sample_weight: found 599", as_array(X, SIZES), y, as_array(w[1:], (599,)))


def test_what_is_no_array_of_rows(data):
    X, y, _ = data
    rows = as_array(X, SIZES)
    refused("y: found None", rows, None)
    refused("y: found a number", rows, 3)
    refused("sample_weight: found a number", rows, y, 2.0)
    refused("X: found an array of 1 dimensions", rows[:, 0], y)
    refused("y: found a number", rows, rows.sum())
    refused("X: found Delayed", dask.delayed(X), y)
    refused("y: found Delayed", rows, dask.delayed(y))
    fitted = BoundMajorizationLogisticRegression().fit(rows, y)
    with pytest.raises(ValueError, match="X: found a dask Delayed"):
        fitted.predict(dask.delayed(X))


def test_missing_labels_and_dates_name_their_partition(data):
    pd = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    X, y, _ = data
    labels = pd.Series(np.where(y == y[0], "a", "b"))
    labels[250] = None
    labels = dd.from_pandas(labels, chunksize=200)  # 250 is in partition 1
    for kind in ("string", "category"):
        found = labels.astype(kind)
        refused("Partition 1: y: found missing labels", as_array(X, (200, 200, 200)), found)
    dates = as_frame(X, SIZES).assign(day=pd.Timestamp("2020-01-01"))
    refused("Partition [012]: .*DateTime64", dates, as_array(y, SIZES))


def test_negative_weights(data):
    X, y, w = data
    w[250] = -1.0
    refused("Partition 1: sample_weight: found -1", as_array(X, SIZES), y, w)


def test_one_class_and_no_rows(data):
    X, y, w = data
    refused("y: found the one class", as_array(X, SIZES), np.full(600, "a"))
    refused("X: found no rows", as_array(X[:0], (0,)), as_array(y[:0], (0,)))
    refused("sample_weight: found a sum of 0", as_array(X, SIZES), y, 0 * w)


def test_a_class_that_partitions_lack(data):
    X, y, _ = data
    order = np.argsort(y, kind="stable")  # the first partitions have one class alone
    X, y = X[order], y[order]
    model = BoundMajorizationLogisticRegression(tol=0.0).fit(as_array(X, SIZES), as_array(y, SIZES))
    expected = BoundMajorizationLogisticRegression(tol=0.0).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-8)


def test_partitions_of_other_dtypes(data):
    X, y, _ = data
    kinds = (np.float32, np.int64, np.float64)
    X = np.round(4 * X)
    parts = np.split(X, np.cumsum(SIZES)[:-1])
    mixed = da.concatenate(
        [
            da.from_array(part.astype(kind), chunks=part.shape)
            for part, kind in zip(parts, kinds, strict=True)
        ]
    )
    mixed._meta = mixed._meta.astype(np.float32)  # what Dask believes
    model = BoundMajorizationLogisticRegression(tol=0.0).fit(mixed, y)
    assert model.coef_.dtype == np.float64
    expected = BoundMajorizationLogisticRegression(tol=0.0).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-8)


def test_labels_of_two_types(data):
    X, y, _ = data
    parts = dask.delayed(np.arange(300) % 2), dask.delayed(y[300:])
    labels = da.concatenate([da.from_delayed(part, (300,), y.dtype) for part in parts])
    refused("numbers in partition 0 and others in partition 1", as_array(X, (300, 300)), labels)


def test_columns_that_differ(data):
    X, y, _ = data
    parts = [dask.delayed(X[:300]), dask.delayed(X[300:, :4])]
    blocks = [da.from_delayed(part, (np.nan, 5), X.dtype) for part in parts]
    y = with_unknown_lengths(as_array(y, (300, 300)))
    refused("Partition 1: found n_columns 4; allowed is 5", da.concatenate(blocks), y)


def test_data_that_are_partly_dask_s(data):
    X, y, _ = data
    refused("X: found ndarray", X, as_array(y, SIZES))
    bag = pytest.importorskip("dask.bag").from_sequence([1, 2])
    refused("X: found Bag", bag, bag)


@pytest.mark.parametrize(
    "model",
    [LatentLogisticRegression(), LOMTreeClassifier(), LowRankFactorization()],
    ids=lambda model: type(model).__name__,
)
def test_estimators_that_take_none_say_so(model, data):
    X, y, _ = data
    refused("found a dask Array.*allowed are data in memory", as_array(X, SIZES), y, model=model)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (BoundMajorizationLogisticRegression(batch="growing"), "batch='growing'"),
        (ADMMNetRegressor(early_stopping=True), "early_stopping=True"),
        (MeanFieldTwoLayerNet(early_stopping=True), "early_stopping=True"),
    ],
    ids=str,
)
def test_parameters_that_need_all_rows(model, found, data):
    X, y, _ = data
    y = y if "Logistic" in type(model).__name__ else X[:, 0]
    refused(f"{found}.*collections of Dask", as_array(X, SIZES), as_array(y, SIZES), model=model)


def test_sequences_are_no_collections_of_rows(data):
    X, y, _ = data
    model = ChainCRFClassifier(max_iter=1, tol=1.0).fit(X, y, lengths=[300, 300])
    with pytest.raises(ValueError, match="predict: found a dask Array"):
        model.predict(as_array(X, SIZES), lengths=[300, 300])


def test_transformers_take_data_in_memory(data):
    X, _, _ = data
    factors, rows = LowRankFactorization().fit(X), as_array(X, SIZES)
    with pytest.raises(ValueError, match="transform: found a dask Array"):
        factors.transform(rows)
    with pytest.raises(ValueError, match="predict_entries: found a dask Array"):
        factors.predict_entries([0], [0], rows)


def test_partial_fit_takes_batches_in_memory(data):
    X, _, _ = data
    net = MeanFieldTwoLayerNet(solver="flow")
    with pytest.raises(ValueError, match="partial_fit: found a dask Array"):
        net.partial_fit(as_array(X, SIZES), X[:, 0])
