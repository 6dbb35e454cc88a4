"""The solvers of finite sums as a function."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_array
from sklearn.utils._param_validation import StrOptions

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.training_rows import always_checked, row_weights
from sklearn_optland._estimator.typing import MatrixLike, RandomState
from sklearn_optland._loss.penalties import SPARSITIES
from sklearn_optland._loss.scalar_losses import LOSSES
from sklearn_optland.linear_model._finite_sum.choices import (
    ClassificationLoss,
    RegressionLoss,
    Solver,
)
from sklearn_optland.linear_model._finite_sum.estimator import (
    LOSS_CONSTRAINTS,
    PARAMETER_CONSTRAINTS,
    PENALTY_CONSTRAINTS,
)
from sklearn_optland.linear_model._finite_sum.solve import solve
from sklearn_optland.linear_model._finite_sum.training_problem import (
    make_penalty,
    regression_problem,
    training_source,
)

# The share of the L1 norm in each penalty but "elasticnet", which has a parameter for it.
L1_RATIOS = {"l2": 0.0, "l1": 1.0, "mcp": 1.0, "scad": 1.0, "none": 0.0}


@validate_params(
    {
        **PARAMETER_CONSTRAINTS,
        "penalty_weights": PENALTY_CONSTRAINTS["penalty_weights"],
        "penalty_groups": PENALTY_CONSTRAINTS["penalty_groups"],
        "loss": [StrOptions(set(LOSSES))],
        "penalty": [StrOptions(set(L1_RATIOS) | {"elasticnet"})],
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        **LOSS_CONSTRAINTS,
        "sample_weight": ["array-like", None],
        "start": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def finite_sum(
    loss: ClassificationLoss | RegressionLoss,
    penalty: Literal["elasticnet", "l1", "l2", "mcp", "none", "scad"],
    X: MatrixLike,
    y: ArrayLike,
    *,
    solver: Solver = "auto",
    alpha: float = 1e-4,
    l1_ratio: float = 0.5,
    positive: bool = False,
    penalty_weights: ArrayLike | None = None,
    penalty_groups: ArrayLike | None = None,
    epsilon: float = 1.35,
    quantile: float = 0.5,
    sample_weight: ArrayLike | None = None,
    fit_intercept: bool = False,
    start: ArrayLike | None = None,
    sampling: Literal["auto", "lipschitz", "uniform"] = "auto",
    step_size: Literal["auto"] | float = "auto",
    tol: float = 1e-6,
    max_iter: int = 1000,
    random_state: RandomState = None,
) -> Bunch:
    """Minimise a finite sum: the solvers without an estimator around them.

    For loops of one's own: `start` takes the iterate that an earlier call returned, and neither
    callbacks nor warnings are involved.

    Parameters
    ----------
    loss : {"log_loss", "squared_hinge", "smooth_hinge", "hinge", "squared_error", "huber", \
            "epsilon_insensitive", "smooth_quantile", "poisson", "gamma"}
        The loss of a row.
    penalty : {"l2", "l1", "elasticnet", "mcp", "scad", "none"}
        What `alpha` multiplies: half the squared norm, the L1 norm, their mean with weights
        1 - `l1_ratio` and `l1_ratio`, or nothing; "mcp" and "scad" are described in
        :class:`FiniteSumRegressor`.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data. float64 and float32 in C order, and CSR, are used without a copy, but for arrays
        whose columns' means are ten times their deviations, or with `alpha=0` whose units differ as
        much.
    y : array-like of shape (n_samples,)
        Targets; -1 and 1 for the first four losses.
    solver : {"auto", "newton", "cd", "interior-point", "sag", "saga", "svrg", "sdca", "miso", \
            "katyusha", "point-saga", "catalyst"}, default="auto"
        As in :class:`FiniteSumClassifier`.
    alpha : float, default=1e-4
        Strength of the penalty.
    l1_ratio : float, default=0.5
        For `penalty="elasticnet"`.
    positive : bool, default=False
        Whether coefficients must not be negative.
    penalty_weights : array-like of shape (n_features,), default=None
        Positive weights of the columns' penalties, as in :class:`FiniteSumRegressor`.
    penalty_groups : array-like of shape (n_features,), default=None
        Labels of the columns' groups, whose norms replace the L1 norm of "l1" and "elasticnet",
        as in :class:`FiniteSumRegressor`.
    epsilon : float, default=1.35
        Where "huber" and "epsilon_insensitive" bend, and the width of the bend of
        "smooth_quantile", in units of y.
    quantile : float, default=0.5
        Which quantile "smooth_quantile" predicts.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights, not all zero. Default: all 1.
    fit_intercept : bool, default=False
        Whether to fit an intercept, which is not penalised.
    start : array-like of shape (n_features + 1,), default=None
        Coefficients and intercept to start from, unless zeros are better. Default: zeros.
    sampling : {"auto", "uniform", "lipschitz"}, default="auto"
        As in :class:`FiniteSumClassifier`.
    step_size : "auto" or float, default="auto"
        As in :class:`FiniteSumClassifier`.
    tol : float, default=1e-6
        Largest duality gap relative to the objective.
    max_iter : int, default=1000
        The most passes over the data, as in :class:`FiniteSumClassifier`.
    random_state : int, RandomState instance or None, default=None
        Draws the rows; solvers by all rows at once do not use it. None stands for 0: a fit is the
        same each time.

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
    ('newton', True)
    """
    with always_checked():
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C")
        y = check_array(y, dtype=np.float64, order="C", ensure_2d=False)
    if y.shape != X.shape[:1]:
        raise ValueError(f"y: found shape {y.shape}; X asks for {X.shape[:1]}.")
    c = row_weights(X, sample_weight)
    used = c > 0
    rows, targets, c = (X, y, c) if used.all() else (X[used], y[used], c[used])
    scalar_loss = LOSSES[loss].with_parameters(epsilon, quantile)
    scalar_loss.check_targets(targets, c)
    described = make_penalty(
        0.0 if penalty == "none" else alpha,
        L1_RATIOS.get(penalty, l1_ratio),
        positive,
        penalty if penalty in SPARSITIES else "l1",
        penalty_groups,
        X.shape[1],
    )
    source, common = training_source(rows, c, described, penalty_weights, fit_intercept)
    problem = regression_problem(source, targets, scalar_loss, common)
    W = np.zeros(X.shape[1] + 1) if start is None else np.array(start, dtype=np.float64)
    if W.shape != (X.shape[1] + 1,) or not np.isfinite(W).all():
        raise ValueError(
            f"start: found shape {W.shape}; allowed are {X.shape[1]} finite coefficients and an "
            "intercept."
        )
    solution = solve(
        [problem],
        [W],
        _history,
        solver=solver,
        sampling=sampling,
        step_size=step_size,
        tol=tol,
        max_iter=max_iter,
        random_state=random_state,
    )
    (x,) = solution.parameters
    shared = ("objective", "certificate", "history", "n_iter", "solver", "rate")
    return Bunch(x=x, coef=x[:-1], intercept=x[-1], **{name: solution[name] for name in shared})


def _history(steps):
    """Run the steps up to the first that is done; return the curves."""
    records = []
    for step in steps:
        records.append(step.curves)
        if step.done:
            break
    return {name: np.array([record[name] for record in records]) for name in records[0]}
