"""Weights of the rows and of their classes: in objectives they sum to 1."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight


def total_weight(weights):
    """Sum of sample weights; an error if it is not positive and finite."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total < np.inf:
        raise ValueError(
            f"sample_weight: found a sum of {total}; allowed is a positive, finite one."
        )
    return total


def normalized(weights):
    """Sample weights that sum to 1."""
    return weights / total_weight(weights)


def row_weights(X, sample_weight):
    """Sample weights as float64 that sum to 1, as the user gave them."""
    return normalized(
        _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    )


def times_class_weight(weights, class_weight, y, classes, codes):
    """Weights of the rows, times those of their classes."""
    if class_weight is None:
        return weights
    per_class = compute_class_weight(class_weight, classes=classes, y=y, sample_weight=weights)
    return weights * per_class[codes]


def refuse_balanced(class_weight):
    """An error for the class weights that `partial_fit` cannot know."""
    if class_weight == "balanced":
        raise ValueError(
            "class_weight: found 'balanced'; partial_fit allows a dict or None, because it sees a "
            "part of the rows only."
        )


def check_classes(classes):
    """An error for fewer than two classes."""
    if len(classes) < 2:
        raise ValueError(
            f"y: found the one class {classes.tolist()[0]!r}; allowed are at least two classes."
        )


def check_class_totals(weights, classes, codes, factors="class_weight"):
    """An error for a class whose weights, with these factors in them, have no sum to work with."""
    totals = np.bincount(codes, weights=weights)
    is_good = (totals > 0) & np.isfinite(totals)
    if not is_good.all():
        first = int(np.argmin(is_good))
        raise ValueError(
            f"sample_weight: the weights of class {classes.tolist()[first]!r}, times {factors}, "
            f"sum to {totals[first]:.3g} in all; allowed is a positive, finite sum for each class."
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
