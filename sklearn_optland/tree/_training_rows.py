"""Rows that trees train on, and those that are held out to judge them."""

import numpy as np

from sklearn_optland._estimator.training_rows import check_magnitudes, labelled_rows

# The squares of values up to this are finite in float32.
LARGEST_VALUE = 1e18


def training_rows(estimator, X, y, sample_weight, **validation):
    """Rows to train on, as `labelled_rows` validates them."""
    rows = labelled_rows(estimator, X, y, sample_weight, accept_sparse=True, **validation)
    check_magnitudes(rows.X, LARGEST_VALUE)
    return rows


def hold_out(n_rows, share, rng, codes=None):
    """Take a share of the rows, rounded down.

    Parameters
    ----------
    n_rows : int
    share : float
    rng : RandomState
    codes : ndarray of shape (n_rows,), default=None
        Classes: of each, one row at least is kept.

    Returns
    -------
    kept, held_out : ndarray of int
    """
    order = rng.permutation(n_rows)
    must_stay = np.zeros(n_rows, dtype=bool)
    if codes is not None:
        must_stay[np.unique(codes[order], return_index=True)[1]] = True
    spare = order[~must_stay]
    n_held_out = min(int(share * n_rows), len(spare))
    return np.sort(np.concatenate([order[must_stay], spare[n_held_out:]])), spare[:n_held_out]
