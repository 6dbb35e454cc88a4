"""The solvers of finite sums as a function."""

from numbers import Real

import numpy as np
from sklearn.utils import Bunch, check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sklearn_optland._estimator.training_rows import row_weights
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._finite_sum.base import (
    CLASSIFICATION_LOSSES,
    REGRESSION_LOSSES,
    FiniteSumEstimator,
    checked_targets,
    total_certificate,
)
from sklearn_optland.linear_model._finite_sum.descent import Descent, descend, until_done
from sklearn_optland.linear_model._finite_sum.problem import FiniteSum, Penalty
from sklearn_optland.linear_model._finite_sum.solver_specs import SOLVERS, choose_solver, rate


@validate_params(
    {
        **FiniteSumEstimator._parameter_constraints,
        "loss": [StrOptions({*CLASSIFICATION_LOSSES, *REGRESSION_LOSSES})],
        "penalty": [StrOptions({"l2", "l1", "elasticnet", "none"})],
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "sample_weight": ["array-like", None],
        "start": ["array-like", None],
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
    c = row_weights(X, sample_weight)
    used = c > 0
    share = {"l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio, "none": 0.0}[penalty]
    alpha = 0.0 if penalty == "none" else alpha
    problem = FiniteSum(
        X if used.all() else X[used],
        checked_targets(y[used], c[used]),
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
