"""What linear models share: what they do with coefficients."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_optland._estimator.base import check_start
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.scores import ScoreClassifier
from sklearn_optland._estimator.typing import MatrixLike

# The score of a class that has no weight: beside the scores of the others, which are centred or 0,
# its probability is 0 in float64.
NEVER = -1000.0


def has_part(rows, fit_intercept):
    """Which classes a log-loss is minimised over.

    The intercept of a class without weight has its optimum at minus infinity, which leaves the
    problem of the other classes. Without an intercept such a class is one like the others.
    """
    return rows.has_weight if fit_intercept else np.ones(len(rows.classes), dtype=bool)


def among_present(codes, present):
    """Numbers of the rows' classes among those that are present, in the order of all."""
    return codes if present.all() else (np.cumsum(present, dtype=np.int32) - 1)[codes]


def with_absent_classes(W, present):
    """Parameters of all classes, a column each or one for two, from those of the classes present.

    They have the intercepts last. One class alone has no parameters that matter.
    """
    if present.all():
        return W
    whole = np.zeros((len(W), len(present)))
    whole[-1] = NEVER
    whole[:, present] = W if np.count_nonzero(present) > 1 else 0.0
    return whole if len(present) > 2 else whole[:, 1:] - whole[:, :1]


def last_parameters(estimator):
    """`coef_` and `intercept_`, a warm start, in one float64 array with the intercepts last.

    A class that was absent starts at 0.
    """
    if issparse(estimator.coef_):
        estimator.densify()
    check_start(estimator, "coef_", "intercept_")
    W = np.vstack([np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_)])
    W = np.ascontiguousarray(W, dtype=np.float64)
    W[:, (np.abs(W[-1]) == -NEVER) & ~W[:-1].any(axis=0)] = 0.0
    return W


def linear_scores(estimator, X):
    """X coef_' + intercept_, for X as the user gave it."""
    check_is_fitted(estimator)
    X = validate_data(
        estimator, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False
    )
    return safe_sparse_dot(X, estimator.coef_.T, dense_output=True) + estimator.intercept_


class LinearClassifier(ScoreClassifier):
    """Scores from `coef_` and `intercept_`, two classes having one."""

    @by_partition
    def decision_function(self, X: MatrixLike) -> NDArray:
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
