"""What classifiers predict from the scores of their classes, of which two classes share one."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score

from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.typing import ColumnLike, MatrixLike
from sklearn_optland._rows.cluster import in_memory, is_collection


class LazyScore:
    """`score` also for collections of Dask: a mixin before scikit-learn's."""

    def score(self, X: MatrixLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> float:
        """Score predictions: their accuracy, of regressors R².

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data. Of a collection of Dask, and of blocks, predictions are gathered, not rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What should be predicted.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. Default: all 1.

        Returns
        -------
        score : float
            As :func:`~sklearn.metrics.accuracy_score` or :func:`~sklearn.metrics.r2_score` has it.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        # One at a time: together, arrays and series of Dask may come back in another order.
        data = self.predict(X), y, sample_weight
        predicted, y, sample_weight = map(in_memory, data)
        metric = accuracy_score if is_classifier(self) else r2_score
        return metric(y, predicted, sample_weight=sample_weight)


class ScoreClassifier(LazyScore):
    """Labels from `decision_function` and `classes_`."""

    @by_partition
    def predict(self, X: MatrixLike) -> NDArray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, sparse only where `fit` takes such.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The class of the highest score.
        """
        scores = self.decision_function(X)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[codes]


class LogLossClassifier(ScoreClassifier):
    """Labels and probabilities from `decision_function` and `classes_`."""

    @by_partition
    def predict_proba(self, X: MatrixLike) -> NDArray:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, sparse only where `fit` takes such.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)

    @by_partition
    def predict_log_proba(self, X: MatrixLike) -> NDArray:
        """Predict logarithms of class probabilities, finite where the probabilities underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data, sparse only where `fit` takes such.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)
