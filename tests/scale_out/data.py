"""Data in memory and in Dask's collections, cut in several ways."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

# Rows of the partitions.
PARTITIONS = {"one": (600,), "three": (50, 349, 201), "seven": (1, 200, 0, 99, 100, 80, 120)}


def two_or_more_classes(n_classes, seed, n=600, d=5):
    """Rows, labels of overlapping classes, and weights of which some are zero."""
    rng = np.random.RandomState(seed)
    X, w = rng.randn(n, d), rng.rand(n) + 0.5
    w[::11] = 0.0
    y = (2 * X[:, :n_classes] + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    return X, np.array([f"class {i}" for i in range(n_classes)])[y], w


def as_array(A, sizes, *, split_columns=False):
    """A dask array of these chunks of rows, lengths known."""
    if A.ndim == 1:
        return da.from_array(A, chunks=(sizes,))
    columns = (2, A.shape[1] - 2) if split_columns else (A.shape[1],)
    return da.from_array(A, chunks=(sizes, columns))


def with_unknown_lengths(A):
    """The same dask array; nobody knows how long its chunks are."""
    A = A.copy()
    A._chunks = (tuple(np.nan for _ in A.chunks[0]), *A.chunks[1:])
    return A


def as_csr(A, sizes):
    """A dask array with blocks of CSR."""
    return as_array(A, sizes).map_blocks(csr_array)


def as_frame(A, sizes):
    """A dask dataframe, or series, with named columns."""
    frame = pd.DataFrame(A, columns=list("abcde")[: A.shape[1]]) if A.ndim == 2 else pd.Series(A)
    bounds = np.cumsum([0, *sizes])
    parts = [frame.iloc[bounds[i] : bounds[i + 1]] for i in range(len(sizes))]
    return dd.from_map(lambda i: parts[i], range(len(parts)), meta=frame.iloc[:0])


def refused(match, X, y, w=None, model=None):
    """A fit raises a ValueError that says this, and leaves the estimator as it was."""
    model = BoundMajorizationLogisticRegression() if model is None else model
    before = vars(model).copy()
    with pytest.raises(ValueError, match=match):
        model.fit(X, y, w)
    assert vars(model) == before
