"""The LOM forest on partitions: the trees of a fit in memory, and what they rank."""

from functools import partial

import numpy as np
import pytest
from scale_out.data import PARTITIONS, as_array, as_csr, as_frame, refused, two_or_more_classes
from scipy import sparse

from sklearn_optland.tree import LOMForestClassifier
from sklearn_optland.utils import RowBlocks

# What a fit on partitions does: nothing is tried on held-out rows.
SETTINGS = {"n_prototypes": 1, "validation_fraction": 0.0, "random_state": 0, "max_iter": 4}


def many_classes(seed, n_classes=30, d=5, n=600):
    """Rows of classes that overlap a little, and weights of which some are zero."""
    rng = np.random.RandomState(seed)
    y = rng.randint(n_classes, size=n)
    X = 3 * rng.randn(n_classes, d)[y] + rng.randn(n, d)
    w = rng.rand(n) + 0.5
    w[::11] = 0.0
    return X, np.array([f"class {i:02}" for i in range(n_classes)])[y], w


def fit(X, y, w=None, **parameters):
    return LOMForestClassifier(**(SETTINGS | parameters)).fit(X, y, w)


def same_trees(found, expected):
    np.testing.assert_array_equal(found.classes_, expected.classes_)
    for name in ("children", "roots", "leaf_start", "leaf_members", "class_of"):
        np.testing.assert_array_equal(found._arrays[name], expected._arrays[name])
    for name in ("shift", "scale"):
        np.testing.assert_allclose(found._arrays[name], expected._arrays[name], rtol=1e-10)


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("cut", [as_array, as_frame])
def test_trees_and_discriminant_are_those_of_memory(cut, sizes, global_random_seed):
    data = many_classes(global_random_seed)
    expected = fit(*data, loss="discriminant")
    found = fit(*(cut(A, sizes) for A in data), loss="discriminant")
    same_trees(found, expected)
    assert found.candidate_recall_ == pytest.approx(expected.candidate_recall_, rel=1e-12)
    X, y, _ = data
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), atol=1e-3)
    assert found.score(X, y) > 0.5


@pytest.mark.parametrize("sizes", PARTITIONS.values(), ids=PARTITIONS)
def test_trees_of_sparse_rows_are_those_of_memory(sizes, global_random_seed):
    X, y, w = many_classes(global_random_seed, d=70)
    used = np.random.RandomState(0).permutation(300)[:70]
    X = (X * (np.abs(X) > 4)) @ np.eye(300)[used]
    expected = fit(as_csr(X, (600,)).compute(), y, w, loss="softmax")
    found = fit(*(cut(A, sizes) for cut, A in ((as_csr, X), (as_array, y), (as_array, w))))
    same_trees(found, expected)
    np.testing.assert_array_equal(found._arrays["column_of"], expected._arrays["column_of"])
    assert found.loss_ == "softmax"
    rows = as_csr(X, (600,)).compute()
    assert found.score(rows, y) > 0.5
    expected = fit(rows, y, w, loss="discriminant")
    found = fit(as_csr(X, sizes), *(as_array(A, sizes) for A in (y, w)), loss="discriminant")
    np.testing.assert_allclose(found.predict_proba(rows), expected.predict_proba(rows), atol=1e-3)


def test_the_ranking_model_learns_partition_by_partition(global_random_seed):
    X, y, w = many_classes(global_random_seed)
    sizes = PARTITIONS["three"]
    models = [fit(*(as_array(A, sizes) for A in (X, y, w)), n_prototypes="auto") for _ in "ab"]
    for one, other in zip(*(model._arrays["ranking"].values() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    in_memory, first_pass = fit(X, y, w), fit(*(as_array(A, sizes) for A in (X, y)), max_iter=1)
    assert models[0].loss_ == "softmax"
    assert models[0].history_["objective"][-1] < first_pass.history_["objective"][0]
    assert models[0].score(X, y) > in_memory.score(X, y) - 0.03


def test_blocks_are_partitions(global_random_seed):
    X, y, _ = many_classes(global_random_seed)
    expected = fit(as_array(X, (200, 200, 200)), as_array(y, (200, 200, 200)))
    found = fit(RowBlocks.from_array(X, 200), y)
    same_trees(found, expected)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


def test_a_stream_goes_on_in_any_unit_of_the_weights():
    X, y, w = many_classes(0)
    blocks = RowBlocks.from_array(X[:400], 200)
    models = [fit(blocks, y[:400], unit * w[:400]) for unit in (1, 8)]
    for unit, model in zip((1, 8), models, strict=True):
        model.partial_fit(X[400:], y[400:], sample_weight=unit * w[400:])
    one, other = (model._stream.totals.array for model in models)
    np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_array_equal(*(model.predict(X) for model in models))


@pytest.mark.parametrize(
    ("match", "parameters"),
    [
        ("leaf: found 'histogram' with collections", {"leaf": "histogram"}),
        ("n_prototypes: found 3 with collections", {"n_prototypes": 3}),
        ("loss: found 'squared_hinge' with collections", {"loss": "squared_hinge"}),
        ("class_weight: found 'balanced' with collections", {"class_weight": "balanced"}),
    ],
)
def test_what_partitions_cannot(match, parameters):
    X, y, _ = many_classes(0)
    refused(match, as_array(X, (600,)), y, model=LOMForestClassifier(**parameters))


def test_blocks_of_sparse_rows_are_read_without_unused_columns():
    X, y, _ = many_classes(0, d=70)
    X = sparse.csr_array(np.hstack([X * (np.abs(X) > 4), np.zeros((600, 30))]))
    cuts = range(0, 600, 200)
    parts = [partial(X.__getitem__, slice(cut, cut + 200)) for cut in cuts]
    blocks = RowBlocks(parts, lengths=[200] * 3)
    same_trees(fit(blocks, y), fit(X, y, loss="softmax"))


def test_data_that_are_refused():
    X, y, _ = two_or_more_classes(3, 0)
    model = LOMForestClassifier(loss="discriminant")
    refused("found CSR partitions of 5 columns", as_csr(X, (600,)), y, model=model)
    refused("y should be a 1d array", as_array(X, (600,)), np.eye(600)[:, :3], model=model)
    X[3, 2] = 1e19
    refused("X: found a value of size 1e[+]19", as_array(X, (300, 300)), y, model=model)
