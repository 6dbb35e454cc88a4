"""Targets of the nets, rows that early stopping holds out, and the best parameters so far."""

import numpy as np
from sklearn.model_selection import train_test_split

from sklearn_optland._row_weights import (
    check_class_totals,
    check_classes,
    normalized,
    times_class_weight,
)


def encode_classes(y, c, class_weight):
    """Classes, their numbers, and the weights of the rows with those of the classes.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class labels.
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    class_weight : dict, "balanced" or None

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int of shape (n_rows,)
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.

    Raises
    ------
    ValueError
        With fewer than two classes, or a class without weight.
    """
    classes, codes = np.unique(y, return_inverse=True)
    check_classes(classes)
    if class_weight is not None:
        c = normalized(times_class_weight(c, class_weight, y, classes, codes))
    check_class_totals(c, classes, codes)
    return classes, codes, c


def as_columns(codes, n_classes):
    """0-1 targets: one column for two classes, one-hot rows for more."""
    if n_classes == 2:
        return codes[:, None].astype(np.float32)
    return (codes[:, None] == np.arange(n_classes)).astype(np.float32)


def as_targets(y, dtype):
    """Regression targets as a float64 matrix; an error if their squares leave the dtype's range."""
    Y = np.asarray(y, dtype=np.float64)
    Y = Y[:, None] if Y.ndim == 1 else Y
    top = np.abs(Y).max()
    limit = np.sqrt(np.finfo(dtype).max) / len(Y)
    if top > limit:
        raise ValueError(
            f"y: found magnitudes up to {top:.3g}; allowed with {np.dtype(dtype)} data are those "
            f"below {limit:.3g}, whose squares can be summed."
        )
    return Y


def hold_out(n_rows, fraction, rng, codes=None):
    """Indices of training and validation rows, stratified by `codes` where that is possible."""
    n_held = int(np.ceil(fraction * n_rows))
    if n_held >= n_rows:
        raise ValueError(
            f"validation_fraction: found {fraction}, which leaves none of {n_rows} samples for "
            "training; allowed with early_stopping is what leaves at least one."
        )
    if codes is not None:
        counts = np.bincount(codes)
        if counts.min() < 2 or n_held < len(counts) or n_rows - n_held < len(counts):
            codes = None
    train, held = train_test_split(
        np.arange(n_rows), test_size=n_held, random_state=rng, stratify=codes
    )
    return np.sort(train), np.sort(held)


class BestSoFar:
    """The parameters with the least loss, and how long ago they were found.

    Parameters
    ----------
    patience : float
        Iterations without a lower loss after which to stop.
    """

    def __init__(self, patience):
        self.patience, self.loss, self.theta, self.age = patience, np.inf, None, 0

    def update(self, loss, theta):
        """Note a loss and its parameters; return whether to stop."""
        if loss < self.loss or self.theta is None:
            self.loss, self.theta, self.age = loss, theta.copy(), 0
        else:
            self.age += 1
        return self.age >= self.patience
