"""How well labels of sequences are predicted: whole sequences, and chunks of tokens."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight

OUTSIDE = "O"
# What other labels begin with: a chunk's first token, a later one, its last, its only one.
PREFIXES = ("B", "I", "E", "S")
BEGINS, ENDS = ("B", "S"), ("E", "S")
AVERAGES = ("micro", "macro", "weighted")


def sequence_accuracy(
    y_true: ArrayLike | Sequence[Any],
    y_pred: ArrayLike | Sequence[Any],
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of sequences of which all labels are right.

    Parameters
    ----------
    y_true, y_pred : list of sequences of labels
        The labels of each token, true and predicted.
    sample_weight : array-like of shape (n_sequences,), default=None
        Weights of the sequences.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there is no sequence, or if true and predicted ones differ in number or length; the
        message has the number of the sequence.

    See Also
    --------
    sequence_accuracy_scorer : The same for searches.

    Examples
    --------
    >>> from sklearn_optland.metrics import sequence_accuracy
    >>> sequence_accuracy([["O", "B-X"], ["O"]], [["O", "B-Y"], ["O"]])
    0.5
    """
    y_true, y_pred, lengths = checked_labels(y_true, y_pred)
    is_right = np.fromiter(map(_are_equal, y_true, y_pred), bool, len(lengths))
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, lengths, ensure_non_negative=True)
    return float(np.average(is_right, weights=sample_weight))


def chunk_f1(
    y_true: Sequence[Any],
    y_pred: Sequence[Any],
    *,
    average: Literal["micro", "macro", "weighted"] = "micro",
    zero_division: float = 0.0,
) -> float:
    """F1 score of the chunks of tokens that labels describe: named entities, phrases.

    A label is "O", outside of chunks, or has the type of its chunk after a prefix: "B-" begins a
    chunk, "I-" goes on, "E-" ends one and "S-" is a chunk of one token. These are the schemes BIO
    (IOB2), IOB1 and BIOES (IOBES). A predicted chunk is right if its tokens and its type are. As
    in the evaluation of the CoNLL shared tasks, labels that follow each other wrongly are read
    leniently: a chunk begins also with "I-" or "E-" after "O", after an end, or after another type.

    Parameters
    ----------
    y_true, y_pred : list of sequences of str
        The labels of each token, true and predicted.
    average : {"micro", "macro", "weighted"}, default="micro"
        Over the types of chunks.

        - "micro": none; the score of all chunks.
        - "macro": the mean over types that are true or predicted somewhere.
        - "weighted": the same, weighted by the number of true chunks.
    zero_division : float, default=0.0
        The score where no chunk is true and none predicted.

    Returns
    -------
    score : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there is no sequence, if true and predicted ones differ in number or length, or if a
        label is none of the above; the message has the number of the sequence.

    See Also
    --------
    chunk_f1_scorer : The same for searches.

    References
    ----------
    E. Tjong Kim Sang and S. Buchholz, "Introduction to the CoNLL-2000 shared task: chunking"
    (2000).

    Examples
    --------
    >>> from sklearn_optland.metrics import chunk_f1
    >>> y_true = [["B-NP", "I-NP", "O", "B-VP"]]
    >>> round(chunk_f1(y_true, [["B-NP", "I-NP", "O", "B-NP"]]), 2)
    0.5
    >>> round(chunk_f1(y_true, [["B-NP", "O", "O", "B-VP"]], average="macro"), 2)
    0.5
    """
    if average not in AVERAGES:
        raise ValueError(f"average: found {average!r}; allowed are {list(AVERAGES)}.")
    y_true, y_pred, lengths = checked_labels(y_true, y_pred)
    types = {}
    true_type, true_end = _chunks(y_true, lengths, types, "y_true")
    type_, end = _chunks(y_pred, lengths, types, "y_pred")
    is_right = (end == true_end) & (type_ == true_type) & (end >= 0)
    n_right, n_true, n_found = (
        np.bincount(kinds[chosen], minlength=len(types))
        for kinds, chosen in ((type_, is_right), (true_type, true_end >= 0), (type_, end >= 0))
    )
    n_both = n_true + n_found
    if average == "micro":
        n_right, n_both = n_right.sum(keepdims=True), n_both.sum(keepdims=True)
    is_known = n_both > 0
    if not is_known.any() or (average == "weighted" and not n_true.any()):
        return float(zero_division)
    scores = 2.0 * n_right[is_known] / n_both[is_known]
    weights = n_true[is_known] if average == "weighted" else None
    return float(np.average(scores, weights=weights))


def sequence_accuracy_scorer(
    estimator: BaseEstimator,
    X: Any,
    y: ArrayLike | Sequence[Any],
    sample_weight: ArrayLike | None = None,
) -> float:
    """Score an estimator by :func:`sequence_accuracy`, in searches and cross-validation.

    Parameters
    ----------
    estimator : fitted estimator
        Its `predict` returns a list of sequences of labels.
    X : list of sequences
        What `predict` takes.
    y : list of sequences of labels
        The true ones.
    sample_weight : array-like of shape (n_sequences,), default=None
        Weights of the sequences.

    Returns
    -------
    score : float
        The higher, the better.

    See Also
    --------
    sequence_accuracy : The metric itself.
    """
    return sequence_accuracy(y, estimator.predict(X), sample_weight=sample_weight)


def chunk_f1_scorer(estimator: BaseEstimator, X: Any, y: Sequence[Any]) -> float:
    """Score an estimator by :func:`chunk_f1` of all chunks, in searches and cross-validation.

    Parameters
    ----------
    estimator : fitted estimator
        Its `predict` returns a list of sequences of labels.
    X : list of sequences
        What `predict` takes.
    y : list of sequences of str
        The true labels.

    Returns
    -------
    score : float
        The higher, the better.

    See Also
    --------
    chunk_f1 : The metric itself.
    """
    return chunk_f1(y, estimator.predict(X))


def checked_labels(y_true, y_pred):
    """Labels in lists of sequences, and how many each has; an error where their numbers differ."""
    y_true, y_pred = (list(y) if isinstance(y, Iterator) else y for y in (y_true, y_pred))
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_pred: found {len(y_pred)} sequences; allowed are {len(y_true)}, those of y_true."
        )
    if len(y_true) == 0:
        raise ValueError("y_true: found no sequence; allowed is at least one.")
    for name, labels in (("y_true", y_true), ("y_pred", y_pred)):
        for number, sequence in enumerate(labels):
            if isinstance(sequence, str) or not hasattr(sequence, "__len__"):
                raise ValueError(
                    f"{name}[{number}]: found {sequence!r}; allowed is a sequence of labels."
                )
    lengths, found = (np.fromiter(map(len, labels), np.intp) for labels in (y_true, y_pred))
    wrong = np.flatnonzero(lengths != found)
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            f"y_pred[{first}]: found {found[first]} labels; allowed are {lengths[first]}, as many "
            "as in y_true."
        )
    return y_true, y_pred, lengths


def _are_equal(labels, others):
    return all(a == b for a, b in zip(labels, others, strict=True))


def _chunks(y, lengths, types, name):
    """Types of the chunks of all tokens, and where the chunk that begins at a token ends, or -1.

    Parameters
    ----------
    y : list of sequences of str
    lengths : ndarray of shape (n_sequences,)
    types : dict of str to int
        Numbers of the types; new ones are added.
    name : str
        Of y in errors.
    """
    labels = list(chain.from_iterable(y))
    known = {OUTSIDE: (False, False, -1)}
    for label in dict.fromkeys(labels):
        if label in known:
            continue
        prefix, _, type_ = label.partition("-") if isinstance(label, str) else (None, None, None)
        if prefix not in PREFIXES:
            number = np.searchsorted(np.cumsum(lengths), labels.index(label), side="right")
            raise ValueError(
                f"{name}[{number}]: found the label {label!r}; allowed are 'O', and types of "
                "chunks after 'B-', 'I-', 'E-' or 'S-'."
            )
        known[label] = prefix in BEGINS, prefix in ENDS, types.setdefault(type_, len(types))
    starts, ends, type_ = np.array([known[label] for label in labels], np.intp).reshape(-1, 3).T
    # Outside has a type of its own: what follows begins anew, and what came before has ended.
    begins = starts != 0
    begins[1:] |= (ends[:-1] != 0) | (type_[1:] != type_[:-1])
    begins[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    bounds = np.append(np.flatnonzero(begins), len(labels))
    first, last = bounds[:-1], bounds[1:]
    is_chunk = type_[first] >= 0
    end = np.full(len(labels), -1)
    end[first[is_chunk]] = last[is_chunk]
    return type_, end
