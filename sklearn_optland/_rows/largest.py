"""The largest entries of each row of a CSR array."""

import numpy as np
from scipy import sparse


def largest_of_rows(matrix, k):
    """The k largest entries of each row of a CSR array, largest first, ties by column."""
    n_rows = matrix.shape[0]
    row = np.repeat(np.arange(n_rows), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -matrix.data, row))
    kept = order[np.arange(len(row)) - matrix.indptr[row] < k]
    indptr = np.searchsorted(row[kept], np.arange(n_rows + 1))
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), matrix.shape)
