"""From collections, Dask's or blocks, to rows that train: on the workers that have them, or here.

One look at each partition checks it, counts, and finds the classes. From then on partitions of Dask
stay in the cluster's memory, or without a cluster in this process, until the fit ends; of blocks
y and the weights stay, and X is read again by each pass.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_n_features, column_or_1d

from sklearn_optland._estimator.alignment import aligned_blocks, check_names
from sklearn_optland._estimator.training_rows import (
    FLOATS,
    always_checked,
    balanced_weights,
    check_classes,
    check_labels,
    classification_rows,
    refuse_negative,
    regression_rows,
    total_weight,
)
from sklearn_optland._rows.blocks import Unread, is_read_later, read_block
from sklearn_optland._rows.cluster import is_collection, place_of
from sklearn_optland._rows.dask_source import DaskSource
from sklearn_optland._rows.packed import packed, unpacked

TINY = np.finfo(float).tiny


def any_collection(*data):
    """Whether some of the data are collections, Dask's or blocks."""
    return any(map(is_collection, data))


@dataclass(frozen=True)
class Summary:
    """What one look at a partition tells of it.

    By its own labels, or in a regression all in one: `weights`, and of rows with a weight their
    number `n_used` and that of their stored values, `n_values`.
    """

    n_rows: int
    n_columns: int
    n_outputs: int
    y_is_1d: bool
    dtype: np.dtype
    is_sparse: bool
    largest_weight: float
    labels: np.ndarray | None
    weights: np.ndarray
    n_used: np.ndarray
    n_values: np.ndarray


class Checked:
    """A partition that has been checked: rows, targets, weights.

    Attributes
    ----------
    X : ndarray, CSR matrix or Unread
    labels : ndarray or None
        Of a classification, sorted.
    y, w : ndarray or Packed
        Targets, or the numbers of the rows' labels; weights.
    """

    def __init__(self, number, check, is_classification, X, y, w):
        try:
            with always_checked():
                self._check(number, check, is_classification, X, y, w)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Partition {number}: {error}") from None

    def _check(self, number, check, is_classification, block, y, w):
        self.number, X = number, check(block)
        n = X.shape[0]
        self.X = Unread(partial(check, block), X) if is_read_later(block) else X
        y, w = None if y is None else read_block(y), None if w is None else read_block(w)
        labels, codes = None, np.zeros(n, dtype=np.intp)
        if y is None:
            y = np.empty((n, 0))
        elif not is_classification:
            y = _checked(y, "y", np.float64, ensure_2d=False)
        else:
            y = column_or_1d(y)
            if len(y):
                _check_labels(y)
            labels, codes = np.unique(y, return_inverse=True)
        w = np.ones(n) if w is None else _checked(w, "sample_weight", np.float64, ensure_2d=False)
        for name, array in (("y", y), ("sample_weight", w)):
            if len(array) != n:
                raise ValueError(f"{name}: found {len(array)} rows; allowed are {n}, those of X.")
        least = w.min(initial=0.0)
        if least < 0:
            raise ValueError(f"sample_weight: found {least:g}; allowed are no negative ones.")
        self._summary = _summary(X, y, w, labels, codes)
        self.labels, self.w = labels, packed(w)
        self.y = packed(codes if is_classification else y)

    def summary(self):
        """What was seen."""
        return self._summary


def _summary(X, y, w, labels, codes):
    stored = np.diff(X.indptr) if sparse.issparse(X) else X.shape[1]  # values of each row
    counts = w > 0, (w > 0) * stored
    n_labels = 1 if labels is None else len(labels)
    sums = [np.bincount(codes, part, minlength=n_labels) for part in (w, *counts)]
    return Summary(
        *X.shape,
        y.shape[1] if y.ndim == 2 else 1,
        y.ndim == 1,
        X.dtype,
        sparse.issparse(X),
        float(w.max(initial=0.0)),
        labels,
        *sums,
    )


def _check_labels(y):
    try:
        check_labels(y, is_part=True)
    except TypeError as error:
        raise ValueError(
            f"y: found missing labels, or labels of several types ({error}); allowed are numbers "
            "or strings."
        ) from None


def checked_rows(block, **settings):
    """Rows of a block, read and checked, with settings of `check_array`."""
    return _checked(read_block(block), "X", FLOATS, order="C", **settings)


def _checked(array, name, dtype, **settings):
    return check_array(array, dtype=dtype, input_name=name, ensure_min_samples=0, **settings)


@dataclass(frozen=True)
class DaskRows:
    """What is known of validated rows in partitions; of `TrainingRows` what a fit needs of them.

    Parameters
    ----------
    X, y, sample_weight
        As the user gave them.
    place : Cluster or Here
    partitions : list
        Of `Checked`, where they are.
    summaries : list of Summary
    per_class : ndarray or float
        What multiplies the sample weights of each class, or of all rows.
    classes : ndarray or None
        Sorted labels; None in a regression.
    """

    X: object
    y: object
    sample_weight: object
    place: object
    partitions: list
    summaries: list
    per_class: object = 1.0
    classes: np.ndarray | None = None

    is_multilabel = False

    @cached_property
    def dtype(self):
        """float32 if all partitions have it, else float64."""
        return np.result_type(*{summary.dtype for summary in self._with_rows})

    @property
    def _with_rows(self):
        return [summary for summary in self.summaries if summary.n_rows]

    @property
    def n_columns(self):
        """Of X."""
        return self._with_rows[0].n_columns

    @property
    def n_outputs(self):
        """Targets of a regression."""
        return self._with_rows[0].n_outputs

    @property
    def y_is_1d(self):
        """Whether targets of a regression are no matrix."""
        return self._with_rows[0].y_is_1d

    @cached_property
    def sample_weights_of_classes(self):
        """Sums of the sample weights."""
        sums = np.zeros(len(self.classes))
        for summary in self.summaries:
            np.add.at(sums, np.searchsorted(self.classes, summary.labels), summary.weights)
        return sums

    @property
    def has_weight(self):
        """Which classes have rows with a weight."""
        return self.sample_weights_of_classes * self.per_class > 0

    @property
    def total_weight(self):
        """Sum of the weights."""
        if self.classes is None:
            return self.per_class * self.total_sample_weight
        return float(np.sum(self.sample_weights_of_classes * self.per_class))

    @property
    def total_sample_weight(self):
        """Sum of the weights as the user gave them."""
        return float(sum(summary.weights.sum() for summary in self.summaries))

    @property
    def n_used(self):
        """Rows that have a weight."""
        used = [summary.n_used[self._has_weight(summary)] for summary in self.summaries]
        return int(sum(part.sum() for part in used))

    @property
    def largest_weight(self):
        """An upper bound on the weights."""
        return max(summary.largest_weight for summary in self.summaries) * np.max(self.per_class)

    @property
    def callback_data(self):
        """What callbacks are told of the data."""
        metadata = {"sample_weight": self.sample_weight}
        return {"X": self.X, "y": self.y, "metadata": metadata}

    def source(self, columns, names, **settings):
        """The rows that have a weight; once, because what was checked is let go of.

        Parameters
        ----------
        columns : callable
            Picklable; takes y, of a classification the numbers of the labels as int32, and the
            weights, and returns a dict of arrays with an entry for each row.
        names : sequence of str
            Of these arrays.
        **settings
            Of `ArraySource`.

        Returns
        -------
        source : DaskSource
        """
        details = self.classes, self.per_class, self.dtype, columns, settings
        every = [details] * len(self.partitions)
        partitions = self.place.hold(prepared, self.partitions, every)
        self.partitions.clear()
        used = [self._has_weight(summary) for summary in self.summaries]
        pairs = list(zip(self.summaries, used, strict=True))
        n_rows = [int(summary.n_used[labels].sum()) for summary, labels in pairs]
        n_values = sum(summary.n_values[labels].sum() for summary, labels in pairs)
        shape = self.n_columns, n_values / max(sum(n_rows), 1), self._with_rows[0].is_sparse
        return DaskSource(self.place, partitions, n_rows, *shape, names)

    def _has_weight(self, summary):
        """Which labels of a partition have one, times `per_class`; in a regression the only one."""
        if self.classes is None:
            return [True]
        return self.per_class[np.searchsorted(self.classes, summary.labels)] > 0


def prepared(checked, details):
    """Rows of a `Partition` from a checked one."""
    classes, per_class, dtype, columns, settings = details
    X, y, w = checked.X, unpacked(checked.y), unpacked(checked.w)
    if classes is not None:
        y = np.searchsorted(classes, checked.labels).astype(np.int32)[y]
        per_class = per_class[y]
    is_used = (w > 0) & (per_class > 0)
    w = w * per_class
    if not is_used.all():
        X, y, w = X[is_used], y[is_used], w[is_used]
    w = np.maximum(w, TINY)  # rows that have been counted
    try:
        made = {name: packed(column) for name, column in columns(y, w).items()}
        return X.astype(dtype, copy=False), made, settings
    except ValueError as error:
        raise ValueError(f"Partition {checked.number}: {error}") from None


def classification_rows_of(estimator, X, y, sample_weight, *, in_memory=None, **settings):
    """`classification_rows` of data in memory, or the same of collections.

    Parameters
    ----------
    estimator, X, y, sample_weight, **settings
        As `classification_rows` takes them.
    in_memory : dict, default=None
        Settings of `classification_rows` alone.

    Returns
    -------
    rows : TrainingRows or DaskRows
    """
    if any_collection(X, y, sample_weight):
        return _classification_partitions(estimator, X, y, sample_weight, **settings)
    return classification_rows(estimator, X, y, sample_weight, **settings, **(in_memory or {}))


def regression_rows_of(
    estimator, X, y, sample_weight, *, accept_sparse=False, multi_output=False, **in_memory
):
    """`regression_rows` of data in memory, or the same of collections."""
    if not any_collection(X, y, sample_weight):
        settings = {"accept_sparse": accept_sparse, "multi_output": multi_output, **in_memory}
        return regression_rows(estimator, X, y, sample_weight, **settings)
    check = _check_of(accept_sparse)
    rows = _look(estimator, X, aligned_blocks(X, y, sample_weight), y, sample_weight, check)
    if rows.n_outputs > 1 and not multi_output:
        raise ValueError(f"y: found {rows.n_outputs} columns; allowed is one.")
    total_weight(np.array([summary.weights.sum() for summary in rows.summaries]))
    return rows


def partitions_without_targets(estimator, X, y, sample_weight, check):
    """Rows of a collection, without targets.

    Parameters
    ----------
    estimator : estimator
    X, sample_weight
        As the user gave them; X is a collection.
    y : object
        What `fit` ignores.
    check : callable
        Picklable; makes rows of a block.

    Returns
    -------
    rows : DaskRows
    """
    blocks = aligned_blocks(X, None, sample_weight, needs_y=False)
    rows = _look(estimator, X, blocks, y, sample_weight, check)
    total_weight(np.array([summary.weights.sum() for summary in rows.summaries]))
    return rows


def refuse_partitions(rows, found):
    """An error for what needs all rows in this process."""
    if isinstance(rows, DaskRows):
        raise ValueError(
            f"{found} was given with collections of Dask, or blocks; it takes data in memory."
        )


def _classification_partitions(estimator, X, y, sample_weight, *, accept_sparse=False, factor=1.0):
    blocks, check = aligned_blocks(X, y, sample_weight), _check_of(accept_sparse)
    rows = _look(estimator, X, blocks, y, sample_weight, check, is_classification=True)
    labels = [summary.labels for summary in rows.summaries if summary.n_rows]
    _check_kinds(rows.summaries)
    classes = np.unique(np.concatenate(labels))
    check_classes(classes)
    rows = replace(rows, per_class=np.ones(len(classes)), classes=classes)
    total_weight(rows.sample_weights_of_classes)
    class_weight = estimator.class_weight
    if class_weight is None and factor == 1.0:
        return rows
    per_class = np.ones(len(classes))
    if class_weight == "balanced":
        per_class = balanced_weights(rows.sample_weights_of_classes, np.arange(len(classes)))
    elif class_weight is not None:
        per_class = compute_class_weight(class_weight, classes=classes, y=classes)
        refuse_negative(per_class)
    rows = replace(rows, per_class=per_class * factor)
    total_weight(
        rows.sample_weights_of_classes * rows.per_class,
        "sample_weight, times class_weight and C",
    )
    return rows


def _check_kinds(summaries):
    """An error for labels that are numbers in one partition and none in another."""
    kinds = {
        "numbers" if summary.labels.dtype.kind in "biuf" else "no numbers": number
        for number, summary in enumerate(summaries)
        if summary.n_rows
    }
    if len(kinds) > 1:
        raise ValueError(
            f"y: found labels that are numbers in partition {kinds['numbers']} and others in "
            f"partition {kinds['no numbers']}; allowed is one type."
        )


def _check_of(accept_sparse):
    return partial(checked_rows, accept_sparse="csr" if accept_sparse else False)


def _look(estimator, X, blocks, y, sample_weight, check, *, is_classification=False):
    """Check the partitions, and say what is in them."""
    place = place_of(X)
    calls = [
        (number, check, is_classification, *parts)
        for number, parts in enumerate(zip(*blocks, strict=True))
    ]
    partitions = place.load(Checked, calls)
    summaries = place.run(Checked.summary, partitions)
    with_rows = {i: summary for i, summary in enumerate(summaries) if summary.n_rows}
    if not with_rows:
        raise ValueError("X: found no rows; allowed is at least one.")
    first = refuse_unlike(with_rows, "n_columns", "n_outputs", "is_sparse")
    check_names(estimator, X)
    _check_n_features(estimator, np.empty((1, first.n_columns)), reset=True)
    y = y if y is None or is_collection(y) else np.asarray(y)
    return DaskRows(X, y, sample_weight, place, partitions, summaries)


def refuse_unlike(summaries, *names):
    """The first summary, or an error where another partition has other values of these names.

    Parameters
    ----------
    summaries : dict
        Of some partitions, by their numbers.
    *names : str
    """
    (first, known), *_ = summaries.items()
    for name in names:
        for i, summary in summaries.items():
            found, expected = getattr(summary, name), getattr(known, name)
            if found != expected:
                raise ValueError(
                    f"Partition {i}: found {name} {found}; allowed is {expected}, as in partition "
                    f"{first}."
                )
    return known
