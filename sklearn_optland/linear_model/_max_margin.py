"""The hyperplane of the widest margin, with a proof of how wide it can be."""

from numbers import Integral, Real

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import advise, warn_of_the_end
from sklearn_optland._estimator.base import OptlandEstimator, fit_context
from sklearn_optland._estimator.certificate import Certificate, ratio, tolerance_of
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.training_rows import check_magnitudes, classification_rows
from sklearn_optland._optim.conjugate_gradients import conjugate_gradients
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import USERS_OWN, centred_columns
from sklearn_optland.linear_model._scores import LinearClassifier, with_absent_classes
from sklearn_optland.linear_model._separation import separation

# The first weight of all constraints, for rows of length 1 on average, and its growth.
FIRST_WEIGHT, GROWTH = 1e4, 4.0
# The gradient that Newton's method leaves, relative to w: at first, its fall, and at last.
FIRST_TOLERANCE, FALL, LAST_TOLERANCE = 0.1, 0.2, 1e-12
MAX_NEWTON, MAX_HALVINGS = 50, 40
# Columns up to which a dense Hessian is factored; else conjugate gradients take a residual to this.
FEW_COLUMNS = 500
CG_TOLERANCE, MAX_CG = 0.1, 300
# Iterations without a margin after which to ask whether there can be one.
PATIENCE = 8
# Values whose squares can be summed.
LARGEST = 1e100


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
        The most updates of the multipliers.
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
        "fit_intercept": ["boolean"],
        "inseparable": [StrOptions({"warn", "raise"})],
    }

    def __init__(
        self,
        tol=1e-6,
        *,
        max_iter=100,
        fit_intercept=True,
        inseparable="warn",
    ):
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.inseparable = inseparable

    @fit_context
    def fit(self, X, y, sample_weight=None):
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
            If the data have fewer than two classes, missing or infinite values, values above 1e100
            or no weight at all; or if they cannot be separated, with `inseparable="raise"`.
        """
        rows = classification_rows(self, X, y, sample_weight, accept_sparse=True)
        if rows.X.dtype == np.float64:
            check_magnitudes(rows.X, LARGEST)
        present, classes = rows.has_weight, rows.classes
        used, c, codes = rows.used(rows.codes)
        coordinates = USERS_OWN
        if self.fit_intercept:
            used, coordinates = centred_columns(used)
        numbers = np.flatnonzero(present)
        firsts = numbers[1:] if len(numbers) == len(classes) == 2 else numbers
        problems = [
            Margins(used, np.where(codes == number, 1.0, -1.0), c, self.fit_intercept)
            for number in firsts
            if len(numbers) > 1
        ]
        methods = [MultiplierMethod(problem, self.tol) for problem in problems]

        def attributes(W):
            W = coordinates.to_user(with_absent_classes(W, present), rows.X.dtype)
            return {"classes_": classes, "coef_": W[:-1].T.copy(), "intercept_": W[-1].copy()}

        with one_blas_thread():
            steps = all_steps(methods, used.shape[1])
            kept, history = run(self, steps, attributes, rows=rows, max_iter=self.max_iter)
            obstacles = [
                f"{classes[number]!r} against the rest: {method.obstacle}"
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


class Margins:
    """The rows of two classes, y = -1 and 1, in units of their mean length.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_rows, n_columns)
    y, c : ndarray of shape (n_rows,)
    fit_intercept : bool
    """

    def __init__(self, X, y, c, fit_intercept):
        self.users, self.y, self.fit_intercept = X, y, fit_intercept
        X = X.astype(np.float64)
        squares = np.asarray(X.multiply(X).sum(axis=1)).ravel() if issparse(X) else (X**2).sum(1)
        self.unit = np.sqrt(c @ squares / c.sum()) or 1.0
        self.X, self.c = X / self.unit, c / c.sum()
        groups = [y > 0, y < 0] if fit_intercept else [np.ones(len(y), dtype=bool)]
        self.groups = [np.flatnonzero(group) for group in groups]

    def margin(self, W):
        """The margin of parameters as the user's columns have them; 0 if they are."""
        size = np.linalg.norm(W[:-1])
        least = float((self.y * (self.users @ W[:-1] + W[-1])).min())
        return float(least / size) + 0.0 if size > 0 else min(least, 0.0)

    def centre(self, scores):
        """The intercept with the largest least margin for scores without one."""
        if not self.fit_intercept:
            return 0.0
        positive, negative = self.groups
        return -0.5 * (scores[positive].min() + scores[negative].max())

    def bound(self, multipliers):
        """A proven bound on the margin, of the user's units; infinity if there is no dual point."""
        q = np.zeros(len(self.y))
        for group in self.groups:
            total = multipliers[group].sum()
            if not total > 0:
                return np.inf
            q[group] = multipliers[group] / (total * len(self.groups))
        return self.unit * float(np.linalg.norm(self.X.T @ (self.y * q)))


class MultiplierMethod:
    """The method of multipliers for the least norm with all margins 1 or more.

    Parameters
    ----------
    problem : Margins
    tol : float

    Attributes
    ----------
    W : ndarray of shape (n_columns + 1,)
        Parameters of the best margin so far, in units of the user's columns.
    margin, bound : float
        The best so far.
    obstacle : str or None
        Why there is no margin.
    is_done : bool
    """

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.w, self.b, self.scores = np.zeros(problem.X.shape[1]), 0.0, np.zeros(len(problem.y))
        self.multipliers, self.weight = np.zeros(len(problem.y)), FIRST_WEIGHT
        self.tolerance, self.n_updates, self.passes = FIRST_TOLERANCE, 0, 0.0
        self.W, self.margin, self.latest, self.bound = None, -np.inf, None, np.inf
        self.obstacle, self.is_done = None, False

    @property
    def gap(self):
        """How much wider a margin can be."""
        return max(self.bound - self.margin, 0.0)

    @property
    def relative_gap(self):
        """The same, as a share of the bound."""
        return ratio(self.gap, self.bound)

    def update(self):
        """Minimise over the parameters, and take new multipliers."""
        problem = self.problem
        weights = self.weight * problem.c
        self.multipliers = self._minimize(self.multipliers, weights, self.tolerance)
        self.bound = min(self.bound, problem.bound(self.multipliers))
        self.passes, self.n_updates = self.passes + 1, self.n_updates + 1
        W = np.append(self.w / problem.unit, problem.centre(self.scores))
        margin = problem.margin(W)
        if margin > self.margin or self.W is None:
            least = margin * np.linalg.norm(W[:-1])
            self.W, self.margin = W / least if least > 0 else W, margin
        if self.n_updates % PATIENCE == 0 and not self.margin > 0:
            self._ask()
        is_reached = self.gap <= self.tol * self.bound
        # as far as float64 goes: the same margin again
        has_stalled = self.tolerance == LAST_TOLERANCE and margin == self.latest
        self.is_done = is_reached or has_stalled or self.obstacle is not None
        self.latest, self.weight = margin, self.weight * GROWTH
        self.tolerance = max(self.tolerance * FALL, LAST_TOLERANCE)

    def _ask(self):
        """Find out whether the classes can be separated."""
        problem = self.problem
        found = separation(problem.X, problem.y, fit_intercept=problem.fit_intercept)
        if found.kind == "overlap":
            self.obstacle = "no hyperplane separates the classes, they overlap."
        elif found.kind == "quasi-complete":
            self.obstacle = (
                "no hyperplane separates the classes: only "
                f"{len(found.rows)} of {len(problem.y)} rows can have a positive margin."
            )
        if self.obstacle is not None:
            self.bound = 0.0

    def _minimize(self, multipliers, weights, tolerance):
        """Minimise ½|w|^2 + sum_i h_i^2 / (2 weight_i), h_i = (multiplier_i + weight_i lack_i)_+.

        Semi-smooth Newton steps with an exact line search. Returns h, the next multipliers.
        """
        problem, y = self.problem, self.problem.y
        for _ in range(MAX_NEWTON):
            shifted = multipliers + weights * (1 - y * (self.scores + self.b))
            active = np.flatnonzero(shifted > 0)
            X, r, pulls = problem.X[active], weights[active], (y * shifted)[active]
            slope = self.w - X.T @ pulls
            slope_b = -pulls.sum() if problem.fit_intercept else 0.0
            self.passes += len(active) / len(y)
            size = max(np.linalg.norm(self.w), tolerance)
            if max(np.linalg.norm(slope), abs(slope_b)) <= tolerance * size:
                break
            v, v_b = self._newton(X, r, slope, slope_b)
            change = problem.X @ v
            t = self._length(shifted, weights * y * (change + v_b), weights, v)
            self.w = self.w + t * v
            self.scores, self.b = self.scores + t * change, self.b + t * v_b
            self.passes += 1
            if t == 0:
                break
        return np.maximum(multipliers + weights * (1 - y * (self.scores + self.b)), 0.0)

    def _newton(self, X, r, slope, slope_b):
        """Newton's step for w and b, of the active rows; b is eliminated."""
        total = r.sum()
        mean = np.zeros(len(slope))
        if self.problem.fit_intercept and total > 0:
            mean = (X.T @ r) / total
        right = -slope + mean * slope_b
        if not issparse(X) and X.shape[1] <= FEW_COLUMNS:
            centred = X - mean
            hessian = (centred.T * r) @ centred
            hessian[np.diag_indices_from(hessian)] += 1.0
            v = cho_solve(cho_factor(hessian), right)
        else:

            def product(v):
                self.passes += len(r) / len(self.problem.y)
                u = r * (X @ v - mean @ v)
                return v + X.T @ u - mean * u.sum()

            v, _ = conjugate_gradients(
                product,
                np.zeros_like(right),
                right,
                np.copy,
                lambda _v, _residual, rho, first: rho <= CG_TOLERANCE**2 * first,
                max_iter=MAX_CG,
            )
        has_intercept = self.problem.fit_intercept and total > 0
        return v, -slope_b / total - mean @ v if has_intercept else 0.0

    def _length(self, shifted, fall, weights, v):
        """The length t <= 1 of a step at which its slope is 0: the slope is monotone."""
        wv, vv, share = self.w @ v, v @ v, fall / weights

        def slope(t):
            return wv + t * vv - np.maximum(shifted - t * fall, 0.0) @ share

        if not slope(1.0) > 0:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(MAX_HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if slope(middle) > 0 else (middle, high)
        return low
