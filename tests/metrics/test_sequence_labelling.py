"""Scores of labelled sequences against a slow reading of the same labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold

from sklearn_optland.metrics import (
    chunk_f1,
    chunk_f1_scorer,
    sequence_accuracy,
    sequence_accuracy_scorer,
)

LABELS = st.sampled_from(["O", *(f"{p}-{t}" for p in "BIES" for t in ("X", "Y", "X-Y"))])


@st.composite
def labelled(draw):
    """True and predicted labels of some sequences, which often agree."""
    y_true = draw(st.lists(st.lists(LABELS, max_size=8), min_size=1, max_size=4))
    y_pred = [[draw(LABELS) if draw(st.booleans()) else y for y in s] for s in y_true]
    return y_true, y_pred


def chunks(labels):
    """Chunks as a reader with one open chunk finds them: (type, first, last)."""
    found, current = [], None
    for i, label in enumerate([*labels, "O"]):
        prefix, _, kind = label.partition("-")
        goes_on = current and prefix in "IE" and kind == current[0]
        if current and not goes_on:
            found.append((*current, i - 1))
            current = None
        if prefix == "O":
            continue
        if current is None:
            current = kind, i
        if prefix in "ES":
            found.append((*current, i))
            current = None
    return found


def f1(true, found):
    n_right = len(true & found)
    return 2 * n_right / (len(true) + len(found)) if true or found else None


def slow_f1(y_true, y_pred, average):
    true, found = (
        {(i, *chunk) for i, labels in enumerate(y) for chunk in chunks(labels)}
        for y in (y_true, y_pred)
    )
    if average == "micro":
        return f1(true, found) or 0.0
    kinds = sorted({chunk[1] for chunk in true | found})
    parts = [({c for c in true if c[1] == k}, {c for c in found if c[1] == k}) for k in kinds]
    weights = [len(t) if average == "weighted" else 1 for t, _ in parts]
    if not sum(weights):
        return 0.0
    return np.average([f1(*part) for part in parts], weights=weights)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@given(data=labelled())
def test_chunk_f1_is_that_of_a_reader(average, data):
    assert chunk_f1(*data, average=average) == pytest.approx(slow_f1(*data, average))


@given(labelled())
def test_chunk_f1_is_symmetric_and_1_for_equal_labels(data):
    y_true, y_pred = data
    assert chunk_f1(y_true, y_pred) == pytest.approx(chunk_f1(y_pred, y_true))
    assert chunk_f1(y_true, y_true, zero_division=1.0) == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "score"),
    [
        ([["B-X", "I-X", "O"]], [["B-X", "I-X", "O"]], 1.0),
        ([["B-X", "I-X"]], [["B-X", "B-X"]], 0.0),
        ([["B-X", "E-X"]], [["B-X", "I-X"]], 1.0),  # IOBES and IOB2 say the same
        ([["S-X", "B-Y"]], [["B-X", "I-Y"]], 1.0),
        ([["B-X"], ["I-X"]], [["B-X"], ["B-X"]], 1.0),  # no chunk goes on in the next sequence
        ([["O"]], [["O"]], 0.0),
        ([np.array(["B-X", "O"])], [("B-X", "B-X")], 2 / 3),
    ],
)
def test_chunk_f1_examples(y_true, y_pred, score):
    assert chunk_f1(y_true, y_pred) == pytest.approx(score)


@given(labelled())
def test_sequence_accuracy_is_a_mean(data):
    y_true, y_pred = data
    right = [t == p for t, p in zip(*data, strict=True)]
    assert sequence_accuracy(y_true, y_pred) == pytest.approx(np.mean(right))
    weights = 1.0 + np.arange(len(right))
    weighted = sequence_accuracy(y_true, y_pred, sample_weight=weights)
    assert weighted == pytest.approx(np.average(right, weights=weights))


def test_labels_of_sequence_accuracy_may_be_numbers():
    assert sequence_accuracy([np.array([1, 2]), [3]], [[1, 2], np.array([4])]) == 0.5


@pytest.mark.parametrize("metric", [chunk_f1, sequence_accuracy])
def test_generators_are_read_once(metric):
    y_true, y_pred = [["B-X", "O"], ["O"]], [["B-X", "O"], ["B-Y"]]
    assert metric(iter(y_true), (labels for labels in y_pred)) == metric(y_true, y_pred)


@pytest.mark.parametrize("metric", [chunk_f1, sequence_accuracy])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([], [], "y_true: found no sequence"),
        ([["O"]], [["O"], ["O"]], "y_pred: found 2 sequences; allowed are 1"),
        ([["O"], ["O"]], [["O"], ["O", "O"]], r"y_pred\[1\]: found 2 labels; allowed are 1"),
        (["O"], [["O"]], r"y_true\[0\]: found 'O'; allowed is a sequence of labels"),
        ([["O"]], [3], r"y_pred\[0\]: found 3; allowed is a sequence of labels"),
    ],
)
def test_errors_name_the_sequence(metric, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred)


@pytest.mark.parametrize("label", ["PER", "L-X", "", "o", 3, None, "O-X"])
def test_unknown_labels_are_named(label):
    with pytest.raises(ValueError, match=r"y_pred\[2\]: found the label"):
        chunk_f1([["O"], [], ["O", "O"]], [["O"], [], ["O", label]])


def test_unknown_averages_are_refused():
    with pytest.raises(ValueError, match="average: found 'samples'; allowed are"):
        chunk_f1([["O"]], [["O"]], average="samples")


class Constant(BaseEstimator):
    """Predicts one label."""

    def __init__(self, label="O"):
        self.label = label

    def fit(self, X, y):
        return self

    def predict(self, X):
        return [[self.label] * len(tokens) for tokens in X]


@pytest.mark.parametrize("scorer", [chunk_f1_scorer, sequence_accuracy_scorer])
def test_scorers_serve_searches(scorer):
    y = [["S-X"], ["S-X", "S-X"], ["S-X", "O"], ["O"]]
    X = [[{}] * len(labels) for labels in y]
    grid = {"label": ["O", "S-X"]}
    search = GridSearchCV(Constant(), grid, scoring=scorer, cv=KFold(2), error_score="raise")
    search.fit(X, y)
    assert search.best_params_ == {"label": "S-X"}
    assert scorer(Constant("S-X"), X, y) == search.score(X, y)
