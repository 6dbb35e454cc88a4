"""Where rows come from: arrays, memory maps, copies in float32."""

from mmap import mmap

import numpy as np

from sklearn_optland._rows.reduce import row_blocks

# Rows times parameters for which passes in float32 pay; smaller ones cost mostly Python.
FLOAT32_PAYS = 3e6


def float32_pays(X, n_parameters):
    """Whether float64 rows should begin in float32: not few ones, and no memory map."""
    work = len(X) * n_parameters
    return X.dtype == np.float64 and work >= FLOAT32_PAYS and not is_memory_mapped(X)


def float32_copy(shape, rows):
    """Rows in float32, which `rows(first, last)` makes a block at a time."""
    X = np.empty(shape, dtype=np.float32)
    for first, last in row_blocks(len(X), 16 * X.shape[1]):
        X[first:last] = rows(first, last)
    return X


def is_memory_mapped(X):
    """Whether an array, or what it is a view of, is a file."""
    while X is not None:
        if isinstance(X, mmap):
            return True
        X = X.obj if isinstance(X, memoryview) else getattr(X, "base", None)
    return False
