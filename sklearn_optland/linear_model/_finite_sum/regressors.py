"""Linear regression by finite-sum solvers."""

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from sklearn_optland._estimator.training_rows import row_weights
from sklearn_optland.linear_model._finite_sum import docs
from sklearn_optland.linear_model._finite_sum.base import (
    REGRESSION_LOSSES,
    FiniteSumEstimator,
    checked_targets,
)
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum
from sklearn_optland.linear_model._scores import linear_scores


class FiniteSumRegressor(RegressorMixin, FiniteSumEstimator):
    __doc__ = rf"""Linear regression by finite-sum solvers: SAG, SAGA, SVRG, SDCA and others.

    {docs.OBJECTIVE}

    With the residual r = y - f, the losses are

    - "squared_error": ½ r²;
    - "huber": ½ r² for abs(r) ≤ epsilon, epsilon abs(r) - ½ epsilon² beyond;
    - "epsilon_insensitive": max(0, abs(r) - epsilon).

    Parameters
    ----------
    loss : {{"squared_error", "huber", "epsilon_insensitive"}}, default="squared_error"
        The loss of a row.
    epsilon : float, default=1.35
        Where "huber" and "epsilon_insensitive" bend, in units of y.
    {docs.SOLVER}{docs.PARAMETERS}{docs.LAST_PARAMETERS}

    Attributes
    ----------
    {docs.REGRESSOR_ATTRIBUTES}

    See Also
    --------
    FiniteSumClassifier : The same for classification.
    finite_sum : The same as a function.

    Notes
    -----
    {docs.NOTES}

    References
    ----------
    {docs.REFERENCES}{docs.MORE_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import FiniteSumRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = FiniteSumRegressor(alpha=1e-4, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.51
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    _parameter_constraints = {
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        **FiniteSumEstimator._parameter_constraints,
    }

    def __init__(
        self,
        loss="squared_error",
        *,
        epsilon=1.35,
        solver="auto",
        alpha=1e-4,
        l1_ratio=0.0,
        positive=False,
        sampling="uniform",
        step_size="auto",
        tol=1e-6,
        max_iter=1000,
        fit_intercept=True,
        warm_start=False,
        random_state=None,
    ):
        self.loss = loss
        self.epsilon = epsilon
        self.solver = solver
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.sampling = sampling
        self.step_size = step_size
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
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
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s, not all zero. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have missing or infinite values, or values so large that their squares
            overflow; or if the solver cannot take the loss or the penalty.
        """
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            y_numeric=True,
        )
        c = row_weights(X, sample_weight)
        used = c > 0
        rows, c = (X, c) if used.all() else (X[used], c[used])
        targets = checked_targets(y[used].astype(np.float64), c)
        problem = FiniteSum(
            rows,
            targets,
            c,
            loss=self.loss,
            epsilon=self.epsilon,
            penalty=self._penalty(),
            fit_intercept=self.fit_intercept,
        )

        def attributes(parameters):
            W = parameters[0].astype(X.dtype)
            return {"coef_": W[:-1].copy(), "intercept_": float(W[-1])}

        starts = self._starts((1, X.shape[1] + 1))
        metadata = {"sample_weight": sample_weight}
        self._solve([problem], starts, attributes, X=X, y=y, metadata=metadata)
        return self

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        targets : ndarray of shape (n_samples,)
            Predicted values.
        """
        return linear_scores(self, X)


class _FixedSolverRegressor(FiniteSumRegressor):
    """`FiniteSumRegressor` with the solver fixed by the class."""

    def __init__(
        self,
        loss="squared_error",
        *,
        epsilon=1.35,
        alpha=1e-4,
        l1_ratio=0.0,
        positive=False,
        sampling="uniform",
        step_size="auto",
        tol=1e-6,
        max_iter=1000,
        fit_intercept=True,
        warm_start=False,
        random_state=None,
    ):
        self.loss = loss
        self.epsilon = epsilon
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.sampling = sampling
        self.step_size = step_size
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.warm_start = warm_start
        self.random_state = random_state


class SAGARegressor(_FixedSolverRegressor):
    __doc__ = docs.named_regressor("SAGA")
    solver = "saga"


class SVRGRegressor(_FixedSolverRegressor):
    __doc__ = docs.named_regressor("SVRG")
    solver = "svrg"


class SDCARegressor(_FixedSolverRegressor):
    __doc__ = docs.named_regressor("SDCA")
    solver = "sdca"
