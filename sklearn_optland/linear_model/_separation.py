"""Whether classes overlap or can be separated, with the proof."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.training_rows import (
    FLOATS,
    always_checked,
    check_classes,
    check_labels,
    encode,
    total_weight,
)
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._rows.source import ArraySource
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._coordinates import lean_columns
from sklearn_optland.linear_model._logistic.newton_image import NewtonSystem, newton_image
from sklearn_optland.linear_model._logistic.problem import log_loss_problem
from sklearn_optland.linear_model._logistic.separation import (
    most_separated,
    overlap_by,
    separated_by,
)

# Newton steps that may show overlap, or separate all rows, before the linear program is solved.
MAX_STEPS = 10


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        "sample_weight": ["array-like", None],
        "fit_intercept": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def separation(
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    fit_intercept: bool = True,
) -> Bunch:
    r"""Tell whether a linear model can separate classes, and prove it.

    Logistic regression without a penalty has an optimum exactly if the classes overlap (Albert and
    Anderson 1984). With margins :math:`m_{ij} = (w_{y_i} - w_j)^T x_i + b_{y_i} - b_j` they

    - overlap, if no parameters have all margins :math:`\ge 0` and one of them > 0,
    - are quasi-completely separated, if some have, but not all margins > 0,
    - are completely separated, if some have all margins > 0.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Class labels, of at least two classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights. Rows without weight are left out; otherwise they change nothing.
    fit_intercept : bool, default=True
        Whether there are intercepts b.

    Returns
    -------
    separation : :class:`~sklearn.utils.Bunch`
        What was found.

        kind : {"overlap", "quasi-complete", "complete"}
            Which of the three.
        direction : ndarray of shape (1, n_features) or (n_classes, n_features)
            Coefficients, those of two classes as in LogisticRegression, that separate as many rows
            as can be separated; 0 if classes overlap.
        intercept : ndarray of shape (1,) or (n_classes,)
            Their intercepts.
        rows : ndarray of int
            The rows with a positive margin, in ascending order.
        columns : ndarray of int
            The columns with a coefficient.
        margins : ndarray of shape (n_samples, n_classes - 1)
            Of the direction, over the classes after a row's own, which 0 follows. The least
            positive one is 1. NaN for rows without weight.
        weights : ndarray of shape (n_samples, n_classes - 1)
            q >= 0, for which the sum of q times the gradients of the margins is 0: positive, it
            proves that a margin cannot be. NaN for rows without weight.

    Raises
    ------
    ValueError
        If there are fewer than two classes, missing or infinite values or weights without a sum.
    ArithmeticError
        If classes are so close to separation that the linear program's tolerances cannot tell.

    See Also
    --------
    BoundMajorizationLogisticRegression : With `C=np.inf` it says the same of what it fits.
    MaxMarginClassifier : The widest margin of classes that are completely separated.

    Notes
    -----
    Newton's method for logistic regression comes first: its step proves overlap where it leaves
    all probabilities positive, and its scores prove complete separation. Otherwise HiGHS solves a
    linear program with a constraint for each row and each other class.

    References
    ----------
    A. Albert and J. A. Anderson, "On the existence of maximum likelihood estimates in logistic
    regression models", Biometrika 71 (1984).

    K. Konis, "Linear programming algorithms for detecting separated data in binary logistic
    regression models", thesis, University of Oxford (2007).

    Examples
    --------
    >>> from sklearn_optland.linear_model import separation
    >>> X, y = [[0, 0], [1, 0], [2, 0], [3, 0], [1, 5]], [0, 1, 0, 1, 1]
    >>> found = separation(X, y)
    >>> found.kind, found.rows, found.columns
    ('quasi-complete', array([4]), array([1]))
    """
    with always_checked():
        X = check_array(X, accept_sparse="csr", dtype=FLOATS, order="C")
        y = column_or_1d(y)
        check_consistent_length(X, y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    check_labels(y)
    total_weight(weights)
    used = np.flatnonzero(weights > 0)
    classes, codes = encode(y[used])
    check_classes(classes)
    k, n = len(classes), X.shape[0]
    rows, coordinates = lean_columns(X[used], fit_intercept)
    found = _by_newton(rows, codes, k, fit_intercept) or most_separated(
        rows, codes, k, fit_intercept
    )
    W = coordinates.to_user(found.W)
    margins, proof = np.full((2, n, k - 1), np.nan)
    margins[used], proof[used] = found.margins, found.weights
    return Bunch(
        kind=found.kind,
        direction=W[:-1].T,
        intercept=W[-1],
        rows=used[found.rows],
        columns=coordinates.numbers_of_user(found.columns),
        margins=margins,
        weights=proof,
    )


def _by_newton(X, codes, n_classes, fit_intercept):
    """What some steps of Newton's method prove, a Separation; None if that is nothing."""
    source = ArraySource(X, y=codes, c=np.ones(len(codes)))
    problem = log_loss_problem(source, n_classes=n_classes, l2=0.0, fit_intercept=fit_intercept)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        point = problem.evaluate(problem.zeros())
        for _ in range(MAX_STEPS):
            system = NewtonSystem(problem, point)
            direction = system.direction()
            found = newton_image(system, direction)
            if found is not None:
                return overlap_by(problem, found.residuals)
            point, _ = problem.search(point, direction)
            if point is None:
                return None
            found = separated_by(problem, point)
            if found is not None:
                return found
    return None
