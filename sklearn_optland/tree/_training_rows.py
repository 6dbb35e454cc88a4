"""Rows that trees train on, their classes, and those that are held out to judge them."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from sklearn_optland._estimator.training_rows import check_magnitudes, encode, labelled_rows

# The squares of values up to this are finite in float32.
LARGEST_VALUE = 1e18


def training_rows(estimator, X, y, sample_weight, **validation):
    """Rows to train on, as `labelled_rows` validates them.

    With `multi_output=True`, y may be an indicator matrix.
    """
    rows = labelled_rows(estimator, X, y, sample_weight, accept_sparse=True, **validation)
    if sparse.issparse(rows.X) and not rows.X.has_canonical_format:
        X = rows.X.copy()
        X.sum_duplicates()  # squares of the parts of a value are less than that of the sum
        rows = replace(rows, X=X)
    check_magnitudes(rows.X, LARGEST_VALUE)
    return rows


def indicator(y):
    """The classes, and which of them each row has.

    Parameters
    ----------
    y : ndarray of shape (n_rows,), or ndarray or sparse matrix of shape (n_rows, n_classes)
        Labels, or an indicator matrix.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted labels, or the numbers of the columns.
    Y : csr_array of shape (n_rows, n_classes)

    Raises
    ------
    ValueError
        If an indicator matrix is zero, or has other values than 0 and 1.
    """
    if y.ndim == 1:
        classes, codes = encode(y)
        return classes, one_class_each(codes, len(classes))
    Y = sparse.csr_array(y, copy=True)
    Y.sum_duplicates()
    Y.eliminate_zeros()
    if Y.nnz == 0:
        raise ValueError("y: found no row with a label; allowed is at least one.")
    if (Y.data != 1).any():
        raise ValueError(
            f"y: found {Y.data[Y.data != 1][0]} in an indicator matrix; allowed are 0 and 1."
        )
    return np.arange(Y.shape[1]), with_columns(Y, Y.indices, Y.shape[1])


def new_labels(known, labels, is_closed):
    """Those of some labels that are not known, sorted; an error if they are none of this kind.

    Parameters
    ----------
    known : ndarray
        Sorted.
    labels : ndarray
    is_closed : bool
        Whether new labels are an error.
    """
    if (known.dtype.kind in "OUS") != (labels.dtype.kind in "OUS"):
        raise ValueError(
            f"y: found labels of type {labels.dtype}; allowed are labels like those known, of "
            f"type {known.dtype}."
        )
    place = np.minimum(np.searchsorted(known, labels), len(known) - 1)
    fresh = np.unique(labels[known[place] != labels])
    if fresh.size and is_closed:
        raise ValueError(f"y: found the labels {fresh}; allowed are the classes {known}.")
    return fresh


def refuse_unless(estimator, what, **allowed):
    """An error for parameters that do not go with `what`: of each, a tuple of values does."""
    for name, values in allowed.items():
        found = getattr(estimator, name)
        if found not in values:
            verb = "is" if len(values) == 1 else "are"
            named = ", ".join(map(repr, values))
            raise ValueError(f"{name}: found {found!r} with {what}; allowed {verb} {named}.")


def with_columns(Y, columns, n_columns):
    """A CSR array whose entries are in other columns, its indices int32 for the kernels."""
    columns, start = columns.astype(np.int32, copy=False), Y.indptr.astype(np.int32, copy=False)
    return sparse.csr_array((Y.data, columns, start), (Y.shape[0], n_columns))


def one_class_each(codes, n_classes):
    """An indicator matrix of rows that have a class each."""
    ones = np.ones(len(codes), dtype=np.int8)
    start = np.arange(len(codes) + 1, dtype=np.int32)
    return sparse.csr_array((ones, codes, start), (len(codes), n_classes))


def row_of_pairs(Y):
    """The row of each entry of a CSR array: of each pair of a row and a class."""
    return np.repeat(np.arange(Y.shape[0]), np.diff(Y.indptr))


def hold_out(n_rows, share, rng, Y=None):
    """Take a share of the rows, rounded down.

    Parameters
    ----------
    n_rows : int
    share : float
    rng : RandomState
    Y : csr_array of shape (n_rows, n_classes), default=None
        Classes: of each that has rows, one at least is kept.

    Returns
    -------
    kept, held_out : ndarray of int
    """
    order = rng.permutation(n_rows)
    must_stay = np.zeros(n_rows, dtype=bool)
    if Y is not None:
        shuffled = Y[order]
        _, first = np.unique(shuffled.indices, return_index=True)
        must_stay[row_of_pairs(shuffled)[first]] = True
    spare = order[~must_stay]
    n_held_out = min(int(share * n_rows), len(spare))
    return np.sort(np.concatenate([order[must_stay], spare[n_held_out:]])), spare[:n_held_out]
