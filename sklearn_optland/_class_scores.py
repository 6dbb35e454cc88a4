"""What follows from the scores of classes, of which two classes share one."""

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax


def class_codes(scores):
    """Numbers of the classes with the highest scores."""
    return (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)


def probabilities(scores):
    """Class probabilities of the log-loss, of shape (n_samples, n_classes)."""
    if scores.ndim == 1:
        return np.column_stack([expit(-scores), expit(scores)])
    return softmax(scores, axis=1)


def log_probabilities(scores):
    """Their logarithms, finite where they underflow."""
    if scores.ndim == 1:
        return np.column_stack([log_expit(-scores), log_expit(scores)])
    return log_softmax(scores, axis=1)
