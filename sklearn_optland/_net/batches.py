"""Batches of a stream, as `partial_fit` of a net gets them: validated rows, columns of targets."""

import numpy as np
from scipy import sparse

from sklearn_optland._estimator.training_rows import (
    as_columns,
    as_targets,
    check_labels,
    is_indicator,
    normalized,
    refuse_balanced,
    row_weights,
    times_class_weight,
    validate_indicators,
    validate_with_targets,
)
from sklearn_optland._net.predictions import class_attributes


def regression_batch(net, X, y, sample_weight, *, is_first, accept_sparse=False):
    """A batch of a regressor.

    Parameters
    ----------
    net : estimator
    X, y, sample_weight
        As the user gave them.
    is_first : bool
        Whether there is no net to go on from.
    accept_sparse : bool, default=False
        Whether CSR will do.

    Returns
    -------
    X : ndarray or CSR of shape (n_rows, n_columns)
    Y : ndarray of shape (n_rows, n_outputs), float64
    c : ndarray of shape (n_rows,)
        Weights that sum to 1.
    fitted : dict
        What predictions need besides the net.
    """
    kinds = {"multi_output": True, "y_numeric": True}
    X, y = validate_with_targets(net, X, y, accept_sparse, reset=is_first, **kinds)
    Y = as_targets(y, X.dtype)
    if not is_first and Y.shape[1] != net.n_outputs_:
        raise ValueError(
            f"y: found {Y.shape[1]} outputs; allowed are {net.n_outputs_}, as in the first call."
        )
    fitted = {"_y_is_1d": y.ndim == 1, "out_activation_": "identity"}
    return X, Y, row_weights(X, sample_weight), fitted


def classification_batch(net, X, y, classes, sample_weight, *, is_first, accept_sparse=False):
    """A batch of a classifier; parameters and what is returned as in `regression_batch`.

    `classes`, all labels that will ever come, are needed in the first call. An indicator matrix
    says itself how many there are.
    """
    refuse_balanced(net.class_weight)
    was_multilabel = not is_first and net._indicator_dtype is not None
    if is_indicator(y):
        known = np.arange(y.shape[1] if sparse.issparse(y) else np.shape(y)[1])
        goes_on = is_first or (was_multilabel and np.array_equal(net.classes_, known))
        if not goes_on or (classes is not None and not np.array_equal(np.unique(classes), known)):
            raise ValueError(
                f"y: found an indicator matrix of {len(known)} columns; allowed is what the first "
                "call had, and the numbers of the columns as classes."
            )
        X, y = validate_indicators(net, X, y, accept_sparse, reset=is_first)
        c = row_weights(X, sample_weight)
        return X, y.astype(np.float64), c, class_attributes(known, y.dtype)
    if was_multilabel:
        raise ValueError(
            "y: found one column; allowed is an indicator matrix, as in the first call."
        )
    known = _known_classes(net, classes, is_first)
    X, y = validate_with_targets(net, X, y, accept_sparse, reset=is_first)
    check_labels(y, classes=())  # how many they are says nothing in a batch
    strange = np.setdiff1d(y, known)
    if len(strange):
        raise ValueError(f"y: found labels {strange.tolist()}; allowed are {known.tolist()}.")
    codes = np.searchsorted(known, y)
    c = row_weights(X, sample_weight)
    if net.class_weight is not None:
        c = normalized(times_class_weight(c, net.class_weight, y, known, codes))
    return X, as_columns(codes, len(known)).astype(np.float64), c, class_attributes(known)


def _known_classes(net, classes, is_first):
    """All labels that will ever come."""
    if not is_first:
        if classes is not None and not np.array_equal(np.unique(classes), net.classes_):
            raise ValueError(
                f"classes: found {np.unique(classes).tolist()}; allowed are those of the first "
                f"call, {net.classes_.tolist()}."
            )
        return net.classes_
    if classes is None:
        raise ValueError("classes: found None; the first call of partial_fit needs all labels.")
    known = np.unique(classes)
    if len(known) < 2:
        raise ValueError(f"classes: found {known.tolist()}; allowed are two classes or more.")
    return known
