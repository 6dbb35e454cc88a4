"""Estimators of finite sums: one objective, eight solvers, a certificate."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Bunch, check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from sklearn_optland._base import OptlandEstimator
from sklearn_optland._blocks import one_blas_thread
from sklearn_optland._certificate import Certificate
from sklearn_optland._class_scores import LogLossClassifier
from sklearn_optland._fit_loop import fit_loop, warn_unless_reached
from sklearn_optland.linear_model._finite_sum_problem import FiniteSum, Penalty, SoftmaxSum
from sklearn_optland.linear_model._finite_sum_solvers import (
    SOLVERS,
    Descent,
    choose_solver,
    descend,
    rate,
    until_done,
)
from sklearn_optland.linear_model._linear_classifier import (
    LinearClassifier,
    linear_scores,
    weigh_rows,
)
from sklearn_optland.utils._rows import as_rows

CLASSIFICATION_LOSSES = ("log_loss", "squared_hinge", "smooth_hinge", "hinge")
REGRESSION_LOSSES = ("squared_error", "huber", "epsilon_insensitive")

_PARAMETERS = """alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is L2, 1 is L1.
    positive : bool, default=False
        Whether coefficients must not be negative. The intercept may be.
    sampling : {"uniform", "lipschitz"}, default="uniform"
        Which rows a pass visits. "uniform": each once, in a new random order (SAG: n independent
        draws). "lipschitz": n independent draws, half uniform and half in proportion to the rows'
        Lipschitz constants, with weights that keep the steps unbiased. It pays where row norms or
        sample weights differ by orders of magnitude. Point-SAGA is always "uniform".
    step_size : "auto" or float, default="auto"
        "auto" is 1/(2L) for SAG, SAGA and SVRG, 1/L for Katyusha, and what their papers say for
        Point-SAGA and MISO (of which this is a factor); SDCA and Catalyst have none. A step
        after which the objective is ten times that at zero is cut to a quarter, and the solver
        starts again from the best point.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective; with `alpha=0`,
        when the norm of the gradient is at most `tol` times that at zero. 0 goes on until the
        steps are below the precision of float64, and does not warn there.
    max_iter : int, default=1000
        The most passes over the data.
    fit_intercept : bool, default=True
        Whether to fit b.
    """
_CLASS_WEIGHT = """class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    """
_LAST_PARAMETERS = """warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, if their shape is the same.
    random_state : int, RandomState instance or None, default=None
        Draws the rows."""
_ATTRIBUTES = """certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective: the duality gap, scope
        "global"; with `alpha=0` the norm of the gradient, scope "stationary".
    history_ : dict of ndarray
        "objective", "certificate", "seconds" and "passes" (over the data, those for certificates
        included) at each certificate: every ten passes at most, and where the fit may stop.
    n_iter_ : int
        Number of passes, those for certificates not counted.
    solver_ : str
        The solver that ran.
    rate_ : dict
        The solver's row of the rate table: "row", the expression; "n"; "kappa", the condition
        number; "passes_per_e", the passes that it gives for a factor e in the gap.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names."""
_OBJECTIVE = r"""It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    with sample weights s, :math:`\rho` = `l1_ratio` and a free intercept b. The fit stops when a
    duality gap proves that it is within `tol` of the optimum."""
_SOLVER = """solver : {"auto", "sag", "saga", "svrg", "sdca", "miso", "katyusha", "point-saga", \
            "catalyst"}, default="auto"
        The algorithm. One that cannot take the loss or the penalty is refused by `fit`, with
        the names of those that can.

        - "auto": the fastest for the loss, the penalty and the shape of the data, as measured.
        - "sag", "saga", "svrg": stochastic gradients, corrected by a table of old ones or a
          snapshot. Smooth losses; SAG with the L2 penalty only.
        - "sdca": ascent in one dual variable at a time, without a step size. Any loss; needs an
          L2 part of the penalty.
        - "miso": the same with short steps; smooth losses.
        - "katyusha", "point-saga", "catalyst": accelerated, for condition numbers well above n.
          "katyusha" costs all columns a step, also on sparse rows. "point-saga" takes any loss
          and the L2 penalty only. "catalyst" runs SDCA on regularised problems: any loss and
          penalty.
    """
_NOTES = """All arithmetic is in float64; float32 data are read as they are, without a copy.

    The intercept is a column like the others, of the rows' mean length and without a penalty; in
    the dual it is a constraint, which SDCA, MISO and Catalyst handle by an augmented Lagrangian."""
_REFERENCES = """M. Schmidt, N. Le Roux and F. Bach, "Minimizing finite sums with the stochastic
    average gradient", Mathematical Programming 162 (2017).

    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", NIPS 2014.

    R. Leblond, F. Pedregosa and S. Lacoste-Julien, "ASAGA: asynchronous parallel SAGA",
    AISTATS 2017: the sparse form.

    R. Johnson and T. Zhang, "Accelerating stochastic gradient descent using predictive variance
    reduction", NIPS 2013.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013)."""
_MORE_REFERENCES = """

    H. Lin, J. Mairal and Z. Harchaoui, "A universal Catalyst for first-order optimization",
    NIPS 2015: also MISO with a penalty.

    D. Kovalev, S. Horváth and P. Richtárik, "Don't jump through hoops and remove those loops",
    ALT 2020: loopless Katyusha.

    A. Defazio, "A simple practical accelerated method for finite sums", NIPS 2016: Point-SAGA."""


def _is_probabilistic(estimator):
    if estimator.loss != "log_loss":
        raise AttributeError(f"probabilities need loss='log_loss', not {estimator.loss!r}")
    return True


class _FiniteSumEstimator(OptlandEstimator, CallbackSupportMixin, BaseEstimator):
    """What classifiers and regressors share: the parameters, the loop, the certificate."""

    _parameter_constraints = {
        "solver": [StrOptions({"auto", *SOLVERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "positive": ["boolean"],
        "sampling": [StrOptions({"uniform", "lipschitz"})],
        "step_size": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _penalty(self):
        return Penalty(
            l1=self.alpha * self.l1_ratio,
            l2=self.alpha * (1 - self.l1_ratio),
            positive=self.positive,
        )

    def _solve(self, problems, starts, attributes, *, X, y, metadata):
        """Run the loop on the problems, and store what came out."""
        rng = check_random_state(self.random_state)
        with one_blas_thread():
            chosen = choose_solver(problems[0], self.solver)
            step_size = None if self.step_size == "auto" else self.step_size
            descents = [
                Descent(
                    problem,
                    SOLVERS[chosen].solver(
                        problem, W, rng=rng, sampling=self.sampling, step_size=step_size
                    ),
                    self.tol,
                    self.max_iter,
                )
                for problem, W in zip(problems, starts, strict=True)
            ]
            history = fit_loop(
                self,
                descend(descents, attributes),
                max_iter=self.max_iter,
                X=X,
                y=y,
                metadata=metadata,
                task_name="certificate",
            )
            kept = [descent.keep_as(X.dtype) for descent in descents]
        for name, value in attributes(kept).items():
            setattr(self, name, value)
        self.certificate_ = total_certificate(descents)
        self.history_, self.solver_ = history, chosen
        self.rate_ = rate(problems[0], chosen, self.sampling)
        self.n_iter_ = round(max(descent.n_passes for descent in descents))

    def _advice(self, X):
        """What to change if the tolerance was not reached."""
        if self.n_iter_ < self.max_iter:
            advice = f"That is as far as {X.dtype} goes: increase tol."
        else:
            advice = "Increase max_iter or tol, or scale the data."
        return advice

    def _starts(self, shape):
        """Zeros, or where the last fit ended."""
        if self.warm_start and hasattr(self, "coef_"):
            W = np.column_stack([np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)])
            if W.shape == shape:
                W = W.astype(np.float64)
                if not self.fit_intercept:
                    W[:, -1] = 0.0
                return W
        return np.zeros(shape)


def normalized(weights, name="sample_weight"):
    """Weights that sum to 1; an error if they cannot."""
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total < np.inf:
        raise ValueError(f"{name}: found a sum of {total}; allowed is a positive, finite one.")
    return weights / total


def total_certificate(descents):
    """The certificate of problems that are solved side by side: gaps add up."""
    if descents[0].problem.has_dual_bound:
        quantity, scope = "duality gap", "global"
    elif descents[0].problem.penalty.positive:
        quantity, scope = "prox-gradient norm", "stationary"
    else:
        quantity, scope = "gradient norm", "stationary"
    value = sum(descent.best.certificate for descent in descents)
    return Certificate(
        quantity, float(value), float(sum(descent.tolerance for descent in descents)), scope
    )


class FiniteSumClassifier(LinearClassifier, ClassifierMixin, _FiniteSumEstimator):
    __doc__ = rf"""Linear classification by finite-sum solvers: SAG, SAGA, SVRG, SDCA and others.

    {_OBJECTIVE}

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
    {_SOLVER}{_PARAMETERS}{_CLASS_WEIGHT}{_LAST_PARAMETERS}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumRegressor : The same for regression.
    BoundMajorizationLogisticRegression : Faster for the log-loss on many rows with few columns.
    finite_sum : The same as a function.

    Notes
    -----
    {_NOTES}

    References
    ----------
    {_REFERENCES}{_MORE_REFERENCES}

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
        **_FiniteSumEstimator._parameter_constraints,
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
        if self.tol > 0 or self.n_iter_ >= self.max_iter:
            warn_unless_reached(self, self.certificate_, self.n_iter_, self._advice(X))
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


class FiniteSumRegressor(RegressorMixin, _FiniteSumEstimator):
    __doc__ = rf"""Linear regression by finite-sum solvers: SAG, SAGA, SVRG, SDCA and others.

    {_OBJECTIVE}

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
    {_SOLVER}{_PARAMETERS}{_LAST_PARAMETERS}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        float32 if X was, else float64.
    intercept_ : float
        The intercept b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumClassifier : The same for classification.
    finite_sum : The same as a function.

    Notes
    -----
    {_NOTES}

    References
    ----------
    {_REFERENCES}{_MORE_REFERENCES}

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
        **_FiniteSumEstimator._parameter_constraints,
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
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        c = normalized(weights)
        used = c > 0
        rows, c = (X, c) if used.all() else (X[used], c[used])
        targets = _targets(y[used].astype(np.float64), c)
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
        if self.tol > 0 or self.n_iter_ >= self.max_iter:
            warn_unless_reached(self, self.certificate_, self.n_iter_, self._advice(X))
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


def _targets(y, c):
    """Check that squares of the targets do not overflow."""
    with np.errstate(over="ignore"):
        total = c @ y**2
    if not np.isfinite(total):
        raise ValueError(
            f"y: found magnitudes up to {np.abs(y).max():.3g}, whose squares overflow float64; "
            "allowed are those whose squares can be summed."
        )
    return y


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


class SAGAClassifier(_FixedSolverClassifier):
    __doc__ = rf"""Linear classification by SAGA: gradients corrected by a table of old ones.

    It is :class:`FiniteSumClassifier` with `solver="saga"`. {_OBJECTIVE}

    Parameters
    ----------
    loss : {{"log_loss", "squared_hinge", "smooth_hinge"}}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    {_PARAMETERS}{_CLASS_WEIGHT}{_LAST_PARAMETERS}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumClassifier : All solvers.
    SVRGClassifier : SVRG instead.
    SDCAClassifier : SDCA instead.

    Notes
    -----
    Smooth losses, any penalty. The step size is 1/(2L), L the largest Lipschitz constant of a
    row; the paper proves 1/(3L) for independent draws.

    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.linear_model import SAGAClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = SAGAClassifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    solver = "saga"


class SAGARegressor(_FixedSolverRegressor):
    __doc__ = rf"""Linear regression by SAGA: gradients corrected by a table of old ones.

    It is :class:`FiniteSumRegressor` with `solver="saga"`. {_OBJECTIVE}

    Parameters
    ----------
    loss : {{"squared_error", "huber"}}, default="squared_error"
        The loss of a row, as in :class:`FiniteSumRegressor`.
    epsilon : float, default=1.35
        Where "huber" bends, in units of y.
    {_PARAMETERS}{_LAST_PARAMETERS}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        float32 if X was, else float64.
    intercept_ : float
        The intercept b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumRegressor : All solvers.
    SVRGRegressor : SVRG instead.
    SDCARegressor : SDCA instead.

    Notes
    -----
    Smooth losses, any penalty. The step size is 1/(2L), L the largest Lipschitz constant of a
    row; the paper proves 1/(3L) for independent draws.

    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import SAGARegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SAGARegressor(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    solver = "saga"


class SVRGClassifier(_FixedSolverClassifier):
    __doc__ = rf"""Linear classification by SVRG: gradients corrected by those at a snapshot.

    It is :class:`FiniteSumClassifier` with `solver="svrg"`. {_OBJECTIVE}

    Parameters
    ----------
    loss : {{"log_loss", "squared_hinge", "smooth_hinge"}}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    {_PARAMETERS}{_CLASS_WEIGHT}{_LAST_PARAMETERS}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumClassifier : All solvers.
    SAGAClassifier : SAGA instead.
    SDCAClassifier : SDCA instead.

    Notes
    -----
    Smooth losses, any penalty. A snapshot is taken every two passes, and is a pass itself; the
    duality gap there is almost free.

    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.linear_model import SVRGClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = SVRGClassifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    solver = "svrg"


class SVRGRegressor(_FixedSolverRegressor):
    __doc__ = rf"""Linear regression by SVRG: gradients corrected by those at a snapshot.

    It is :class:`FiniteSumRegressor` with `solver="svrg"`. {_OBJECTIVE}

    Parameters
    ----------
    loss : {{"squared_error", "huber"}}, default="squared_error"
        The loss of a row, as in :class:`FiniteSumRegressor`.
    epsilon : float, default=1.35
        Where "huber" bends, in units of y.
    {_PARAMETERS}{_LAST_PARAMETERS}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        float32 if X was, else float64.
    intercept_ : float
        The intercept b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumRegressor : All solvers.
    SAGARegressor : SAGA instead.
    SDCARegressor : SDCA instead.

    Notes
    -----
    Smooth losses, any penalty. A snapshot is taken every two passes, and is a pass itself; the
    duality gap there is almost free.

    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import SVRGRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SVRGRegressor(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    solver = "svrg"


class SDCAClassifier(_FixedSolverClassifier):
    __doc__ = rf"""Linear classification by SDCA: ascent in one dual variable at a time.

    It is :class:`FiniteSumClassifier` with `solver="sdca"`. {_OBJECTIVE}

    Parameters
    ----------
    loss : {{"log_loss", "squared_hinge", "smooth_hinge", "hinge"}}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    {_PARAMETERS}{_CLASS_WEIGHT}{_LAST_PARAMETERS}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumClassifier : All solvers.
    SAGAClassifier : SAGA instead.
    SVRGClassifier : SVRG instead.

    Notes
    -----
    Any loss; needs an L2 part of the penalty. There is no step size: each step maximises the dual
    exactly in its coordinate (for the log-loss, by Newton steps in a bracket).

    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_optland.linear_model import SDCAClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = SDCAClassifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    solver = "sdca"


class SDCARegressor(_FixedSolverRegressor):
    __doc__ = rf"""Linear regression by SDCA: ascent in one dual variable at a time.

    It is :class:`FiniteSumRegressor` with `solver="sdca"`. {_OBJECTIVE}

    Parameters
    ----------
    loss : {{"squared_error", "huber", "epsilon_insensitive"}}, default="squared_error"
        The loss of a row, as in :class:`FiniteSumRegressor`.
    epsilon : float, default=1.35
        Where "huber" and "epsilon_insensitive" bend, in units of y.
    {_PARAMETERS}{_LAST_PARAMETERS}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        float32 if X was, else float64.
    intercept_ : float
        The intercept b; zero if `fit_intercept=False`.
    {_ATTRIBUTES}

    See Also
    --------
    FiniteSumRegressor : All solvers.
    SAGARegressor : SAGA instead.
    SVRGRegressor : SVRG instead.

    Notes
    -----
    Any loss; needs an L2 part of the penalty. There is no step size: each step maximises the dual
    exactly in its coordinate (for the log-loss, by Newton steps in a bracket).

    {_NOTES}

    References
    ----------
    {_REFERENCES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import SDCARegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SDCARegressor(alpha=1e-3, random_state=0).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    solver = "sdca"


@validate_params(
    {
        "loss": [StrOptions({*CLASSIFICATION_LOSSES, *REGRESSION_LOSSES})],
        "penalty": [StrOptions({"l2", "l1", "elasticnet", "none"})],
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        "solver": _FiniteSumEstimator._parameter_constraints["solver"],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "positive": ["boolean"],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "sample_weight": ["array-like", None],
        "fit_intercept": ["boolean"],
        "start": ["array-like", None],
        "sampling": _FiniteSumEstimator._parameter_constraints["sampling"],
        "step_size": _FiniteSumEstimator._parameter_constraints["step_size"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def finite_sum(
    loss,
    penalty,
    X,
    y,
    *,
    solver="auto",
    alpha=1e-4,
    l1_ratio=0.5,
    positive=False,
    epsilon=1.35,
    sample_weight=None,
    fit_intercept=False,
    start=None,
    sampling="uniform",
    step_size="auto",
    tol=1e-6,
    max_iter=1000,
    random_state=None,
):
    """Minimise a finite sum: the solvers without an estimator around them.

    For loops of one's own: `start` takes the iterate that an earlier call returned, and neither
    callbacks nor warnings are involved.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge", "hinge", "squared_error", "huber", \
            "epsilon_insensitive"}
        The loss of a row.
    penalty : {"l2", "l1", "elasticnet", "none"}
        What `alpha` multiplies: half the squared norm, the L1 norm, their mean with weights
        1 - `l1_ratio` and `l1_ratio`, or nothing.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data. float64 and float32 in C order, and CSR, are used without a copy.
    y : array-like of shape (n_samples,)
        Targets; -1 and 1 for the first four losses.
    solver : {"auto", "sag", "saga", "svrg", "sdca", "miso", "katyusha", "point-saga", \
            "catalyst"}, default="auto"
        As in :class:`FiniteSumClassifier`.
    alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.5
        For `penalty="elasticnet"`.
    positive : bool, default=False
        Whether coefficients must not be negative.
    epsilon : float, default=1.35
        Where "huber" and "epsilon_insensitive" bend, in units of y.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights, not all zero. Default: all 1.
    fit_intercept : bool, default=False
        Whether to fit an intercept, which is not penalised.
    start : array-like of shape (n_features + 1,), default=None
        Coefficients and intercept to start from. Default: zeros.
    sampling : {"uniform", "lipschitz"}, default="uniform"
        As in :class:`FiniteSumClassifier`.
    step_size : "auto" or float, default="auto"
        As in :class:`FiniteSumClassifier`.
    tol : float, default=1e-6
        Largest duality gap relative to the objective.
    max_iter : int, default=1000
        The most passes over the data.
    random_state : int, RandomState instance or None, default=None
        Draws the rows.

    Returns
    -------
    result : Bunch
        "x", coefficients and intercept in one array; "coef"; "intercept"; "objective";
        "certificate"; "history", as `history_` of the estimators, without seconds; "n_iter";
        "solver" and "rate".

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import finite_sum
    >>> X, y = load_diabetes(return_X_y=True)
    >>> result = finite_sum("squared_error", "l2", X, y, alpha=1e-3, random_state=0)
    >>> result.solver, result.certificate.reached
    ('sdca', True)
    """
    X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C")
    y = check_array(y, dtype=np.float64, ensure_2d=False)
    if y.shape != X.shape[:1]:
        raise ValueError(f"y: found shape {y.shape}; X asks for {X.shape[:1]}.")
    if loss in CLASSIFICATION_LOSSES and not np.isin(y, (-1, 1)).all():
        raise ValueError(f"y: found values beside -1 and 1; loss={loss!r} allows no others.")
    c = normalized(
        _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    )
    used = c > 0
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio, "none": 0.0}[penalty]
    alpha = 0.0 if penalty == "none" else alpha
    problem = FiniteSum(
        X if used.all() else X[used],
        _targets(y[used], c[used]),
        c[used],
        loss=loss,
        epsilon=epsilon,
        penalty=Penalty(alpha * share, alpha * (1 - share), positive),
        fit_intercept=fit_intercept,
    )
    W = problem.zeros() if start is None else np.array(start, dtype=np.float64)
    if W.shape != (X.shape[1] + 1,) or not np.isfinite(W).all():
        raise ValueError(
            f"start: found shape {W.shape}; allowed are {X.shape[1]} finite coefficients and an "
            "intercept."
        )
    chosen = choose_solver(problem, solver)
    algorithm = SOLVERS[chosen].solver(
        problem,
        W,
        rng=check_random_state(random_state),
        sampling=sampling,
        step_size=None if step_size == "auto" else step_size,
    )
    descent = Descent(problem, algorithm, tol, max_iter)
    with one_blas_thread():
        records = [iteration.curves for iteration in until_done(descend([descent], None))]
    best = descent.best
    return Bunch(
        x=best.W,
        coef=best.W[:-1],
        intercept=best.W[-1],
        objective=best.objective,
        certificate=total_certificate([descent]),
        history={name: np.array([record[name] for record in records]) for name in records[0]},
        n_iter=round(descent.n_passes),
        solver=chosen,
        rate=rate(problem, chosen, sampling),
    )
