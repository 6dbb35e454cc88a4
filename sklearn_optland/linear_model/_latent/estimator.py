"""Logistic regression with hidden components of the classes."""

from functools import partial
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.extmath import safe_sparse_dot

from sklearn_optland._estimator.advice import advise
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    check_start,
    fit_context,
    goes_on,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.lazy import by_partition
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import classification_rows, validate_rows
from sklearn_optland._estimator.typing import ClassWeight, MatrixLike, RandomState
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import lean_columns
from sklearn_optland.linear_model._latent.descent import (
    Descents,
    groups_told_apart,
    noise,
    norm_of,
)
from sklearn_optland.linear_model._latent.problem import LatentProblem
from sklearn_optland.linear_model._logistic.certified_descent import CertifiedDescent
from sklearn_optland.linear_model._logistic.plan import plan, start
from sklearn_optland.linear_model._logistic.problem import finite, log_loss_problem
from sklearn_optland.linear_model._scores import NEVER, among_present, has_part

STARTS = {"k-means": groups_told_apart, "noise": noise}
# What one component a class runs: the `curvature` of BoundMajorizationLogisticRegression.
CONVEX = {"lbfgs": "auto", "bohning": "bohning", "jc12": "jc12"}


class LatentLogisticRegression(
    LogLossClassifier, OptlandEstimator, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    r"""Logistic regression whose classes have hidden components.

    A class is a sum of M log-linear components, so that it need be neither convex nor connected:

    .. math:: p(y \mid x) = \frac{\sum_m \exp(w_{ym}^T x + b_{ym})}
              {\sum_{y'} \sum_m \exp(w_{y'm}^T x + b_{y'm})}.

    The fit minimises the latent likelihood of Jebara and Choromanska (2012) with an L2 penalty,

    .. math:: \tfrac12 \sum_{y, m} \|w_{ym}\|^2 - C \sum_i s_i \log p(y_i \mid x_i),

    with sample weights s and free intercepts b. With one component it is multinomial logistic
    regression, convex and solved to a duality gap. With more it has local optima: the fit goes down
    from `n_init` starts, and the best end is kept.

    Parameters
    ----------
    n_components : int, default=2
        Components M of each class.
    C : float, default=1.0
        Inverse strength of the penalty, positive and finite.
    init : {"k-means", "noise"}, default="k-means"
        Where a descent starts.

        - "k-means": each class is cut into groups by k-means, and a logistic regression tells all
          groups apart to a few percent.
        - "noise": at small random coefficients.
    n_init : int, default=1
        Starts. With one component there is no need of more, and one is made.
    solver : {"lbfgs", "bohning", "jc12"}, default="lbfgs"
        How to go down; no step raises the objective.

        - "lbfgs": L-BFGS in the metric of Böhning's bound. With one component what is fastest for
          logistic regression.
        - "bohning", "jc12": the majorization of Jebara and Choromanska. The logarithm of the sum
          over all components is bounded by Böhning's quadratic, which is factored once, or by
          their own at each iterate; that over the components of a row's own class by Jensen's
          inequality. "jc12" has a matrix of side (n_features + 1) n_classes M, at most 5000.
    tol : float, default=1e-4
        The fit stops when the gradient's norm is at most `tol` times that at the start, or at
        zero where it is larger; with one component when the duality gap is at most `tol` times the
        objective. 0 goes on until no step lowers the objective in float64, and does not warn.
    max_iter : int, default=1000
        The most steps from each start.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit alone, unless columns, classes
        or components have changed.
    random_state : int, RandomState instance or None, default=None
        Draws the starts. None stands for 0.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (n_classes, n_components, n_features)
        Coefficients w, of two classes too those of both. float32 if X was, else float64.
    intercept_ : ndarray of shape (n_classes, n_components)
        b; zero if `fit_intercept=False`.
    certificate_ : Certificate
        With one component a duality gap of scope "global". With more the gradient's norm, of scope
        "stationary": nothing is known of the best optimum.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", "certificate", "seconds" and "passes" (over the data) after each step of the
        descent that was kept; seconds and passes count from the start of the fit.
    n_iter_ : int
        Number of its steps.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    BoundMajorizationLogisticRegression : One component a class. Of two classes it has one row of
        coefficients, and with C the optimum that this has with 2 C.
    sklearn.mixture.GaussianMixture : Components that describe rows instead of telling classes
        apart.

    Notes
    -----
    A step costs a pass with n_classes M scores a row. Memory: two arrays of these scores in float64
    and, up to 1000 columns, a matrix of n_features^2; X is not copied unless columns are some 100
    standard deviations from zero. BLAS runs on one thread during a fit.

    The coefficients have no scale of their own: rescale columns of different units.

    References
    ----------
    T. Jebara and A. Choromanska, "Majorization for CRFs and latent likelihoods", NIPS 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.linear_model import LatentLogisticRegression
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    >>> y = np.array([0, 0, 1, 1])
    >>> model = LatentLogisticRegression(n_components=2, C=100.0).fit(X, y)
    >>> model.predict(X)
    array([0, 0, 1, 1])
    >>> model.certificate_.scope
    'stationary'
    """

    _takes_sparse = True
    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "C": [Interval(Real, 0, None, closed="neither")],
        "init": [StrOptions(set(STARTS))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions(set(CONVEX))],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        C: float = 1.0,
        init: Literal["k-means", "noise"] = "k-means",
        n_init: int = 1,
        solver: Literal["lbfgs", "bohning", "jc12"] = "lbfgs",
        tol: float = 1e-4,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.C = C
        self.init = init
        self.n_init = n_init
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state

    @fit_context
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float64 and float32 in C order, and CSR, are used without a copy.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s. With an intercept, a class without weight has the probability
            0. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have fewer than two classes, missing or infinite values, values so large
            that their squares overflow, or no weight at all; or if `solver` needs a matrix that is
            too large.
        """
        rows = classification_rows(self, X, y, sample_weight, accept_sparse=True, factor=self.C)
        present = has_part(rows, self.fit_intercept)
        n_classes = np.count_nonzero(present)
        used, c, codes = rows.used(rows.codes)
        codes = among_present(codes, present)
        used, coordinates = lean_columns(used, self.fit_intercept)
        source = ArraySource(used, y=codes, c=c)

        def attributes(W):
            whole = np.zeros((len(W), len(present), self.n_components))
            whole[-1] = NEVER
            whole[:, present] = W.reshape(len(W), n_classes, self.n_components)
            whole = coordinates.to_user(whole.reshape(len(W), -1), rows.X.dtype)
            coef = whole[:-1].T.reshape(len(present), self.n_components, -1)
            intercept = whole[-1].reshape(len(present), -1)
            return {"classes_": rows.classes, "coef_": coef.copy(), "intercept_": intercept}

        start_from = self._last(rows.classes, present, coordinates, rows.X.shape[1])
        fit = self._fit_convex if self.n_components == 1 < n_classes else self._fit_latent
        with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            W, history, certificate = fit(rows, source, n_classes, start_from, attributes)
        n_iter = len(history["objective"])
        curves = np.arange(1, n_iter + 1), history["certificate"]
        advice = advise(self, n_iter, rows.X.dtype, certificate, *curves)
        finish(self, attributes(W), history, certificate, advice=advice)
        return self

    def _fit_convex(self, rows, source, n_classes, start_from, attributes):
        """One component a class: logistic regression with a score for each class."""
        problem = log_loss_problem(
            source,
            n_classes=n_classes,
            l2=1.0,
            fit_intercept=self.fit_intercept,
            has_one_score=False,
        )
        finite(problem.column_squares)
        W = problem.zeros() if start_from is None else start_from
        settings = {"tol": self.tol, "refresh": 1, "rng": self._rng}
        steps = start(problem, W, *plan(problem, CONVEX[self.solver], "full"), **settings)
        descent = CertifiedDescent(problem, W, steps, self.tol)
        kept, history = run(self, descent.steps(), attributes, rows=rows, max_iter=self.max_iter)
        W = as_stored(kept.parameters, rows.X.dtype)
        return W, history, descent.finish(W, history)

    def _fit_latent(self, rows, source, n_classes, start_from, attributes):
        """Descents from the starts, of which the lowest end is kept."""
        problem = LatentProblem(source, n_classes, self.n_components, self.fit_intercept)
        finite(problem.column_squares)
        if n_classes == 1:
            starts = [problem.zeros]  # no loss is left there
        elif start_from is not None:
            starts = [lambda: start_from]
        else:
            starts = [partial(STARTS[self.init], problem, self._rng())] * self.n_init
        descents = Descents(problem, starts, self.solver, self.tol, self.max_iter)
        most = self.max_iter * len(starts)
        steps = descents.steps()
        kept, history = run(self, steps, attributes, rows=rows, max_iter=most, keeps_best=True)
        numbers = history.pop("start")
        is_kept = numbers == kept.curves["start"]
        history = {name: curve[is_kept] for name, curve in history.items()}
        W = as_stored(kept.parameters, rows.X.dtype)
        norm = norm_of(problem.evaluate(W))
        reference = descents.references[int(kept.curves["start"])]
        tolerance, relative = tolerance_of(self.tol, reference), ratio(norm, reference)
        certificate = Certificate("gradient norm", norm, tolerance, "stationary", relative)
        return W, history, certificate

    def _rng(self):
        return private_random_state(self.random_state, 0)

    def _last(self, classes, present, coordinates, n_features):
        """Where the last fit ended, in the problem's coordinates; None if there is none to use."""
        if not goes_on(self, "coef_", classes):
            return None
        if self.coef_.shape != (len(classes), self.n_components, n_features):
            return None
        check_start(self, "coef_", "intercept_")
        coef, intercept = self.coef_[present], self.intercept_[present]
        W = np.vstack([coef.reshape(-1, n_features).T, intercept.ravel()]).astype(np.float64)
        W[:, (W[-1] == NEVER) & ~W[:-1].any(axis=0)] = 0.0
        if not self.fit_intercept:
            W[-1] = 0.0
        W = np.ascontiguousarray(coordinates.from_user(W))
        return W - W.mean(axis=1, keepdims=True)

    def _scores(self, X):
        """Scores of all components, of shape (n_samples, n_classes, n_components)."""
        X = validate_rows(self, X, accept_sparse=True)
        n_classes, n_components, n_features = self.coef_.shape
        coef = self.coef_.reshape(-1, n_features)
        Z = safe_sparse_dot(X, coef.T, dense_output=True) + self.intercept_.ravel()
        return Z.reshape(-1, n_classes, n_components)

    @by_partition
    def decision_function(self, X: MatrixLike) -> NDArray:
        """Compute the scores of the classes, logsumexp of those of their components.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes, the score of `classes_[1]` less that of `classes_[0]`.
        """
        scores = logsumexp(self._scores(X), axis=2)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    @by_partition
    def component_proba(self, X: MatrixLike) -> NDArray:
        """Predict probabilities of the components of all classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes, n_components)
            They sum to 1 over classes and components, and over the components of a class to its
            probability.
        """
        return softmax(self._scores(X), axis=(1, 2))


def as_stored(W, dtype):
    """Parameters as coefficients of a type have them."""
    return W.astype(dtype).astype(np.float64)
