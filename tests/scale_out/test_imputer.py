"""Low-rank imputation of Dask's collections: the model of a fit in memory."""

import numpy as np
import pytest
from scale_out.data import PARTITIONS, as_array, as_frame, refused

from sklearn_optland._low_rank import alpha_choice
from sklearn_optland.impute import LowRankImputer
from sklearn_optland.utils import RowBlocks

FITTED = "components_", "mean_", "scale_", "data_min_", "data_max_", "singular_values_"


@pytest.fixture
def data(global_random_seed):
    """Rows of rank two with noise and missing entries, and weights of which some are zero."""
    rng = np.random.RandomState(global_random_seed)
    X = rng.randn(600, 2) @ rng.randn(2, 5) + 0.1 * rng.randn(600, 5) + 3.0
    X[rng.rand(*X.shape) < 0.3] = np.nan
    w = rng.rand(600) + 0.5
    w[::11] = 0.0
    return X, w


def check_same(found, expected):
    for name in FITTED:
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8 * np.abs(other).max())
    assert found.alpha_ == pytest.approx(expected.alpha_, rel=1e-12)
    assert found.certificate_.scope == "global"
    assert found.certificate_.reached
    assert found.n_iter_ == expected.n_iter_


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("alpha", [0.1, "cv"])
def test_collections_give_what_arrays_give(data, alpha, sizes, monkeypatch):
    monkeypatch.setattr(alpha_choice, "FEWEST_ROWS", 90)  # a sample of the rows chooses alpha
    monkeypatch.setattr(alpha_choice, "WORK", 1.0)
    X, w = data
    expected = LowRankImputer(alpha).fit(X, sample_weight=w)
    rows = as_array(X, sizes)
    found = LowRankImputer(alpha).fit(rows, sample_weight=as_array(w, sizes))
    check_same(found, expected)
    if alpha == "cv":
        np.testing.assert_allclose(found.alphas_, expected.alphas_, rtol=1e-12)
    filled = found.transform(rows)
    np.testing.assert_allclose(filled.compute(), expected.transform(X), rtol=1e-7)


def test_blocks_that_are_read_for_each_pass(data):
    X, _ = data
    X[:, 3] = np.nan
    reads = []

    def read(part):
        reads.append(part)
        return part

    blocks = RowBlocks([lambda part=part: read(part) for part in np.split(X, [100, 350])])
    settings = {"alpha": 0.1, "add_indicator": True, "keep_empty_features": True}
    found, expected = (LowRankImputer(**settings).fit(rows) for rows in (blocks, X))
    check_same(found, expected)
    # One look, columns, their deviations, and a pass for each iteration.
    assert len(reads) == 3 * (3 + found.n_iter_)
    np.testing.assert_allclose(found.transform(blocks), expected.transform(X), rtol=1e-7)


def test_frames_and_another_value_for_what_is_missing(data):
    X, w = data
    X = np.where(np.isnan(X), -1.0, X).astype(np.float32)
    settings = {"alpha": 0.1, "missing_values": -1.0}
    expected = LowRankImputer(**settings).fit(X, sample_weight=w)
    sizes = PARTITIONS["three"]
    frame = as_frame(X, sizes)
    found = LowRankImputer(**settings).fit(frame, sample_weight=as_frame(w, sizes))
    assert found.get_feature_names_out().tolist() == list("abcde")
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-4, atol=1e-5)
    filled = found.transform(frame).compute()
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled, expected.transform(X), rtol=1e-4)


def test_errors_name_the_partition(data):
    X, _ = data
    X[420, 1] = np.inf
    sizes = PARTITIONS["three"]
    refused("Partition 2: Input X contains inf", as_array(X, sizes), None, model=LowRankImputer())
    X[420, 1] = 1e200
    refused("Partition 2: X: found a value", as_array(X, sizes), None, model=LowRankImputer())
    nothing = as_array(np.full_like(X, np.nan), sizes)
    refused("X: found missing values only", nothing, None, model=LowRankImputer())
