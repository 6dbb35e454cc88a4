"""Residual nets against linear predictors: Shamir's inequality."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.utils import Bunch, check_array, check_consistent_length, check_X_y
from sklearn.utils._param_validation import StrOptions

from sklearn_optland._estimator.parameters import validate_params

# Mean losses of predictions, and their derivatives.
LOSSES = {
    "squared_error": lambda y, f: (0.5 * np.mean((f - y) ** 2), (f - y) / len(y)),
    "log_loss": lambda y, f: (np.mean(np.logaddexp(0.0, -y * f)), -y * expit(-y * f) / len(y)),
}


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like"],
        "features": ["array-like"],
        "w": ["array-like"],
        "V": ["array-like"],
        "linear": ["array-like"],
        "loss": [StrOptions(set(LOSSES))],
    },
    prefer_skip_nested_validation=True,
)
def residual_net_bound(
    X: ArrayLike,
    y: ArrayLike,
    features: ArrayLike,
    w: ArrayLike,
    V: ArrayLike,
    linear: ArrayLike,
    *,
    loss: Literal["squared_error", "log_loss"] = "squared_error",
) -> Bunch:
    r"""Bound how much worse than a linear predictor a residual net can be.

    .. math:: f(x) = w^T \left(x + V \varphi(x)\right)

    with any features :math:`\varphi`, such as the last hidden layer of a deep net. Theorem: for a
    convex loss, the mean loss F of f and that of any linear predictor :math:`u^T x` obey

    .. math:: F(w, V) - F_{\mathrm{lin}}(u) \le \|\nabla_{w, V} F\|\,
              \sqrt{\|w - u\|^2 + \|V^T u\|^2 / \|w\|^2}.

    Where the gradient vanishes the net is no worse than the best linear predictor, whatever local
    minimum or saddle it is at.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, which skip the hidden layers.
    y : array-like of shape (n_samples,)
        Targets; of the log-loss, -1 and 1.
    features : array-like of shape (n_samples, n_hidden)
        What the hidden layers make of each row.
    w : array-like of shape (n_features,)
        Weights of the output, not all 0.
    V : array-like of shape (n_features, n_hidden)
        Weights from the features back to the columns.
    linear : array-like of shape (n_features,)
        Weights u of the linear predictor.
    loss : {"squared_error", "log_loss"}, default="squared_error"
        The loss; the squared error is halved.

    Returns
    -------
    result : Bunch
        `loss` of the net, `linear_loss`, `excess`, their difference, `gradient_norm`, and `bound`,
        the right-hand side, which the excess is at most.

    Raises
    ------
    ValueError
        If shapes do not fit, values are missing, w is 0, or labels are not -1 and 1.

    Notes
    -----
    By convexity the excess is at most the mean of :math:`\ell'(f(x)) (f(x) - u^T x)`, which is the
    product of the gradient with the direction :math:`(w - u,\; w u^T V / \|w\|^2)`.

    References
    ----------
    O. Shamir, "Are ResNets provably better than linear predictors?", NeurIPS 2018, Theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.landscape import residual_net_bound
    >>> rng = np.random.default_rng(0)
    >>> X, V, w = rng.standard_normal((50, 3)), rng.standard_normal((3, 4)), np.ones(3)
    >>> features = np.maximum(X @ rng.standard_normal((3, 4)), 0)
    >>> y = X[:, 0] - X[:, 1]
    >>> result = residual_net_bound(X, y, features, w, V, linear=[1.0, -1.0, 0.0])
    >>> bool(result.excess <= result.bound)
    True
    """
    X, y = check_X_y(X, y, dtype=np.float64, y_numeric=True)
    y = y.astype(np.float64)
    features, V = (check_array(A, dtype=np.float64) for A in (features, V))
    check_consistent_length(X, features)
    w, u = (check_array(a, dtype=np.float64, ensure_2d=False) for a in (w, linear))
    n_columns = X.shape[1]
    shapes = {"w": w.shape, "linear": u.shape, "V": V.shape}
    wanted = {"w": (n_columns,), "linear": (n_columns,), "V": (n_columns, features.shape[1])}
    for name, shape in shapes.items():
        if shape != wanted[name]:
            raise ValueError(f"{name}: found shape {shape}; allowed is {wanted[name]}.")
    if not w.any():
        raise ValueError("w: found zeros alone; allowed are weights that are not all 0.")
    if loss == "log_loss" and not np.isin(y, (-1, 1)).all():
        raise ValueError("y: found labels other than -1 and 1, those that log_loss allows.")
    columns = X + features @ V.T
    value, slopes = LOSSES[loss](y, columns @ w)
    linear_value, _ = LOSSES[loss](y, X @ u)
    gradient_V = np.outer(w, slopes @ features)
    gradient_norm = np.hypot(np.linalg.norm(slopes @ columns), np.linalg.norm(gradient_V))
    distance = np.hypot(np.linalg.norm(w - u), np.linalg.norm(V.T @ u) / np.linalg.norm(w))
    return Bunch(
        loss=float(value),
        linear_loss=float(linear_value),
        excess=float(value - linear_value),
        gradient_norm=float(gradient_norm),
        bound=float(gradient_norm * distance),
    )
