"""Partitions of X, y and sample weights side by side, of Dask's collections or of blocks."""

import numpy as np
from sklearn.utils.validation import _check_feature_names

from sklearn_optland._rows.blocks import RowBlocks
from sklearn_optland._rows.cluster import is_collection, is_dask


def aligned_blocks(X, y, sample_weight, *, needs_y=True):
    """Lists of the partitions of X, y and sample weights; Nones for no weights, or no y.

    Those of Dask are its delayed ones, those of blocks may be functions that read them.
    """
    if not is_collection(X):
        raise ValueError(
            f"X: found {type(X).__name__}; with y or sample_weight of Dask or in blocks, allowed "
            "is a dask array or dataframe, or RowBlocks."
        )
    _check_collection(X, "X")
    if is_dask(X) and X.ndim != 2:
        raise ValueError(f"X: found an array of {X.ndim} dimensions; allowed are 2.")
    X_blocks = _row_blocks(X)
    none = [None] * len(X_blocks)
    y_blocks = _blocks_like(X, X_blocks, y, "y") if needs_y else none
    if sample_weight is None:
        return [X_blocks, y_blocks, none]
    return [X_blocks, y_blocks, _blocks_like(X, X_blocks, sample_weight, "sample_weight")]


def aligned_sequences(X, y, sample_weight):
    """The same of bags of Dask's, or blocks, whose items are sequences."""
    for name, part in (("X", X), ("y", y), ("sample_weight", sample_weight)):
        is_missing = name == "sample_weight" and part is None
        if not (is_missing or isinstance(part, RowBlocks) or is_bag(part)):
            raise ValueError(
                f"{name}: found {type(part).__name__}; allowed with partitions of sequences are "
                "bags of Dask, or RowBlocks."
            )
    given = [X, y] if sample_weight is None else [X, y, sample_weight]
    parts = [part.blocks if isinstance(part, RowBlocks) else part.to_delayed() for part in given]
    for name, found in zip(("y", "sample_weight"), parts[1:], strict=False):
        if len(found) != len(parts[0]):
            raise ValueError(
                f"{name}: found {len(found)} partitions; allowed are {len(parts[0])}, those of X."
            )
    return parts if sample_weight is not None else [*parts, [None] * len(parts[0])]


def is_bag(X):
    """Whether this is a bag of Dask's."""
    return is_dask(X) and hasattr(type(X), "to_delayed") and not hasattr(type(X), "ndim")


def _check_collection(X, name):
    """An error for what is no collection of rows."""
    if isinstance(X, RowBlocks):
        return
    # of the type: Dask's Delayed has every attribute
    if not hasattr(type(X), "to_delayed") or not hasattr(type(X), "ndim"):
        raise ValueError(
            f"{name}: found {type(X).__name__}; allowed are a dask array and a dask dataframe."
        )
    if X.ndim == 0:
        raise ValueError(f"{name}: found a number; allowed is a collection with rows.")


def _row_blocks(X):
    """Parts with all columns."""
    if isinstance(X, RowBlocks):
        return X.blocks
    if hasattr(X, "chunks") and X.ndim == 2 and len(X.chunks[1]) > 1:
        X = X.rechunk({1: -1})
    return np.ravel(np.asarray(X.to_delayed(), dtype=object)).tolist()


def _blocks_like(X, X_blocks, y, name):
    """Parts of y for those of X."""
    lengths = lengths_of(X)
    is_known = not np.isnan(lengths).any()
    if not is_collection(y):
        if y is None or np.ndim(y) == 0:
            raise ValueError(
                f"{name}: found {'None' if y is None else 'a number'}; allowed is an array with an "
                "entry for each row of X."
            )
        y = np.asarray(y)
        if not is_known or len(y) != sum(lengths):
            n = sum(lengths) if is_known else "an unknown number of"
            raise ValueError(
                f"{name}: found an array of {len(y)} rows, and X has {n}; allowed is a collection "
                "of the same kind with the partitions of X, or an array of as many rows if X is a "
                "dask array whose chunk sizes are known (X.compute_chunk_sizes()) or RowBlocks "
                "with their lengths."
            )
        return np.split(y, np.cumsum(lengths)[:-1])
    if isinstance(X, RowBlocks) != isinstance(y, RowBlocks):
        raise ValueError(
            f"{name}: found {type(y).__name__}; allowed with {type(X).__name__} as X is the same "
            "kind of collection, or an array in memory."
        )
    _check_collection(y, name)
    if is_known and hasattr(y, "chunks") and y.chunks[0] != lengths:
        if np.isnan(y.chunks[0]).any() or sum(y.chunks[0]) == sum(lengths):
            y = y if np.isnan(y.chunks[0]).any() else y.rechunk({0: lengths})
        else:
            raise ValueError(
                f"{name}: found {sum(y.chunks[0])} rows; allowed are {sum(lengths)}, those of X."
            )
    blocks = _row_blocks(y)
    if len(blocks) != len(X_blocks):
        raise ValueError(
            f"{name}: found {len(blocks)} partitions; allowed are {len(X_blocks)}, those of X."
        )
    return blocks


def lengths_of(X):
    """Rows of the partitions; NaN where they are unknown."""
    if isinstance(X, RowBlocks):
        return (np.nan,) if X.lengths is None else tuple(X.lengths)
    return X.chunks[0] if hasattr(X, "chunks") else (np.nan,)


def check_names(estimator, X):
    """Store the columns' names."""
    if not isinstance(X, RowBlocks):
        _check_feature_names(estimator, X._meta, reset=True)
    elif X.names is not None and all(isinstance(name, str) for name in X.names):
        estimator.feature_names_in_ = np.asarray(X.names, dtype=object)
    else:
        vars(estimator).pop("feature_names_in_", None)
