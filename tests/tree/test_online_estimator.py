"""LOMTreeClassifier: probabilities, weights, labels, data, and learning that goes on."""

import pickle
from itertools import pairwise

import joblib
import numpy as np
import pytest
from helpers import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.utils.class_weight import compute_sample_weight
from tree.online_faults import fault
from tree.online_helpers import LOSSES, blobs, depth_bound

from sklearn_optland.tree import LOMTreeClassifier, export_text

many_classes = pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")


# Probabilities


@settings.get_profile("fits")
@given(SEEDS, st.integers(1, 9), st.booleans())
def test_probabilities_are_smoothed_leaf_counts(seed, k, refit):
    X, y = blobs(seed, n=120, k=k, std=3.0)
    y = 3 * y + 1
    model = LOMTreeClassifier(max_iter=3, refit_leaves=refit, random_state=seed).fit(X, y)
    P, leaves, predicted = model.predict_proba(X), model.apply(X), model.predict(X)
    assert_allclose(P.sum(axis=1), 1)
    assert_array_equal(model.classes_[P.argmax(axis=1)], predicted)
    k = len(model.classes_)
    if refit:
        for leaf in np.unique(leaves):
            at = leaves == leaf
            counts = (y[at][:, None] == model.classes_).sum(axis=0)
            assert_allclose(P[at], np.tile((counts + 1 / k) / (at.sum() + 1), (at.sum(), 1)))
    for most in (1, 2, k + 3):
        top = model.predict_top_k(X, most)
        assert top.shape == P.shape
        assert (np.diff(top.indptr) <= most).all()
        for row in range(len(X)):
            entries = slice(top.indptr[row], top.indptr[row + 1])
            classes, values = top.indices[entries], top.data[entries]
            assert len(classes) >= 1
            assert_allclose(values, P[row, classes])
            assert (np.diff(values) <= 0).all()
            assert model.classes_[classes[0]] == predicted[row]
            left_out = np.setdiff1d(np.arange(k), classes)
            assert len(left_out) == 0 or P[row, left_out].max() <= values.min() + 1e-15


@pytest.mark.parametrize("k", [0, -1, 2.5])
def test_top_k_wants_a_positive_integer(k):
    model = LOMTreeClassifier(random_state=0).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match=r"k: found .*; allowed is an integer of at least 1"):
        model.predict_top_k([[0.0]], k)


@pytest.mark.parametrize("n_jobs", [2, 3, -1, 1000])
def test_threads_change_nothing(digits, n_jobs):
    X, X_test, y, _ = digits
    model = LOMTreeClassifier(max_iter=3, random_state=0).fit(X, y)
    expected = model.apply(X_test)
    assert_array_equal(model.set_params(n_jobs=n_jobs).apply(X_test), expected)


@settings.get_profile("fits")
@given(SEEDS, st.sampled_from(LOSSES), st.sampled_from([None, 5]), st.lists(st.integers(0, 200)))
def test_partial_fits_are_one_pass_of_fit(seed, loss, n_bits, cuts):
    X, y = blobs(seed, n=200, std=2.0)
    y = np.array(list("abcdefgh"))[y]
    parameters = {"loss": loss, "n_bits": n_bits, "max_nodes": 9, "max_depth": 8}
    whole = LOMTreeClassifier(max_iter=1, shuffle=False, refit_leaves=False, **parameters)
    whole.fit(X, y)
    # Labels appear in later calls.
    parts = LOMTreeClassifier(**parameters)
    bounds = sorted({0, 200, *cuts})
    for first, last in pairwise(bounds):
        parts.partial_fit(X[first:last], y[first:last])
    assert fault(parts._arrays) == ""
    assert_allclose(whole.predict_proba(X), parts.predict_proba(X))
    assert_array_equal(whole.classes_, parts.classes_)
    assert whole.get_depth() == parts.get_depth()
    assert whole.leaf_entropy_ == pytest.approx(parts.leaf_entropy_)
    # With the classes known from the start, the default budgets agree too.
    whole.set_params(max_nodes=None, max_depth=None).fit(X, y)
    parts = LOMTreeClassifier(loss=loss, n_bits=n_bits)
    for first, last in pairwise(bounds):
        parts.partial_fit(X[first:last], y[first:last], classes=whole.classes_)
    assert_allclose(whole.predict_proba(X), parts.predict_proba(X))


def test_partial_fit_goes_on_after_fit_and_pickling(digits, tmp_path):
    X, X_test, y, y_test = digits
    known = y < 8
    model = LOMTreeClassifier(random_state=0).fit(X[known], y[known])
    before = model.predict_proba(X_test)
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = [
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model.joblib", mmap_mode="r"),
    ]
    for other in loaded:
        for _ in range(10):
            other.partial_fit(X, y)
        assert fault(other._arrays) == ""
        assert_array_equal(other.classes_, np.arange(10))
        assert other.score(X_test, y_test) > 0.75
    assert_array_equal(loaded[0].predict_proba(X_test), loaded[1].predict_proba(X_test))
    assert_array_equal(model.predict_proba(X_test), before)


def test_classes_of_the_first_call_are_all(digits):
    X, _, y, _ = digits
    model = LOMTreeClassifier().partial_fit(X[:50], y[:50], classes=np.arange(10))
    assert_array_equal(model.classes_, np.arange(10))
    with pytest.raises(ValueError, match=r"y: found the labels \[10\]; allowed are the classes"):
        model.partial_fit(X[:2], [1, 10])
    with pytest.raises(ValueError, match=r"classes: found .* allowed are those known"):
        model.partial_fit(X[:2], [1, 2], classes=np.arange(11))
    model.partial_fit(X[:2], y[:2], classes=np.arange(10))
    with pytest.raises(ValueError, match="y: found labels of type <U1; allowed are labels like"):
        model.partial_fit(X[:2], ["1", "2"])
    fresh = LOMTreeClassifier()
    with pytest.raises(ValueError, match=r"y: found the labels \[3\]"):
        fresh.partial_fit(X[:2], [1, 3], classes=[1, 2])
    with pytest.raises(NotFittedError):
        fresh.predict(X)


def test_warm_start_goes_on(digits, global_random_seed):
    X, _, y, _ = digits
    model = LOMTreeClassifier(max_iter=2, warm_start=True, random_state=global_random_seed)
    known = y < 9
    model.fit(X[known], y[known])
    first = model.history_["objective"]
    model.fit(X[known], y[known])
    assert model.history_["objective"][0] < first[0]
    model.fit(X, y)
    assert_array_equal(model.classes_, np.arange(10))
    assert model.score(X[~known], y[~known]) > 0.5
    assert fault(model._arrays) == ""


def test_early_stopping_keeps_the_best_pass(digits, global_random_seed):
    X, X_test, y, y_test = digits
    model = LOMTreeClassifier(early_stopping=True, max_iter=60, random_state=global_random_seed)
    model.fit(X, y)
    errors = model.history_["validation_error"]
    assert len(errors) == model.n_iter_
    assert model.n_iter_ == 60 or errors[:-5].min() <= errors[-5:].min()
    assert model.score(X_test, y_test) > 0.78
    # Too few rows to hold any out.
    LOMTreeClassifier(early_stopping=True).fit(X[:8], y[:8])


# Weights


def test_no_weight_is_no_row(digits, global_random_seed):
    X, X_test, y, _ = digits
    weight = np.random.default_rng(global_random_seed).integers(0, 3, len(y)).astype(float)
    model = LOMTreeClassifier(max_iter=3, random_state=global_random_seed)
    expected = clone(model).fit(X[weight > 0], y[weight > 0], weight[weight > 0])
    assert_array_equal(model.fit(X, y, weight).apply(X_test), expected.apply(X_test))


def test_weights_act_as_repetition(global_random_seed):
    # Class 0 lies in the midst of class 1: which of them a leaf predicts is a matter of weight.
    rng = np.random.default_rng(global_random_seed)
    X, y = rng.standard_normal((2000, 3)), (rng.random(2000) < 0.6).astype(int)
    weight = np.where(y == 0, 4.0, 1.0)
    model = LOMTreeClassifier(random_state=global_random_seed)
    assert np.mean(clone(model).fit(X, y).predict(X)) > 0.6
    weighted = clone(model).fit(X, y, weight)
    repeat = np.repeat(np.arange(2000), weight.astype(int))
    repeated = clone(model).fit(X[repeat], y[repeat])
    assert np.mean(weighted.predict(X)) < 0.2
    assert np.mean(repeated.predict(X)) < 0.2
    # One tree, rows counted by it: the same counts.
    assert weighted.node_stats_["n"].max() == len(repeat)
    by_class = clone(model).set_params(class_weight={0: 4.0}).fit(X, y)
    assert_array_equal(by_class.apply(X), weighted.apply(X))
    balanced = clone(model).set_params(class_weight="balanced").fit(X, y)
    expected = clone(model).fit(X, y, (1000 / np.bincount(y))[y])
    assert_array_equal(balanced.apply(X), expected.apply(X))
    with pytest.raises(ValueError, match="class_weight: found 'balanced'; partial_fit allows"):
        balanced.partial_fit(X, y)


@pytest.mark.parametrize("class_weight", [{0: 0.0, 1: 0.0}, {0: 1e308, 1: 1e308}])
def test_sum_of_weights_must_be_positive_and_finite(class_weight):
    with pytest.raises(ValueError, match=r"sample_weight: found a sum of .*; allowed is"):
        LOMTreeClassifier(class_weight=class_weight).fit([[0.0], [1.0]], [0, 1])


# Labels and data


@pytest.mark.parametrize(
    "y",
    [
        np.array(["b", "a", "c"])[np.arange(60) % 3],
        np.array(["b", "a", "c"], dtype=object)[np.arange(60) % 3],
        np.array([-5, 0, 10**12])[np.arange(60) % 3],
        np.array([True, False])[np.arange(60) % 2],
    ],
)
def test_labels_of_any_kind(y):
    _, codes = np.unique(y, return_inverse=True)
    X = np.eye(3)[codes]
    model = LOMTreeClassifier(random_state=0).fit(X, y)
    assert_array_equal(model.predict(X), y)
    assert model.predict(X).dtype == model.classes_.dtype


def test_one_class():
    model = LOMTreeClassifier(random_state=0).fit([[0.0], [1.0]], ["only", "only"])
    assert_array_equal(model.predict([[5.0]]), ["only"])
    assert_array_equal(model.predict_proba([[5.0]]), [[1.0]])
    assert model.get_depth() == 0
    assert model.get_n_leaves() == 1
    assert model.leaf_entropy_ == 0
    assert model.entropy_bound() == 0
    assert model.certificate_.relative == 0
    assert export_text(model).startswith("class only")


@many_classes
def test_a_class_for_each_row(global_random_seed):
    X = np.random.default_rng(global_random_seed).standard_normal((200, 20))
    model = LOMTreeClassifier(random_state=global_random_seed).fit(X, np.arange(200))
    assert model.get_depth() <= depth_bound(200)
    assert model.score(X, np.arange(200)) > 0.2  # a guess has 0.005


@many_classes
def test_ids_up_to_a_million(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    ids = rng.choice(10**6, 3000, replace=False)
    codes = np.arange(6000) % 3000
    bits = (codes[:, None] >> np.arange(12)) & 1
    model = LOMTreeClassifier(max_iter=3, random_state=global_random_seed)
    model.fit(2.0 * bits - 1, ids[codes])
    assert np.isin(model.predict(2.0 * bits - 1), ids).all()
    assert model.get_depth() <= depth_bound(3000)
    top = model.predict_top_k(2.0 * bits[:10] - 1, 3)
    assert top.shape == (10, 3000)
    online = LOMTreeClassifier().partial_fit(bits[:100], ids[:100], classes=np.arange(10**6))
    assert np.isin(online.predict(bits[:5]), ids).all()


def test_unseen_labels_only_lower_the_score(digits):
    X, X_test, y, y_test = digits
    model = LOMTreeClassifier(random_state=0).fit(X[y < 5], y[y < 5])
    assert model.score(X_test[y_test >= 5], y_test[y_test >= 5]) == 0


@pytest.mark.parametrize("n_bits", [None, 10])
@pytest.mark.parametrize("loss", LOSSES)
def test_sparse_rows_of_any_type(digits, loss, n_bits, global_random_seed):
    X, X_test, y, _ = digits
    model = LOMTreeClassifier(loss=loss, n_bits=n_bits, max_iter=2, random_state=global_random_seed)
    by_type = {
        (values, index): clone(model).fit(_csr(X, values, index), y).predict(X_test)
        for values in (np.float32, np.float64)
        for index in (np.int32, np.int64)
    }
    first = by_type[np.float32, np.int32]
    for predicted in by_type.values():
        assert_array_equal(predicted, first)  # these values are whole numbers: exact in float32
    dense = clone(model).fit(X, y)
    same = dense.apply(X_test) == dense.apply(sparse.csr_array(X_test))
    assert np.mean(same) > 0.99  # sums in another order: a margin of zero may have another sign


def _csr(X, values, index):
    X = sparse.csr_array(X.astype(values))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def test_empty_rows(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    X = sparse.random_array((100, 30), density=0.05, format="csr", random_state=rng)
    X.data[:] = 1.0
    assert (np.diff(X.indptr) == 0).any()
    y = rng.integers(4, size=100)
    for n_bits in (None, 8):
        model = LOMTreeClassifier(n_bits=n_bits, random_state=0).fit(X, y)
        assert np.isfinite(model.predict_proba(X)).all()
    nothing = sparse.csr_array((5, 30))
    assert len(set(model.predict(nothing))) == 1
    LOMTreeClassifier().fit(nothing, [0, 1, 2, 0, 0]).predict(nothing)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("value", [1e19, -1e300])
def test_values_that_float32_cannot_square_are_refused(convert, value):
    X = convert(np.array([[0.0], [value]]))
    with pytest.raises(ValueError, match=r"X: found a value of size .*; allowed is at most 1e\+18"):
        LOMTreeClassifier().fit(X, [0, 1])


def test_prediction_takes_any_finite_value():
    model = LOMTreeClassifier(random_state=0).fit([[0.0], [1.0]], [0, 1])
    assert np.isfinite(model.predict_proba([[1e300], [-1e300], [1e-300]])).all()


# Callbacks


def test_callbacks_see_a_fitted_estimator_each_pass(digits, callbacks):
    X, X_test, y, _ = digits
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    model = LOMTreeClassifier(max_iter=4, random_state=0)
    model.set_callbacks(monitor).fit(X, y)
    plain = LOMTreeClassifier(max_iter=4, random_state=0).fit(X, y)
    assert_array_equal(plain.apply(X_test), model.apply(X_test))


def test_a_warm_fit_balances_its_own_rows():
    X, y = load_iris(return_X_y=True)
    few = np.r_[0:50, 60:70, 110:140]
    model = LOMTreeClassifier(random_state=0, warm_start=True, class_weight="balanced").fit(X, y)
    explicit = clone(model).set_params(class_weight=None).fit(X, y)
    weight = compute_sample_weight("balanced", y[few])
    again = model.fit(X[few], y[few]).predict_proba(X)
    assert_array_equal(again, explicit.fit(X[few], y[few], weight).predict_proba(X))
