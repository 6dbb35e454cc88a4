"""What the trees ask of data."""

import numpy as np
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sklearn_optland._estimator.training_rows import total_weight

# The squares of values up to this are finite in float32.
LARGEST_VALUE = 1e18


def validate_training_data(estimator, X, y, sample_weight, *, reset=True, class_weight=None):
    """Check rows, labels and weights; class weights are multiplied into the sample weights."""
    X, y = validate_data(
        estimator, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", reset=reset
    )
    check_classification_targets(y)
    values = X.data if sparse.issparse(X) else X
    if values.size:
        largest = max(values.max(), -values.min())
        if largest > LARGEST_VALUE:
            raise ValueError(
                f"X: found a value of size {largest:.3g}; allowed is at most {LARGEST_VALUE:g}."
            )
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if class_weight is not None:
        weight = weight * compute_sample_weight(class_weight, y)
    total_weight(weight)
    return X, y, weight


def validate_rows(estimator, X):
    """Check rows to predict for."""
    check_is_fitted(estimator)
    return validate_data(
        estimator, X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C", reset=False
    )
