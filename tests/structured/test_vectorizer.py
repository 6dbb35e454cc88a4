"""`DictSequenceVectorizer` against the rules of CRFsuite, written out."""

import pickle
from collections import Counter, OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import DictVectorizer
from sklearn.utils import murmurhash3_32
from skops.io import dumps, loads

from sklearn_optland.structured import DictSequenceVectorizer, Sequences
from sklearn_optland.utils.discovery import skops_trusted_types

NAMES = st.sampled_from(["a", "b", "a:b", "", "ä", "b:a"])
NUMBERS = st.floats(-1e6, 1e6) | st.integers(-3, 3)
VALUES = st.booleans() | NUMBERS | NAMES | st.sampled_from([np.float32(0.5), np.bool_(True)])
NESTED = st.recursive(
    VALUES,
    lambda below: st.dictionaries(NAMES, below, max_size=3) | st.lists(NAMES, max_size=3),
    max_leaves=4,
)
TOKENS = (
    st.dictionaries(NAMES, VALUES, max_size=4)
    | st.dictionaries(NAMES, NESTED, max_size=4)
    | st.lists(NAMES, max_size=3)
    | st.sets(NAMES, max_size=3)
)
DATA = st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=5)


def features(token):
    """Names and values of a token's features, as CRFsuite's Python package makes them."""
    if not isinstance(token, dict):
        return Counter(token)
    total = Counter()
    for name, value in token.items():
        if isinstance(value, str):
            total[f"{name}:{value}"] += 1
        elif isinstance(value, (dict, list, set)):
            for below, number in features(value).items():
                total[f"{name}:{below}"] += number
        else:
            total[name] += float(value)
    return total


def as_counters(rows, names):
    """The tokens of each sequence, as dicts of what is not 0."""
    return [
        [{names[j]: x for j, x in enumerate(row) if x} for row in matrix.toarray()]
        for matrix in rows
    ]


def expected(X, known=None):
    return [
        [
            {name: x for name, x in features(token).items() if x and (not known or name in known)}
            for token in sequence
        ]
        for sequence in X
    ]


def rounded(sequences):
    return [
        [{name: pytest.approx(x) for name, x in token.items()} for token in s] for s in sequences
    ]


@given(DATA)
def test_features_are_those_of_crfsuite(X):
    vectorizer = DictSequenceVectorizer()
    rows = vectorizer.fit_transform(X)
    names = vectorizer.get_feature_names_out()
    assert as_counters(rows, names) == rounded(expected(X))
    again = vectorizer.transform(X)
    assert (rows.tokens != again.tokens).nnz == 0
    assert rows.lengths.tolist() == again.lengths.tolist() == [len(sequence) for sequence in X]


@given(DATA, DATA)
def test_features_that_fit_has_not_seen_are_ignored(X, new):
    vectorizer = DictSequenceVectorizer().fit(X)
    names = vectorizer.get_feature_names_out()
    known = {*names, None}
    assert as_counters(vectorizer.transform(new), names) == rounded(expected(new, known))


@given(DATA)
def test_columns_are_ordered_by_frequency_and_name(X):
    vectorizer = DictSequenceVectorizer().fit(X)
    rows = vectorizer.transform(X).tokens
    names = vectorizer.get_feature_names_out()
    assert len(set(names)) == len(names) == rows.shape[1]
    shuffled = [sequence[::-1] for sequence in X[::-1]]
    assert DictSequenceVectorizer().fit(shuffled).vocabulary_ == vectorizer.vocabulary_


def test_the_most_frequent_come_first_and_the_rare_are_left_out():
    X = [[{"w": "x", "n": 2.0}, {"w": "y", "n": 3.0}], [{"w": "y"}, {"b": True, "w": "y"}]]
    vectorizer = DictSequenceVectorizer(min_count=2)
    rows = vectorizer.fit_transform(X)
    assert vectorizer.get_feature_names_out().tolist() == ["w:y", "n"]
    assert rows.tokens.toarray().tolist() == [[0, 2], [1, 3], [1, 0], [1, 0]]
    assert (vectorizer.transform(X).tokens != rows.tokens).nnz == 0


def test_values_are_those_of_scikit_learns_vectorizer():
    X = [[{"w": "x", "n": 2.5, "k": -1}, {"w": "y", "b": True}], [{"b": False, "w": "y"}]]
    theirs = DictVectorizer(separator=":")
    expected = theirs.fit_transform([token for sequence in X for token in sequence])
    ours = DictSequenceVectorizer()
    rows = ours.fit_transform(X).tokens
    order = [ours.vocabulary_[name] for name in theirs.get_feature_names_out()]
    np.testing.assert_array_equal(rows.toarray()[:, order], expected.toarray())


@given(DATA, st.integers(1, 50))
def test_hashed_features_are_added_where_they_meet(X, n_features):
    rows = DictSequenceVectorizer(n_features=n_features).transform(X)
    assert rows.tokens.shape[1] == n_features
    total = np.zeros(n_features)
    for sequence in X:
        for token in sequence:
            for name, x in features(token).items():
                total[murmurhash3_32(name, positive=True) % n_features] += x
    np.testing.assert_allclose(rows.tokens.sum(axis=0), total, rtol=1e-9, atol=1e-6)


def test_hashing_needs_no_fit_and_has_no_names():
    vectorizer = DictSequenceVectorizer(n_features=8)
    X = [[{"a": "b"}]]
    assert (vectorizer.transform(X).tokens != vectorizer.fit_transform(X).tokens).nnz == 0
    with pytest.raises(ValueError, match="n_features: found 8"):
        vectorizer.get_feature_names_out()


def test_an_iterator_is_read_once_and_other_dicts_will_do():
    X = [[OrderedDict(a="b", c=2)], ({"a": "b"},)]
    rows = DictSequenceVectorizer().fit_transform(iter(token for token in s) for s in X)
    assert rows.tokens.toarray().tolist() == [[1, 2], [1, 0]]


def test_parameters_survive_clone_pickle_and_repr():
    vectorizer = DictSequenceVectorizer(min_count=2, dtype=np.float32)
    assert repr(vectorizer) == "DictSequenceVectorizer(dtype=<class 'numpy.float32'>, min_count=2)"
    X = [[{"a": "b"}, {"a": "b", "c": 3}, {"c": 2}]]
    rows = vectorizer.fit_transform(X)
    assert rows.tokens.dtype == np.float32
    trusted = skops_trusted_types()
    for copied in (
        pickle.loads(pickle.dumps(vectorizer)),
        loads(dumps(vectorizer), trusted=trusted),
    ):
        assert (copied.transform(X).tokens != rows.tokens).nnz == 0
    assert clone(vectorizer).get_params() == vectorizer.get_params()
    with pytest.raises(NotFittedError):
        clone(vectorizer).transform(X)


def test_the_list_has_the_same_rows():
    X = [[{"a": "b"}], [{"a": "c"}, {"a": "b", "n": 2}]]
    rows = DictSequenceVectorizer().fit_transform(X)
    parts = DictSequenceVectorizer(output="list").fit_transform(X)
    assert isinstance(parts, list)
    assert [part.toarray().tolist() for part in parts] == [part.toarray().tolist() for part in rows]
    assert isinstance(rows, Sequences)


GOOD = [{"a": "b"}]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], r"X: found no sequence"),
        ([GOOD, []], r"X\[1\]: found no token"),
        ({"a": "b"}, r"X: found a dict; allowed is a list of sequences"),
        (3, r"X: found a int"),
        ([GOOD, {"a": "b"}], r"X\[1\]: found a dict; allowed is a list of tokens"),
        ([GOOD, "word"], r"X\[1\]: found a str; allowed is a list of tokens"),
        ([GOOD, ["word"]], r"X\[1\]\[0\]: found a str; allowed is a dict"),
        ([GOOD, [{"a": 1}, 3.0]], r"X\[1\]\[1\]: found a float; allowed is a dict"),
        ([GOOD, [{}, {"a": np.nan}]], r"X\[1\]\[1\]: feature 'a': found nan; allowed are finite"),
        ([[{"a": {"b": -np.inf}}]], r"X\[0\]\[0\]: feature 'a:b': found -inf"),
        ([[{"a": 10**400}]], r"X\[0\]\[0\]: feature 'a': found inf"),
        ([[{"a": None}]], r"X\[0\]\[0\]: feature 'a': found None; allowed are strings"),
        ([[{"a": b"b"}]], r"X\[0\]\[0\]: feature 'a': found b'b'"),
        ([[{"a": 1j}]], r"X\[0\]\[0\]: feature 'a': found 1j"),
        ([[{3: "a"}]], r"X\[0\]\[0\]: found the feature 3, a int; names are strings"),
        ([[["a", 3]]], r"X\[0\]\[0\]: found the feature 3"),
        ([[{"a": [0.5, 1.5]}]], r"X\[0\]\[0\]: found the feature 0.5, a float"),
        ([[{"a": ["b", {"c": 1}]}]], r"X\[0\]\[0\]: found the feature {'c': 1}, a dict"),
        ([[{3: {"a": 1}}]], r"X\[0\]\[0\]: found the feature 3, a int"),
        ([[{"a": {3: {"b": 1}}}]], r"X\[0\]\[0\]: found the feature 3, a int"),
    ],
)
@pytest.mark.parametrize("hashed", [None, 8])
def test_errors_name_the_sequence(X, message, hashed):
    with pytest.raises(ValueError, match=message):
        DictSequenceVectorizer(n_features=hashed).fit(X)
    vectorizer = DictSequenceVectorizer(n_features=hashed).fit([GOOD])
    with pytest.raises(ValueError, match=message):
        vectorizer.transform(X)


def test_a_fit_that_fails_leaves_the_vectorizer_as_it_was():
    vectorizer = DictSequenceVectorizer().fit([GOOD])
    with pytest.raises(ValueError, match="found None"):
        vectorizer.fit([[{"x": "y"}, {"a": None}]])
    assert vectorizer.vocabulary_ == {"a:b": 0}


@pytest.mark.parametrize(
    ("token", "dtype"),
    [({"a": 1e300}, np.float32), ({"a:b": 1e308, "a": {"b": 1e308}}, np.float64)],
)
def test_values_that_overflow_name_the_token(token, dtype):
    X = [GOOD, [{"a": 1.0}, {"a": 2.0}, token]]
    with pytest.raises(ValueError, match=r"X\[1\]\[2\]: a feature's value is too large for float"):
        DictSequenceVectorizer(dtype=dtype).fit_transform(X)


def test_halves_of_pairs_are_hashed():
    """A file read with errors="surrogateescape" has them."""
    rows = DictSequenceVectorizer(n_features=8).fit_transform([[{"word": "\udce9t\udce9"}]])
    assert rows.tokens.sum() == 1
