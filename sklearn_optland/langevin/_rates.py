"""How the generalisation error of Langevin dynamics scales: rates, not bounds."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.parameters import validate_params

POSITIVE = [Interval(Real, 0, None, closed="neither")]
SMALLEST = np.finfo(float).tiny
COUNT = [Interval(Integral, 1, None, closed="left")]


@validate_params(
    {
        "step_sizes": ["array-like"],
        "beta": POSITIVE,
        "lipschitz": POSITIVE,
        "n_samples": COUNT,
        "constant": POSITIVE,
    },
    prefer_skip_nested_validation=True,
)
def stability_rate(
    step_sizes: ArrayLike, *, beta: float, lipschitz: float, n_samples: int, constant: float = 1.0
) -> float:
    r"""Compute the rate of the expected generalisation error by stability.

    .. math:: \frac{c}{n} \left(k_0 + L \sqrt{\beta \sum_{k > k_0} \eta_k}\right), \qquad
              k_0 = \min \{k : \eta_k \beta L^2 < 1\}.

    Steps are counted from 1. The theorem has no value for c: this says how the error scales with
    what is in it, and is no bound on it.

    Parameters
    ----------
    step_sizes : array-like of shape (n_steps,)
        The :math:`\eta_k`, of the mean loss.
    beta : float
        The inverse temperature of the mean loss: n of a posterior.
    lipschitz : float
        The constant L: the largest norm of a row's gradient.
    n_samples : int
        Number n of training rows.
    constant : float, default=1.0
        The c.

    Returns
    -------
    rate : float
        Where no step has :math:`\eta_k \beta L^2 < 1`, :math:`k_0` is their number.

    Raises
    ------
    ValueError
        If step sizes are not positive.

    See Also
    --------
    pac_bayes_rate : The rate that knows the gradients.

    References
    ----------
    W. Mou, L. Wang, X. Zhai and K. Zheng, "Generalization bounds of SGLD for non-convex learning:
    two theoretical viewpoints", COLT 2018.

    Examples
    --------
    >>> from sklearn_optland.langevin import stability_rate
    >>> stability_rate([0.01] * 100, beta=1.0, lipschitz=1.0, n_samples=1000)  # k_0 = 1
    0.00199...
    """
    eta = checked("step_sizes", step_sizes)
    is_small = eta * beta * lipschitz**2 < 1
    k0 = int(is_small.argmax()) + 1 if is_small.any() else len(eta)
    return float(constant / n_samples * (k0 + lipschitz * np.sqrt(beta * eta[k0:].sum())))


@validate_params(
    {
        "step_sizes": ["array-like"],
        "squared_gradients": ["array-like"],
        "beta": POSITIVE,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "n_samples": COUNT,
        "constant": POSITIVE,
    },
    prefer_skip_nested_validation=True,
)
def pac_bayes_rate(
    step_sizes: ArrayLike,
    squared_gradients: ArrayLike,
    *,
    beta: float,
    alpha: float,
    n_samples: int,
    constant: float = 1.0,
) -> float:
    r"""Compute the PAC-Bayesian rate of the generalisation error.

    .. math:: c \sqrt{\frac{\beta}{n} \sum_k \eta_k e^{-\alpha (T_N - T_k) / 2}
              E \|g_k\|^2}, \qquad T_k = \sum_{j \leq k} \eta_j,

    for a mean loss with the penalty :math:`\alpha \|w\|^2 / 2`. Early steps are forgotten. The
    theorem has no value for c: this says how the error scales with what is in it, and is no bound
    on it.

    Parameters
    ----------
    step_sizes : array-like of shape (n_steps,)
        The :math:`\eta_k`, of the mean loss.
    squared_gradients : array-like of shape (n_steps,)
        Mean squared norms of the stochastic gradients at each step, without the penalty's.
    beta : float
        The inverse temperature of the mean loss: n of a posterior.
    alpha : float
        Strength of the penalty.
    n_samples : int
        Number n of training rows.
    constant : float, default=1.0
        The c.

    Returns
    -------
    rate : float
        The value of the expression.

    Raises
    ------
    ValueError
        If step sizes are not positive, or their number is not that of the gradients.

    See Also
    --------
    stability_rate : The rate that knows a Lipschitz constant.

    References
    ----------
    W. Mou, L. Wang, X. Zhai and K. Zheng, "Generalization bounds of SGLD for non-convex learning:
    two theoretical viewpoints", COLT 2018.

    Examples
    --------
    >>> from sklearn_optland.langevin import pac_bayes_rate
    >>> pac_bayes_rate([0.25] * 4, [1.0] * 4, beta=1.0, alpha=0.0, n_samples=100)
    0.1
    """
    eta = checked("step_sizes", step_sizes)
    squares = checked("squared_gradients", squared_gradients, least=0.0)
    if len(squares) != len(eta):
        raise ValueError(
            f"squared_gradients: found {len(squares)} entries; allowed are {len(eta)}, those of "
            "step_sizes."
        )
    T = np.cumsum(eta)
    terms = eta * np.exp(-0.5 * alpha * (T[-1] - T)) * squares
    return float(constant * np.sqrt(beta / n_samples * terms.sum()))


def checked(name, values, least=SMALLEST):
    """A row of finite numbers, none below the least."""
    values = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    if values.ndim != 1 or values.min() < least:
        wanted = "positive" if least > 0 else "non-negative"
        raise ValueError(
            f"{name}: found the shape {values.shape} and a least entry of {values.min():.3g}; "
            f"allowed is one row of {wanted} numbers."
        )
    return values
