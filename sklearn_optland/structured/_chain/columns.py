"""Columns that are the same share one parameter, under an L2 penalty without a change of the model.

Of m equal columns x with weights w the scores have the sum only, and the penalty makes the weights
equal: they are one column sqrt(m) x with the weight sqrt(m) w. In text, most columns of rare
features have a twin.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sklearn_optland.structured._chain.columns_fast import are_same, column_hashes

# The share of the columns that must go for a copy to pay.
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class MergedColumns:
    """Which columns have become one.

    Parameters
    ----------
    group : ndarray of shape (n_columns,) or None
        The number of each column's group; None: each is its own.
    sizes : ndarray of shape (n_groups,) or None
        Columns of each group.
    """

    group: np.ndarray | None = None
    sizes: np.ndarray | None = None

    def to_user(self, W):
        """Rows of weights for the user's columns."""
        if self.group is None:
            return W
        return (W / np.sqrt(self.sizes)[:, None])[self.group]

    def from_user(self, W):
        """Rows of weights with the same scores for the groups."""
        if self.group is None:
            return W
        total = np.zeros((len(self.sizes), W.shape[1]))
        np.add.at(total, self.group, W)
        return total / np.sqrt(self.sizes)[:, None]


def merge_columns(X):
    """Merge the columns of a CSR matrix that are the same, if they are many.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_tokens, n_columns)
        Without repeated entries.

    Returns
    -------
    X : ndarray or CSR of shape (n_tokens, n_groups)
        float64 if it is a copy.
    columns : MergedColumns
    """
    if not sparse.issparse(X) or X.shape[1] < 2:
        return X, MergedColumns()
    arrays = X.data, X.indices.astype(np.int32, copy=False), X.indptr.astype(np.int64, copy=False)
    hashes = column_hashes(*arrays, X.shape[1])
    _, first, group, sizes = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    if len(sizes) > (1 - LEAST_SHARE) * X.shape[1]:
        return X, MergedColumns()
    group, sizes = group.astype(np.int32), sizes.astype(np.int32)
    if not are_same(*arrays, group, sizes).all():  # two hashes of 64 bits have met
        return X, MergedColumns()
    is_first = np.zeros(X.shape[1], dtype=bool)
    is_first[first] = True
    data, indices, indptr = arrays
    kept = is_first[indices]
    columns = indices[kept]
    merged = sparse.csr_array((X.shape[0], len(sizes)), dtype=np.float64)
    merged.data = data[kept] * np.sqrt(sizes)[group[columns]]
    merged.indices = group[columns]
    merged.indptr = np.append(0, np.cumsum(kept, dtype=np.int64))[indptr]
    return merged, MergedColumns(group, sizes)
