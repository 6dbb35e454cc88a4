"""`Sequences` is a list of matrices, as far as anyone can tell from outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import _safe_indexing

from sklearn_optland.structured import Sequences

LENGTHS = st.lists(st.integers(1, 4), min_size=1, max_size=6)
STORAGES = [np.asarray, sparse.csr_array, sparse.csr_matrix, sparse.coo_array]


def made_of(lengths, storage=np.asarray):
    tokens = np.arange(3.0 * sum(lengths)).reshape(-1, 3)
    return Sequences(storage(tokens), lengths), np.split(tokens, np.cumsum(lengths)[:-1])


def as_lists(sequences):
    return [np.asarray(s.toarray() if sparse.issparse(s) else s).tolist() for s in sequences]


@pytest.mark.parametrize("storage", STORAGES)
@given(lengths=LENGTHS, data=st.data())
def test_items_are_those_of_a_list(storage, lengths, data):
    X, parts = made_of(lengths, storage)
    assert len(X) == X.shape[0] == len(lengths)
    assert as_lists(X) == as_lists(parts)
    i = data.draw(st.integers(-len(lengths), len(lengths) - 1))
    assert as_lists([X[i]]) == as_lists([parts[i]])
    some = data.draw(st.slices(len(lengths)))
    assert as_lists(X[some]) == as_lists(parts[some])
    index = data.draw(st.lists(st.integers(-len(lengths), len(lengths) - 1)))
    for chosen in (X[index], _safe_indexing(X, index), X[np.array(index, dtype=int)]):
        assert isinstance(chosen, Sequences)
        assert as_lists(chosen) == as_lists([parts[i] for i in index])
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(X), max_size=len(X))))
    assert as_lists(X[mask]) == as_lists([parts[i] for i in np.flatnonzero(mask)])


def test_sequences_that_follow_each_other_are_a_view():
    X, _ = made_of([2, 1, 3])
    assert np.shares_memory(X[1:].tokens, X.tokens)
    assert np.shares_memory(X[[1, 2]].tokens, X.tokens)
    with pytest.raises(IndexError):
        X[3]


def test_folds_split_by_sequence():
    X, parts = made_of([2, 1, 3, 1])
    for train, test in KFold(2).split(X):
        assert as_lists(X[train]) == as_lists([parts[i] for i in train])
        assert len(test) == 2
    train, test = train_test_split(X, test_size=1, random_state=0)
    assert isinstance(train, Sequences)
    assert sorted(as_lists(train) + as_lists(test)) == sorted(as_lists(parts))


@pytest.mark.parametrize("kind", ["u1", "u8", "i1"])
def test_lengths_of_any_integers(kind):
    X = Sequences(np.zeros((300, 2)), np.array([100, 100, 100], dtype=kind))
    assert X[[2, 0]].tokens.shape == X[::2].tokens.shape == (200, 2)
    assert X[2].shape == (100, 2)


def test_tokens_are_rows():
    with pytest.raises(ValueError, match=r"tokens: found the shape \(3,\)"):
        Sequences(np.zeros(3), [1, 2])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1], "lengths: found a sum of 2; allowed is 3"),
        ([3, 0], "lengths: found 0 for sequence 1"),
        ([4, -1], "lengths: found -1 for sequence 1"),
        ([1.5, 1.5], "lengths: found an array of float64"),
        ([[3]], "lengths: found an array of int64 and shape"),
    ],
)
def test_lengths_add_up(lengths, message):
    with pytest.raises(ValueError, match=message):
        Sequences(np.zeros((3, 2)), lengths)
