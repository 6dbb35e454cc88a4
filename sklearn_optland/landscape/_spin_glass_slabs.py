"""The coefficients of a spin glass: those of p-2 ordered indices are a symmetric matrix, a slab."""

from itertools import combinations_with_replacement
from math import comb, factorial

import numpy as np


def n_coefficients(p, n):
    """Number of coefficients that are stored."""
    q = p - 2
    # Slabs with the last index i of the prefix: C(i + q - 1, q - 1), of side i + 1.
    return sum(comb(i + q - 1, q - 1) * (i + 1) ** 2 for i in range(n)) if q else n * n


def draw_slabs(p, n, rng):
    """Draw all coefficients.

    Returns
    -------
    prefixes : ndarray of int32 of shape (n_slabs, p - 1)
        The first p - 2 indices, descending, and the side of the slab.
    slabs : ndarray
        The slabs, one after the other.
    """
    q = p - 2
    prefixes = [
        [*prefix[::-1], (prefix[0] if q else n - 1) + 1]
        for prefix in combinations_with_replacement(range(n), q)
    ]
    slabs = [slab(p, prefix, side, rng) for *prefix, side in prefixes]
    return np.array(prefixes, dtype=np.int32), np.concatenate(slabs)


def slab(p, prefix, m, rng):
    """The quadratic form of a prefix and its side, as if all J were drawn and added.

    An index set has as many J as orders, whose sum is normal with that variance. Half of it
    stands on either side of the diagonal.
    """
    orders = factorial(p)
    for spin in set(prefix):
        orders //= factorial(prefix.count(spin))
    # Two more spins divide the orders where they are equal, or are the prefix' last.
    n_last = prefix.count(m - 1)
    divisors = np.ones((m, m))
    divisors[-1] = n_last + 1
    np.fill_diagonal(divisors, 2)
    divisors[-1, -1] = (n_last + 1) * (n_last + 2)
    rows, columns = np.tril_indices(m)
    M = np.zeros((m, m))
    drawn = rng.standard_normal(len(rows))
    M[rows, columns] = 0.5 * drawn * np.sqrt(orders / divisors[rows, columns])
    return (M + M.T).ravel()
