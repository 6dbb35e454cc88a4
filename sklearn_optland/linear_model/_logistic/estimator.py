"""Logistic regression by bound majorization."""

from contextlib import closing
from functools import partial
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.advice import advise, warn_of_the_end
from sklearn_optland._estimator.base import (
    OptlandEstimator,
    fit_context,
    goes_on,
    private_random_state,
)
from sklearn_optland._estimator.callbacks import CallbackSupportMixin
from sklearn_optland._estimator.dask_rows import (
    DaskRows,
    classification_rows_of,
    refuse_partitions,
)
from sklearn_optland._estimator.run import finish, run
from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import always_checked
from sklearn_optland._estimator.typing import ClassWeight, ColumnLike, MatrixLike, RandomState
from sklearn_optland._rows.rows import sparse_copy
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import USERS_OWN, lean_columns
from sklearn_optland.linear_model._logistic.certified_descent import CertifiedDescent
from sklearn_optland.linear_model._logistic.plan import plan, start
from sklearn_optland.linear_model._logistic.problem import log_loss_problem
from sklearn_optland.linear_model._scores import (
    NEVER,
    LinearClassifier,
    among_present,
    has_part,
    last_parameters,
    with_absent_classes,
)

# Two classes: below this share of non-zeros a dense array is faster as a CSR copy.
MOSTLY_ZEROS = 0.15
# Of the weights times C: squares of such numbers, and float32, are far from overflow.
LARGEST_WEIGHT = 1e30
# Of rows and columns that separate classes: so many are named.
NAMED = 5
# Scores of a warm start: float32 holds the sums of larger ones no more.
LARGEST_SCORE = 1e30


class BoundMajorizationLogisticRegression(
    LinearClassifier,
    LogLossClassifier,
    OptlandEstimator,
    CallbackSupportMixin,
    ClassifierMixin,
    BaseEstimator,
):
    r"""Logistic regression by quadratic bounds on the partition function.

    It minimises the objective of :class:`~sklearn.linear_model.LogisticRegression`,

    .. math:: \tfrac12 \|W\|^2 + C \sum_i s_i \Bigl[\log \sum_y \exp(w_y^T x_i + b_y)
              - w_{y_i}^T x_i - b_{y_i}\Bigr],

    with sample weights s and a free intercept b. Two classes have one row of coefficients
    (:math:`w_0 = 0`), k classes have k. Each iteration minimises a quadratic model of the
    objective, and no iteration raises the objective (to 1e-12 of its value). The fit stops when a
    duality gap proves that it is within `tol` of the optimum.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, positive. `np.inf` means no penalty. Then there is an
        optimum if no direction separates rows of one class from another, which the fit finds out:
        its Newton step proves it, and the gap with it; or a linear program tells which rows are
        separated by which columns, and a warning says so, the certificate being an estimate.
    curvature : {"auto", "jc12", "low-rank", "bohning", "bohning-nesterov"}, default="auto"
        The quadratic model.

        - "auto": the fastest for the data. Small data: Newton's method with the exact Hessian, to
          the last bits whatever `tol` is. Two classes and up to 2000 columns: Newton's curvature,
          widened towards JC12 for the rows whose scores would move too far, started on samples of
          the rows, with L-BFGS on top and a pure JC12 step as the last resort. Several classes and
          fewer than 128 columns: truncated Newton steps, of many rows from where a sample ends.
          Otherwise L-BFGS in a Kronecker metric, then truncated Newton steps, with a step of
          Böhning's bound as the last resort.
        - "jc12": the bound of Jebara and Choromanska (2012), Algorithm 1, at each iterate, with
          the classes of a row in descending order of their scores. With k > 2 classes its
          curvature is a matrix of side (n_features + 1) k; a side above 5000 is refused.
        - "low-rank": the bound of "jc12" for any number of columns, looser: for each class ten
          directions of the columns and a diagonal, in the memory of ten sets of coefficients. The
          residuals of rows that make the diagonal are dense, also of CSR, and cost some 30
          passes: with `refresh=10` they are seldom.
        - "bohning": the fixed bound of Böhning (1992), factored once.
        - "bohning-nesterov": the same with Nesterov's acceleration and restarts.
    batch : {"full", "growing"}, default="full"
        "growing" is the semi-stochastic method of Aravkin et al. (2014): majorization steps on
        batches that grow by half each iteration, which keeps the linear rate. The objective of
        those iterations is measured on their batch. With `curvature="auto"` it uses "jc12", or
        "bohning" where that matrix would be too large.
    refresh : int, default=1
        Iterations between two curvatures of "jc12" and "low-rank". A larger number saves time where
        the curvature costs more than the gradient; if an old curvature fails to lower the
        objective, it is renewed at once.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective. 0 goes on until no
        step lowers the objective in float64, and does not warn there.
    max_iter : int, default=1000
        The most iterations.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, unless columns or classes have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the samples of rows for "auto" and "growing". None stands for 0.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        b; zero if `fit_intercept=False`.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective.
    history_ : dict of ndarray of shape (`n_iter_`,)
        "objective", "certificate", "seconds" and "passes" (over the data) after each iteration.
    n_iter_ : int
        Number of iterations.
    plan_ : tuple of str
        The algorithm that ran and the curvature it used, as `curvature` and the shape of the data
        made them.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    partition_function_bound : The bound itself, for any finite feature map.
    sklearn.linear_model.LogisticRegression : Other solvers of the same problem, without a bound on
        what is left.

    Notes
    -----
    Certificates are computed in float64, and so are objectives and gradients near the optimum;
    float32 data are converted a block of rows at a time. With several classes the passes before,
    and the products of all Newton steps, run in float32 on a second copy of X (CSR with few columns
    excepted); objectives of those iterations are right to about 1e-8 of themselves. With two
    classes a dense X that is mostly zeros is copied to CSR. If columns of a dense X are some 100
    standard deviations from zero, the fit has a copy in which they are centred. BLAS runs on one
    thread during a fit.

    Passes over larger data are shared by threads: as many as `OMP_NUM_THREADS`, threadpoolctl and
    the cores allow, one within a joblib job. Their number changes no bit of the result.

    The certificate: the scores' Newton step gives probabilities p' in the simplex whose dual
    objective bounds the optimum from below. Near the optimum the gap is the distance itself times
    a factor near 1, however badly the problem is conditioned. A fit without a penalty that stops
    before any p' is inside the simplex has half the squared Newton decrement in its place, scope
    "stationary".

    References
    ----------
    T. Jebara and A. Choromanska, "Majorization for CRFs and latent likelihoods", NIPS 2012.

    A. Aravkin, A. Choromanska, T. Jebara and D. Kanevsky, "Semi-stochastic partition function
    majorization" (2014).

    D. Böhning, "Multinomial logistic regression algorithm", Annals of the Institute of Statistical
    Mathematics 44 (1992).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BoundMajorizationLogisticRegression(tol=1e-8).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.97
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    """

    _takes_sparse = True
    _takes_dask = ("fit",)
    _parameter_constraints = {
        "C": [Interval(Real, 0, None, closed="right")],
        "curvature": [StrOptions({"auto", "jc12", "low-rank", "bohning", "bohning-nesterov"})],
        "batch": [StrOptions({"full", "growing"})],
        "refresh": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        curvature: Literal["auto", "bohning", "bohning-nesterov", "jc12", "low-rank"] = "auto",
        batch: Literal["full", "growing"] = "full",
        refresh: int = 1,
        tol: float = 1e-6,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.C = C
        self.curvature = curvature
        self.batch = batch
        self.refresh = refresh
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state

    @fit_context
    def fit(self, X: MatrixLike, y: ColumnLike, sample_weight: ColumnLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float64 and float32 in C order, and CSR, are used without a copy.
            Or a dask array or dataframe, whose rows stay with their workers, or
            :class:`~sklearn_optland.utils.RowBlocks`; then y and sample_weight are of that kind.
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
            that their squares overflow, no weight at all or a weight, times `C`, above 1e30; or if
            `curvature` needs a matrix that is too large.
        """
        if self.batch == "growing" and self.curvature == "bohning-nesterov":
            raise ValueError(
                "batch='growing' was given with curvature='bohning-nesterov'; allowed with it are "
                "'auto', 'jc12', 'low-rank' and 'bohning': acceleration needs exact gradients."
            )
        rows = self._rows(X, y, sample_weight)
        if self.batch == "growing":
            refuse_partitions(rows, "batch='growing'")
        classes, dtype = rows.classes, rows.dtype
        if rows.largest_weight > LARGEST_WEIGHT:
            raise ValueError(
                f"sample_weight: a weight, times class_weight and C, is {rows.largest_weight:.3g}; "
                f"allowed are {LARGEST_WEIGHT:g} at most. C=inf is no penalty."
            )
        present = has_part(rows, self.fit_intercept)
        n_classes = np.count_nonzero(present)
        has_one_score = n_classes == 1 or len(classes) == n_classes == 2
        source, coordinates = self._source(rows, present, has_one_score)
        problem = log_loss_problem(
            source,
            n_classes=n_classes,
            l2=float(np.isfinite(self.C)),
            fit_intercept=self.fit_intercept,
            has_one_score=has_one_score,
        )
        self._refuse_infinite(rows, problem)
        W = self._start(problem, classes, present, coordinates)

        def attributes(W):
            W = coordinates.to_user(with_absent_classes(W, present), dtype)
            return {"classes_": classes, "coef_": W[:-1].T.copy(), "intercept_": W[-1].copy()}

        # steps and bounds that are not finite are refused, and need no warning of their own
        quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
        with closing(source), one_blas_thread(), quiet:
            algorithm, metric = plan(problem, self.curvature, self.batch)
            rng = partial(private_random_state, self.random_state, 0)
            settings = {"tol": self.tol, "refresh": self.refresh, "rng": rng}
            steps = start(problem, W, algorithm, metric, **settings)
            descent = CertifiedDescent(problem, W, steps, self.tol)
            kept, history = run(
                self, descent.steps(), attributes, rows=rows, max_iter=self.max_iter
            )
            W = coordinates.to_user(kept.parameters, dtype)  # as the coefficients are kept
            W = coordinates.from_user(W.astype(np.float64))
            certificate = descent.finish(W, history)
        self.plan_ = algorithm.value, metric.value
        n_iter = len(history["objective"])
        curves = np.arange(1, n_iter + 1), history["certificate"]
        advice = advise(self, n_iter, dtype, certificate, *curves)
        finish(self, attributes(W), history, certificate, advice=advice)
        if descent.is_separated:
            why = _separated(descent.separation, rows, coordinates)
            warn_of_the_end(self, certificate, n_iter, why)
        elif self.tol == 0 and n_iter == self.max_iter:
            warn_of_the_end(self, certificate, n_iter, "increase max_iter, or set tol.")
        return self

    def _rows(self, X, y, sample_weight):
        """Validated rows, in memory or in the partitions of Dask's collections."""
        return classification_rows_of(
            self,
            X,
            y,
            sample_weight,
            accept_sparse=True,
            factor=self.C if np.isfinite(self.C) else 1.0,
            in_memory={"ensure_all_finite": False},  # _refuse_infinite looks at X
        )

    def _source(self, rows, present, has_one_score):
        """The rows that have a weight, and the coordinates in which they are."""
        if isinstance(rows, DaskRows):
            columns = partial(_numbers_and_weights, present=present)
            return rows.source(columns, ("y", "c")), USERS_OWN
        used, c, codes = rows.used(rows.codes)
        used, coordinates = lean_columns(used, self.fit_intercept)
        if has_one_score and _is_mostly_zeros(used):
            used = sparse_copy(used)
        return ArraySource(used, **_numbers_and_weights(codes, c, present)), coordinates

    def _refuse_infinite(self, rows, problem):
        """Raise scikit-learn's error for NaN and infinity, or one for squares that overflow.

        The squares of the columns are needed anyway and show both: that saves a pass. Partitions
        have been looked at already.
        """

        def check():
            with always_checked():
                assert_all_finite(rows.X, input_name="X", estimator_name=type(self).__name__)

        in_memory = not isinstance(rows, DaskRows)
        if in_memory and problem.n_samples < rows.X.shape[0]:
            check()  # rows without weight are not in the problem
        try:
            _ = problem.column_squares
        except ValueError:
            if in_memory:
                check()
            raise

    def _start(self, problem, classes, present, coordinates):
        """Start at zero, or where the last fit ended, unless its scores exceed float32."""
        zeros = problem.zeros()
        if problem.n_classes == 1:
            zeros[-1] = NEVER  # the score of the others
        elif goes_on(self, "coef_", classes):
            W = last_parameters(self)
            W = W if problem.has_one_score else W[:, present]
            if W.shape == (self.n_features_in_ + 1, *zeros.shape[1:]):
                if not self.fit_intercept:
                    W[-1] = 0.0
                W = coordinates.from_user(W)
                W = np.ascontiguousarray(problem.centred(W))
                with np.errstate(over="ignore"):
                    sizes = np.sqrt(problem.column_squares / problem.total) @ np.abs(W)
                if sizes.max() <= LARGEST_SCORE:
                    return W
        return zeros


def _separated(separation, rows, coordinates):
    """Say what separates the classes, by the user's numbers of rows and columns."""
    if separation is None:
        who = "some rows are separated from another class"
    else:
        columns = coordinates.numbers_of_user(separation.columns)
        numbers = np.flatnonzero(rows.weights > 0)[separation.rows]
        which = "all rows" if separation.kind == "complete" else _some("row", numbers)
        who = f"{which} are separated by {_some('column', columns)}"
    return (
        f"there is no optimum: {who}, and without a penalty coefficients grow without end: set C "
        "to a finite value."
    )


def _some(noun, numbers):
    """A few numbers of rows or columns, and how many there are."""
    if not len(numbers):
        return f"no {noun}"
    some = ", ".join(map(str, numbers[:NAMED]))
    if len(numbers) > NAMED:
        return f"{noun}s {some}, ... ({len(numbers)} in all)"
    return f"{noun}{'s' if len(numbers) > 1 else ''} {some}"


def _numbers_and_weights(codes, c, present):
    """Columns of a source: numbers of the rows' classes among those present, and weights."""
    return {"y": among_present(codes, present), "c": c}


def _is_mostly_zeros(X):
    """Whether about a thousand rows of a dense array hold few non-zeros."""
    if issparse(X):
        return False
    rows = X[:: len(X) // 1000 + 1]
    return np.count_nonzero(rows) < MOSTLY_ZEROS * rows.size
