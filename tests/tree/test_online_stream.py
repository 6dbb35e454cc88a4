"""LOMTreeClassifier.partial_fit: batches of a stream are a part of the data, and judged as one."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_optland.tree import LOMTreeClassifier

# Batches


@pytest.mark.parametrize("classes", [None, ["fraud", "ok"]])
def test_weights_of_classes_that_a_batch_lacks(classes):
    X = np.random.default_rng(0).standard_normal((40, 3))
    y = np.where(np.arange(40) % 10 == 1, "fraud", "ok")
    weighted = LOMTreeClassifier(class_weight={"fraud": 20.0})
    expected = LOMTreeClassifier()
    for start in range(0, 40, 5):
        batch = slice(start, start + 5)
        weighted.partial_fit(X[batch], y[batch], classes)
        weight = np.where(y[batch] == "fraud", 20.0, 1.0)
        expected.partial_fit(X[batch], y[batch], classes, sample_weight=weight)
    assert_array_equal(weighted.predict_proba(X), expected.predict_proba(X))
    weighted.set_params(warm_start=True).fit(X[:1], y[:1])  # "fraud" is known, if not here


def test_weights_of_labels_that_can_never_come_are_refused():
    model = LOMTreeClassifier(class_weight={"Fraud": 20.0})
    with pytest.raises(ValueError, match=r"class_weight: found the labels \['Fraud'\]; allowed"):
        model.partial_fit([[0.0]], ["ok"], classes=["fraud", "ok"])


@pytest.mark.filterwarnings("error")
def test_labels_of_a_batch_may_all_differ():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 3)), rng.permutation(1000)[:300]
    model = LOMTreeClassifier().partial_fit(X[:30], y[:30], classes=np.arange(1000))
    model.partial_fit(X[30:], y[30:])
    assert model.score(X, y) > 0
    with pytest.raises(ValueError, match="y: found an unknown label type, continuous; allowed"):
        model.partial_fit(X, X[:, 0])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("zero", [{"sample_weight": np.zeros(20)}, {}])
def test_a_batch_without_weight_changes_nothing(zero):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 3)), rng.integers(3, size=100)
    model = LOMTreeClassifier(class_weight=None if zero else {1: 0.0}).partial_fit(X, y)
    expected = model.predict_proba(X)
    model.partial_fit(X[:20], np.ones(20, dtype=int), **zero)
    assert_array_equal(model.predict_proba(X), expected)
    empty = LOMTreeClassifier().partial_fit(X[:2], y[:2], sample_weight=[0.0, 0.0])
    assert_array_equal(empty.classes_, np.unique(y[:2]))
