"""`partial_fit` of collections: the bits of a call for each partition."""

from itertools import pairwise

import numpy as np
import pytest
from scale_out.data import PARTITIONS, as_array, as_csr, as_frame, two_or_more_classes
from scipy.sparse import csr_array

from sklearn_optland.tree import LOMTreeClassifier
from sklearn_optland.utils import RowBlocks

SIZES = PARTITIONS["seven"]


def call_for_each(X, y, w):
    tree = LOMTreeClassifier()
    for first, last in pairwise(np.cumsum([0, *SIZES])):
        if last > first:
            part = slice(first, last)
            tree.partial_fit(X[part], y[part], classes=np.unique(y), sample_weight=w[part])
    return tree


@pytest.mark.parametrize("cut", [as_array, as_csr, as_frame, "blocks"])
def test_partitions_are_learned_in_their_order(cut):
    X, y, w = two_or_more_classes(3, 0)
    expected = call_for_each(csr_array(X) if cut is as_csr else X, y, w)
    tree, classes = LOMTreeClassifier(), np.unique(y)
    if cut == "blocks":
        rows = [lambda part=part: part for part in np.split(X, np.cumsum(SIZES)[:-1])]
        tree.partial_fit(RowBlocks(rows, lengths=SIZES), y, classes=classes, sample_weight=w)
    else:
        other = as_array if cut is as_csr else cut
        tree.partial_fit(cut(X, SIZES), other(y, SIZES), classes, other(w, SIZES))
    np.testing.assert_array_equal(
        tree.predict_proba((as_frame if cut is as_frame else as_array)(X, SIZES)).compute(),
        expected.predict_proba(X),
    )
    if cut is as_frame:
        assert tree.feature_names_in_.tolist() == list("abcde")


def test_errors_name_the_partition_and_fit_refuses():
    X, y, _ = two_or_more_classes(2, 0)
    X[550, 0] = np.nan
    dX, dy = as_array(X, SIZES), as_array(y, SIZES)
    tree = LOMTreeClassifier()
    with pytest.raises(ValueError, match="Partition 6: Input X contains NaN"):
        tree.partial_fit(dX, dy)
    assert tree.classes_.tolist() == ["class 0", "class 1"]  # of the partitions before
    with pytest.raises(ValueError, match=r"fit: found a dask Array.*partial_fit of LOMTree"):
        LOMTreeClassifier().fit(dX, dy)
