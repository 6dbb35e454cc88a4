"""Logarithms of the class probabilities of trees and forests."""

import numpy as np
from numpy.typing import NDArray

from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.typing import MatrixLike


class LogProbabilities:
    """`predict_log_proba` of a classifier that has `predict_proba`."""

    @by_partition
    def predict_log_proba(self, X: MatrixLike) -> NDArray:
        """Predict logarithms of class probabilities.

        Time and size are those of `predict_proba`, proportional to the number of classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`; -inf where a probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))
