"""Linear classification by finite sums with the penalty by cross-validation."""

from collections.abc import Callable
from typing import Any, Literal, Self

from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.linear_model._base import SparseCoefMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklearn_optland._estimator.base import fit_context
from sklearn_optland._estimator.scores import LogLossClassifier
from sklearn_optland._estimator.training_rows import classification_rows
from sklearn_optland._estimator.typing import ClassWeight, MatrixLike, RandomState
from sklearn_optland.linear_model._cross_validation import checked_weights, class_weight_of_all
from sklearn_optland.linear_model._finite_sum.choices import ClassificationLoss, Solver
from sklearn_optland.linear_model._finite_sum.classifiers import (
    FiniteSumClassifier,
    is_probabilistic,
)
from sklearn_optland.linear_model._finite_sum.cross_validation import _FiniteSumCV
from sklearn_optland.linear_model._scores import LinearClassifier


class FiniteSumClassifierCV(LinearClassifier, SparseCoefMixin, ClassifierMixin, _FiniteSumCV):
    r"""Linear classification by finite sums with `alpha` and `l1_ratio` by cross-validation.

    It minimises

    .. math:: \frac{\sum_i s_i\, \ell(y_i, x_i^T w + b)}{\sum_i s_i} + \alpha \Bigl[
              \rho \|w\|_1 + \frac{1 - \rho}{2} \|w\|^2 \Bigr]

    as :class:`FiniteSumClassifier` does, whose losses and solvers it has, for each of some
    strengths :math:`\alpha`, on all folds but one at a time. In each fold and for each
    :math:`\rho` the fits start where the one before has ended, from the strongest penalty on. Every
    fit ends with a certificate.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge", "hinge"}, default="log_loss"
        The loss of a row, as in :class:`FiniteSumClassifier`.
    alphas : int or array-like of shape (n_alphas,), default=10
        The strengths to try; a number of them means so many, evenly spaced in logarithms, from
        :func:`alpha_max` of all rows to `eps` of it. With an L1 share of 0, where that does not
        exist, they begin where a fit can lower the loss of the best constant by a tenth at most,
        and end at the square of `eps` of it. Values given are tried with each of `l1_ratios`.
    eps : float, default=1e-3
        The last of `alphas` by the first one.
    l1_ratios : array-like of shape (n_l1_ratios,), default=(0.0,)
        Shares of the L1 norm to try: 0 is L2, 1 is L1. The default is that of the estimator
        without cross-validation, so that the two mean the same penalty.
    solver : str, default="auto"
        The algorithm, as in :class:`FiniteSumClassifier`.
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
        Which rows a pass visits, as in :class:`FiniteSumClassifier`.
    step_size : "auto" or float, default="auto"
        As in :class:`FiniteSumClassifier`.
    tol : float, default=1e-6
        Each fit stops when its duality gap is at most `tol` times its objective.
    max_iter : int, default=1000
        The most passes over the data of a fit.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict or "balanced", default=None
        Weights of the classes, multiplied with the sample weights. "balanced" counts all rows,
        not those of a fold.
    cv : int, cross-validation generator or an iterable, default=None
        How to split the rows; None means 5 stratified folds, fewer if no class has so many rows.
    scoring : str or callable, default=None
        What is best: a scorer's name, or a callable with the signature
        `scorer(estimator, X, y)`. None means accuracy.
    selection : {"best", "one_standard_error"}, default="best"
        "best": the best mean score, and among equals the strongest penalty. "one_standard_error":
        the strongest penalty, with the `l1_ratio` of the best, whose mean score is within one
        standard error of the best one.
    refit : bool, default=True
        Whether to fit all rows with the choice. If False, coefficients, `alpha_` and `l1_ratio_`
        are means of those that are best in each fold, and nothing is proven of them.
    n_jobs : int, default=None
        Processes that share folds and `l1_ratios`. None means 1 unless in a
        :obj:`joblib.parallel_backend` context, -1 all processors.
    random_state : int, RandomState instance or None, default=None
        As of :class:`FiniteSumClassifier`; it does not split rows.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        float32 if X was, else float64.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; zero if `fit_intercept=False`.
    alpha_ : float
        The strength that was chosen.
    l1_ratio_ : float
        The share of the L1 norm that was chosen.
    alphas_ : ndarray of shape (n_l1_ratios, n_alphas)
        The strengths that were tried, in descending order.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        Scores on the rows that a fold leaves out, of which more is better.
    certificates_ : list of list of list of Certificate
        Certificates of all fits: a list for each fold, in it one for each of `l1_ratios`.
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        Passes over the data of all fits.
    certificate_ : Certificate or None
        How far the refit can be from its optimum; None if `refit=False`.
    history_ : dict of ndarray
        The refit's, see :class:`FiniteSumClassifier`; empty if `refit=False`.
    solver_ : str or None
        The solver of the refit; None if `refit=False`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if X has string names.

    See Also
    --------
    FiniteSumClassifier : The fit for one `alpha`.
    alpha_max : Where a path begins.
    regularization_path : All strengths of one data set.
    BoundMajorizationLogisticRegressionCV : The log-loss with an L2 penalty, whose strength is `C`.
    sklearn.linear_model.LogisticRegressionCV : The log-loss only, without certificates.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_optland.linear_model import FiniteSumClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = FiniteSumClassifierCV(eps=1e-2, l1_ratios=(0.5, 0.9), random_state=0)
    >>> model.fit(scale(X), y).scores_.shape
    (5, 2, 10)
    >>> round(model.score(scale(X), y), 2)
    0.98
    >>> model.certificate_.reached
    True
    """

    _single = FiniteSumClassifier
    _parameter_constraints = {
        "loss": FiniteSumClassifier._parameter_constraints["loss"],
        **_FiniteSumCV._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        loss: ClassificationLoss = "log_loss",
        *,
        alphas: ArrayLike = 10,
        eps: float = 1e-3,
        l1_ratios: ArrayLike = (0.0,),
        solver: Solver = "auto",
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
        cv: Any = None,
        scoring: str | Callable[..., Any] | None = None,
        selection: Literal["best", "one_standard_error"] = "best",
        refit: bool = True,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.loss = loss
        self.alphas = alphas
        self.eps = eps
        self.l1_ratios = l1_ratios
        self.solver = solver
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
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state

    @fit_context
    def fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any
    ) -> Self:
        """Choose `alpha` and `l1_ratio`, then fit all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Class labels, of at least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights s, of the fits and, where the scorer takes them, of the scores.
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
            For what :meth:`FiniteSumClassifier.fit` refuses, for values of `alphas` or `l1_ratios`
            that are none, for scores that are not finite.
        """
        rows = classification_rows(self, X, y, sample_weight, accept_sparse=True)
        self.classes_, sample_weight = rows.classes, checked_weights(rows)
        class_weight = class_weight_of_all(self.class_weight, rows, sample_weight)
        model = self._new_model().set_params(class_weight=class_weight)
        self._fit(model, rows, sample_weight, params)
        return self

    predict_proba = available_if(is_probabilistic)(LogLossClassifier.predict_proba)
    predict_log_proba = available_if(is_probabilistic)(LogLossClassifier.predict_log_proba)
