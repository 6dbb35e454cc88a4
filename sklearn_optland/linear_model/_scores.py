"""What linear models share: what they do with coefficients."""

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_optland._estimator.base import check_start
from sklearn_optland._estimator.scores import ScoreClassifier


def last_parameters(estimator):
    """`coef_` and `intercept_`, a warm start, in one float64 array with the intercepts last."""
    check_start(estimator, "coef_", "intercept_")
    W = np.vstack([np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_)])
    return np.ascontiguousarray(W, dtype=np.float64)


def linear_scores(estimator, X):
    """X coef_' + intercept_, for X as the user gave it."""
    check_is_fitted(estimator)
    X = validate_data(
        estimator, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False
    )
    return safe_sparse_dot(X, estimator.coef_.T, dense_output=True) + estimator.intercept_


class LinearClassifier(ScoreClassifier):
    """Scores from `coef_` and `intercept_`, two classes having one."""

    def decision_function(self, X):
        """Compute the scores of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes, the score of `classes_[1]` against `classes_[0]`.
        """
        scores = linear_scores(self, X)
        return scores.ravel() if scores.shape[1] == 1 else scores
