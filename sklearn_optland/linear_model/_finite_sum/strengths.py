"""Where paths of strengths begin: the least alpha at which a constant is the best fit."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone, is_classifier

from sklearn_optland._estimator.training_rows import classification_rows, regression_rows
from sklearn_optland._estimator.typing import MatrixLike
from sklearn_optland._loss import scalar_losses_fast as scalar_losses
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.linear_model._finite_sum.estimator import FiniteSumEstimator

# Of the loss of a constant: what a fit with the strongest L2 penalty of a path may win.
LEAST_GAIN = 0.1
# Scores up to this size are tried as constants: the log-loss of larger ones is 0.
LARGEST_CONSTANT = 1000.0
# More than enough for two neighbours in float64, wherever they are.
MAX_HALVINGS = 300
# Strengths beyond would overflow, or underflow, in the squares of coefficients.
LEAST, LARGEST = 1e-150, 1e150


def alpha_max(
    estimator: BaseEstimator, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    r"""Find the least `alpha` at which all coefficients of a finite sum are zero.

    With the pulls :math:`\theta_i = -\ell'(y_i, b)` at the best constant b, or at 0 without an
    intercept, it is

    .. math:: \max_j \Bigl| \frac{\sum_i s_i \theta_i x_{ij}}{\sum_i s_i} \Bigr| / \rho.

    With `penalty_groups` a group's Euclidean norm, divided by the root of its size, stands for the
    modulus.

    Parameters
    ----------
    estimator : estimator
        A classifier or regressor by finite sums with its parameters, an L1 part of the penalty
        among them (`l1_ratio` above 0). Its `alpha` does not matter. It is cloned.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights s. Default: all 1.

    Returns
    -------
    alpha : float
        0 if no column is of any use. Of "hinge" and "epsilon_insensitive" it can be more than
        the least: rows at the kink of the loss may pull in many ways, of which one is taken.

    Raises
    ------
    ValueError
        If the estimator is not a finite sum, or its `l1_ratio` is 0; for what its `fit` refuses.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_optland.linear_model import FiniteSumRegressor, alpha_max
    >>> X, y = load_diabetes(return_X_y=True)
    >>> alpha = alpha_max(FiniteSumRegressor(l1_ratio=1.0), X, y)
    >>> round(alpha, 3)
    2.148
    >>> for factor in (1.001, 0.999):
    ...     model = FiniteSumRegressor(l1_ratio=1.0, alpha=factor * alpha, tol=1e-10).fit(X, y)
    ...     print((model.coef_ != 0).sum())
    0
    1
    """
    if not isinstance(estimator, FiniteSumEstimator):
        raise ValueError(
            f"estimator: found {type(estimator).__name__}; allowed are linear models by finite "
            "sums, such as FiniteSumClassifier and FiniteSumRegressor."
        )
    model = clone(estimator)
    model._validate_params()
    if model.l1_ratio == 0:
        raise ValueError(
            "l1_ratio: found 0; allowed are values above, since no L2 penalty makes coefficients "
            "zero."
        )
    validate = classification_rows if is_classifier(model) else regression_rows
    rows = validate(model, X, y, sample_weight, accept_sparse=True)
    _, _, largest = fit_of_constants(model, rows)
    return float(largest / model.l1_ratio)


def strengths(model, rows, l1_ratios, n, eps):
    """Strengths of the penalty from the largest that says anything on, evenly in logarithms.

    They end at `eps` of the largest, which is the one that `alpha_max` finds. With L2 alone it is
    the one at which the dual point of the best constant, loss - |v|^2 / (2 alpha), leaves a fit at
    most `LEAST_GAIN` of the loss to win; and since L2 strengths go with the square of the columns'
    units, and L1 strengths with the units, they end at the square of `eps`.

    Parameters
    ----------
    model : FiniteSumEstimator
        Its `alpha` and `l1_ratio` do not matter.
    rows : TrainingRows
    l1_ratios : ndarray of shape (n_l1_ratios,)
    n : int
    eps : float

    Returns
    -------
    alphas : ndarray of shape (n_l1_ratios, n)
    """
    loss, felt, largest = fit_of_constants(model, rows)
    alphas = []
    for l1_ratio in l1_ratios:
        if largest == 0:  # any strength will do
            first = 1.0
        elif l1_ratio > 0:
            first = largest / l1_ratio
        else:  # the square in two steps, lest it overflow
            first = largest * np.sum((felt / largest) ** 2) / (2 * LEAST_GAIN) * (largest / loss)
        first = np.clip(first, LEAST, LARGEST)
        alphas.append(np.geomspace(first, first * (eps if l1_ratio > 0 else eps**2), n))
    return np.array(alphas)


def fit_of_constants(model, rows):
    """The loss of the best constants, what coefficients feel of the pulls there, and its polar.

    Of coefficients that may not be negative that is the positive part.
    """
    with one_blas_thread():
        problems = clone(model).set_params(alpha=1.0, l1_ratio=1.0)._problems(rows)
        problems[0].row_squares  # noqa: B018 refuses rows whose products overflow
        losses, pulls = zip(*map(_best_constant, problems), strict=True)
        felt = [
            problem.pull(theta)[:-1].ravel() for problem, theta in zip(problems, pulls, strict=True)
        ]
    largest = max(0.0, *map(problems[0].penalty.polar, felt))
    felt = np.concatenate(felt)
    return sum(losses), np.maximum(felt, 0.0) if model.positive else felt, largest


def _best_constant(problem):
    """The loss of the best constant score and its pulls, of which the intercept feels nothing."""
    if not problem.fit_intercept:
        return problem.losses(problem.zeros_like_scores())
    if problem.k > 1:  # the classes' shares are the probabilities
        shares = np.bincount(problem.y, weights=problem.c)
        return problem.losses(np.tile(np.log(shares), (problem.n_samples, 1)))
    # Equal targets feel the same pull. Its sum falls in the constant: halve an interval until
    # float64 has nothing between the ends. Where rows are at a kink, they pull in one way at the
    # lower end and in another at the upper one, and a mixture balances.
    y, rows = np.unique(problem.y, return_inverse=True)
    c = np.bincount(rows, weights=problem.c)

    def at(b):
        theta = np.empty(len(y))
        loss = scalar_losses.pulls(problem.loss, y, c, np.full(len(y), b), theta)
        return loss, theta, c @ theta

    low, high = _bracket(lambda b: at(b)[2], y[0], y[-1])
    for _ in range(MAX_HALVINGS):
        middle = low + 0.5 * (high - low)
        if not low < middle < high:
            break
        balance = at(middle)[2]
        if balance >= 0:
            low = middle
        if balance <= 0:
            high = middle
    (loss, theta, up), (_, theta_high, down) = at(low), at(high)
    if up > down:
        theta = (up * theta_high - down * theta) / (up - down)
    return loss, theta[rows]


def _bracket(balance, low, high):
    """Constants between which a balance, falling in them, changes its sign."""
    while balance(low) < 0 and low > -LARGEST_CONSTANT:
        low = min(2 * low, -1.0)
    while balance(high) > 0 and high < LARGEST_CONSTANT:
        high = max(2 * high, 1.0)
    return low, high
