"""Collections, Dask's or blocks, at the door: methods that take them, by partition, or refuse."""

import copy
from functools import partial, wraps
from typing import cast

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.typing import Method
from sklearn_optland._rows.blocks import RowBlocks
from sklearn_optland._rows.cluster import is_collection, is_dask

# What a refusal says is there.
SCALES_OUT = (
    "BoundMajorizationLogisticRegression, FiniteSumClassifier, FiniteSumRegressor, SDCAClassifier, "
    "SDCARegressor, LOMForestClassifier, ADMMNetClassifier, ADMMNetRegressor, "
    "MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier, LowRankImputer and, as bags or blocks "
    "of sequences, ChainCRFClassifier"
)


def by_partition(method: Method) -> Method:
    """Decorate a method that takes X: with a collection of Dask's it returns a lazy dask array.

    With blocks it returns all that it makes of them, one after the other.
    """

    @wraps(method)
    def call(estimator, X, *args, **kwargs):
        if not is_collection(X):
            return method(estimator, X, *args, **kwargs)
        check_is_fitted(estimator)
        if isinstance(X, RowBlocks):
            return _of_blocks(estimator, X, method, args, kwargs)
        return _lazy(estimator, X, partial(_of_rows, method.__name__, args, kwargs))

    return cast(Method, call)


def _lazy(estimator, X, function):
    """Apply function(rows, estimator, like) to the partitions of X; `like` has no rows."""
    import dask

    # of the type: Dask's Delayed has every attribute
    if not hasattr(type(X), "to_delayed") or getattr(X, "ndim", None) != 2:
        raise ValueError(
            f"X: found a dask {type(X).__name__}; allowed are arrays of two dimensions and "
            "dataframes."
        )
    estimator = copy.copy(estimator)  # as it is now
    like = function(_sample(X), estimator, None)[:0]
    # The one task that has the model.
    arguments = {"estimator": dask.delayed(estimator, pure=False), "like": like}
    if not hasattr(X, "chunks"):
        return X.map_partitions(function, meta=like, **arguments)
    if len(X.chunks[1]) > 1:
        X = X.rechunk({1: -1})
    shape = {"drop_axis": 1} if like.ndim == 1 else {"chunks": (X.chunks[0], *_chunks(like))}
    if like.ndim > 2:
        shape["new_axis"] = list(range(2, like.ndim))
    return X.map_blocks(function, dtype=like.dtype, meta=like, **shape, **arguments)


def _of_blocks(estimator, X, method, args, kwargs):
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None and X.names not in (None, list(names)):
        raise ValueError(f"X: found columns {X.names}; allowed are those of fit, {list(names)}.")
    estimator = copy.copy(estimator)
    vars(estimator).pop("feature_names_in_", None)  # blocks are arrays, without names
    parts = [method(estimator, block, *args, **kwargs) for block in X if block.shape[0]]
    if not parts:
        raise ValueError("X: found no rows; allowed is at least one.")
    return sparse.vstack(parts, "csr") if sparse.issparse(parts[0]) else np.concatenate(parts)


def _chunks(like):
    return [(n,) for n in like.shape[1:]]


def _sample(X):
    """A row or two with the columns and types of X."""
    if hasattr(X, "_meta_nonempty"):
        return X._meta_nonempty
    sample = np.zeros((1, X.shape[1]), dtype=X.dtype)
    return sparse.csr_array(sample) if sparse.issparse(X._meta) else sample


def _of_rows(name, args, kwargs, X, estimator, like):
    if X.shape[0] == 0 and like is not None:
        return like
    return getattr(estimator, name)(X, *args, **kwargs)


def refuse_dask(estimator, method, data):
    """An error for collections where a method takes none, instead of computing them."""
    if method in getattr(estimator, "_takes_dask", ()):
        return
    for X in data:
        if is_collection(X):
            dask, compute = ("a dask ", ", X.compute()") if is_dask(X) else ("", "")
            raise ValueError(
                f"{type(estimator).__name__}.{method}: found {dask}{type(X).__name__}; allowed "
                f"are data in memory{compute}. Collections of Dask, and RowBlocks, are taken by "
                f"fit of {SCALES_OUT}, and by partial_fit of LOMTreeClassifier."
            )
