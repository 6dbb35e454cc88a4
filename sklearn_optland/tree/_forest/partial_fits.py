"""How a forest that ranks learns rows as they come: the labels, the first rows, then the stream."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._estimator.training_rows import TrainingRows
from sklearn_optland.tree._forest.coordinates import LEAST_WEIGHT
from sklearn_optland.tree._forest.fits import fit_rows, forest_settings
from sklearn_optland.tree._forest.stream import Stream
from sklearn_optland.tree._training_rows import new_labels, one_class_each

# Rows that a stream without a fit keeps, and is fitted to whenever they have doubled.
KEPT_ROWS = 10_000
# Rows that the recall of the latest ones is a mean over, about.
RECALL_ROWS = 2000
# The most that a row weighs, relative to the mean of the fit: gradients and counts are float32.
LARGEST_WEIGHT = 1e6


def stream_ranking(forest, rows, classes, lock):
    """Let a forest learn rows, its first ones or more: as `stream_histograms`."""
    if not hasattr(forest, "_met"):
        if not rows.weights.any():
            raise ValueError("sample_weight: found no positive weight in the first rows.")
        kept = {"rows": [], "n_rows": 0, "n_fitted": 0}
        known, is_closed = np.unique(rows.y if classes is None else classes), classes is not None
    else:
        known, is_closed, kept = forest.classes_, forest._is_closed, forest._kept
        if classes is not None and not np.array_equal(np.unique(classes), known):
            raise ValueError(
                f"classes: found {np.unique(classes)}; allowed are those known, {known}."
            )
    fresh = new_labels(known, rows.y, is_closed)
    X, weights, y = rows.used(rows.y)
    if kept is not None:
        part = X.copy(), weights, y.copy()  # users fill their arrays with the next rows
        n_rows = kept["n_rows"] + len(weights)
        if n_rows >= min(2 * kept["n_fitted"], KEPT_ROWS):
            parts = [*kept["rows"], part]
            fit_rows(forest, _joined(parts), lock)
            _know(forest, np.setdiff1d(np.union1d(known, fresh), forest.classes_))
            kept = {"rows": parts, "n_rows": n_rows, "n_fitted": n_rows}
            forest._is_closed, forest._kept = is_closed, kept if n_rows < KEPT_ROWS else None
            return float(forest.history_["objective"][-1])
        kept["rows"].append(part)
        kept["n_rows"] = n_rows
    _know(forest, fresh)
    return _learn(forest, X, weights, y) if len(weights) else 0.0


def _know(forest, fresh):
    """Have these labels, sorted, among the forest's classes.

    Arrays of all labels are copied, which is all that takes time in proportion to them.
    """
    if not fresh.size:
        return
    known = forest.classes_
    at = np.searchsorted(known, fresh)
    n_before = np.cumsum(np.bincount(at, minlength=len(known) + 1))
    number = numbers_of_classes(forest)
    known = known.astype(np.result_type(known, fresh), copy=False)
    forest.classes_ = np.insert(known, at, fresh)
    forest._met = forest._met + n_before[forest._met]
    forest._number = np.insert(number, at, -1)


def numbers_of_classes(forest):
    """What the forest's model calls each class; -1 for those that it has not met."""
    if forest._number is None:
        forest._number = np.full(len(forest.classes_), -1)
        forest._number[forest._met] = np.arange(len(forest._met))
    return forest._number


def _learn(forest, X, weights, y):
    """Let the forest's stream learn rows that have weights."""
    stream = forest._stream
    if stream is None:
        rng = private_random_state(forest.random_state)
        stream = Stream(forest._arrays, forest._memory, forest.loss_, forest.n_bits, rng)
    place = np.searchsorted(forest.classes_, y)
    number, met = numbers_of_classes(forest), forest._met
    codes = number[place]
    new = np.unique(place[codes < 0])
    codes = np.where(codes < 0, len(met) + np.searchsorted(new, place), codes)
    met = np.concatenate([met, new]) if new.size else met
    Y = one_class_each(codes.astype(np.int32), len(met))
    settings = forest_settings(forest)
    C = forest.C_ if settings.C == "auto" else settings.C
    settings = replace(settings, loss=forest.loss_, C=C)
    weights = np.clip(weights / forest._mean_weight, LEAST_WEIGHT, LARGEST_WEIGHT)
    loss, recall = stream.learn(X, Y, weights, settings)
    rate = -np.expm1(-X.shape[0] / RECALL_ROWS)
    number[place] = codes
    vars(forest).update(
        _met=met,
        _stream=stream,
        _memory=None,
        _arrays=stream.arrays,
        candidate_recall_=float((1 - rate) * forest.candidate_recall_ + rate * recall),
    )
    return loss


def _joined(parts):
    """All rows that are kept, as TrainingRows."""
    X, weights, y = zip(*parts, strict=True)
    is_sparse = any(map(sparse.issparse, X))
    X = sparse.csr_array(sparse.vstack(X)) if is_sparse else np.concatenate(X)
    return TrainingRows(X, np.concatenate(y), None, np.concatenate(weights))
