"""What classifiers predict from the scores of their classes, of which two classes share one."""

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax


class ScoreClassifier:
    """Labels from `decision_function` and `classes_`."""

    def predict(self, X):
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

    def predict_proba(self, X):
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

    def predict_log_proba(self, X):
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
