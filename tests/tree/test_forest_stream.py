"""LOMForestClassifier.partial_fit with `leaf="histogram"`: trees that each weigh rows their way."""

import copy
import pickle
from itertools import pairwise
from threading import Thread

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from tree.online_faults import fault
from tree.online_helpers import blobs

from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier


def forest(**settings):
    return LOMForestClassifier(leaf="histogram", random_state=0, **settings)


def test_a_stream_is_learned_better_by_several_trees(digits, global_random_seed):
    X, X_test, y, y_test = digits
    model = LOMForestClassifier(5, leaf="histogram", random_state=global_random_seed)
    tree = LOMTreeClassifier()
    for start in range(0, len(X), 50):
        batch = slice(start, start + 50)
        model.partial_fit(X[batch], y[batch])
        tree.partial_fit(X[batch], y[batch])
    assert model.score(X_test, y_test) > tree.score(X_test, y_test)
    assert model.score(X_test, y_test) > 0.85
    votes = [tree.predict(X_test) for tree in model.estimators_]
    assert min(np.mean(votes[0] != vote) for vote in votes[1:]) > 0.02  # each is another tree
    assert model.n_iter_ == 1
    assert 0 <= model.history_["objective"][0] < 0.2


def test_a_stream_goes_on_after_a_fit(digits):
    X, X_test, y, y_test = digits
    model = forest().fit(X[:600], y[:600])
    fitted = model.score(X_test, y_test)
    for start in range(600, 900, 25):
        model.partial_fit(X[start : start + 25], y[start : start + 25])
        assert model.score(X_test, y_test) > fitted - 0.03
    assert not hasattr(model, "certificate_")
    assert model.fit(X[:100], y[:100]).certificate_.scope == "estimate"


@settings.get_profile("fits")
@given(SEEDS, st.lists(st.integers(1, 39), max_size=2), st.booleans())
def test_cuts_of_a_stream_do_not_matter(seed, cuts, is_sparse):
    X, y = blobs(seed, n=40, k=6, std=3.0)
    X = sparse.csr_array(X) if is_sparse else X
    whole = forest(n_estimators=2).partial_fit(X, y, classes=np.arange(6))
    parts = forest(n_estimators=2)
    for first, last in pairwise(sorted({0, 40, *cuts})):
        parts.partial_fit(X[first:last], y[first:last], np.arange(6) if first == 0 else None)
    assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


def test_labels_may_come_later_and_in_any_order():
    X, y = blobs(0, n=200, k=10)
    names = np.array(list("jihgfedcba"))[y]
    model = forest()
    for start in range(0, 200, 4):
        batch = slice(start, start + 4)
        model.partial_fit(X[batch], names[batch])
        assert model.predict_proba(X[:3]).shape == (3, len(model.classes_))
    assert_array_equal(model.classes_, np.unique(names))
    P = model.predict_proba(X)
    assert_array_equal(model.classes_[P.argmax(axis=1)], model.predict(X))
    assert abs(P.sum(axis=1) - 1).max() < 1e-12
    assert model.score(X, names) > 0.7
    assert all(fault(tree._arrays) == "" for tree in model.estimators_)


def test_classes_without_weight_in_a_fit_may_come_with_some():
    X, y = blobs(0, n=120, k=4)
    model = forest().fit(X, y, sample_weight=(y != 1).astype(float))
    assert_array_equal(model.classes_, np.arange(4))
    assert (model.predict(X) != 1).all()
    for _ in range(5):
        model.partial_fit(X, y)
    assert_array_equal(model.classes_, np.arange(4))
    assert (model.predict(X)[y == 1] == 1).mean() > 0.5


def test_what_is_refused():
    X, y = blobs(0, n=60, k=3)
    closed = forest().partial_fit(X, y, classes=np.arange(3))
    before = closed.predict_proba(X)
    for wrong, message in [([3], "y: found the labels"), (["a"], "y: found labels of type")]:
        with pytest.raises(ValueError, match=message):
            closed.partial_fit(X[:1], wrong)
    with pytest.raises(ValueError, match="classes: found"):
        closed.partial_fit(X[:1], [0], classes=np.arange(4))
    assert_array_equal(closed.predict_proba(X), before)
    with pytest.raises(ValueError, match="y: found the labels"):
        forest().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="class_weight: found 'balanced'"):
        forest(class_weight="balanced").partial_fit(X, y)
    ranked = LOMForestClassifier(random_state=0).fit(X, y).set_params(leaf="histogram")
    with pytest.raises(ValueError, match="leaf: found 'histogram' after a fit with 'rerank'"):
        ranked.partial_fit(X, y)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_learns_on_its_own(copied):
    X, y = blobs(1)
    model = forest().partial_fit(X[:100], y[:100])
    other = copied(model)
    expected = model.predict_proba(X)
    assert_array_equal(other.predict_proba(X), expected)
    other.partial_fit(X, y)
    assert_array_equal(model.predict_proba(X), expected)
    assert_array_equal(model.partial_fit(X, y).predict_proba(X), other.predict_proba(X))


def test_threads_may_predict_while_another_lets_the_trees_learn():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((100, 20))
    model = forest().partial_fit(centres[:2], [0, 1])
    results, done = [], []

    def predict():
        while not done:
            P = model.predict_proba(centres)
            results.append(abs(P.sum(axis=1) - 1).max())
            model.predict_top_k(centres, 2)
            model.predict(centres)
        results.append(None)

    thread = Thread(target=predict)
    thread.start()
    for n_classes in range(3, 100, 4):
        y = rng.integers(n_classes, size=20)
        model.partial_fit(centres[y], y)
    done.append(True)
    thread.join()
    assert results.pop() is None  # the thread has not died of an exception
    assert max(results, default=0) < 1e-12


@pytest.mark.parametrize("Estimator", [LOMTreeClassifier, LOMForestClassifier])
def test_logarithms_of_probabilities(Estimator):
    X, y = blobs(0, n=80, k=4)
    model = Estimator(random_state=0).fit(X, y)
    log_p = model.predict_log_proba(X)
    assert_array_equal(log_p, np.log(model.predict_proba(X)))
    assert log_p.shape == (80, 4)
    assert np.isfinite(log_p).all()
