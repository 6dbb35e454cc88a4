"""Sequences of dicts go into the estimator as they do through the vectorizer before it."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from sklearn_optland.structured import ChainCRFClassifier, DictSequenceVectorizer

WORDS = [["the", "cat", "sat"], ["a", "dog"], ["the", "dog", "sat", "down"], ["down"]]
X = [
    [{"word": word, "first": i == 0, "size": len(word)} for i, word in enumerate(s)] for s in WORDS
]
Y = [["D", "N", "V"], ["D", "N"], ["D", "N", "V", "P"], ["P"]]
NAMES = [[[*token, "bias"] for token in sequence] for sequence in X]


def labels_of(model, X):
    return np.concatenate(model.predict(X)).tolist()


@pytest.mark.parametrize("given", [X, NAMES], ids=["dicts", "names"])
def test_a_fit_is_that_of_a_pipeline(given):
    model = ChainCRFClassifier(tol=1e-8).fit(given, Y)
    pipeline = make_pipeline(DictSequenceVectorizer(), ChainCRFClassifier(tol=1e-8)).fit(given, Y)
    assert_array_equal(model.coef_, pipeline[-1].coef_)
    assert model.n_features_in_ == len(model.vectorizer_.vocabulary_)
    assert_array_equal(
        np.concatenate(model.predict(given)), np.concatenate(pipeline.predict(given))
    )
    assert model.score(given, Y) == pipeline.score(given, Y)


def test_matrices_of_the_same_columns_are_as_good_as_dicts():
    model = ChainCRFClassifier().fit(X, Y)
    assert labels_of(model, model.vectorizer_.transform(X)) == labels_of(model, X)


def test_features_that_fit_has_not_seen_are_ignored():
    model = ChainCRFClassifier().fit(X, Y)
    more = [[token | {"new": "value"} for token in sequence] for sequence in X]
    assert_array_equal(
        np.concatenate(model.predict_marginals(more)), np.concatenate(model.predict_marginals(X))
    )


def test_a_copy_by_pickle_knows_the_names():
    model = ChainCRFClassifier().fit(X, Y)
    assert labels_of(pickle.loads(pickle.dumps(model)), X) == labels_of(model, X)


def test_searches_split_by_sequence():
    search = GridSearchCV(ChainCRFClassifier(), {"C": [0.1, 1.0]}, cv=KFold(2)).fit(X, Y)
    assert search.best_estimator_.vectorizer_.vocabulary_


def test_a_warm_start_with_other_names_begins_anew():
    renamed = [[{f"n{key}": value for key, value in token.items()} for token in s] for s in X]
    model = ChainCRFClassifier(warm_start=True, tol=1e-6)
    assert model.fit(X, Y).n_iter_ > model.fit(X, Y).n_iter_
    model.fit(renamed, Y)
    cold = ChainCRFClassifier(tol=1e-6).fit(renamed, Y)
    assert_array_equal(model.coef_, cold.coef_)


def test_a_fit_of_matrices_forgets_the_names():
    model = ChainCRFClassifier().fit(X, Y)
    model.fit([np.eye(3), np.eye(3)[:2], np.ones((4, 3)), np.ones((1, 3))], Y)
    assert not hasattr(model, "vectorizer_")
    with pytest.raises(ValueError, match="X: found tokens with names of features"):
        model.predict(X)


@pytest.mark.parametrize(
    "as_given",
    [
        lambda X: np.array([*X, None], dtype=object)[:-1],
        lambda X: [np.array([*sequence, None], dtype=object)[:-1] for sequence in X],
        lambda X: pytest.importorskip("pandas").Series(X),
    ],
    ids=["object array", "object arrays", "series"],
)
def test_other_lists(as_given):
    model, expected = ChainCRFClassifier().fit(as_given(X), Y), ChainCRFClassifier().fit(X, Y)
    assert_array_equal(model.coef_, expected.coef_)
    assert labels_of(model, as_given(X)) == labels_of(expected, X)


def test_a_first_token_without_features():
    X = [[[], ["a"]], [["b"], []]]
    model = ChainCRFClassifier().fit(X, [["x", "y"], ["z", "x"]])
    assert list(model.vectorizer_.vocabulary_) == ["a", "b"]
    assert [len(part) for part in model.predict(X)] == [2, 2]


def test_a_sequence_in_place_of_a_list_is_named():
    with pytest.raises(ValueError, match=r"X\[0\]: found a dict; allowed is a list of tokens"):
        ChainCRFClassifier().fit(X[0], Y[0])
    model = ChainCRFClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"X\[0\]: found a dict; allowed is a list of tokens"):
        model.predict(X[0])


@pytest.mark.usefixtures("callbacks")
def test_predictions_during_a_fit_are_of_the_fit_before():
    """The names belong to the coefficients: other threads see both change at the end only."""
    model = ChainCRFClassifier().fit(X, Y)
    backwards = [[{"word": t["word"][::-1]} for t in sequence] for sequence in X]
    seen = []

    class Spy:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **data):
            seen.append(estimator.vectorizer_)

        def on_fit_task_end(self, estimator, context, **data):
            pass

    before = model.vectorizer_
    model.set_callbacks(Spy()).fit(backwards, Y)
    assert all(vectorizer is before for vectorizer in seen)
    assert model.vectorizer_ is not before
    assert len(seen) > 1


def test_a_fit_that_fails_leaves_the_names():
    model = ChainCRFClassifier().fit(X, Y)
    vectorizer = model.vectorizer_
    with pytest.raises(ValueError, match=r"X\[1\]: found no token"):
        model.fit([X[0], []], Y[:2])
    assert model.vectorizer_ is vectorizer
    with pytest.raises(ValueError, match="lengths: found some for a list"):
        model.fit(X, Y, lengths=[3, 2, 4, 1])
