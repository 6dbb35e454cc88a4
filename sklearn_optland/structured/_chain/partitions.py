"""Sequences in partitions, of bags of Dask's or in blocks: on the workers that have them, or here.

A row of these collections is a whole sequence, so that none is cut. One look at each partition
checks it, counts, and finds the labels; from then on partitions stay where they are.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.utils.validation import _check_n_features

from sklearn_optland._estimator.alignment import aligned_sequences
from sklearn_optland._estimator.dask_rows import refuse_unlike
from sklearn_optland._estimator.training_rows import (
    balanced_weights,
    check_classes,
    check_labels,
    check_weighted_labels,
    sample_weights,
    total_weight,
    weights_by_dict,
)
from sklearn_optland._rows.blocks import read_block
from sklearn_optland._rows.cluster import place_of
from sklearn_optland._rows.dask_source import DaskSource
from sklearn_optland.structured._chain.problem import ChainObjective, SequenceRows
from sklearn_optland.structured._chain.sequences import (
    checked_sequences,
    has_named_features,
    means_of_labels,
)
from sklearn_optland.structured._sequences import part_of

# Solvers that need no more of a pass than a gradient.
SOLVERS = "auto", "lbfgs"


@dataclass(frozen=True)
class Summary:
    """What one look at a partition tells of it; weights and counts are by its own labels."""

    n_sequences: int
    n_columns: int
    is_sparse: bool
    dtype: np.dtype
    largest_weight: float
    labels: np.ndarray
    token_weights: np.ndarray


class CheckedSequences:
    """A partition that has been checked.

    Parameters
    ----------
    number : int
    estimator : estimator
        A new one, for scikit-learn's checks.
    X, y, w : list of sequences, of labels and of weights, or None for no weights
        Or functions that read them.
    """

    def __init__(self, number, estimator, X, y, w):
        self.number = number
        X, y, w = (None if part is None else _as_list(read_block(part)) for part in (X, y, w))
        if len(X) == 0:
            if len(y):
                raise ValueError(
                    f"Partition {number}: y: found {len(y)} lists of labels for no sequence."
                )
            self.lengths = np.zeros(0, dtype=np.int64)
            return
        try:
            if has_named_features(X):
                raise ValueError(
                    "X: found tokens with names of features; allowed in partitions are matrices: "
                    "X.map_partitions(vectorizer.transform), of a DictSequenceVectorizer that is "
                    "fitted or has n_features."
                )
            checked = checked_sequences(estimator, X, y, None)
            self.X, self.y, self.lengths, self.dtype, _ = checked
            check_labels(self.y, is_part=True)
            w = None if w is None else np.asarray(w, dtype=np.float64)
            self.w = sample_weights(self.lengths[:, None], w, may_be_zero=True)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Partition {number}: {error}") from None

    def summary(self):
        """Return a `Summary`, or None if there is no sequence."""
        if not len(self.lengths):
            return None
        labels, codes = np.unique(self.y, return_inverse=True)
        token_weights = np.bincount(codes, np.repeat(self.w, self.lengths), len(labels))
        n_sequences, n_columns = len(self.lengths), self.X.shape[1]
        is_sparse, largest = not isinstance(self.X, np.ndarray), float(self.w.max())
        return Summary(
            n_sequences, n_columns, is_sparse, self.dtype, largest, labels, token_weights
        )


def _as_list(part):
    return list(part) if not hasattr(part, "__len__") else part


def prepared(checked, details):
    """A partition's rows as a source has them, and what is left of it that has a weight."""
    classes, per_class, factor = details
    codes = np.searchsorted(classes, checked.y).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(checked.lengths)]).astype(np.int64)
    c = checked.w * factor
    if per_class is not None:
        c = c * means_of_labels(per_class, codes, starts)
    X, is_used = checked.X, c > 0
    if not is_used.all():
        starts, X, codes = part_of(is_used, starts, X, codes)
    rows = SequenceRows(X, starts, codes, len(classes))
    return rows, {"c": c[is_used]}, {}


def size_of(rows):
    """Sequences, tokens, stored values, and the sum and the largest of the weights."""
    X, c = rows[0].X, rows[1]["c"]
    n_values = X.size if isinstance(X, np.ndarray) else X.nnz
    return len(c), X.shape[0], n_values, float(c.sum()), float(c.max(initial=0.0))


@dataclass(frozen=True)
class PartitionedSequences:
    """What is known of sequences in partitions; of `TrainingSequences` what a fit needs of them.

    Parameters
    ----------
    X, y, sample_weight
        As the user gave them.
    place : Cluster or Here
    partitions : list
        Of rows as a source has them, where they are.
    sizes : ndarray of shape (n_partitions, 5)
        What `size_of` says of each.
    n_columns : int
    is_sparse : bool
    dtype : dtype
        Of the parameters.
    classes : ndarray
        Sorted labels.
    """

    X: object
    y: object
    sample_weight: object
    place: object
    partitions: list
    sizes: np.ndarray
    n_columns: int
    is_sparse: bool
    dtype: np.dtype
    classes: np.ndarray

    vectorizer, has_new_columns = None, False

    @cached_property
    def largest_weight(self):
        """The largest weight of a sequence."""
        return self.sizes[:, 4].max()

    @property
    def callback_data(self):
        """What callbacks are told of the data."""
        given = {} if self.sample_weight is None else {"sample_weight": self.sample_weight}
        return {"X": self.X, "y": self.y, "metadata": given}

    def problem(self, **kinds):
        """The objective of the sequences that have a weight; its source is to be closed."""
        n_sequences, n_tokens, n_values = self.sizes[:, :3].sum(axis=0)
        lengths = self.sizes[:, 0].astype(int).tolist()
        shape = self.n_columns, n_values / n_sequences, self.is_sparse
        source = DaskSource(self.place, self.partitions, lengths, *shape, ("c",))
        return ChainObjective(source, len(self.classes), n_tokens, n_values / n_tokens, **kinds)


def partitioned_sequences(estimator, X, y, lengths, sample_weight, *, factor):
    """Sequences of collections: see `training_sequences`.

    Parameters
    ----------
    estimator : ChainCRFClassifier
    X, y, lengths, sample_weight
        As the user gave them; some are collections.
    factor : float
        Of all weights.

    Returns
    -------
    rows : PartitionedSequences
    """
    if estimator.solver not in SOLVERS:
        raise ValueError(
            f"solver: found {estimator.solver!r}; with bags of Dask, or RowBlocks, allowed are "
            f"{list(SOLVERS)}: the others visit sequences one by one."
        )
    if lengths is not None:
        raise ValueError(
            "lengths: found some with a collection; allowed is None, since its items are sequences."
        )
    blocks, place = aligned_sequences(X, y, sample_weight), place_of(X)
    calls = [(i, type(estimator)(), *parts) for i, parts in enumerate(zip(*blocks, strict=True))]
    partitions = place.load(CheckedSequences, calls)
    every = enumerate(place.run(CheckedSequences.summary, partitions))
    summaries = {i: summary for i, summary in every if summary is not None}
    if not summaries:
        raise ValueError("X: found no sequence; allowed is at least one.")
    known = refuse_unlike(summaries, "n_columns", "is_sparse")
    vars(estimator).pop("feature_names_in_", None)
    _check_n_features(estimator, np.empty((1, known.n_columns)), reset=True)
    kinds = {
        "numbers" if summary.labels.dtype.kind in "biuf" else "texts": i
        for i, summary in summaries.items()
    }
    if len(kinds) > 1:
        raise ValueError(
            f"y: found numbers in partition {kinds['numbers']} and texts in partition "
            f"{kinds['texts']}; allowed are all texts or numbers."
        )
    classes = np.unique(np.concatenate([summary.labels for summary in summaries.values()]))
    check_classes(classes)
    token_weights = np.zeros(len(classes))
    for summary in summaries.values():
        token_weights[np.searchsorted(classes, summary.labels)] += summary.token_weights
    total_weight(token_weights)
    details = classes, _per_class(estimator.class_weight, classes, token_weights), factor
    held = place.hold(prepared, [partitions[i] for i in summaries], [details] * len(summaries))
    sizes = np.array(place.run(size_of, held), dtype=float)
    total_weight(sizes[:, 3], "sample_weight, times class_weight and C")
    dtype = np.result_type(*{summary.dtype for summary in summaries.values()})
    shape = known.n_columns, known.is_sparse, dtype, classes
    return PartitionedSequences(X, y, sample_weight, place, held, sizes, *shape)


def _per_class(class_weight, classes, token_weights):
    """The weights of labels, None if they have none; "balanced" counts tokens."""
    if class_weight is None:
        return None
    if class_weight == "balanced":
        return balanced_weights(token_weights, np.arange(len(classes)))
    check_weighted_labels(class_weight, classes)
    return weights_by_dict(class_weight, classes)
