"""Landscapes that are known exactly: linear, quadratic and ReLU nets."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neural_network import MLPRegressor
from sklearn.utils import Bunch, check_random_state, check_X_y
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland._optim.lbfgs import Memory, minimize

# Steps of a descent, and pairs that its L-BFGS remembers.
DESCENT, PAIRS = 5000, 20
# A descent ends where its latest steps bring less than this share of the loss.
FLAT = 1e-14


def checked(X, y):
    """Rows and targets as float64 arrays, y with two dimensions."""
    X, y = check_X_y(X, y, dtype=np.float64, multi_output=True, y_numeric=True)
    return X, np.asarray(y, dtype=np.float64).reshape(len(y), -1)


def checked_column(X, y):
    """Rows and one column of targets, of shape (n_samples, 1)."""
    X, Y = checked(X, y)
    if Y.shape[1] != 1:
        raise ValueError(f"y: found {Y.shape[1]} columns; allowed is one.")
    return X, Y


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "rank": [Interval(Integral, 0, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def linear_network_optimum(X: ArrayLike, y: ArrayLike, rank: int | None = None) -> Bunch:
    r"""Compute the global minimum of a deep linear net in closed form.

    A net of linear layers computes a matrix whose rank is at most the smallest width. Its squared
    error has no other local minima than the global ones, at

    .. math:: \min_{\mathrm{rank}\, W \le r} \frac{1}{2n} \|Y - 1 b^T - X W\|^2
              = \text{OLS} + \frac{1}{2n} \sum_{i > r} \sigma_i^2,

    with the singular values of the least-squares predictions, centered.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    rank : int, default=None
        The smallest number of hidden units of a layer. Default: no bound.

    Returns
    -------
    optimum : Bunch
        `coef` of shape (n_features, n_outputs), `intercept` of shape (n_outputs,) and `loss`, half
        the mean square.

    Raises
    ------
    ValueError
        If X and y do not fit or have missing values, or rank is negative.

    References
    ----------
    P. Baldi and K. Hornik, "Neural networks and principal component analysis", Neural Networks 2
    (1989); K. Kawaguchi, "Deep learning without poor local minima", NeurIPS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.landscape import linear_network_optimum
    >>> X = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    >>> linear_network_optimum(X, X @ [[2.0, 0.0], [0.0, 1.0]], rank=1).loss
    0.25
    """
    X, Y = checked(X, y)
    mean_X, mean_Y = X.mean(axis=0), Y.mean(axis=0)
    W = np.linalg.lstsq(X - mean_X, Y - mean_Y, rcond=None)[0]
    if rank is not None:
        axes = np.linalg.svd((X - mean_X) @ W, full_matrices=False)[2][:rank]
        W = W @ axes.T @ axes
    intercept = mean_Y - mean_X @ W
    loss = 0.5 * float(np.sum((Y - X @ W - intercept) ** 2)) / len(X)
    return Bunch(coef=W, intercept=intercept, loss=loss)


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "n_units": [Interval(Integral, 1, None, closed="left")],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def quadratic_network_valley(
    X: ArrayLike,
    y: ArrayLike,
    n_units: int,
    *,
    n_starts: int = 10,
    random_state: RandomState = None,
) -> Bunch:
    r"""Compare descents of a net of squares with its global optimum.

    .. math:: f(x) = \sum_{j \le M} a_j (w_j^T x)^2

    With M > 2 n_features units the squared error has no spurious valley: from every start a path
    descends to the global optimum, which is a linear least-squares problem in the symmetric matrix
    :math:`\sum_j a_j w_j w_j^T`. With few units descents may end above it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Targets.
    n_units : int
        Hidden units M.
    n_starts : int, default=10
        Random starts.
    random_state : int, RandomState instance or None, default=None
        Draws them.

    Returns
    -------
    valley : Bunch
        `optimum`, the least half mean square of all symmetric matrices; `losses` of shape
        (n_starts,), where descents ended; `excess`, their difference.

    Raises
    ------
    ValueError
        If X and y do not fit or have missing values, or a parameter is not allowed.

    References
    ----------
    L. Venturi, A. S. Bandeira and J. Bruna, "Spurious valleys in one-hidden-layer neural network
    optimization landscapes", JMLR 20 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.landscape import quadratic_network_valley
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((100, 3)), rng.standard_normal(100)
    >>> valley = quadratic_network_valley(X, y, n_units=7, random_state=0)
    >>> bool(valley.excess.max() < 1e-6)
    True
    """
    X, Y = checked_column(X, y)
    y, (n, d) = Y[:, 0], X.shape
    rows, columns = np.triu_indices(d)
    products = X[:, rows] * X[:, columns]
    best = np.linalg.lstsq(products, y, rcond=None)[0]
    optimum = 0.5 * float(np.mean((y - products @ best) ** 2))

    def loss_and_gradient(theta):
        a, W = theta[:n_units], theta[n_units:].reshape(d, n_units)
        Z = X @ W
        squares = Z * Z
        residual = (squares @ a - y) / n
        gradient_W = 2.0 * X.T @ (residual[:, None] * Z * a)
        loss = 0.5 * n * float(residual @ residual)
        return loss, np.concatenate([squares.T @ residual, gradient_W.ravel()])

    rng = check_random_state(random_state)
    starts = rng.standard_normal((n_starts, n_units * (d + 1))) / np.sqrt(n_units)
    losses = np.array([descent_end(loss_and_gradient, start) for start in starts])
    return Bunch(optimum=optimum, losses=losses, excess=losses - optimum)


def descent_end(function, theta):
    """The loss where a descent ends."""
    losses = []
    for n_steps, step in enumerate(minimize(function, theta, Memory(PAIRS)), 1):
        losses.append(step.loss)
        is_flat = n_steps > PAIRS and losses[-PAIRS] - step.loss <= FLAT * max(step.loss, 1e-300)
        if step.done or is_flat or n_steps == DESCENT:
            break
    return losses[-1]


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def poor_minimum(X: ArrayLike, y: ArrayLike, n_hidden: int = 2) -> MLPRegressor:
    """Construct a poor local minimum of a ReLU net.

    One unit computes the least-squares predictions, shifted so far that it is active on all rows;
    the others are constant. Near that point the net is linear in x, and no linear function has a
    smaller squared error: it is a local minimum. Unless y is linear in x, a net of two units can do
    better, far away.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Targets.
    n_hidden : int, default=2
        Hidden units.

    Returns
    -------
    net : MLPRegressor
        Fitted: it is at the local minimum of the loss without penalty.

    Raises
    ------
    ValueError
        If X and y do not fit or have missing values, or n_hidden is below 1.

    References
    ----------
    C. Yun, S. Sra and A. Jadbabaie, "Small nonlinearities in activation functions create bad local
    minima in neural networks", ICLR 2019, Theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.landscape import LossSurface, poor_minimum
    >>> X = np.array([[-1.0], [0.0], [1.0], [2.0]])
    >>> y = np.abs(X[:, 0])
    >>> surface = LossSurface(poor_minimum(X, y), X, y, penalty=False)
    >>> bool(abs(surface.gradient(surface.theta_)).max() < 1e-12)
    True
    """
    X, Y = checked_column(X, y)
    d, fit = X.shape[1], linear_network_optimum(X, Y)
    # Below all predictions, so that the unit is active on all rows, and those without weights too;
    # by as much as predictions vary, since a distance of 1 may be one of rounding.
    predictions = X @ fit.coef + fit.intercept
    margin = max(1.0, float(np.ptp(predictions)))
    shift = min(0.0, float(predictions.min())) - margin
    W, b = np.zeros((d, n_hidden)), np.full(n_hidden, -shift)
    W[:, 0], b[0] = fit.coef[:, 0], fit.intercept[0] - shift
    out = np.zeros((n_hidden, 1))
    out[0] = 1.0
    net = MLPRegressor(hidden_layer_sizes=(n_hidden,), activation="relu", alpha=0.0)
    net.coefs_, net.intercepts_ = [W, out], [b, np.array([shift])]
    net.n_features_in_, net.n_outputs_, net.n_layers_ = d, 1, 3
    net.out_activation_, net.n_iter_, net.loss_ = "identity", 0, fit.loss
    return net
