"""Linear classifiers by finite-sum solvers."""

from functools import partial
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.dask_rows import DaskRows, classification_rows_of
from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import normalized
from sklearn_optland._estimator.typing import ClassWeight, ColumnLike, MatrixLike, RandomState
from sklearn_optland._loss.scalar_losses import CLASSIFICATION_LOSSES, LOSSES
from sklearn_optland.linear_model._finite_sum.choices import ClassificationLoss, Solver
from sklearn_optland.linear_model._finite_sum.estimator import (
    PENALTY_CONSTRAINTS,
    FiniteSumEstimator,
)
from sklearn_optland.linear_model._finite_sum.partitioned import (
    PartitionedSoftmax,
    PartitionedSum,
)
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum, SoftmaxSum
from sklearn_optland.linear_model._finite_sum.training_problem import partitioned_source
from sklearn_optland.linear_model._scores import (
    NEVER,
    LinearClassifier,
    among_present,
    has_part,
    with_absent_classes,
)


def is_probabilistic(estimator):
    """Whether scores are log-odds; AttributeError if not, for `available_if`."""
    if estimator.loss != "log_loss":
        raise AttributeError(f"probabilities need loss='log_loss', not {estimator.loss!r}")
    return True


class FiniteSumClassifier(LinearClassifier, SparseCoefMixin, ClassifierMixin, FiniteSumEstimator):
    r"""Linear classification by finite-sum solvers: SAG, SAGA, SVRG, SDCA and others.

    It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    with sample weights s, :math:`\rho` = `l1_ratio` and a free intercept b. The fit stops when a
    duality gap proves that it is within `tol` of the optimum.

    With the margin m = y f, y = -1 or 1, the losses are

    - "log_loss": log(1 + exp(-m)); the multinomial log-loss for several classes;
    - "squared_hinge": max(0, 1 - m)²;
    - "smooth_hinge": 0 for m ≥ 1, ½ - m for m ≤ 0, ½ (1 - m)² between;
    - "hinge": max(0, 1 - m).

    The last three fit each of several classes against the rest; their objectives are added up.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge", "hinge"}, default="log_loss"
        The loss of a row.
    solver : str, default="auto"
        The algorithm. One that cannot take the loss or the penalty is refused by `fit`, with
        the names of those that can.

        - "auto": the fastest for the loss, the penalty and the shape of the data, as measured: one
          of the next three for few columns, for L1 penalties and non-negative coefficients, and
          where SDCA would be slow; else "sdca", "point-saga" or "catalyst", which also go on where
          one of the three ends above `tol` or has taken half of `max_iter`.
        - "newton": Newton's method. Smooth losses and the L2 penalty only. The log-loss, also of
          several classes, is fitted as :class:`BoundMajorizationLogisticRegression` does it; other
          losses take a Gram matrix of the columns and its Cholesky factor.
        - "cd": Newton's method with models that coordinate descent minimises, on the columns that
          matter, or on columns for single classes of the multinomial log-loss. Smooth losses, any
          penalty.
        - "interior-point": a predictor-corrector method for losses with a kink and any penalty;
          takes a Gram matrix of the columns.
        - "sag", "saga", "svrg": stochastic gradients, corrected by a table of old ones or a
          snapshot. Smooth losses; SAG with the L2 penalty only.
        - "sdca": ascent in one dual variable at a time, without a step size. Any loss; needs an
          L2 part of the penalty.
        - "miso": the same with short steps; smooth losses.
        - "katyusha", "point-saga", "catalyst": accelerated, for condition numbers well above n.
          "katyusha" costs all columns a step, also on sparse rows. "point-saga" takes any loss
          and the L2 penalty only. "catalyst" runs SDCA on regularised problems: any loss and
          penalty.
    alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is L2, 1 is L1.
    positive : bool, default=False
        Whether coefficients must not be negative. The intercept may be.
    sparsity : {"l1", "mcp", "scad"}, default="l1"
        What the L1 part of the penalty is. "mcp" and "scad" rise as the L1 norm at 0, but no more
        from 3 and 3.7 times :math:`\alpha\rho` on, where they leave coefficients as large as no
        penalty would. They are not convex: the certificate is the norm of what the penalty's
        subgradients leave of the gradient, "stationary". Solver "cd" only.
    penalty_weights : array-like of shape (n_features,), default=None
        A positive weight for each column: the penalty sees coefficients times these, as in the
        adaptive lasso, whose weights are inverses of the coefficients of another fit. Columns
        are divided by them in a copy of X. Default: all 1.
    penalty_groups : array-like of shape (n_features,), default=None
        A label for each column, equal for columns of a group, of any type that can be sorted. The
        L1 norm becomes the group lasso's :math:`\sum_g \sqrt{d_g} \|w_g\|`, Euclidean norms of the
        groups' coefficients, :math:`d_g` columns in a group: a group is zero as a whole, or not.
        Smooth losses with one score a row, `positive=False` and `sparsity="l1"`; solver "cd"
        only. Default: each column on its own.
    sampling : {"auto", "uniform", "lipschitz"}, default="auto"
        Which rows a pass visits. "uniform": each once, in a new random order (SAG: n independent
        draws). "lipschitz": n independent draws, half uniform and half in proportion to the rows'
        Lipschitz constants, with weights that keep the steps unbiased. It pays where row norms or
        weights differ by orders of magnitude, as those of rare classes that are balanced; "auto"
        takes it there. Point-SAGA is always "uniform"; solvers by all rows at once ("newton",
        "cd", "interior-point") ignore this.
    step_size : "auto" or float, default="auto"
        "auto" is 1/(2L) for SAG, SAGA and SVRG, 1/L for Katyusha, and what their papers say for
        Point-SAGA and MISO (of which this is a factor); SDCA, Catalyst and solvers by all rows at
        once have none. A step after which the objective is ten times that at zero is cut to a
        quarter, and the solver starts again from the best point.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective; with `alpha=0` and
        more than 128 parameters, when the norm of the gradient is at most `tol` times that at zero.
        0 goes on until the steps are below the precision of float64, and does not warn there.
    max_iter : int, default=1000
        The most passes over the data. Solvers by all rows at once stop at the first point that
        reaches it; a Gram matrix of the columns counts as a pass, work on copied columns does not.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, unless columns or classes have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the rows; solvers by all rows at once do not use it. None stands for 0: a fit is the
        same each time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective: the duality gap, scope
        "global"; with `alpha=0` and more than 128 parameters the norm of the gradient, scope
        "stationary", or where the loss has a kink an "estimate".
    history_ : dict of ndarray
        "objective", "certificate", "seconds" and "passes" (over the data, those for certificates
        included) at each certificate: every ten passes at most, and where the fit may stop; of
        solvers by all rows at once at each of their points.
    n_iter_ : int
        Number of passes, those for certificates not counted; solvers by all rows at once count
        them, since their next step needs them.
    solver_ : str
        The solver that ran; the last one where a fit went on with another.
    rate_ : dict
        The solver's row of the rate table: "row", the expression; "n"; "kappa", the condition
        number; "passes_per_e", the passes that it gives for a factor e in the gap. Solvers by all
        rows at once have "none: all rows at once" and NaN for the last two.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    FiniteSumRegressor : The same for regression.
    BoundMajorizationLogisticRegression : The log-loss with an L2 penalty, whose strength is `C`.
    finite_sum : The same as a function.

    Notes
    -----
    All arithmetic is in float64; float32 data are read as they are, without a copy. There are two
    exceptions. "cd" copies the columns that it works on. "newton" on the log-loss of several
    classes may run products in float32 on a second copy of X; objectives and gradients near the
    optimum, and the certificate, are in float64 there too.

    To solvers by single rows the intercept is a column like the others, of the rows' mean length
    and without a penalty; in the dual it is a constraint, which SDCA, MISO and Catalyst handle by
    an augmented Lagrangian.

    References
    ----------
    M. Schmidt, N. Le Roux and F. Bach, "Minimizing finite sums with the stochastic
    average gradient", Mathematical Programming 162 (2017).

    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", NIPS 2014.

    R. Leblond, F. Pedregosa and S. Lacoste-Julien, "ASAGA: asynchronous parallel SAGA",
    AISTATS 2017: the sparse form.

    R. Johnson and T. Zhang, "Accelerating stochastic gradient descent using predictive variance
    reduction", NIPS 2013.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013).

    H. Lin, J. Mairal and Z. Harchaoui, "A universal Catalyst for first-order optimization",
    NIPS 2015: also MISO with a penalty.

    D. Kovalev, S. Horváth and P. Richtárik, "Don't jump through hoops and remove those loops",
    ALT 2020: loopless Katyusha.

    A. Defazio, "A simple practical accelerated method for finite sums", NIPS 2016: Point-SAGA.

    G.-X. Yuan, C.-H. Ho and C.-J. Lin, "An improved GLMNET for L1-regularized logistic
    regression", JMLR 13 (2012): Newton's method with models for coordinate descent.

    S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM Journal on
    Optimization 2 (1992): the predictor and the corrector.

    M. C. Ferris and T. S. Munson, "Interior-point methods for massive support vector machines",
    SIAM Journal on Optimization 13 (2002): the Gram matrix of the columns.

    H. Zou, "The adaptive lasso and its oracle properties", JASA 101 (2006): `penalty_weights`.

    M. Yuan and Y. Lin, "Model selection and estimation in regression with grouped variables",
    Journal of the Royal Statistical Society B 68 (2006): `penalty_groups`.

    C.-H. Zhang, "Nearly unbiased variable selection under minimax concave penalty", Annals of
    Statistics 38 (2010): "mcp".

    J. Fan and R. Li, "Variable selection via nonconcave penalized likelihood and its oracle
    properties", JASA 96 (2001): "scad".

    H. Zou and R. Li, "One-step sparse estimates in nonconcave penalized likelihood models", Annals
    of Statistics 36 (2008): penalties that are convex and touch those.

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
        **PENALTY_CONSTRAINTS,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss: ClassificationLoss = "log_loss",
        *,
        solver: Solver = "auto",
        alpha: float = 1e-4,
        l1_ratio: float = 0.0,
        positive: bool = False,
        sparsity: Literal["l1", "mcp", "scad"] = "l1",
        penalty_weights: ArrayLike | None = None,
        penalty_groups: ArrayLike | None = None,
        sampling: Literal["auto", "lipschitz", "uniform"] = "auto",
        step_size: Literal["auto"] | float = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.sparsity = sparsity
        self.penalty_weights = penalty_weights
        self.penalty_groups = penalty_groups
        self.sampling = sampling
        self.step_size = step_size
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
            Training data. float64 and float32 in C order, and CSR, are used without a copy, but
            for arrays whose columns' means are ten times their deviations, or with `alpha=0` whose
            units differ as much.
            With `solver` "auto", "newton", "cd", "interior-point" or "sdca" a dask array or
            dataframe, whose rows stay with their workers, or
            :class:`~sklearn_optland.utils.RowBlocks`; then y and sample_weight are of
            that kind, and a pass of "sdca" is a round of CoCoA+.
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
            that their squares overflow, or no weight at all; or if the solver cannot take the loss
            or the penalty.
        """
        rows = self._rows(X, y, sample_weight)
        self._solve(*self._prepared(rows), rows)
        return self

    def _rows(self, X, y, sample_weight):
        return classification_rows_of(self, X, y, sample_weight, accept_sparse=True)

    def _prepared(self, rows):
        """Problems, starts, and what makes attributes of parameters."""
        classes, dtype = rows.classes, rows.dtype
        n_scores = 1 if len(classes) == 2 else len(classes)
        present = has_part(rows, self.fit_intercept)
        problems = self._problems(rows)
        starts = self._starts((n_scores, rows.n_columns + 1), classes)
        is_softmax = isinstance(problems[0], SoftmaxSum)
        if is_softmax:
            starts = [np.ascontiguousarray(starts[present].T)]
        elif self.fit_intercept:
            for number, W in enumerate(starts):
                label = number if n_scores > 1 else 1
                others = np.delete(present, label)
                if not (present[label] and others.any()):  # then the intercept leaves no loss
                    W[:] = 0.0
                    sign = 1.0 if present[label] else -1.0
                    W[-1] = sign * (-NEVER if self.loss == "log_loss" else 1.0)

        def attributes(parameters):
            W = np.vstack([W.T for W in parameters])
            if is_softmax:
                W = with_absent_classes(W.T, present).T
            W = W.astype(dtype)
            coef, intercept = np.ascontiguousarray(W[:, :-1]), W[:, -1].copy()
            return {"classes_": classes, "coef_": coef, "intercept_": intercept}

        return problems, starts, attributes

    def _problems(self, rows):
        """One problem, or one a class against the rest, as of the log-loss if there is one only."""
        n_scores = 1 if len(rows.classes) == 2 else len(rows.classes)
        present = has_part(rows, self.fit_intercept)
        is_softmax = self.loss == "log_loss" and n_scores > 1 and np.count_nonzero(present) > 1
        labels = [1] if n_scores == 1 else list(range(n_scores))
        loss = LOSSES[self.loss]
        if isinstance(rows, DaskRows):
            columns = partial(_codes_and_weights, present, is_softmax, rows.total_weight)
            source, common = partitioned_source(self, rows, columns)
            if is_softmax:
                n_classes = np.count_nonzero(present)
                return [PartitionedSoftmax(source, source.y, n_classes=n_classes, **common)]
            signs = (source.map(partial(_signs, label), source.y) for label in labels)
            return [PartitionedSum(source, y, loss=loss, **common) for y in signs]
        X, _, codes, c = rows.used(rows.codes, normalized(rows.weights))
        source, common = self._source(X, c)
        if is_softmax:
            codes = among_present(codes, present)
            return [SoftmaxSum(source, codes, n_classes=np.count_nonzero(present), **common)]
        return [FiniteSum(source, _signs(k, codes), loss=loss, **common) for k in labels]

    predict_proba = available_if(is_probabilistic)(LogLossClassifier.predict_proba)
    predict_log_proba = available_if(is_probabilistic)(LogLossClassifier.predict_log_proba)


def _signs(label, codes):
    """1 where it is the class, else -1."""
    return np.where(codes == label, 1.0, -1.0)


def _codes_and_weights(present, is_softmax, total, codes, weights):
    """Columns of a source: numbers of the rows' classes, and weights that sum to 1."""
    codes = among_present(codes, present) if is_softmax else codes
    return {"y": codes, "c": weights / total}


class _FixedSolverClassifier(FiniteSumClassifier):
    """`FiniteSumClassifier` with the solver fixed by the class."""

    def __init__(
        self,
        loss: ClassificationLoss = "log_loss",
        *,
        alpha: float = 1e-4,
        l1_ratio: float = 0.0,
        positive: bool = False,
        sampling: Literal["auto", "lipschitz", "uniform"] = "auto",
        step_size: Literal["auto"] | float = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        random_state: RandomState = None,
    ) -> None:
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
    r"""Linear classification by SAGA: gradients corrected by a table of old ones.

    It is :class:`FiniteSumClassifier` with `solver="saga"`. It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    with sample weights s, :math:`\rho` = `l1_ratio` and a free intercept b. The fit stops when a
    duality gap proves that it is within `tol` of the optimum.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge"}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is L2, 1 is L1.
    positive : bool, default=False
        Whether coefficients must not be negative. The intercept may be.
    sampling : {"auto", "uniform", "lipschitz"}, default="auto"
        Which rows a pass visits. "uniform": each once, in a new random order (SAG: n independent
        draws). "lipschitz": n independent draws, half uniform and half in proportion to the rows'
        Lipschitz constants, with weights that keep the steps unbiased. It pays where row norms or
        weights differ by orders of magnitude, as those of rare classes that are balanced; "auto"
        takes it there. Point-SAGA is always "uniform"; solvers by all rows at once ("newton",
        "cd", "interior-point") ignore this.
    step_size : "auto" or float, default="auto"
        "auto" is 1/(2L) for SAG, SAGA and SVRG, 1/L for Katyusha, and what their papers say for
        Point-SAGA and MISO (of which this is a factor); SDCA, Catalyst and solvers by all rows at
        once have none. A step after which the objective is ten times that at zero is cut to a
        quarter, and the solver starts again from the best point.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective; with `alpha=0` and
        more than 128 parameters, when the norm of the gradient is at most `tol` times that at zero.
        0 goes on until the steps are below the precision of float64, and does not warn there.
    max_iter : int, default=1000
        The most passes over the data. Solvers by all rows at once stop at the first point that
        reaches it; a Gram matrix of the columns counts as a pass, work on copied columns does not.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, unless columns or classes have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the rows; solvers by all rows at once do not use it. None stands for 0: a fit is the
        same each time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective: the duality gap, scope
        "global"; with `alpha=0` and more than 128 parameters the norm of the gradient, scope
        "stationary", or where the loss has a kink an "estimate".
    history_ : dict of ndarray
        "objective", "certificate", "seconds" and "passes" (over the data, those for certificates
        included) at each certificate: every ten passes at most, and where the fit may stop; of
        solvers by all rows at once at each of their points.
    n_iter_ : int
        Number of passes, those for certificates not counted; solvers by all rows at once count
        them, since their next step needs them.
    solver_ : str
        The solver that ran; the last one where a fit went on with another.
    rate_ : dict
        The solver's row of the rate table: "row", the expression; "n"; "kappa", the condition
        number; "passes_per_e", the passes that it gives for a factor e in the gap. Solvers by all
        rows at once have "none: all rows at once" and NaN for the last two.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    FiniteSumClassifier : All solvers.
    SVRGClassifier : SVRG instead.
    SDCAClassifier : SDCA instead.

    Notes
    -----
    Smooth losses, any penalty. The step size is 1/(2L), L the largest Lipschitz
    constant of a row; the paper proves 1/(3L) for independent draws.

    All arithmetic is in float64; float32 data are read as they are, without a copy.

    The intercept is a column like the others, of the rows' mean length and without a penalty; in
    the dual it is a constraint, which SDCA, MISO and Catalyst handle by an augmented Lagrangian.

    References
    ----------
    M. Schmidt, N. Le Roux and F. Bach, "Minimizing finite sums with the stochastic
    average gradient", Mathematical Programming 162 (2017).

    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", NIPS 2014.

    R. Leblond, F. Pedregosa and S. Lacoste-Julien, "ASAGA: asynchronous parallel SAGA",
    AISTATS 2017: the sparse form.

    R. Johnson and T. Zhang, "Accelerating stochastic gradient descent using predictive variance
    reduction", NIPS 2013.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013).

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


class SVRGClassifier(_FixedSolverClassifier):
    r"""Linear classification by SVRG: gradients corrected by those at a snapshot.

    It is :class:`FiniteSumClassifier` with `solver="svrg"`. It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    with sample weights s, :math:`\rho` = `l1_ratio` and a free intercept b. The fit stops when a
    duality gap proves that it is within `tol` of the optimum.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge"}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is L2, 1 is L1.
    positive : bool, default=False
        Whether coefficients must not be negative. The intercept may be.
    sampling : {"auto", "uniform", "lipschitz"}, default="auto"
        Which rows a pass visits. "uniform": each once, in a new random order (SAG: n independent
        draws). "lipschitz": n independent draws, half uniform and half in proportion to the rows'
        Lipschitz constants, with weights that keep the steps unbiased. It pays where row norms or
        weights differ by orders of magnitude, as those of rare classes that are balanced; "auto"
        takes it there. Point-SAGA is always "uniform"; solvers by all rows at once ("newton",
        "cd", "interior-point") ignore this.
    step_size : "auto" or float, default="auto"
        "auto" is 1/(2L) for SAG, SAGA and SVRG, 1/L for Katyusha, and what their papers say for
        Point-SAGA and MISO (of which this is a factor); SDCA, Catalyst and solvers by all rows at
        once have none. A step after which the objective is ten times that at zero is cut to a
        quarter, and the solver starts again from the best point.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective; with `alpha=0` and
        more than 128 parameters, when the norm of the gradient is at most `tol` times that at zero.
        0 goes on until the steps are below the precision of float64, and does not warn there.
    max_iter : int, default=1000
        The most passes over the data. Solvers by all rows at once stop at the first point that
        reaches it; a Gram matrix of the columns counts as a pass, work on copied columns does not.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, unless columns or classes have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the rows; solvers by all rows at once do not use it. None stands for 0: a fit is the
        same each time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective: the duality gap, scope
        "global"; with `alpha=0` and more than 128 parameters the norm of the gradient, scope
        "stationary", or where the loss has a kink an "estimate".
    history_ : dict of ndarray
        "objective", "certificate", "seconds" and "passes" (over the data, those for certificates
        included) at each certificate: every ten passes at most, and where the fit may stop; of
        solvers by all rows at once at each of their points.
    n_iter_ : int
        Number of passes, those for certificates not counted; solvers by all rows at once count
        them, since their next step needs them.
    solver_ : str
        The solver that ran; the last one where a fit went on with another.
    rate_ : dict
        The solver's row of the rate table: "row", the expression; "n"; "kappa", the condition
        number; "passes_per_e", the passes that it gives for a factor e in the gap. Solvers by all
        rows at once have "none: all rows at once" and NaN for the last two.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    FiniteSumClassifier : All solvers.
    SAGAClassifier : SAGA instead.
    SDCAClassifier : SDCA instead.

    Notes
    -----
    Smooth losses, any penalty. A snapshot is taken every two passes, and is a pass
    itself; the duality gap there is almost free.

    All arithmetic is in float64; float32 data are read as they are, without a copy.

    The intercept is a column like the others, of the rows' mean length and without a penalty; in
    the dual it is a constraint, which SDCA, MISO and Catalyst handle by an augmented Lagrangian.

    References
    ----------
    M. Schmidt, N. Le Roux and F. Bach, "Minimizing finite sums with the stochastic
    average gradient", Mathematical Programming 162 (2017).

    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", NIPS 2014.

    R. Leblond, F. Pedregosa and S. Lacoste-Julien, "ASAGA: asynchronous parallel SAGA",
    AISTATS 2017: the sparse form.

    R. Johnson and T. Zhang, "Accelerating stochastic gradient descent using predictive variance
    reduction", NIPS 2013.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013).

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


class SDCAClassifier(_FixedSolverClassifier):
    r"""Linear classification by SDCA: ascent in one dual variable at a time.

    It is :class:`FiniteSumClassifier` with `solver="sdca"`, until a pass gains less than it would
    with momentum: from there on `solver="catalyst"`, an accelerated SDCA, if the loss is smooth.
    It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    with sample weights s, :math:`\rho` = `l1_ratio` and a free intercept b. The fit stops when a
    duality gap proves that it is within `tol` of the optimum.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge", "hinge"}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is L2, 1 is L1.
    positive : bool, default=False
        Whether coefficients must not be negative. The intercept may be.
    sampling : {"auto", "uniform", "lipschitz"}, default="auto"
        Which rows a pass visits. "uniform": each once, in a new random order (SAG: n independent
        draws). "lipschitz": n independent draws, half uniform and half in proportion to the rows'
        Lipschitz constants, with weights that keep the steps unbiased. It pays where row norms or
        weights differ by orders of magnitude, as those of rare classes that are balanced; "auto"
        takes it there. Point-SAGA is always "uniform"; solvers by all rows at once ("newton",
        "cd", "interior-point") ignore this.
    step_size : "auto" or float, default="auto"
        "auto" is 1/(2L) for SAG, SAGA and SVRG, 1/L for Katyusha, and what their papers say for
        Point-SAGA and MISO (of which this is a factor); SDCA, Catalyst and solvers by all rows at
        once have none. A step after which the objective is ten times that at zero is cut to a
        quarter, and the solver starts again from the best point.
    tol : float, default=1e-6
        The fit stops when the duality gap is at most `tol` times the objective; with `alpha=0` and
        more than 128 parameters, when the norm of the gradient is at most `tol` times that at zero.
        0 goes on until the steps are below the precision of float64, and does not warn there.
    max_iter : int, default=1000
        The most passes over the data. Solvers by all rows at once stop at the first point that
        reaches it; a Gram matrix of the columns counts as a pass, work on copied columns does not.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights; "balanced" is
        n_samples / (n_classes * class counts).
    warm_start : bool, default=False
        Whether to start from the coefficients of the previous fit, unless columns or classes have
        changed.
    random_state : int, RandomState instance or None, default=None
        Draws the rows; solvers by all rows at once do not use it. None stands for 0: a fit is the
        same each time.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    certificate_ : Certificate
        How far the fit can be from the optimum, in units of the objective: the duality gap, scope
        "global"; with `alpha=0` and more than 128 parameters the norm of the gradient, scope
        "stationary", or where the loss has a kink an "estimate".
    history_ : dict of ndarray
        "objective", "certificate", "seconds" and "passes" (over the data, those for certificates
        included) at each certificate: every ten passes at most, and where the fit may stop; of
        solvers by all rows at once at each of their points.
    n_iter_ : int
        Number of passes, those for certificates not counted; solvers by all rows at once count
        them, since their next step needs them.
    solver_ : str
        The solver that ran; the last one where a fit went on with another.
    rate_ : dict
        The solver's row of the rate table: "row", the expression; "n"; "kappa", the condition
        number; "passes_per_e", the passes that it gives for a factor e in the gap. Solvers by all
        rows at once have "none: all rows at once" and NaN for the last two.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    FiniteSumClassifier : All solvers.
    SAGAClassifier : SAGA instead.
    SVRGClassifier : SVRG instead.

    Notes
    -----
    Any loss; needs an L2 part of the penalty. There is no step size: each step
    maximises the dual exactly in its coordinate (for the log-loss, by Newton steps in a
    bracket).

    All arithmetic is in float64; float32 data are read as they are, without a copy.

    The intercept is a column like the others, of the rows' mean length and without a penalty; in
    the dual it is a constraint, which SDCA, MISO and Catalyst handle by an augmented Lagrangian.

    References
    ----------
    M. Schmidt, N. Le Roux and F. Bach, "Minimizing finite sums with the stochastic
    average gradient", Mathematical Programming 162 (2017).

    A. Defazio, F. Bach and S. Lacoste-Julien, "SAGA: a fast incremental gradient method with
    support for non-strongly convex composite objectives", NIPS 2014.

    R. Leblond, F. Pedregosa and S. Lacoste-Julien, "ASAGA: asynchronous parallel SAGA",
    AISTATS 2017: the sparse form.

    R. Johnson and T. Zhang, "Accelerating stochastic gradient descent using predictive variance
    reduction", NIPS 2013.

    S. Shalev-Shwartz and T. Zhang, "Stochastic dual coordinate ascent methods for regularized loss
    minimization", JMLR 14 (2013).

    S. Shalev-Shwartz and T. Zhang, "Accelerated proximal stochastic dual coordinate ascent for
    regularized loss minimization", Mathematical Programming 155 (2016).

    H. Lin, J. Mairal and Z. Harchaoui, "A universal catalyst for first-order optimization", NIPS
    2015.

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
    _accelerates = True
