"""Batches of rows that grow until one has all."""

import numpy as np


def rows_of_batches(n_rows, first, growth, rng):
    """Sorted numbers of rows, in batches that grow until one has all; the last is left out."""
    order, size = rng.permutation(n_rows), first
    while size < n_rows:
        yield np.sort(order[:size])
        size = int(np.ceil(growth * size))
