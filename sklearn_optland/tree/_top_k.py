"""The best classes of rows."""

from numbers import Integral

import numpy as np
from scipy import sparse


def check_k(k):
    """Refuse what is no number of classes."""
    if not isinstance(k, Integral) or k < 1:
        raise ValueError(f"k: found {k!r}; allowed is an integer of at least 1.")


def stored(codes, values, n_classes):
    """The values whose code is not -1, in their order."""
    is_stored = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(is_stored.sum(axis=1))])
    return sparse.csr_array((values[is_stored], codes[is_stored], indptr), (len(codes), n_classes))
