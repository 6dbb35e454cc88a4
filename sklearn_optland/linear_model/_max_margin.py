"""The hyperplane of the widest margin, with a proof of how wide it can be."""

from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import advise, warn_of_the_end
from sklearn_optland._estimator.base import OptlandEstimator, fit_context
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import check_magnitudes, classification_rows
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import lean_columns
from sklearn_optland.linear_model._margin_methods import (
    GradientMethod,
    Margins,
    MultiplierMethod,
)
from sklearn_optland.linear_model._scores import LinearClassifier, with_absent_classes

# Values whose squares can be summed, and the least size of the largest: below, squares are 0.
LARGEST, LEAST = 1e100, 1e-100


class MaxMarginClassifier(
    LinearClassifier, OptlandEstimator, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    r"""The hyperplane of the widest margin between classes: a hard-margin SVM.

    Of more than two classes each is separated from the rest. With y = ±1, it maximises the margin

    .. math:: \gamma(w, b) = \min_i y_i (w^T x_i + b) / \|w\|,

    the least distance of a row to the hyperplane. Any weights :math:`q \ge 0` of the rows that sum
    to 1/2 in each class bound it, :math:`\gamma \le \|\sum_i q_i y_i x_i\|`: half of the distance
    between two points of the classes' convex hulls. The fit stops when both are within `tol`.

    Parameters
    ----------
    tol : float, default=1e-6
        The fit stops when the margin is within `tol` times its bound of it.
    max_iter : int, default=100
        The most iterations.
    solver : {"multipliers", "momentum", "normalized", "gradient-descent"}, default="multipliers"
        "multipliers" takes some ten iterations. The others are gradient methods for the
        exponential loss, whose direction tends to the widest margin (their implicit bias), in
        thousands of iterations: "momentum" gets a margin's deficit of order 1/t² after t of them,
        "normalized", with steps of length 1/√t, some 1/√t, and "gradient-descent" 1/log t.
    fit_intercept : bool, default=True
        Whether there is an intercept b. Without one the weights q sum to 1 over all rows.
    inseparable : {"warn", "raise"}, default="warn"
        What happens if no hyperplane separates the classes, which :func:`separation` proves. "warn"
        keeps the one whose margin, negative, was the best on the way; "raise" is a ValueError.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        w, so scaled that the least :math:`y_i (w^T x_i + b)` is 1; of more than two classes that of
        each against the rest. float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        b; zero if `fit_intercept=False`.
    margin_ : float or ndarray of shape (n_classes,)
        The margins of the coefficients.
    certificate_ : Certificate
        How much wider a margin can be; of several the one with the largest relative gap.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", the least margin, "certificate", "seconds" and "passes" (over the data) after
        each iteration.
    n_iter_ : int
        Number of iterations.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    separation : Whether there is a margin at all.
    sklearn.svm.LinearSVC : A soft margin; its intercept has a penalty.

    Notes
    -----
    The dual of least ½‖w‖² with all :math:`y_i (w^T x_i + b) \ge 1` is solved by the method of
    multipliers: each iteration minimises ½‖w‖² plus the squares of what the constraints, shifted by
    their multipliers, lack, by semi-smooth Newton steps. Only the rows that lack something enter
    the Hessian's products. The multipliers, scaled to sum to 1/2 in each class, are q. Weights of
    rows change nothing but the way, save 0.

    References
    ----------
    M. R. Hestenes, "Multiplier and gradient methods", Journal of Optimization Theory and
    Applications 4 (1969).

    D. Soudry et al., "The implicit bias of gradient descent on separable data", JMLR 19 (2018);
    M. S. Nacson et al., "Convergence of gradient descent on separable data", AISTATS 2019; Z. Ji,
    N. Srebro and M. Telgarsky, "Fast margin maximization via dual acceleration", ICML 2021.

    K. P. Bennett and E. J. Bredensteiner, "Duality and geometry in SVM classifiers", ICML 2000.

    Examples
    --------
    >>> from sklearn_optland.linear_model import MaxMarginClassifier
    >>> model = MaxMarginClassifier(1e-9).fit([[0, 0], [0, 1], [3, 0], [4, 1]], [0, 0, 1, 1])
    >>> round(model.margin_, 6), model.certificate_.scope
    (1.5, 'global')
    """

    _takes_sparse = True
    class_weight = None  # no parameter: weights change nothing
    _parameter_constraints = {
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"multipliers", "momentum", "normalized", "gradient-descent"})],
        "fit_intercept": ["boolean"],
        "inseparable": [StrOptions({"warn", "raise"})],
    }

    def __init__(
        self,
        tol: float = 1e-6,
        *,
        max_iter: int = 100,
        solver: Literal[
            "multipliers", "gradient-descent", "momentum", "normalized"
        ] = "multipliers",
        fit_intercept: bool = True,
        inseparable: Literal["warn", "raise"] = "warn",
    ) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.inseparable = inseparable

    @fit_context
    def fit(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; rows without weight are left out, and a class without weight is
            never predicted. Default: all 1.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data have fewer than two classes, missing or infinite values, values above 1e100,
            none above 1e-100 that is not 0, or no weight at all; or if they cannot be separated,
            with `inseparable="raise"`.
        """
        rows = classification_rows(self, X, y, sample_weight, accept_sparse=True)
        if rows.X.dtype == np.float64:
            check_magnitudes(rows.X, LARGEST, LEAST)
        present, classes = rows.has_weight, rows.classes
        used, c, codes = rows.used(rows.codes)
        used, coordinates = lean_columns(used, self.fit_intercept)
        numbers = np.flatnonzero(present)
        firsts = numbers[1:] if len(numbers) == len(classes) == 2 else numbers
        problems = [
            Margins(used, np.where(codes == number, 1.0, -1.0), c, self.fit_intercept)
            for number in firsts
            if len(numbers) > 1
        ]
        methods = [self._method(problem) for problem in problems]

        def attributes(W):
            W = coordinates.to_user(with_absent_classes(W, present), rows.X.dtype)
            return {"classes_": classes, "coef_": W[:-1].T.copy(), "intercept_": W[-1].copy()}

        with one_blas_thread():
            steps = all_steps(methods, used.shape[1])
            kept, history = run(self, steps, attributes, rows=rows, max_iter=self.max_iter)
            for method in methods:
                method.ask()
            obstacles = [
                f"{classes[number : number + 1].tolist()[0]!r} against the rest: {method.obstacle}"
                for number, method in zip(firsts, methods, strict=False)
                if method.obstacle is not None
            ]
        if obstacles and self.inseparable == "raise":
            raise ValueError(f"X, y: {obstacles[0]}")
        W = coordinates.to_user(kept.parameters, rows.X.dtype).astype(np.float64)
        W = coordinates.from_user(W)  # as the coefficients are kept
        margins = np.array(
            [problem.margin(w) for problem, w in zip(problems, W.T, strict=False)] or [np.inf]
        )
        bounds = np.array([method.bound for method in methods] or [np.inf])
        with np.errstate(invalid="ignore"):  # one class alone has neither
            gaps = np.where(bounds > margins, bounds - margins, 0.0)
        relative = [ratio(gap, bound) for gap, bound in zip(gaps, bounds, strict=True)]
        worst = int(np.argmax(relative))
        bound = bounds[worst] if np.isfinite(bounds[worst]) else 0.0
        certificate = Certificate(
            "margin gap",
            float(gaps[worst]),
            tolerance_of(self.tol, bound),
            "global",
            relative[worst],
        )
        n_iter, advice = len(history["objective"]), None
        if not obstacles:
            curves = np.arange(1, n_iter + 1), history["certificate"]
            advice = advise(self, n_iter, rows.X.dtype, certificate, *curves)
        finish(self, attributes(kept.parameters), history, certificate, advice=advice)
        self.margin_ = margins if len(classes) > 2 else float(margins[0])
        if obstacles:
            warn_of_the_end(self, certificate, n_iter, obstacles[0])
        return self

    def _method(self, problem):
        if self.solver == "multipliers":
            return MultiplierMethod(problem, self.tol)
        return GradientMethod(problem, self.tol, rule=self.solver)


def all_steps(methods, n_columns):
    """Yield `Step` records, an update of each method that is not done."""
    n_methods = max(len(methods), 1)
    while True:
        for method in methods:
            if not method.is_done:
                method.update()
        W = np.zeros((n_columns + 1, n_methods))
        for column, method in enumerate(methods):
            W[:, column] = method.W
        worst = max(methods, key=lambda method: method.relative_gap, default=None)
        curves = {
            "objective": min((method.margin for method in methods), default=np.inf),
            "certificate": 0.0 if worst is None else worst.gap,
            "passes": sum(method.passes for method in methods),
        }
        yield Step(W, curves, done=all(method.is_done for method in methods))
