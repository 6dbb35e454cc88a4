"""The strength of the penalty by cross-validation: warm-started paths, one for each fold."""

from numbers import Integral, Real

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, metadata_routing
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import _check_method_params, _check_sample_weight

from sklearn_optland._estimator.base import OptlandEstimator, fit_context
from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import (
    balanced_weights,
    classification_rows,
    total_weight,
)
from sklearn_optland.linear_model._logistic.estimator import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._paths import fits_along
from sklearn_optland.linear_model._scores import LinearClassifier


class BoundMajorizationLogisticRegressionCV(
    LinearClassifier, LogLossClassifier, OptlandEstimator, ClassifierMixin, BaseEstimator
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
        How to split the rows; None means 5 stratified folds.
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
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "n_jobs": [Integral, None],
        "refit": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        Cs=10,
        fit_intercept=True,
        cv=None,
        scoring=None,
        tol=1e-6,
        max_iter=1000,
        class_weight=None,
        n_jobs=None,
        refit=True,
        random_state=None,
    ):
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
    def fit(self, X, y, sample_weight=None, **params):
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
            are not positive.
        """
        self.Cs_ = self._strengths()
        rows = classification_rows(self, X, y, sample_weight, accept_sparse=True)
        X, y, self.classes_ = rows.X, rows.y, rows.classes
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        routed = self._route(sample_weight, params)
        class_weight = self.class_weight
        if class_weight == "balanced":  # of all rows, which a fold's rows would weigh differently
            weights = np.ones(len(y)) if sample_weight is None else sample_weight
            balanced = balanced_weights(weights, rows.codes)
            class_weight = dict(zip(self.classes_, balanced, strict=True))
        model = BoundMajorizationLogisticRegression(
            fit_intercept=self.fit_intercept,
            tol=self.tol,
            max_iter=self.max_iter,
            class_weight=class_weight,
            random_state=self.random_state,
        )
        scorer = check_scoring(model, scoring=self.scoring) if self.scoring else _accuracy
        folds = list(check_cv(self.cv, y, classifier=True).split(X, y, **routed.splitter.split))
        found = Parallel(n_jobs=self.n_jobs)(
            delayed(_path_of_fold)(
                model, self.Cs_, X, y, sample_weight, train, test, scorer, routed.scorer.score
            )
            for train, test in folds
        )
        scores, coefs, n_iter, self.certificates_ = zip(*found, strict=True)
        self.scores_, self.coefs_paths_ = np.array(scores), np.array(coefs)
        self.n_iter_, self.certificates_ = np.array(n_iter), list(self.certificates_)
        if self.refit:
            self.C_ = float(self.Cs_[self.scores_.mean(axis=0).argmax()])
            model.set_params(C=self.C_).fit(X, y, sample_weight)
            self.coef_, self.intercept_ = model.coef_, model.intercept_
            self.certificate_, self.history_ = model.certificate_, model.history_
        else:
            best = self.scores_.argmax(axis=1)
            self.C_ = float(self.Cs_[best].mean())
            W = self.coefs_paths_[np.arange(len(best)), best].mean(axis=0).astype(X.dtype)
            self.coef_, self.intercept_ = W[:, : X.shape[1]], np.zeros(len(W), dtype=X.dtype)
            if self.fit_intercept:
                self.intercept_ = W[:, -1].copy()
            self.certificate_, self.history_ = None, {}
        return self

    def _strengths(self):
        if isinstance(self.Cs, Integral):
            return np.logspace(-4, 4, self.Cs)
        Cs = np.asarray(self.Cs, dtype=np.float64)
        if Cs.ndim != 1 or not len(Cs) or not (Cs > 0).all():
            raise ValueError(f"Cs: found {self.Cs!r}; allowed are positive numbers, one or more.")
        return Cs

    def _route(self, sample_weight, params):
        if metadata_routing._routing_enabled():
            return metadata_routing.process_routing(
                self, "fit", sample_weight=sample_weight, **params
            )
        if params:
            metadata_routing._raise_for_params(params, self, "fit")
        score = {} if sample_weight is None else {"sample_weight": sample_weight}
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=score))

    def get_metadata_routing(self):
        """Get the metadata routing of this object: to the splitter and to the scorer.

        Returns
        -------
        routing : MetadataRouter
            Which metadata go where.
        """
        router = metadata_routing.MetadataRouter(owner=self).add_self_request(self)
        mapping = metadata_routing.MethodMapping
        router.add(
            splitter=check_cv(self.cv, classifier=True),
            method_mapping=mapping().add(caller="fit", callee="split"),
        )
        scorer = check_scoring(BoundMajorizationLogisticRegression(), scoring=self.scoring)
        return router.add(scorer=scorer, method_mapping=mapping().add(caller="fit", callee="score"))


def _accuracy(model, X, y, sample_weight=None):
    """`model.score` without the checks of rows that have been checked, which take longer."""
    scores = safe_sparse_dot(X, model.coef_.T, dense_output=True) + model.intercept_
    codes = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(int)
    return np.average(model.classes_[codes] == y, weights=sample_weight)


def _path_of_fold(model, Cs, X, y, sample_weight, train, test, scorer, score_params):
    """Scores, coefficients, iterations and certificates of a fold, for each of Cs."""
    missing = [np.flatnonzero(y == label)[0] for label in np.setdiff1d(y, y[train])]
    weight = np.ones(len(train)) if sample_weight is None else sample_weight[train]
    weight = np.append(weight, np.zeros(len(missing)))  # of classes that the fold does not see
    train = np.append(train, missing).astype(int)
    score_params = _check_method_params(X, params=score_params, indices=test)
    if score_params.get("sample_weight") is not None:
        total_weight(score_params["sample_weight"], "sample_weight of a fold's test rows")
    order = np.argsort(Cs, kind="stable")  # from the strongest penalty on: near are near
    scores, coefs, n_iter = np.empty(len(Cs)), [None] * len(Cs), np.empty(len(Cs), dtype=int)
    certificates, X_test, y_test = [None] * len(Cs), X[test], y[test]
    fits = fits_along(model, X[train], y[train], "C", Cs[order], weight)
    for number, fitted in zip(order, fits, strict=True):
        scores[number] = scorer(fitted, X_test, y_test, **score_params)
        parts = [fitted.coef_] + [fitted.intercept_[:, None]] * bool(model.fit_intercept)
        coefs[number], n_iter[number] = np.hstack(parts), fitted.n_iter_
        certificates[number] = fitted.certificate_
    return scores, np.array(coefs), n_iter, certificates
