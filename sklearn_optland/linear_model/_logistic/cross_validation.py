"""The strength of the penalty by cross-validation: warm-started paths, one for each fold."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.base import OptlandEstimator, fit_context
from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import classification_rows
from sklearn_optland._estimator.typing import ClassWeight, MatrixLike, RandomState
from sklearn_optland.linear_model._cross_validation import (
    CrossValidated,
    Path,
    best_of,
    best_of_each,
    checked_weights,
    class_weight_of_all,
)
from sklearn_optland.linear_model._logistic.estimator import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._scores import LinearClassifier


class BoundMajorizationLogisticRegressionCV(
    LinearClassifier,
    LogLossClassifier,
    CrossValidated,
    OptlandEstimator,
    ClassifierMixin,
    BaseEstimator,
):
    """:class:`BoundMajorizationLogisticRegression` with `C` chosen by cross-validation.

    Parameters and attributes are those of :class:`~sklearn.linear_model.LogisticRegressionCV`, as
    its `use_legacy_attributes=False` has them, without a dimension for `l1_ratios`.

    Parameters
    ----------
    Cs : int or array-like of shape (n_cs,), default=10
        The inverse strengths of the penalty to try; a number of them means so many from 1e-4 to
        1e4, evenly spaced in logarithms.
    fit_intercept : bool, default=True
        Whether to fit b.
    cv : int, cross-validation generator or an iterable, default=None
        How to split the rows; None means 5 stratified folds, fewer if no class has so many rows.
    scoring : str or callable, default=None
        What is best: a scorer's name, or a callable with the signature
        `scorer(estimator, X, y)`. None means accuracy.
    tol : float, default=1e-6
        Each fit stops when its duality gap is at most `tol` times its objective.
    max_iter : int, default=1000
        The most iterations of a fit.
    class_weight : dict or "balanced", default=None
        Weights of the classes. "balanced" counts all rows, not those of a fold.
    n_jobs : int, default=None
        Processes that share the folds. None means 1 unless in a :obj:`joblib.parallel_backend`
        context, -1 all processors.
    refit : bool, default=True
        Whether to fit all rows with the `C` of the best mean score. If False, coefficients and
        `C_` are means of those that are best in each fold, and nothing is proven of them.
    random_state : int, RandomState instance or None, default=None
        As of :class:`BoundMajorizationLogisticRegression`; it does not split rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        b; zero if `fit_intercept=False`.
    Cs_ : ndarray of shape (n_cs,)
        The strengths that were tried, in the order given.
    C_ : float
        The strength of the best score.
    scores_ : ndarray of shape (n_folds, n_cs)
        Scores on the rows that a fold leaves out.
    coefs_paths_ : ndarray of shape (n_folds, n_cs, 1 or n_classes, n_features + fit_intercept)
        Coefficients of all fits, the intercept last.
    certificates_ : list of list of Certificate
        Certificates of all fits, a list for each fold.
    n_iter_ : ndarray of shape (n_folds, n_cs)
        Iterations of all fits.
    certificate_ : Certificate or None
        How far the refit can be from its optimum; None if `refit=False`.
    history_ : dict of ndarray
        The refit's, see :class:`BoundMajorizationLogisticRegression`; empty if `refit=False`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names that are all
        strings.

    See Also
    --------
    BoundMajorizationLogisticRegression : The fit for one `C`.
    regularization_path : All strengths of one data set.
    sklearn.linear_model.LogisticRegressionCV : Without certificates.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_optland.linear_model import BoundMajorizationLogisticRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BoundMajorizationLogisticRegressionCV(scoring="neg_log_loss").fit(X, y)
    >>> model.scores_.shape, round(model.C_, 2)
    ((5, 10), 166.81)
    >>> model.certificate_.reached
    True
    """

    _takes_sparse = True
    _parameter_constraints = {
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        **CrossValidated._cv_constraints,
    }

    def __init__(
        self,
        *,
        Cs: ArrayLike = 10,
        fit_intercept: bool = True,
        cv: Any = None,
        scoring: str | Callable[..., Any] | None = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
        class_weight: ClassWeight = None,
        n_jobs: int | None = None,
        refit: bool = True,
        random_state: RandomState = None,
    ) -> None:
        self.Cs = Cs
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.scoring = scoring
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.refit = refit
        self.random_state = random_state

    @fit_context
    def fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose `C`, then fit all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, of the fits and, where the scorer takes them, of the scores.
            Default: all 1.
        **params : dict
            What the splitter and the scorer take besides, such as `groups`; see the metadata
            routing guide of scikit-learn.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            For what :meth:`BoundMajorizationLogisticRegression.fit` refuses, for strengths that
            are not positive, for scores that are not finite.
        """
        self.Cs_ = self._strengths()
        rows = classification_rows(self, X, y, sample_weight, accept_sparse=True)
        self.classes_, sample_weight = rows.classes, checked_weights(rows)
        class_weight = class_weight_of_all(self.class_weight, rows, sample_weight)
        model = self._new_model().set_params(class_weight=class_weight)
        found = self._cross_validated(
            model, "C", [Path(self.Cs_, {})], rows, sample_weight, params, with_coefs=True
        )
        self.scores_, self.n_iter_ = found.scores[:, 0], found.n_iter[:, 0]
        self.certificates_ = [path for (path,) in found.certificates]
        self.coefs_paths_ = found.coefs[:, 0, ..., : rows.X.shape[1] + self.fit_intercept]
        if self.refit:
            (best,) = best_of(self.scores_)
            self.C_ = float(self.Cs_[best])
            model.set_params(C=self.C_).fit(rows.X, rows.y, sample_weight)
            self.coef_, self.intercept_ = model.coef_, model.intercept_
            self.certificate_, self.history_ = model.certificate_, model.history_
        else:
            folds, paths, best = best_of_each(found.scores)
            self.C_ = float(self.Cs_[best].mean())
            W = found.coefs[folds, paths, best].mean(axis=0).astype(rows.X.dtype)
            self.coef_, self.intercept_ = np.ascontiguousarray(W[:, :-1]), W[:, -1].copy()
            self.certificate_, self.history_ = None, {}
        return self

    def _new_model(self):
        return BoundMajorizationLogisticRegression(
            fit_intercept=self.fit_intercept,
            tol=self.tol,
            max_iter=self.max_iter,
            class_weight=self.class_weight,
            random_state=self.random_state,
        )

    def _strengths(self):
        if isinstance(self.Cs, Integral):
            return np.logspace(-4, 4, self.Cs)
        Cs = np.asarray(self.Cs, dtype=np.float64)
        if Cs.ndim != 1 or not len(Cs) or not (Cs > 0).all():
            raise ValueError(f"Cs: found {self.Cs!r}; allowed are positive numbers, one or more.")
        return Cs
