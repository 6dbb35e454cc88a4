"""LOMForestClassifier.partial_fit with `leaf="rerank"`."""

import copy
import pickle
import tracemalloc
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.svm import LinearSVC
from tree.forest_helpers import documents_of_styles, indicators, many_classes, sparse_classes

from sklearn_optland.tree import LOMForestClassifier
from sklearn_optland.tree._forest.fits import squares_as_bytes, squares_of_bytes
from sklearn_optland.tree._forest.growing import FeatureTable, Growing
from sklearn_optland.tree._forest.search_fast import as_floats, as_short_rows, count_visits
from sklearn_optland.tree._forest.stream import Stream
from sklearn_optland.tree._forest.training import discriminant_rows

pytestmark = pytest.mark.kernels


def stream(model, X, y, size=50):
    for start in range(0, len(y), size):
        model.partial_fit(X[start : start + size], y[start : start + size])
    return model


@pytest.mark.parametrize("make", [many_classes, sparse_classes], ids=["dense", "csr"])
@pytest.mark.parametrize("loss", ["softmax", "squared_hinge", "discriminant"])
def test_a_stream_goes_on_after_a_fit(make, loss):
    X, y = make(n_classes=30, rows_per_class=40)
    model = LOMForestClassifier(loss=loss, validation_fraction=0, random_state=0)
    fitted = model.fit(X[:400], y[:400]).score(X[800:], y[800:])
    for start in range(400, 800, 40):
        model.partial_fit(X[start : start + 40], y[start : start + 40])
        assert model.score(X[800:], y[800:]) > fitted - 0.03
    assert model.n_iter_ == 1
    assert not hasattr(model, "certificate_")
    assert model.candidate_recall_ > 0.9
    P = model.predict_proba(X[800:])
    assert_allclose(P.sum(axis=1), 1)
    assert_array_equal(model.classes_[P.argmax(axis=1)], model.predict(X[800:]))


@pytest.mark.parametrize("make", [many_classes, sparse_classes], ids=["dense", "csr"])
def test_labels_may_come_later_and_in_any_order(make):
    X, y = make(n_classes=26, rows_per_class=30)
    names = np.array(list("zyxwvutsrqponmlkjihgfedcba"))[y]
    early = y < 13
    model = LOMForestClassifier(random_state=0).fit(X[early], names[early])
    stream(stream(model, X, names), X, names)
    assert_array_equal(model.classes_, np.unique(names))
    assert model.score(X, names) > 0.8
    scores = model.candidate_scores(X)
    best = scores.indices[scores.indptr[:-1]]
    assert_array_equal(model.classes_[best], model.predict(X))
    P = model.predict_proba(X)
    assert_array_equal(model.classes_[P.argmax(axis=1)], model.predict(X))


def test_the_first_rows_are_fitted_whenever_they_have_doubled(monkeypatch):
    X, y = many_classes(n_classes=20)
    model = stream(LOMForestClassifier(random_state=0), X[:400], y[:400], 100)
    fitted = LOMForestClassifier(random_state=0).fit(X[:400], y[:400])
    assert_array_equal(model.predict_proba(X), fitted.predict_proba(X))
    monkeypatch.setattr("sklearn_optland.tree._forest.partial_fits.KEPT_ROWS", 300)
    model = stream(LOMForestClassifier(random_state=0), X[:400], y[:400], 100)
    assert model._kept is None
    fitted.fit(X[:300], y[:300]).partial_fit(X[300:400], y[300:400])
    assert_array_equal(model.predict_proba(X), fitted.predict_proba(X))


def test_the_first_rows_are_kept_even_if_their_arrays_are_filled_anew():
    X, y = many_classes(n_classes=10)
    expected = stream(LOMForestClassifier(random_state=0), X[:200], y[:200])
    model, rows, labels = LOMForestClassifier(random_state=0), X[:50].copy(), y[:50].copy()
    for start in range(0, 200, 50):
        rows[:], labels[:] = X[start : start + 50], y[start : start + 50]
        model.partial_fit(rows, labels)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_a_discriminant_that_was_chosen_learns_as_one_that_was_named():
    X, y = many_classes(n_classes=1000, rows_per_class=3)
    chosen = LOMForestClassifier(validation_fraction=0, random_state=0).fit(X[:2950], y[:2950])
    assert chosen.loss_ == "discriminant"
    named = copy.deepcopy(chosen).set_params(loss="discriminant")
    for model in (chosen, named):
        model.partial_fit(X[2950:], y[2950:])
    assert_array_equal(chosen._stream.w.array, named._stream.w.array)


@pytest.mark.parametrize("loss", ["discriminant", "squared_hinge"])
def test_the_discriminant_of_sparse_rows_follows_the_means(loss):
    X, y = documents_of_styles()
    model = LOMForestClassifier(loss=loss, max_iter=2, random_state=0).fit(X[:700], y[:700])
    assert model._memory["factor"] > 0
    learned: Stream = stream(model, X[700:], y[700:])._stream
    prior = learned.totals.array / learned.first_total
    rows = learned.factor * discriminant_rows(learned.means.array, prior)
    found = as_floats(model._arrays["ranking"]["words"], model._arrays["ranking"]["scale"])
    size = np.abs(rows[:, :-1]).max()
    # Logarithms of priors of classes that had no rows since belong to the total of the fit.
    assert_allclose(found[:, : rows.shape[1] - 1], rows[:, :-1], atol=1e-3 * size)
    assert_allclose(model._arrays["ranking"]["bias"], rows[:, -1], rtol=1e-3, atol=1e-3)


def test_means_are_exact_running_sums():
    X, y = many_classes(n_classes=15, rows_per_class=20)
    weights = np.random.RandomState(0).uniform(0.5, 2, len(y))
    settings = {"loss": "discriminant", "validation_fraction": 0, "random_state": 0}
    model = LOMForestClassifier(**settings).fit(X[:200], y[:200], weights[:200])
    for start in range(200, 300, 7):
        part = slice(start, min(start + 7, 300))
        model.partial_fit(X[part], y[part], sample_weight=weights[part])
    learned = model._stream
    u = learned._coordinates(X)
    number = np.argsort(learned.class_of.array)
    for code in range(15):
        mine = y == code
        expected = np.average(u[mine], axis=0, weights=weights[mine])
        assert_allclose(learned.means.array[number[code]], expected, atol=2e-3)
        total = weights[mine].sum() / model._mean_weight
        assert learned.totals.array[number[code]] == pytest.approx(total)


def test_trees_are_grown_anew_when_classes_have_moved():
    X, y = many_classes(n_classes=60, rows_per_class=40)
    early = y < 6
    model = LOMForestClassifier(beam_width=1, random_state=0).fit(X[early], y[early])
    # Coordinates of six classes have five dimensions: what is asked here are the trees.
    stream(stream(model, X, y, 100), X, y, 100)
    assert len(model._arrays["leaf_start"]) > 6
    assert model.candidate_recall_ > 0.8
    assert (np.diff(model._arrays["leaf_start"]) == 16).all()


@pytest.mark.parametrize("n_first", [10, 20, 24])
@pytest.mark.parametrize("make", [many_classes, sparse_classes], ids=["dense", "csr"])
def test_old_classes_are_known_when_others_have_come(make, n_first):
    X, y = make(n_classes=40, rows_per_class=30)
    old = y < n_first
    model = LOMForestClassifier(loss="discriminant", validation_fraction=0, random_state=0)
    stream(model.fit(X[old], y[old]), X[~old], y[~old])
    assert model.score(X[old], y[old]) > 0.85
    # Of words that the first classes did not use the coordinates know nothing.
    assert model.score(X[~old], y[~old]) > (0.85 if make is many_classes else 0.3)


def test_new_classes_leave_old_ones_their_rows():
    X, y = many_classes(n_classes=40, rows_per_class=30)
    old = y < 20
    model = LOMForestClassifier(loss="softmax", validation_fraction=0, random_state=0)
    stream(model.fit(X[old], y[old]), X[~old], y[~old])
    assert model.score(X[old], y[old]) > 0.85
    assert model.score(X[~old], y[~old]) > 0.95


def test_an_outlier_in_a_sparse_stream_is_seen_as_in_the_kernel():
    X, y = documents_of_styles()
    model = LOMForestClassifier(loss="discriminant", validation_fraction=0, random_state=0)
    fitted = model.fit(X, y).score(X, y)
    far = X[[0]].tolil()
    far[0, X[[0]].indices[0]] = 1e9
    model.partial_fit(far.tocsr(), y[:1])
    assert np.abs(model._stream.means.array).max() < 1e6
    assert model.score(X, y) > fitted - 0.03


@given(st.integers(0, 2**31 - 1))
def test_who_comes_often_is_listed(seed):
    rng = np.random.RandomState(seed)
    leaves = rng.randint(-1, 4, size=(30, 2), dtype=np.int32)
    own = np.minimum(rng.geometric(0.4, 30) - 1, 9).astype(np.int32)
    members, counts = np.full((4, 4), 9, dtype=np.int32), np.zeros((4, 4), dtype=np.float32)
    count_visits(leaves, 1, np.arange(31, dtype=np.int32), own, np.ones(30), members, counts)
    for leaf in range(4):
        visits = np.bincount(own[(leaves == leaf).nonzero()[0]], minlength=10)
        assert counts[leaf].sum() == visits.sum()
        assert set(np.flatnonzero(visits > visits.sum() / 4)) <= set(members[leaf])
        for member, count in zip(members[leaf], counts[leaf], strict=True):
            assert count == 0 or count >= visits[member] - 1e-6


def test_leaves_say_what_they_have_counted():
    X, y = sparse_classes(n_classes=20)
    early = y < 15
    model = LOMForestClassifier(validation_fraction=0, random_state=0)
    model.fit(X[early][:100], y[early][:100])
    model._arrays["vote_factor"] = 0.2
    stream(model, X, y)
    learned: Stream = model._stream
    prior = np.exp(learned.prior_votes.array)[learned.members]
    n_trees = len(model._arrays["roots"])
    assert_allclose(learned.votes, np.log1p(learned.counts / prior) / n_trees, rtol=1e-4)
    assert_array_equal(model._arrays["votes"], learned.votes.ravel())


@given(arrays(np.float32, (1, 40), elements=st.floats(-1e6, 1e6, width=32)))
def test_short_rows_are_read_as_they_were_written(rows):
    short = as_short_rows(rows, np.zeros(1))
    read = as_floats(short["words"], short["scale"])
    most = abs(rows).max(axis=1, keepdims=True) * 2**-15 + 1e-33  # smaller rows are zero
    assert (abs(read[:, :40] - rows) <= most).all()
    assert not read[:, 40:].any()


def test_squares_are_remembered_by_a_byte():
    squares = np.concatenate([[0], np.logspace(-11, 6, 50)]).astype(np.float32)
    codes = squares_as_bytes(squares)
    assert codes.dtype == np.uint8
    assert_allclose(squares_of_bytes(codes), squares, rtol=0.1)


def test_a_buffer_doubles():
    part = Growing(np.arange(3))
    for size in range(3, 40):
        part.extend(size)
        part.array[-1] += size
    assert_array_equal(part.array, [0, 1, 5, *range(4, 40)])
    assert len(part.buffer) <= 80


@pytest.mark.parametrize("loss", ["softmax", "squared_hinge", "discriminant"])
def test_a_row_takes_no_memory_in_proportion_to_the_classes(loss):
    def most(n_classes):
        X, y = many_classes(n_classes, n_features=3, rows_per_class=1)
        model = LOMForestClassifier(1, loss=loss, max_iter=1, validation_fraction=0, random_state=0)
        stream(model.fit(X, y), X[:2], y[:2], 1)
        tracemalloc.start()
        model.partial_fit(X[2:3], y[2:3]).predict_top_k(X[:1], 3)
        model.predict(X[:1])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert most(3000) < most(300) + 1000


@pytest.mark.parametrize("n_bits", [9, 24])
def test_new_columns_and_classes_find_places_in_the_table(n_bits):
    X, y = sparse_classes(n_classes=20, rows_per_class=30)
    settings = {"loss": "softmax", "n_bits": n_bits, "validation_fraction": 0, "random_state": 0}
    early = y < 8
    few = X[early][:60]
    model = LOMForestClassifier(**settings).fit(few, y[early][:60])
    assert len(np.unique(few.indices)) < len(np.unique(X.indices))
    stream(model, X, y)
    learned: Stream = model._stream
    start, n = learned.table.columns["start"].array, learned.class_of.size
    assert n == 20
    assert start.min() >= 0
    assert start.max() + n <= len(model._arrays["table"])
    if n_bits == 24:
        assert (np.diff(np.sort(start)) >= n).all()  # nothing is shared
    assert model.score(X, y) > (0.3 if n_bits == 9 else 0.8)


@pytest.mark.parametrize("n_bits", [3, 7, 15])
def test_columns_and_classes_have_their_weights_within_the_table(n_bits, global_random_seed):
    arrays = {
        "shift": np.zeros(2),
        "scale": np.ones(2),
        "projection": np.zeros((3, 4), dtype=np.float32),
        "start": 3 * np.arange(3),
        "column_of": np.r_[0, 1, np.full(98, -1)].astype(np.int32),
        "constant": 2,
        "class_of": np.arange(3),
        "table": np.zeros(9, dtype=np.float32),
    }
    table = FeatureTable(arrays, np.zeros(9, dtype=np.float32), n_bits)
    n_columns, n_classes = 2, 3
    for is_column in np.random.RandomState(global_random_seed).rand(60) < 0.5:
        if is_column:
            n_columns += 1
            table.known_columns(sparse.csr_array(np.arange(100)[None] < n_columns))
        else:
            n_classes += 3
            table.have_prototypes(n_classes)
        start = table.arrays()["start"]
        assert 0 <= start.min() <= start.max() + n_classes <= table.w.size == table.squares.size
    assert table.is_shared == (n_bits < 15)


@pytest.mark.parametrize("make", [many_classes, sparse_classes], ids=["dense", "csr"])
def test_a_pickle_has_what_has_been_learned_once(make):
    X, y = make(n_classes=300, rows_per_class=2)
    early = y < 290
    model = LOMForestClassifier(loss="softmax", max_iter=1, validation_fraction=0, random_state=0)
    model.fit(X[early], y[early]).partial_fit(X, y)
    learned: Stream = model._stream
    parts = [learned.means, learned.w, learned.squares]
    if learned.is_sparse:
        parts.append(learned.table.columns["projection"])
    size = sum(part.array.nbytes for part in parts)
    assert sum(part.buffer.nbytes for part in parts) > 1.2 * size
    assert len(pickle.dumps(model)) < 1.1 * size + 100_000


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
@pytest.mark.parametrize("make", [many_classes, sparse_classes], ids=["dense", "csr"])
def test_a_copy_learns_on_its_own(copied, make):
    X, y = make(n_classes=12)
    fitted = LOMForestClassifier(random_state=0).fit(X[:150], y[:150])
    before = fitted.predict_proba(X)
    model = copied(fitted).partial_fit(X[150:200], y[150:200])
    assert_array_equal(fitted.predict_proba(X), before)
    other = copied(model)
    expected = model.predict_proba(X)
    assert_array_equal(other.predict_proba(X), expected)
    other.partial_fit(X[200:], y[200:])
    assert_array_equal(model.predict_proba(X), expected)
    assert_array_equal(model.partial_fit(X[200:], y[200:]).predict_proba(X), other.predict_proba(X))


def test_threads_may_predict_while_another_lets_the_forest_learn():
    X, y = many_classes(n_classes=40)
    model = LOMForestClassifier(random_state=0).fit(X[y < 10], y[y < 10])
    results, done = [], []

    def predict():
        while not done:
            P = model.predict_proba(X[:50])
            results.append(abs(P.sum(axis=1) - 1).max())
            model.predict(X[:50])
        results.append(None)

    thread = Thread(target=predict)
    thread.start()
    stream(model, X, y, 60)
    done.append(True)
    thread.join()
    assert results.pop() is None  # the thread has not died of an exception
    assert max(results, default=0) < 1e-9


def test_what_is_refused():
    X, y = many_classes(n_classes=5)
    closed = LOMForestClassifier(random_state=0).partial_fit(X, y, classes=np.arange(5))
    before = closed.predict_proba(X)
    for wrong, message in [([7], "y: found the labels"), (["a"], "y: found labels of type")]:
        with pytest.raises(ValueError, match=message):
            closed.partial_fit(X[:1], wrong)
    with pytest.raises(ValueError, match="classes: found"):
        closed.partial_fit(X[:1], [0], classes=np.arange(4))
    assert_array_equal(closed.predict_proba(X), before)
    with pytest.raises(ValueError, match="sample_weight: found no positive weight"):
        LOMForestClassifier().partial_fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="class_weight: found 'balanced'"):
        LOMForestClassifier(class_weight="balanced").partial_fit(X, y)
    online = LOMForestClassifier(leaf="histogram", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="leaf: found 'rerank' after a fit with 'histogram'"):
        online.set_params(leaf="rerank").partial_fit(X, y)
    several = indicators(y, 5, np.random.RandomState(0))
    with pytest.raises(ValueError, match="after a fit to an indicator matrix"):
        LOMForestClassifier(random_state=0).fit(X, several).partial_fit(X, y)


def test_rows_without_weight_teach_nothing():
    X, y = many_classes(n_classes=5)
    model = LOMForestClassifier(random_state=0).fit(X, y)
    before = model.predict_proba(X)
    model.partial_fit(X[:9], y[:9], sample_weight=np.zeros(9))
    assert_array_equal(model.predict_proba(X), before)
    model.partial_fit(X[:9], np.full(9, 77), sample_weight=np.zeros(9))
    assert 77 in model.classes_
    assert_allclose(model.predict_proba(X)[:, :5], before)


@pytest.mark.parametrize("make", [many_classes, sparse_classes], ids=["dense", "csr"])
@pytest.mark.parametrize("loss", ["softmax", "squared_hinge"])
def test_any_weights_leave_finite_probabilities(make, loss):
    X, y = make(n_classes=12)
    model = LOMForestClassifier(loss=loss, validation_fraction=0, random_state=0)
    model.fit(X[:150], y[:150], sample_weight=np.full(150, 1e10))
    for weight in (1e200, 5e-320, 1e10):
        rows = slice(150, 170)
        labels = np.where(y[rows] < 6, y[rows], y[rows] + len(y))  # some are new
        model.partial_fit(X[rows], labels, sample_weight=np.full(20, weight))
        assert np.isfinite(model.predict_proba(X)).all()
        assert np.isfinite(model.history_["objective"]).all()
    assert np.isfinite(model._stream.means.array).all()


def test_long_documents_are_learned_from_few_rows():
    rng = np.random.RandomState(0)
    words, y = rng.randint(2000, size=(10, 60)), rng.randint(10, size=400)
    own = words[y[:, None], rng.randint(60, size=(400, 20))]
    columns = np.hstack([own, rng.randint(2000, size=(400, 180))]).astype(np.int32)
    parts = np.full(columns.size, 200**-0.5), columns.ravel(), 200 * np.arange(401, dtype=np.int32)
    X, test = sparse.csr_array(parts, (400, 2000)), slice(100, None)
    least = LinearSVC().fit(X[:100], y[:100]).score(X[test], y[test]) - 0.05
    assert least > 0.3
    model = LOMForestClassifier(random_state=0).partial_fit(X[:100], y[:100])
    assert model.score(X[test], y[test]) > least
    assert model.partial_fit(X[:50], y[:50]).score(X[test], y[test]) > least
