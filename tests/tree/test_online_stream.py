"""LOMTreeClassifier.partial_fit: batches of a stream are a part of the data, and judged as one."""

import copy
import pickle
from threading import Barrier, Thread

import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from tree.online_faults import fault
from tree.online_helpers import blobs

from sklearn_optland.tree import LOMTreeClassifier
from sklearn_optland.tree._online import measures
from sklearn_optland.tree._online.shared_lock import SharedLock
from sklearn_optland.tree._online.tree import OnlineTree

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


# New labels


@settings.get_profile("fits")
@given(SEEDS)
def test_labels_in_any_order_are_labels_known_from_the_start(seed):
    X, y = blobs(seed, n=60, std=3.0)
    y = np.random.default_rng(seed).permutation(list("hgfedcba"))[y]
    budgets = {"max_nodes": 9, "max_depth": 6}
    known = LOMTreeClassifier(**budgets).partial_fit(X, y, classes=list("abcdefgh"))
    grown = LOMTreeClassifier(**budgets)
    for i in range(0, 60, 3):
        grown.partial_fit(X[i : i + 3], y[i : i + 3])
    assert fault(grown._arrays) == ""
    assert_array_equal(grown.classes_, np.unique(y))
    P = grown.predict_proba(X)
    assert_array_equal(grown.predict(X), known.predict(X))
    assert_array_equal(grown.classes_[P.argmax(axis=1)], grown.predict(X))
    assert_array_equal(grown.predict_top_k(X, 1).indices, P.argmax(axis=1))


def test_a_new_label_leaves_what_is_known_of_others_in_its_place(monkeypatch):
    sizes = []
    rebuild = OnlineTree._rebuild

    def counted(self, slots, owner, room=0):
        sizes.append(len(slots))
        rebuild(self, slots, owner, room)

    monkeypatch.setattr(OnlineTree, "_rebuild", counted)
    X = np.random.default_rng(0).standard_normal((150, 4))
    model = LOMTreeClassifier()
    for i in range(150):
        model.partial_fit(X[i : i + 1], [149 - i])
    assert_array_equal(model.classes_, np.arange(150))
    n_slots = model._arrays["counters"]["n_slots"][0]
    assert sum(sizes) < 4 * n_slots  # a table that doubles moves each of its entries once or twice


def test_top_k_reads_the_leaves_that_rows_come_to(monkeypatch):
    X, y = blobs(0, n=300, k=20)
    model = LOMTreeClassifier(random_state=0).fit(X, y).partial_fit(X[:1], y[:1])
    read, read_counts = [], measures.read_counts

    def counted(arrays, leaves, *others):
        read.extend(leaves)
        read_counts(arrays, leaves, *others)

    monkeypatch.setattr(measures, "read_counts", counted)
    model.predict_top_k(X[:1])
    assert_array_equal(read, model.apply(X[:1]))


# Threads, and copies


def test_threads_may_predict_while_another_lets_the_tree_learn():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 20))
    model = LOMTreeClassifier().partial_fit(centres[:2], [0, 1])
    results, done = [], []

    def predict():
        while not done:
            n_known = len(model.classes_)
            P = model.predict_proba(centres)
            results.append((n_known, P.shape[1], abs(P.sum(axis=1) - 1).max()))
            model.predict_top_k(centres, 2)
            model.predict(centres)
        results.append(None)

    threads = [Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n_classes in range(3, 200, 2):
        y = rng.integers(n_classes, size=20)
        model.partial_fit(centres[y], y)
    done.append(True)
    for thread in threads:
        thread.join()
    assert results.count(None) == 2  # no thread has died of an exception
    for result in filter(None, results):
        before, n_classes, error = result
        assert before <= n_classes <= len(model.classes_)
        assert error < 1e-12


def test_readers_share_a_lock_and_a_writer_has_it_alone():
    lock, meeting, order = SharedLock(), Barrier(2, timeout=60), []

    def read():
        with lock.reading():
            meeting.wait()

    def write():
        with lock.writing():
            order.append("written")

    reader, writer = Thread(target=read), Thread(target=write)
    with lock.reading():
        reader.start()
        meeting.wait()  # both are in
        writer.start()
        order.append("read")
    reader.join()
    writer.join()
    with lock.reading():
        assert order == ["read", "written"]
    with pytest.raises(KeyError), lock.writing():
        raise KeyError
    with lock.writing(), pytest.raises(KeyError):
        raise KeyError


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_learns_on_its_own(copied):
    X, y = blobs(1)
    model = LOMTreeClassifier(random_state=0).fit(X[:100], y[:100]).partial_fit(X[:20], y[:20])
    other = copied(model)
    expected = model.predict_proba(X)
    assert_array_equal(other.predict_proba(X), expected)
    other.partial_fit(X, y)
    assert_array_equal(model.predict_proba(X), expected)
    assert_array_equal(model.partial_fit(X, y).predict_proba(X), other.predict_proba(X))


# After a fit


@pytest.fixture(scope="module")
def digits_in_order():
    X, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(y))
    return X[order], y[order]


def test_a_stream_after_a_fit_keeps_what_was_learned(digits_in_order, global_random_seed):
    X, y = digits_in_order
    model = LOMTreeClassifier(random_state=global_random_seed).fit(X[:650], y[:650])
    fitted = model.score(X[1300:], y[1300:])
    for start in range(650, 1050, 25):
        rows = slice(start, start + 25)
        score = model.partial_fit(X[rows], y[rows]).score(X[1300:], y[1300:])
        assert score > fitted - 0.05


def test_a_stream_after_a_fit_learns_new_classes(digits_in_order, global_random_seed):
    X, y = digits_in_order
    old = y < 8
    model = LOMTreeClassifier(random_state=global_random_seed)
    model.fit(X[:650][old[:650]], y[:650][old[:650]])
    test, old = (X[1300:], y[1300:]), old[1300:]
    fitted = model.score(test[0][old], test[1][old])
    for start in [*range(650, 1300, 50)] * 3:
        model.partial_fit(X[start : start + 50], y[start : start + 50])
        assert model.score(test[0][old], test[1][old]) > fitted - 0.1
    assert model.score(test[0][~old], test[1][~old]) > 0.6


@settings.get_profile("fits")
@given(SEEDS, st.sampled_from([0.0, 0.1, 4.0]), st.sampled_from([None, 3, 40]))
def test_streams_after_a_fit_leave_sound_trees(seed, resistance, max_nodes):
    X, y = blobs(seed, n=120, k=6, std=5.0)
    model = LOMTreeClassifier(
        max_nodes, swap_resistance=resistance, max_iter=2, random_state=0
    ).fit(X[:40], np.minimum(y[:40], 3))
    for start in range(40, 120, 8):
        model.partial_fit(X[start : start + 8], y[start : start + 8])
        assert fault(model._arrays) == ""


def test_a_sparse_stream_is_learned_by_one_visit(global_random_seed):
    # Rows of a class share a few of many features; each has others, of no class.
    rng = np.random.default_rng(global_random_seed)
    n, k, d, n_marks = 600, 12, 4000, 6
    y = rng.integers(k, size=n)
    marks = rng.integers(d, size=(k, n_marks))
    columns = np.column_stack(
        [np.take_along_axis(marks[y], rng.integers(n_marks, size=(n, 3)), axis=1),
         rng.integers(d, size=(n, 8))]
    )  # fmt: skip
    rows = np.repeat(np.arange(n), columns.shape[1])
    X = sparse.csr_array((np.ones(columns.size), (rows, columns.ravel())), shape=(n, d))
    X.sum_duplicates()
    model = LOMTreeClassifier()
    for start in range(0, 400, 50):
        model.partial_fit(X[start : start + 50], y[start : start + 50])
    passes = LOMTreeClassifier(random_state=0).fit(X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > passes.score(X[400:], y[400:]) - 0.1
