"""The quadratic bound on a log-partition function, for any finite feature map."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_optland._loss import partition_bound_fast as kernels


def partition_function_bound(
    features: ArrayLike, weights: ArrayLike, theta: ArrayLike
) -> tuple[float, NDArray, NDArray]:
    r"""Bound a log-partition function by a quadratic around a point.

    For :math:`Z(\theta) = \sum_y h(y) \exp(\theta^T f(y))` over a finite set of y, and any
    :math:`\Delta = \theta - \tilde\theta`,

    .. math:: \log Z(\theta) \le \log z + \Delta^T \mu + \tfrac12 \Delta^T \Sigma \Delta,

    with equality at :math:`\tilde\theta`; :math:`\mu` is the gradient of log Z there. This is
    Algorithm 1 of Jebara and Choromanska (2012). The curvature depends on the order in
    which the y are visited; descending :math:`h(y) \exp(\tilde\theta^T f(y))` is the tightest
    and is what is used.

    Parameters
    ----------
    features : array-like of shape (n_values, n_features)
        Rows f(y), one for each y.
    weights : array-like of shape (n_values,)
        Values h(y), non-negative, not all zero.
    theta : array-like of shape (n_features,)
        The point :math:`\tilde\theta` at which the bound touches.

    Returns
    -------
    log_z : float
        The value log Z at theta.
    mu : ndarray of shape (n_features,)
        The gradient of log Z at theta.
    sigma : ndarray of shape (n_features, n_features)
        The curvature of the bound, symmetric and positive semi-definite.

    Raises
    ------
    ValueError
        If shapes do not match, a value is not finite or so large that the bound is not, or no
        weight is positive.

    References
    ----------
    T. Jebara and A. Choromanska, "Majorization for CRFs and latent likelihoods", NIPS 2012.

    Examples
    --------
    >>> from sklearn_optland.linear_model import partition_function_bound
    >>> log_z, mu, sigma = partition_function_bound([[0.0], [1.0]], [1.0, 1.0], [0.0])
    >>> round(log_z, 4), mu, sigma
    (0.6931, array([0.5]), array([[0.25]]))
    """
    features = np.ascontiguousarray(features, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    theta = np.asarray(theta, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"features: found shape {features.shape}; allowed is (n_values, n_features), not empty."
        )
    expected = {"weights": (features.shape[:1], weights), "theta": (features.shape[1:], theta)}
    for name, (shape, array) in expected.items():
        if array.shape != shape:
            raise ValueError(f"{name}: found shape {array.shape}; features ask for {shape}.")
    for name, array in (("features", features), ("weights", weights), ("theta", theta)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: found NaN or infinity; allowed are finite values.")
    if (weights < 0).any() or not weights.any():
        raise ValueError(
            f"weights: found values from {weights.min()} to {weights.max()}; allowed are "
            "non-negative ones, not all zero."
        )
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        log_alpha = np.log(weights) + features @ theta
    mu = np.zeros(features.shape[1])
    sigma = np.zeros((features.shape[1], features.shape[1]))
    log_z = kernels.partition_bound(features, log_alpha, np.argsort(-log_alpha), mu, sigma)
    if not (np.isfinite(log_z) and np.isfinite(mu).all() and np.isfinite(sigma).all()):
        raise ValueError(
            f"features: found magnitudes up to {np.abs(features).max():.3g}, whose squares or "
            "scores overflow; allowed are those for which both are finite."
        )
    return log_z, mu, sigma
