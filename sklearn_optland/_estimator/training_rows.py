"""From what the user gives to rows that train: validated, encoded, weighted."""

from dataclasses import dataclass
from functools import cached_property
from inspect import signature

import numpy as np
from scipy import sparse
from sklearn import config_context
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sklearn_optland._rows.source import ArraySource

FLOATS = [np.float64, np.float32]

# From 1.9 on scikit-learn refuses weights that are all zero, if it is not told to leave it to us.
_LEAVE_ZEROS = "allow_all_zero_weights"
_ZEROS_ARE_OURS = (
    {_LEAVE_ZEROS: True} if _LEAVE_ZEROS in signature(_check_sample_weight).parameters else {}
)


@dataclass(frozen=True)
class TrainingRows:
    """Validated rows, their targets and weights.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        As validated.
    sample_weight : what the user gave
    weights : ndarray of shape (n_rows,)
        Sample weights times class weights.
    classes : ndarray of shape (n_classes,) or None
        Sorted labels; None in a regression.
    codes : ndarray of int32 of shape (n_rows,) or None
        The number of each row's label; None too if rows have several.
    """

    X: object
    y: np.ndarray
    sample_weight: object
    weights: np.ndarray
    classes: np.ndarray | None = None
    codes: np.ndarray | None = None

    @property
    def dtype(self):
        """Of X."""
        return self.X.dtype

    @property
    def n_columns(self):
        """Of X."""
        return self.X.shape[1]

    @property
    def n_outputs(self):
        """Targets of a regression."""
        return self.y.shape[1] if self.y.ndim == 2 else 1

    @property
    def largest_weight(self):
        """The largest weight of a row."""
        return self.weights.max()

    @property
    def y_is_1d(self):
        """Whether targets of a regression are no matrix."""
        return self.y.ndim == 1

    @property
    def is_multilabel(self):
        """Whether rows have any number of labels, and y is their indicator matrix."""
        return self.classes is not None and self.codes is None

    @property
    def total_weight(self):
        """Sum of the weights."""
        return total_weight(self.weights)

    @property
    def total_sample_weight(self):
        """Sum of the weights as the user gave them."""
        given = 1.0 if self.sample_weight is None else self.sample_weight
        return float(np.broadcast_to(np.asarray(given, np.float64), len(self.y)).sum())

    def source(self, columns, names=(), **settings):
        """The rows that have a weight: see `DaskRows.source`."""
        X, c, y = self.used(self.y if self.codes is None else self.codes)
        return ArraySource(X, **settings, **columns(y, c))

    def used(self, *arrays):
        """X, the weights and more arrays, of the rows that have a weight."""
        every = self.X, self.weights, *arrays
        is_used = self.weights > 0
        return every if is_used.all() else tuple(array[is_used] for array in every)

    @cached_property
    def has_weight(self):
        """Which classes have rows with a weight."""
        return np.bincount(self.codes, weights=self.weights, minlength=len(self.classes)) > 0

    @property
    def callback_data(self):
        """What callbacks are told of the data."""
        metadata = {"sample_weight": self.sample_weight}
        return {"X": self.X, "y": self.y, "metadata": metadata}


def classification_rows(
    estimator,
    X,
    y,
    sample_weight,
    *,
    accept_sparse=False,
    multi_label=False,
    factor=1.0,
    **validation,
):
    """Rows of a classifier, of at least two classes; one of them has to have a weight.

    Parameters
    ----------
    estimator : estimator with `class_weight`
    X, y, sample_weight
        As the user gave them.
    accept_sparse : bool, default=False
        Whether CSR will do.
    multi_label : bool, default=False
        Whether y may be an indicator matrix, whose columns are the classes.
    factor : float, default=1.0
        Of all weights: C, where an objective has it.
    **validation
        Passed on to `validate_data`.

    Returns
    -------
    rows : TrainingRows

    Raises
    ------
    ValueError
        For what `validate_data` refuses, one class alone, or weights without a sum.
    """
    if multi_label and is_indicator(y):
        return _multilabel_rows(estimator, X, y, sample_weight, accept_sparse, **validation)
    X, y = validate_with_targets(estimator, X, y, accept_sparse, **validation)
    classes, codes = encode(y)
    check_labels(y, classes)
    check_classes(classes)
    weights = sample_weights(X, sample_weight)
    total_weight(weights)
    if estimator.class_weight is not None or factor != 1.0:
        weights = times_class_weight(weights, estimator.class_weight, y, classes, codes) * factor
        total_weight(weights, "sample_weight, times class_weight and C")
    return TrainingRows(X, y, sample_weight, weights, classes, codes)


def is_indicator(y):
    """Whether y is a matrix that says of each row which labels it has."""
    if not sparse.issparse(y):
        try:
            y = np.asarray(y)
        except ValueError:  # rows of several lengths: validation says so
            return False
        if y.ndim != 2:
            return False
    return type_of_target(y) == "multilabel-indicator"


def validate_indicators(estimator, X, y, accept_sparse, **validation):
    """Rows and their indicator matrix, dense; an error for class weights, which it has not."""
    X, y = validate_with_targets(estimator, X, y, accept_sparse, multi_output=True, **validation)
    if estimator.class_weight is not None:
        raise ValueError(
            f"class_weight: found {estimator.class_weight!r}; allowed with an indicator matrix y "
            "is None."
        )
    return X, y.toarray() if sparse.issparse(y) else y


def _multilabel_rows(estimator, X, y, sample_weight, accept_sparse, **validation):
    """Rows that have any number of labels."""
    X, y = validate_indicators(estimator, X, y, accept_sparse, **validation)
    weights = sample_weights(X, sample_weight)
    total_weight(weights)
    return TrainingRows(X, y, sample_weight, weights, np.arange(y.shape[1]))


def labelled_rows(
    estimator, X, y, sample_weight, *, is_part=False, accept_sparse=False, **validation
):
    """Rows of a classifier that takes classes as they come: one alone too, or one without weight.

    The classes are left to it, since it may know more of them. "balanced" class weights count rows,
    not weights.

    Parameters
    ----------
    estimator, X, y, sample_weight, accept_sparse, **validation
        As in `classification_rows`.
    is_part : bool, default=False
        Whether these are a part of the data. Then it is no fault that labels of `class_weight` are
        not among theirs, that most labels come once, or that no row has a weight.

    Returns
    -------
    rows : TrainingRows
    """
    X, y = validate_with_targets(estimator, X, y, accept_sparse, **validation)
    weights = sample_weights(X, sample_weight, may_be_zero=is_part)
    check_labels(y, is_part=is_part)
    if is_part:
        weights = weights * _weights_of_labels(estimator.class_weight, y)
    elif estimator.class_weight is not None:
        per_row = compute_sample_weight(estimator.class_weight, y)
        refuse_negative(per_row)
        weights = weights * per_row
    if not is_part or weights.any():
        total_weight(weights)
    return TrainingRows(X, y, sample_weight, weights)


def regression_rows(estimator, X, y, sample_weight, *, accept_sparse=False, **validation):
    """Rows of a regressor; parameters as in `classification_rows`."""
    X, y = validate_with_targets(estimator, X, y, accept_sparse, y_numeric=True, **validation)
    weights = sample_weights(X, sample_weight)
    total_weight(weights)
    return TrainingRows(X, y, sample_weight, weights)


def validate_rows(estimator, X, *, accept_sparse=False, **validation):
    """Rows to predict for."""
    check_is_fitted(estimator)
    accept_sparse = "csr" if accept_sparse else False
    return validate_data(
        estimator,
        X,
        accept_sparse=accept_sparse,
        dtype=FLOATS,
        order="C",
        reset=False,
        **validation,
    )


def validate_with_targets(estimator, X, y, accept_sparse, **validation):
    """Validated rows and targets; `validation` goes to scikit-learn's `validate_data`."""
    if validation.keys() <= {"y_numeric"} and _are_plain(X, y):
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
        return X, y
    accept_sparse = "csr" if accept_sparse else False
    with always_checked():
        return validate_data(
            estimator, X, y, accept_sparse=accept_sparse, dtype=FLOATS, order="C", **validation
        )


def _are_plain(X, y):
    """Whether X and y are arrays that `validate_data` would return as they are.

    Its search for other types of arrays and for names takes longer than some fits.
    """
    return (
        type(X) is type(y) is np.ndarray
        and (X.ndim, y.ndim) == (2, 1)
        and X.dtype in FLOATS
        and y.dtype.kind in "biuf"
        and X.flags.c_contiguous
        and X.size > 0
        and len(X) == len(y)
        and _is_finite(X)
        and _is_finite(y)
    )


def _is_finite(array):
    """Whether all is finite; False too if only the sum is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))


def always_checked():
    """Context in which NaN and infinity are refused, whatever `assume_finite` says.

    That saves a pass where a fit takes many, and nothing is proven of what is not a number.
    """
    return config_context(assume_finite=False)


def sample_weights(X, sample_weight, *, may_be_zero=False):
    """Sample weights as float64, ones for None; an error for negative ones, or zeros alone."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True, **_ZEROS_ARE_OURS
    )
    if not (may_be_zero or weights.any()):
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def check_labels(y, classes=None, *, is_part=False):
    """An error for what are no labels: bytes, numbers that are not whole.

    scikit-learn's check is as slow as a pass over small data. Where the classes are known already,
    it is left out for types that it cannot refuse, unless there are so many that it warns; of a
    part of the data there is nothing to warn of.
    """
    if is_part:
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if not kind.startswith(("binary", "multiclass")):
            raise ValueError(f"y: found an unknown label type, {kind}; allowed are class labels.")
    elif classes is None or y.dtype.kind not in "biuU" or 2 * len(classes) > len(y):
        check_classification_targets(y)


def encode(y):
    """Sorted class labels, and the number of each row's label as int32."""
    # Sorting many rows is slow, and two classes need no sort: compare with the first label and
    # with the first other one.
    is_other = y != y[0]
    other = is_other.argmax()
    if other and (is_other == (y == y[other])).all():
        classes = np.sort(y[[0, other]])
        return classes, (is_other == (classes[1] != y[0])).astype(np.int32)
    classes, codes = np.unique(y, return_inverse=True)
    return classes, codes.astype(np.int32)


def check_magnitudes(X, largest, least=0.0):
    """An error for values beyond a size, whose squares or products would overflow, or vanish."""
    values = X.data if sparse.issparse(X) else X
    if values.size:
        found = max(values.max(), -values.min())
        if found > largest:
            raise ValueError(
                f"X: found a value of size {found:.3g}; allowed is at most {largest:g}."
            )
        if 0 < found < least:
            raise ValueError(
                f"X: found values of size {found:.3g} at most; allowed is a largest of at least "
                f"{least:g}, or 0."
            )


# Weights


def total_weight(weights, name="sample_weight"):
    """Sum of sample weights; an error if it is not positive and finite."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total < np.inf:
        raise ValueError(f"{name}: found a sum of {total}; allowed is a positive, finite one.")
    return total


def normalized(weights):
    """Sample weights that sum to 1."""
    return weights / total_weight(weights)


def row_weights(X, sample_weight):
    """Sample weights as float64 that sum to 1, as the user gave them."""
    return normalized(sample_weights(X, sample_weight))


def times_class_weight(weights, class_weight, y, classes, codes):
    """Weights of the rows, times those of classes; "balanced" knows classes with weight only."""
    if class_weight is None:
        return weights
    if class_weight == "balanced":
        per_class = balanced_weights(weights, codes)
    else:
        per_class = compute_class_weight(class_weight, classes=classes, y=y)
        refuse_negative(per_class)
    return weights * per_class[codes]


def balanced_weights(weights, codes):
    """Weights of the classes that make the sums of their rows' weights equal."""
    totals = np.bincount(codes, weights=weights)
    return totals.sum() / (np.count_nonzero(totals) * np.where(totals > 0, totals, 1.0))


def _weights_of_labels(class_weight, y):
    """The weight of each row's label: by a dict, which may lack it, or "balanced" in these rows."""
    if not class_weight:
        return 1.0
    if class_weight == "balanced":
        return compute_sample_weight(class_weight, y)
    labels, codes = np.unique(y, return_inverse=True)
    return weights_by_dict(class_weight, labels)[codes]


def weights_by_dict(class_weight, labels):
    """The weight of each of some labels by a dict, which may lack it."""
    per_class = np.array([class_weight.get(label, 1.0) for label in labels.tolist()], float)
    refuse_negative(per_class)
    return per_class


def refuse_negative(per_class):
    """An error for class weights below zero, which would leave rows out."""
    if per_class.min() < 0:
        raise ValueError(
            f"class_weight: found the weight {per_class.min():g}; allowed are non-negative ones."
        )


def check_weighted_labels(class_weight, classes):
    """An error for a dict with weights of labels that are no classes, while others have none."""
    known = set(classes.tolist())
    strange = [label for label in class_weight or () if label not in known]
    if strange and len(class_weight) - len(strange) < len(classes):
        raise ValueError(
            f"class_weight: found the labels {strange}; allowed are the classes {classes.tolist()}."
        )


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


# Targets


def as_columns(codes, n_classes):
    """0-1 targets: one column for two classes, one-hot rows for more."""
    if n_classes == 2:
        return codes[:, None].astype(np.float32)
    return (codes[:, None] == np.arange(n_classes)).astype(np.float32)


def labels_and_weights(codes, weights, *, n_classes, total, dtype=np.float32):
    """Columns of a source: 0-1 targets Y, and weights c that sum to 1."""
    return {"Y": as_columns(codes, n_classes).astype(dtype, copy=False), "c": weights / total}


def indicators_and_weights(y, weights, *, total, dtype=np.float32):
    """Columns of a source: the indicator matrix as targets Y, and weights c that sum to 1."""
    return {"Y": np.ascontiguousarray(y, dtype=dtype), "c": weights / total}


def targets_and_weights(y, weights, *, dtype, total):
    """Columns of a source: targets Y of a regression, and weights c that sum to 1."""
    return {"Y": as_targets(y, dtype), "c": weights / total}


def as_targets(y, dtype):
    """Regression targets as a float64 matrix; an error if their squares leave the dtype's range."""
    Y = np.asarray(y, dtype=np.float64)
    Y = Y[:, None] if Y.ndim == 1 else Y
    top = np.abs(Y).max(initial=0.0)
    limit = np.sqrt(np.finfo(dtype).max) / max(len(Y), 1)
    if top > limit:
        raise ValueError(
            f"y: found magnitudes up to {top:.3g}; allowed with {np.dtype(dtype)} data are those "
            f"below {limit:.3g}, whose squares can be summed."
        )
    return Y
