"""How many critical points a large spherical spin glass has, of which energy and index."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.parameters import validate_params

SPINS = [Interval(Integral, 2, None, closed="left")]
INDEX = [Interval(Integral, 0, None, closed="left")]


@validate_params({"p": SPINS}, prefer_skip_nested_validation=True)
def threshold_energy(p: int) -> float:
    r"""Energy per spin above which saddles have an index that grows with the number of spins.

    .. math:: -E_\infty = -2 \sqrt{(p - 1) / p}

    Below it are critical points of low index alone. Descents from random points end near it.

    Parameters
    ----------
    p : int
        Spins that interact, at least 2.

    Returns
    -------
    energy : float
        The energy per spin.

    Raises
    ------
    ValueError
        If p is not allowed.

    References
    ----------
    A. Auffinger, G. Ben Arous and J. Černý, "Random matrices and complexity of spin glasses",
    Communications on Pure and Applied Mathematics 66 (2013).

    Examples
    --------
    >>> from sklearn_optland.landscape import threshold_energy
    >>> round(threshold_energy(3), 6)
    -1.632993
    """
    return -2.0 * float(np.sqrt((p - 1) / p))


@validate_params(
    {"u": ["array-like", Real], "p": SPINS, "k": [*INDEX, None]},
    prefer_skip_nested_validation=True,
)
def complexity(u: ArrayLike, p: int, k: int | None = None) -> float | NDArray:
    r"""Count the critical points of a spherical spin glass: the growth rate of their number.

    Of those with an energy per spin of at most u there are about :math:`e^{n \Theta(u)}` in the
    mean, for n spins. With :math:`x^2 = u^2 - E_\infty^2` and

    .. math:: I(u) = -\frac{u x}{E_\infty^2} - \ln(-u + x) + \ln E_\infty

    those of index k have, for :math:`u \le -E_\infty`,

    .. math:: \Theta_k(u) = \tfrac12 \ln(p - 1) - \frac{p - 2}{4 (p - 1)} u^2 - (k + 1) I(u),

    and all together :math:`\Theta_0`, and above :math:`-E_\infty` the same without I, for negative
    u.

    Parameters
    ----------
    u : float or array-like
        Energies per spin.
    p : int
        Spins that interact, at least 2.
    k : int, default=None
        The index: number of directions in which the energy falls. Default: points of any index.

    Returns
    -------
    rate : float or ndarray of the shape of u
        The logarithm of the mean number, by the number of spins. Negative: there are none.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or an energy is not finite.

    References
    ----------
    A. Auffinger, G. Ben Arous and J. Černý, "Random matrices and complexity of spin glasses",
    Communications on Pure and Applied Mathematics 66 (2013), Theorems 2.5 and 2.8.

    Examples
    --------
    >>> from sklearn_optland.landscape import complexity
    >>> complexity([-1.66, -1.65, -1.64], p=3, k=0).round(4)
    array([-0.0019,  0.0043,  0.0098])
    """
    u = np.asarray(u, dtype=np.float64)
    if not np.isfinite(u).all():
        raise ValueError("u: found NaN or infinity; allowed are finite energies.")
    threshold = -threshold_energy(p)
    below = np.minimum(u, -threshold)
    x = np.sqrt(below**2 - threshold**2)
    decay = -below * x / threshold**2 - np.log((x - below) / threshold)
    if k is None:
        rate = 0.5 * np.log(p - 1) - (p - 2) / (4 * (p - 1)) * np.minimum(u, 0) ** 2 - decay
    else:
        rate = 0.5 * np.log(p - 1) - (p - 2) / (4 * (p - 1)) * below**2 - (k + 1) * decay
    return float(rate) if rate.ndim == 0 else rate


@validate_params({"p": SPINS, "k": INDEX}, prefer_skip_nested_validation=True)
def critical_energy(p: int, k: int = 0) -> float:
    """Energy per spin below which there are no critical points of index k.

    Where their `complexity` vanishes; of k = 0 it is the energy of the ground state.

    Parameters
    ----------
    p : int
        Spins that interact, at least 2.
    k : int, default=0
        The index.

    Returns
    -------
    energy : float
        The energy per spin.

    Raises
    ------
    ValueError
        If a parameter is not allowed.

    See Also
    --------
    threshold_energy : Its limit for large k.

    Examples
    --------
    >>> from sklearn_optland.landscape import critical_energy
    >>> [round(critical_energy(3, k), 6) for k in (0, 1, 2)]
    [-1.656998, -1.652873, -1.650253]
    """
    high = threshold_energy(p)
    if p == 2:
        return high  # all complexities vanish there
    low = 2.0 * high
    while complexity(low, p, k) > 0:
        low *= 2.0
    return float(brentq(complexity, low, high, args=(p, k), xtol=1e-14))


@validate_params({"u": ["array-like", Real], "p": SPINS}, prefer_skip_nested_validation=True)
def expected_index(u: ArrayLike, p: int) -> float | NDArray:
    r"""Share of the directions in which the energy falls, at critical points of a given energy.

    The Hessian's eigenvalues there are a semicircle of radius :math:`2 \sqrt{p (p - 1)}` around
    :math:`-p u`. The share of it below 0 is, with :math:`x = -u / E_\infty`,

    .. math:: \left(\arccos x - x \sqrt{1 - x^2}\right) / \pi.

    Parameters
    ----------
    u : float or array-like
        Energies per spin.
    p : int
        Spins that interact, at least 2.

    Returns
    -------
    share : float or ndarray of the shape of u
        The index by the number of spins, for a large number.

    Raises
    ------
    ValueError
        If p is not allowed.

    Examples
    --------
    >>> from sklearn_optland.landscape import expected_index
    >>> expected_index([-2.0, -1.0, 0.0], p=3).round(4)
    array([0.    , 0.1361, 0.5   ])
    """
    x = np.clip(np.asarray(u, dtype=np.float64) / threshold_energy(p), -1.0, 1.0)
    share = (np.arccos(x) - x * np.sqrt(1.0 - x**2)) / np.pi
    return float(share) if share.ndim == 0 else share
