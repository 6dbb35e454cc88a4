"""Linear classifiers by finite-sum solvers."""

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._rows.rows import as_rows
from sklearn_optland.linear_model._finite_sum import docs
from sklearn_optland.linear_model._finite_sum.base import CLASSIFICATION_LOSSES, FiniteSumEstimator
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum, SoftmaxSum
from sklearn_optland.linear_model._scores import LinearClassifier, weigh_rows


def _is_probabilistic(estimator):
    if estimator.loss != "log_loss":
        raise AttributeError(f"probabilities need loss='log_loss', not {estimator.loss!r}")
    return True


class FiniteSumClassifier(LinearClassifier, ClassifierMixin, FiniteSumEstimator):
    __doc__ = rf"""Linear classification by finite-sum solvers: SAG, SAGA, SVRG, SDCA and others.

    {docs.OBJECTIVE}

    With the margin m = y f, y = -1 or 1, the losses are

    - "log_loss": log(1 + exp(-m)); the multinomial log-loss for several classes;
    - "squared_hinge": max(0, 1 - m)²;
    - "smooth_hinge": 0 for m ≥ 1, ½ - m for m ≤ 0, ½ (1 - m)² between;
    - "hinge": max(0, 1 - m).

    The last three fit each of several classes against the rest; their objectives are added up.

    Parameters
    ----------
    loss : {{"log_loss", "squared_hinge", "smooth_hinge", "hinge"}}, default="log_loss"
        The loss of a row.
    {docs.SOLVER}{docs.PARAMETERS}{docs.CLASS_WEIGHT}{docs.LAST_PARAMETERS}

    Attributes
    ----------
    {docs.CLASSIFIER_ATTRIBUTES}

    See Also
    --------
    FiniteSumRegressor : The same for regression.
    BoundMajorizationLogisticRegression : Faster for the log-loss on many rows with few columns.
    finite_sum : The same as a function.

    Notes
    -----
    {docs.NOTES}

    References
    ----------
    {docs.REFERENCES}{docs.MORE_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.linear_model import FiniteSumClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = FiniteSumClassifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.99
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    _parameter_constraints = {
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES))],
        **FiniteSumEstimator._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss="log_loss",
        *,
        solver="auto",
        alpha=1e-4,
        l1_ratio=0.0,
        positive=False,
        sampling="uniform",
        step_size="auto",
        tol=1e-6,
        max_iter=1000,
        fit_intercept=True,
        class_weight=None,
        warm_start=False,
        random_state=None,
    ):
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.sampling = sampling
        self.step_size = step_size
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float64 and float32 in C order, and CSR, are used without a copy.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s; each class needs a positive one. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have fewer than two classes, missing or infinite values, values so large
            that their squares overflow, or a class without weight; or if the solver cannot take
            the loss or the penalty.
        """
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], order="C"
        )
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        c = normalized(weigh_rows(self, X, y, classes, codes, sample_weight))
        used = c > 0
        rows, codes, c = (X, codes, c) if used.all() else (X[used], codes[used], c[used])
        n_scores = 1 if len(classes) == 2 else len(classes)
        starts = self._starts((n_scores, X.shape[1] + 1))
        problems = self._problems(rows, codes, c, n_scores)
        if len(problems) < n_scores:
            starts = [np.ascontiguousarray(starts.T)]

        def attributes(parameters):
            W = np.vstack([W.T for W in parameters]).astype(X.dtype)
            coef, intercept = np.ascontiguousarray(W[:, :-1]), W[:, -1].copy()
            return {"classes_": classes, "coef_": coef, "intercept_": intercept}

        metadata = {"sample_weight": sample_weight}
        self._solve(problems, starts, attributes, X=X, y=y, metadata=metadata)
        return self

    def _problems(self, X, codes, c, n_scores):
        """One problem, or one a class against the rest."""
        common = {
            "penalty": self._penalty(),
            "fit_intercept": self.fit_intercept,
            "rows": as_rows(X, in_order=False),
        }
        if n_scores > 1 and self.loss == "log_loss":
            return [SoftmaxSum(X, codes.astype(np.int32), c, n_classes=n_scores, **common)]
        positives = [codes == 1] if n_scores == 1 else [codes == k for k in range(n_scores)]
        return [
            FiniteSum(X, np.where(positive, 1.0, -1.0), c, loss=self.loss, epsilon=0.0, **common)
            for positive in positives
        ]

    predict_proba = available_if(_is_probabilistic)(LogLossClassifier.predict_proba)
    predict_log_proba = available_if(_is_probabilistic)(LogLossClassifier.predict_log_proba)


class _FixedSolverClassifier(FiniteSumClassifier):
    """`FiniteSumClassifier` with the solver fixed by the class."""

    def __init__(
        self,
        loss="log_loss",
        *,
        alpha=1e-4,
        l1_ratio=0.0,
        positive=False,
        sampling="uniform",
        step_size="auto",
        tol=1e-6,
        max_iter=1000,
        fit_intercept=True,
        class_weight=None,
        warm_start=False,
        random_state=None,
    ):
        self.loss = loss
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.sampling = sampling
        self.step_size = step_size
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state


class SAGAClassifier(_FixedSolverClassifier):
    __doc__ = docs.named_classifier("SAGA")
    solver = "saga"


class SVRGClassifier(_FixedSolverClassifier):
    __doc__ = docs.named_classifier("SVRG")
    solver = "svrg"


class SDCAClassifier(_FixedSolverClassifier):
    __doc__ = docs.named_classifier("SDCA")
    solver = "sdca"
