"""Columns that are far from zero.

With a free intercept, centring them changes nothing but rounding. Beside a mean of a thousand
deviations float32 has no digits left for what a column says, and beside one of 10^8 the squares of
float64 have none.
"""

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._rows.source import is_memory_mapped

# Times what a column ranges over, some 100 deviations: so far from zero it is centred, on a copy.
FAR = 20.0
# Rows that show the range, about.
SAMPLE = 1000


def centred_columns(X):
    """Centre the columns of dense rows that are far from zero; memory maps stay as they are.

    Returns
    -------
    X : ndarray or CSR
        The same if there are none.
    shift : ndarray of shape (n_columns,)
        What the columns are less: about their means, 0 for those near zero.
    """
    shift = np.zeros(X.shape[1], dtype=X.dtype)
    if issparse(X) or is_memory_mapped(X):
        return X, shift
    rows = X[:: len(X) // SAMPLE + 1]
    least, most = rows.min(axis=0), rows.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is refused later
        middle = least / 2 + most / 2
        is_far = (np.abs(middle) > FAR * (most - least)) & (most > least)
    if not is_far.any():
        return X, shift
    shift[is_far] = middle[is_far]
    return X - shift, shift


def less_shift(W, shift):
    """Parameters for columns less `shift`, intercepts last, from those for the columns."""
    W = W.copy()
    W[-1] += shift @ W[:-1]
    return W
