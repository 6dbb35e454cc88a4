"""The largest values of each row, as CSR arrays that have them in this order."""

from numbers import Integral

import numpy as np
from scipy import sparse


def check_k(k):
    """Refuse what is no number of classes."""
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k: found {k!r}; allowed is an integer of at least 1.")


def largest_of_rows(matrix, k):
    """The k largest entries of each row of a CSR array, largest first, ties by column."""
    n_rows = matrix.shape[0]
    row = np.repeat(np.arange(n_rows), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    kept = order[np.arange(len(row)) - matrix.indptr[row] < k]
    indptr = np.searchsorted(row[kept], np.arange(n_rows + 1))
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)


def stored(codes, values, n_classes):
    """The values whose code is not -1, in their order."""
    is_stored = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(is_stored.sum(axis=1))])
    return sparse.csr_array((values[is_stored], codes[is_stored], indptr), (len(codes), n_classes))
