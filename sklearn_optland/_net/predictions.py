"""Predictions of the nets, from parameters in the layout of scikit-learn's MLP."""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.scores import LazyScore, LogLossClassifier
from sklearn_optland._estimator.training_rows import (
    indicators_and_weights,
    labels_and_weights,
    validate_rows,
)
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._net.entrywise_fast import KINDS, activate
from sklearn_optland._rows.reduce import row_blocks


def scores_of(X, coefs, intercepts, activation):
    """Output of a net for rows of X, in blocks; finite even where products overflow."""
    dtype = coefs[0].dtype
    widths = sum(W.shape[1] for W in coefs) + X.shape[1]
    scores = np.empty((X.shape[0], coefs[-1].shape[1]), dtype=dtype)
    biases = [np.ascontiguousarray(b) for b in intercepts]
    kinds = [activation] * (len(coefs) - 1) + ["identity"]
    with np.errstate(over="ignore", invalid="ignore"):
        for first, last in row_blocks(X.shape[0], 64 * widths):
            V = X[first:last].astype(dtype, copy=False)
            for W, b, kind in zip(coefs, biases, kinds, strict=True):
                V = V @ W
                activate(V, b, KINDS["identity" if kind == "square" else kind])
                if kind == "square":
                    np.square(V, out=V)
            scores[first:last] = V
    return np.nan_to_num(scores, copy=False)


def network_scores(estimator, X):
    """Output of a fitted net for X as the user gave it."""
    check_is_fitted(estimator)
    X = validate_rows(estimator, X, accept_sparse=True)
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    return scores_of(X, coefs, intercepts, estimator._hidden_activation)


def class_attributes(classes, indicator_dtype=None):
    """What predictions need to know of the classes, as fitted attributes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    indicator_dtype : dtype, default=None
        Of the indicator matrix, if rows have any number of labels.
    """
    is_logistic = len(classes) == 2 or indicator_dtype is not None
    return {
        "classes_": classes,
        "out_activation_": "logistic" if is_logistic else "softmax",
        "_indicator_dtype": indicator_dtype,
    }


def class_columns(rows, dtype):
    """The columns of a source of a classifier's rows, and what its predictions need to know.

    Parameters
    ----------
    rows : TrainingRows or DaskRows
    dtype : dtype
        Of the targets.

    Returns
    -------
    columns : callable
        Makes the columns Y and c: see `DaskRows.source`.
    fitted : dict
    """
    settings = {"total": rows.total_weight, "dtype": dtype}
    if rows.is_multilabel:
        fitted = class_attributes(rows.classes, rows.y.dtype)
        return partial(indicators_and_weights, **settings), fitted
    columns = partial(labels_and_weights, n_classes=len(rows.classes), **settings)
    return columns, class_attributes(rows.classes)


def n_class_outputs(rows):
    """Outputs of a classifier: one for each class, and one for two that exclude each other."""
    n_classes = len(rows.classes)
    return 1 if n_classes == 2 and not rows.is_multilabel else n_classes


class NetworkRegressor(LazyScore):
    """Predictions from `coefs_` and `intercepts_`; `_hidden_activation` says which."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @by_partition
    def predict(self, X: MatrixLike) -> NDArray:
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; CSR too where `fit` takes it.

        Returns
        -------
        targets : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted values, in the shape of the training targets.
        """
        scores = network_scores(self, X)
        return scores.ravel() if self._y_is_1d else scores


class NetworkClassifier(LogLossClassifier):
    """Scores from `coefs_` and `intercepts_`, two classes having one.

    After a fit to an indicator matrix each column has a score of its own, a logit.
    """

    _indicator_dtype = None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @by_partition
    def predict(self, X: MatrixLike) -> NDArray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The class of the highest score; after a fit to an indicator matrix, one.
        """
        if self._indicator_dtype is None:
            return super().predict(X)
        return (self.decision_function(X) > 0).astype(self._indicator_dtype)

    @by_partition
    def predict_proba(self, X: MatrixLike) -> NDArray:
        """Predict class probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. They sum to 1, but not after a fit to an indicator matrix.
        """
        if self._indicator_dtype is None:
            return super().predict_proba(X)
        return expit(self.decision_function(X))

    @by_partition
    def predict_log_proba(self, X: MatrixLike) -> NDArray:
        """Predict logarithms of class probabilities, finite where the probabilities underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        if self._indicator_dtype is None:
            return super().predict_log_proba(X)
        return log_expit(self.decision_function(X))

    @by_partition
    def decision_function(self, X: MatrixLike) -> NDArray:
        """Compute the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; CSR too where `fit` takes it.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Logits; with two classes, that of `classes_[1]`.
        """
        scores = network_scores(self, X)
        return scores.ravel() if scores.shape[1] == 1 else scores
