"""From what the user gives to tokens in rows: sequences in lists, or rows and lengths."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight, validate_data

from sklearn_optland._estimator.lazy import refuse_dask
from sklearn_optland._estimator.training_rows import (
    FLOATS,
    TrainingRows,
    always_checked,
    balanced_weights,
    check_classes,
    check_labels,
    check_magnitudes,
    check_weighted_labels,
    encode,
    total_weight,
    weights_by_dict,
)
from sklearn_optland.structured._chain.labels import labels_of_lists
from sklearn_optland.structured._chain.problem import ChainProblem
from sklearn_optland.structured._sequences import Sequences, part_of
from sklearn_optland.structured._vectorizer import DictSequenceVectorizer

# Squares of such values, times the largest weight, are far from overflow.
LARGEST_VALUE = 1e100


@dataclass(frozen=True)
class Tokens:
    """Sequences whose tokens are the rows of one matrix.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_tokens, n_columns)
    starts : ndarray of int64 of shape (n_sequences + 1,)
        Sequence i has the rows starts[i] to starts[i + 1].
    listed : bool
        Whether the user gave a list of sequences.
    """

    X: object
    starts: np.ndarray
    listed: bool

    @property
    def n_sequences(self):
        """Number of sequences."""
        return len(self.starts) - 1

    def as_given(self, array):
        """An array with an entry for each token, in the form of the input: a list, or as it is."""
        return np.split(array, self.starts[1:-1]) if self.listed else array


@dataclass(frozen=True)
class TrainingSequences(TrainingRows):
    """Training rows whose weights are those of sequences."""

    starts: np.ndarray | None = None
    lengths: object = None
    listed_labels: object = None  # those of a list of sequences
    vectorizer: DictSequenceVectorizer | None = None
    has_new_columns: bool = False  # a vocabulary that the fit before did not have
    dtype: type = np.float64  # of the parameters; X may be held in float32 where that is exact

    def problem(self, **kinds):
        """The objective of the sequences that have a weight."""
        X, starts, codes, weights = self.X, self.starts, self.codes, self.weights
        is_used = weights > 0
        if not is_used.all():
            starts, X, codes = part_of(is_used, starts, X, codes)
        return ChainProblem(X, starts, codes, weights[is_used], len(self.classes), **kinds)

    @property
    def callback_data(self):
        """What callbacks are told of the data, in the form in which the user gave them.

        Metadata go on to scorers: only what there is.
        """
        metadata = {"sample_weight": self.sample_weight, "lengths": self.lengths}
        X, y = self.X, self.y
        if self.listed_labels is not None:
            X, y = Sequences(X, metadata.pop("lengths")), self.listed_labels
        given = {name: value for name, value in metadata.items() if value is not None}
        return {"X": X, "y": y, "metadata": given}


def read_tokens(estimator, X, lengths):
    """Sequences to predict for."""
    X, lengths, listed = _as_rows(_in_columns(estimator, X), lengths)
    X = _validated(estimator, X, lengths, reset=False)
    return Tokens(X, _starts(lengths, X.shape[0]), listed)


def read_labels(tokens, y):
    """The labels of tokens that have been read, in one array."""
    if y is None:
        raise ValueError("y: found None; allowed are labels of all tokens.")
    y = _in_list(y)
    if tokens.listed or _is_list_of_sequences(y, labels=True):
        return labels_of_lists(y, np.diff(tokens.starts))
    y = np.asarray(y)
    if y.shape != (tokens.starts[-1],):
        raise ValueError(
            f"y: found the shape {y.shape}; allowed is ({tokens.starts[-1]},), a label for each "
            "row of X."
        )
    return y


def training_sequences(estimator, X, y, lengths, sample_weight, *, factor):
    """Sequences of a classifier, of at least two classes; one of them has to have a weight.

    Parameters
    ----------
    estimator : estimator with `class_weight`
    X, y, lengths, sample_weight
        As the user gave them.
    factor : float
        Of all weights.

    Returns
    -------
    rows : TrainingSequences
    """
    X, vectorizer = _sequences_in_list(X), None
    if has_named_features(X):
        vectorizer = DictSequenceVectorizer()
        X = vectorizer.fit_transform(X)
    X, y, lengths, dtype, listed_labels = checked_sequences(
        estimator, X, y, lengths, is_own_copy=vectorizer is not None
    )
    starts = _starts(lengths, X.shape[0])
    classes, codes = encode(y)
    check_labels(y, classes)
    check_classes(classes)
    n_sequences = len(starts) - 1
    weights = sequence_weights(sample_weight, n_sequences)
    total_weight(weights)
    check_weighted_labels(
        estimator.class_weight if isinstance(estimator.class_weight, dict) else None, classes
    )
    weights = weights * _class_weights(estimator.class_weight, classes, codes, starts, weights)
    weights = weights * factor
    total_weight(weights, "sample_weight, times class_weight and C")
    vectorizers = _vectorizer(estimator), vectorizer
    before, now = (getattr(v, "vocabulary_", None) for v in vectorizers)
    rows = TrainingSequences(
        *(X, y, sample_weight, weights, classes, codes, starts, lengths, listed_labels, vectorizer),
        has_new_columns=before != now,
        dtype=dtype,
    )
    return rows


class CheckedArrays(NamedTuple):
    """Validated rows of tokens and their labels; `listed_labels` as they were in a list."""

    X: object
    y: np.ndarray
    lengths: object
    dtype: np.dtype  # of X as it was; it may be held in float32 where that is exact
    listed_labels: object


def checked_sequences(estimator, X, y, lengths, *, is_own_copy=False):
    """Rows of tokens and their labels, of matrices.

    Parameters
    ----------
    estimator : estimator
    X, y, lengths
        As the user gave them, but for names of features.
    is_own_copy : bool, default=False
        Whether X is nobody else's; a list is copied in any case.

    Returns
    -------
    arrays : CheckedArrays
    """
    is_own_copy |= not isinstance(X, Sequences)
    X, lengths, listed = _as_rows(X, lengths)
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None")
    y = _in_list(y)
    listed_labels = y if listed else None
    if listed or (lengths is not None and _is_list_of_sequences(y, labels=True)):
        y = labels_of_lists(y, lengths)
    X, y = _validated(estimator, X, lengths, y=y, reset=True)
    dtype = X.dtype
    if listed and is_own_copy:
        X = _in_float32_if_exact(X)
    return CheckedArrays(X, y, lengths, dtype, listed_labels)


def sequence_weights(sample_weight, n_sequences):
    """Weights of sequences as the user gave them, as float64; None are ones."""
    one_each = np.empty((n_sequences, 1))
    return _check_sample_weight(sample_weight, one_each, dtype=np.float64, ensure_non_negative=True)


def _class_weights(class_weight, classes, codes, starts, weights):
    """The mean of the weights of a sequence's labels; "balanced" counts tokens."""
    if class_weight is None:
        return 1.0
    if class_weight == "balanced":
        per_class = balanced_weights(np.repeat(weights, np.diff(starts)), codes)
    else:
        per_class = weights_by_dict(class_weight, classes)
    return means_of_labels(per_class, codes, starts)


def means_of_labels(per_class, codes, starts):
    """The mean of the weights of each sequence's labels."""
    return np.add.reduceat(per_class[codes], starts[:-1]) / np.diff(starts)


def _in_list(data):
    """Iterators, and those in a list, as lists; anything else as it is."""
    if isinstance(data, Iterator):
        data = list(data)
    if isinstance(data, (list, tuple)) and len(data) and isinstance(data[0], Iterator):
        return [_in_list(part) for part in data]
    return data


def _sequences_in_list(X):
    """The sequences of an iterator, an array of objects or a pandas Series, in a list."""
    return list(X) if getattr(X, "ndim", 0) == 1 and _holds_objects(X) else _in_list(X)


def _holds_objects(X):
    """Whether X is an array of Python objects, or a pandas Series of them."""
    return getattr(getattr(X, "dtype", None), "kind", None) == "O"


def _vectorizer(estimator):
    """What has given names of features their columns, None if X had columns."""
    return getattr(estimator, "vectorizer_", None)


def has_named_features(X):
    """Whether the first token is a dict or names of features; those without any say nothing.

    A token in place of a sequence has them too, so that the vectorizer's error names it.
    """
    if not isinstance(X, (list, tuple)) or not len(X):
        return False
    if isinstance(X[0], (Mapping, Set)):
        return True
    for sequence in X:
        if not (isinstance(sequence, (list, tuple)) or _holds_objects(sequence)):
            return False
        for token in sequence:
            if not isinstance(token, (list, tuple)):
                return isinstance(token, (Mapping, Set))
            if len(token):
                return isinstance(token[0], str)
    return False


def _in_columns(estimator, X):
    """Sequences of dicts as matrices; anything else as it is."""
    X = _sequences_in_list(X)
    if not has_named_features(X):
        return X
    if _vectorizer(estimator) is None:
        raise ValueError(
            "X: found tokens with names of features; allowed are matrices, which fit was given."
        )
    return _vectorizer(estimator).transform(X)


def _as_rows(X, lengths):
    """Rows of all tokens, the lengths of sequences or None, and whether X was a list of these."""
    is_cut = isinstance(X, Sequences)
    if not (is_cut or _is_list_of_sequences(X)):
        _refuse_words(X)
        return X, lengths, False
    if lengths is not None:
        raise ValueError("lengths: found some for a list of sequences, which has its own; omit it.")
    if len(X) == 0:
        raise ValueError(
            "X: found an empty list, or an iterator that has been read; allowed is at least one "
            "sequence."
        )
    if is_cut:
        return X.tokens, X.lengths, True
    parts = [_as_matrix(part, i) for i, part in enumerate(X)]
    widths = [part.shape[1] for part in parts]
    for i, width in enumerate(widths):
        if width != widths[0]:
            raise ValueError(
                f"X: found {width} columns in sequence {i}; allowed are those of sequence 0, "
                f"{widths[0]}."
            )
    if any(sparse.issparse(part) for part in parts):
        rows = sparse.vstack(parts, format="csr")
        # kernels would copy wider indices
        index = sparse.get_index_dtype(maxval=max(rows.nnz, rows.shape[1]))
        rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
    else:
        rows = _named(np.concatenate(parts), X)
    return rows, np.array([part.shape[0] for part in parts]), True


def _refuse_words(X):
    """Words in place of tokens are what NumPy has no clear error for."""
    first = X[0] if isinstance(X, (list, tuple)) and len(X) else None
    is_row = isinstance(first, (list, tuple)) or np.ndim(first) == 1
    if is_row and len(first) and isinstance(first[0], str):
        word = str(first[0])
        raise ValueError(
            f"X[0]: found the word {word!r} for a token; allowed are its features, such as "
            f"{{'word': {word!r}}}, or a row of numbers."
        )


def _in_float32_if_exact(X):
    """Sparse rows with values in float32, where these are the same: features of words are ones."""
    if not sparse.issparse(X) or X.dtype == np.float32:
        return X
    data = X.data.astype(np.float32)
    if not np.array_equal(data, X.data):
        return X
    return type(X)((data, X.indices, X.indptr), X.shape)


def _named(rows, X):
    """The rows of all sequences; a data frame of pandas if the first sequence is one."""
    names = [_column_names(part) for part in X]
    for i, found in enumerate(names):
        if found != names[0]:
            raise ValueError(
                f"X: found the columns {found} in sequence {i}; allowed are those of sequence 0, "
                f"{names[0]}."
            )
    return type(X[0])(rows, columns=names[0]) if hasattr(X[0], "iloc") else rows


def _column_names(part):
    names = getattr(part, "columns", None)
    return None if names is None else list(names)


def _is_list_of_sequences(data, labels=False):
    """Whether the first entry of a list is a sequence; of numbers it is a row, but for labels."""
    if isinstance(data, np.ndarray) and data.dtype != object:
        return False
    if not isinstance(data, (list, tuple, np.ndarray)):
        return False
    if len(data) == 0:
        return isinstance(data, (list, tuple))
    first = data[0]
    if labels:
        return not isinstance(first, (str, bytes)) and np.ndim(first) == 1
    if getattr(first, "ndim", 0) == 2 or sparse.issparse(first):
        return True
    is_sequence = isinstance(first, Sequence) and not isinstance(first, (str, bytes))
    if not is_sequence:
        return False
    return len(first) == 0 or (
        isinstance(first[0], (Sequence, np.ndarray, dict))
        and not isinstance(first[0], (str, bytes))
    )


def _as_matrix(part, i):
    """One sequence as a matrix."""
    matrix = part if sparse.issparse(part) else np.asarray(part)
    if matrix.ndim and matrix.shape[0] == 0:
        raise ValueError(f"X: sequence {i} is empty; allowed are sequences of at least one token.")
    if matrix.ndim != 2 or matrix.dtype.kind == "O":
        raise ValueError(
            f"X: found an entry of shape {matrix.shape} and type {matrix.dtype} for sequence {i}; "
            "allowed are matrices with a row for each token."
        )
    return matrix


def _validated(estimator, X, lengths, **validation):
    """X, and y if it is given, as `validate_data` makes them."""
    refuse_dask(estimator, "predict", [X])  # fit has refused already
    with always_checked():
        result = validate_data(
            estimator,
            X,
            accept_sparse="csr",
            dtype=FLOATS,
            order="C",
            ensure_all_finite=False,
            **validation,
        )
        X = result[0] if isinstance(result, tuple) else result
        _refuse_infinite(estimator, X, lengths)
    if X.dtype == np.float64:
        check_magnitudes(X, LARGEST_VALUE)
    return result


def _refuse_infinite(estimator, X, lengths):
    """scikit-learn's error for NaN and infinity; with sequences, one that names the first."""
    values = X.data if sparse.issparse(X) else X
    with np.errstate(over="ignore", invalid="ignore"):
        is_suspect = lengths is not None and not np.isfinite(np.sum(values))
    if is_suspect and not np.isfinite(values).all():
        finite = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
        row = int(np.argmin(finite))
        if sparse.issparse(X):
            row = int(np.searchsorted(X.indptr, row, side="right")) - 1
        where = int(np.searchsorted(np.cumsum(lengths), row, side="right"))
        raise ValueError(f"X: found NaN or infinity in sequence {where}; allowed is neither.")
    assert_all_finite(X, input_name="X", estimator_name=type(estimator).__name__)


def _starts(lengths, n_tokens):
    """Where sequences start and the last one ends; without lengths each row is one."""
    if lengths is None:
        return np.arange(n_tokens + 1, dtype=np.int64)
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"lengths: found the shape {lengths.shape} and type {lengths.dtype}; allowed are "
            "integers, one for each sequence."
        )
    if len(lengths) and lengths.min() < 1:
        i = int(np.argmax(lengths < 1))
        raise ValueError(
            f"lengths: found {lengths[i]} for sequence {i}; allowed are sequences of at least one "
            "token."
        )
    if lengths.sum() != n_tokens:
        raise ValueError(
            f"lengths: found a sum of {lengths.sum()}; allowed is the number of rows of X, "
            f"{n_tokens}."
        )
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
