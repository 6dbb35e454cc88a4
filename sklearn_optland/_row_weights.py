"""Weights of the rows: in objectives they sum to 1."""

import numpy as np
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
