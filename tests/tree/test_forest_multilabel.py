"""LOMForestClassifier on rows of any number of classes."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer
from tree.forest_helpers import many_classes, sparse_classes

from sklearn_optland.metrics import precision_at_k
from sklearn_optland.tree import LOMForestClassifier
from sklearn_optland.tree._forest.ranking import falling

pytestmark = pytest.mark.kernels


def rows_of_pairs(make, n_classes, seed):
    """Rows of two classes, whose values are means over them."""
    X, y = make(n_classes=n_classes, seed=seed)
    rng = np.random.RandomState(seed)
    pairs = rng.randint(len(y), size=(len(y), 2))
    Y = np.eye(n_classes, dtype=int)[y][pairs].max(axis=1)
    return (X[pairs[:, 0]] + X[pairs[:, 1]]) / 2, Y


@pytest.fixture(scope="module", params=[many_classes, sparse_classes], ids=["dense", "csr"])
def problem(request, global_random_seed):
    X, Y = rows_of_pairs(request.param, 30, global_random_seed)
    return X, Y, LOMForestClassifier(random_state=0).fit(X[:500], Y[:500])


@pytest.mark.parametrize("loss", ["softmax", "squared_hinge"])
@pytest.mark.parametrize("make", [many_classes, sparse_classes])
def test_one_class_a_row_is_the_multiclass_fit(make, loss):
    X, y = make(n_classes=20)
    weights = np.random.RandomState(0).uniform(0.5, 2, len(y))
    model = LOMForestClassifier(loss=loss, n_prototypes=2, random_state=0)
    single = model.fit(X, y, weights).candidate_scores(X)
    recall, errors = model.candidate_recall_, model.validation_errors_
    several = model.fit(X, np.eye(20, dtype=int)[y], weights).candidate_scores(X)
    np.testing.assert_array_equal(several.indices, single.indices)
    np.testing.assert_array_equal(several.data, single.data)
    assert (model.candidate_recall_, model.validation_errors_) == (recall, errors)
    top = model.predict_top_k(X, 1)
    np.testing.assert_array_equal(top.indices, single.indices[single.indptr[:-1]])


def test_it_is_about_as_good_as_all_classes(problem):
    X, Y, model = problem
    every = OneVsRestClassifier(LogisticRegression(C=10)).fit(X[:500], Y[:500])
    scores = every.decision_function(X[500:])
    for k in (1, 3):
        mine = precision_at_k(Y[500:], model.predict_top_k(X[500:], k), k)
        assert mine > precision_at_k(Y[500:], scores, k) - 0.04
    mine = f1_score(Y[500:], model.predict(X[500:]), average="micro")
    assert mine > f1_score(Y[500:], every.predict(X[500:]), average="micro") - 0.05


def test_predictions_agree(problem):
    X, Y, model = problem
    assert model.multilabel_
    np.testing.assert_array_equal(model.classes_, np.arange(30))
    probabilities, labels = model.predict_proba(X), model.predict(X)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_array_equal(labels, probabilities >= 0.5)
    assert labels.dtype.kind == Y.dtype.kind
    top = model.predict_top_k(X, 3)
    row = np.repeat(np.arange(X.shape[0]), np.diff(top.indptr))
    np.testing.assert_allclose(top.data, probabilities[row, top.indices])
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(probabilities))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)


def test_probabilities_rank_labels_as_scores_do():
    """Also where they are next to 1 or 0: learned rows make them too sure."""
    X, Y = rows_of_pairs(sparse_classes, 30, 0)
    model = LOMForestClassifier(loss="squared_hinge", C=1e3, validation_fraction=0, random_state=0)
    model.fit(X[:200], Y[:200])
    scores, shares = model.candidate_scores(X), model.predict_top_k(X, 30)
    np.testing.assert_array_equal(shares.indices, scores.indices)
    is_within_row = np.ones(scores.nnz, dtype=bool)
    is_within_row[scores.indptr[:-1]] = False
    falls = np.diff(scores.data) < 0
    assert (np.diff(shares.data)[falls & is_within_row[1:]] < 0).all()


def test_probabilities_fall_to_what_labels_have_that_are_not_listed():
    shares = np.array([[1.0, 1.0, 0.5, 1e-9, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    least = np.array([[1e-3], [0.5]])
    found = falling(shares.copy(), least)
    np.testing.assert_allclose(found, np.maximum(shares, least), rtol=1e-12)
    assert (np.diff(found) < 0).all()
    assert (found >= least).all()
    assert (found <= 1).all()


def test_probabilities_are_calibrated(problem):
    X, Y, model = problem
    probabilities = model.predict_proba(X[500:])
    expected, found = probabilities.sum(axis=0), Y[500:].sum(axis=0)
    assert expected.sum() == pytest.approx(found.sum(), rel=0.2)
    likely = probabilities > 0.7
    assert Y[500:][likely].mean() > 0.55


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array])
def test_sparse_indicators_are_dense_ones(problem, container):
    X, Y, model = problem
    other = LOMForestClassifier(random_state=0).fit(X[:500], container(Y[:500]))
    predicted = other.predict(X)
    assert sparse.issparse(predicted)
    np.testing.assert_array_equal(predicted.toarray(), model.predict(X))
    assert other.score(X, sparse.csr_array(Y)) == model.score(X, Y)


@pytest.mark.parametrize("make", [many_classes, sparse_classes])
def test_candidate_recall_counts_labels(make):
    X, Y = rows_of_pairs(make, 150, 0)  # more than a leaf's list has
    model = LOMForestClassifier(1, beam_width=1, validation_fraction=0, random_state=0).fit(X, Y)
    found = model.candidate_scores(X).astype(bool).toarray() & (Y > 0)
    assert model.candidate_recall_ == pytest.approx(found.sum() / Y.sum())
    assert 0 < model.candidate_recall_ < 1


def test_rows_and_columns_without_labels():
    X, y = many_classes(n_classes=10)
    Y = np.eye(12, dtype=int)[y]  # the last two have no row
    Y[::3] = 0
    model = LOMForestClassifier(random_state=0).fit(X, Y)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == Y.shape
    assert not probabilities[:, 10:].any()
    assert set(model.predict_top_k(X, 12).indices) == set(range(10))
    lone = LOMForestClassifier(random_state=0).fit(X, np.eye(12, dtype=int)[np.zeros_like(y)])
    assert lone.predict(X)[:, 0].all()


def test_weights_are_repetitions_up_to_the_order_of_rows(problem):
    # Weights of 0 leave rows out; the squared hinge is convex, and comes close to its optimum.
    X, Y, _ = problem
    model = LOMForestClassifier(loss="squared_hinge", validation_fraction=0, random_state=0)
    weights = np.random.RandomState(1).choice([0.0, 1.0], len(Y))
    first = model.fit(X, Y, weights).predict_proba(X)
    second = model.fit(X[weights > 0], Y[weights > 0]).predict_proba(X)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("fraction", [0, 0.1])
def test_callbacks_see_a_model_that_predicts(problem, fraction, callbacks):
    X, Y, _ = problem
    model = LOMForestClassifier(validation_fraction=fraction, max_iter=2, random_state=0)
    model.set_callbacks(callbacks.ScoringMonitor(scoring="f1_micro")).fit(X, Y)
    plain = LOMForestClassifier(**model.get_params()).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


def test_label_lists_go_through_the_binarizer():
    X, y = sparse_classes(n_classes=6)
    lists = [("a", "bcdefg"[code]) for code in y]
    names = MultiLabelBinarizer(sparse_output=True)
    model = LOMForestClassifier(random_state=0).fit(X, names.fit_transform(lists))
    found = names.inverse_transform(model.predict(X))
    assert np.mean([a == b for a, b in zip(found, lists, strict=True)]) > 0.8


def test_searches_take_it(problem):
    X, Y, _ = problem
    scores = cross_val_score(LOMForestClassifier(random_state=0), X, Y, scoring="f1_micro", cv=3)
    assert (scores > 0.3).all()


@given(
    arrays(np.int8, st.tuples(st.integers(1, 30), st.integers(2, 9)), elements=st.integers(0, 1)),
    st.sampled_from(["auto", "softmax", "squared_hinge"]),
    st.booleans(),
)
def test_any_indicators(Y, loss, is_sparse):
    X = np.random.RandomState(0).standard_normal((len(Y), 70))
    X = sparse.csr_array(X) if is_sparse else X
    model = LOMForestClassifier(loss=loss, max_iter=2, random_state=0)
    if not Y.any():
        with pytest.raises(ValueError, match="y: found no row with a label; allowed is at least"):
            model.fit(X, Y)
        return
    model.fit(X, Y)
    assert np.isfinite(model.predict_proba(X)).all()
    assert model.predict(X).shape == Y.shape
    assert 0 <= model.candidate_recall_ <= 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"leaf": "histogram"}, "leaf: found 'histogram' with an indicator matrix as y; allowed"),
        ({"class_weight": "balanced"}, "class_weight: found 'balanced' with an indicator matrix"),
    ],
)
def test_what_several_classes_do_not_go_with_is_refused(setting, message):
    X, y = many_classes(n_classes=3)
    with pytest.raises(ValueError, match=message):
        LOMForestClassifier(**setting).fit(X, np.eye(3, dtype=int)[y])


def test_numbers_that_are_no_indicators_are_refused():
    X, y = many_classes(n_classes=3)
    Y = np.eye(3, dtype=int)[y]
    with pytest.raises(ValueError, match="y: found 2 in an indicator matrix; allowed are 0 and 1"):
        LOMForestClassifier().fit(X, 2 * Y)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        LOMForestClassifier().fit(X, Y + np.eye(3, dtype=int)[0])
