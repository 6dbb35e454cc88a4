"""Predictions of the nets, from parameters in the layout of scikit-learn's MLP."""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.scores import LazyScore, LogLossClassifier
from sklearn_optland._estimator.training_rows import validate_rows
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
    is_square = estimator._hidden_activation == "square"
    takes = is_square or getattr(type(estimator), "_takes_sparse", False) is True
    X = validate_rows(estimator, X, accept_sparse=takes)
    coefs, intercepts = estimator.coefs_, estimator.intercepts_
    return scores_of(X, coefs, intercepts, estimator._hidden_activation)


def class_attributes(classes):
    """What predictions need to know of the classes, as fitted attributes."""
    activation = "logistic" if len(classes) == 2 else "softmax"
    return {"classes_": classes, "out_activation_": activation}


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
    """Scores from `coefs_` and `intercepts_`, two classes having one."""

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
