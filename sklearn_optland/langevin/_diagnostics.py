"""Whether chains have mixed, and what their draws are worth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft
from sklearn.utils import check_array


def r_hat(draws: ArrayLike) -> NDArray:
    r"""Compute split R-hat, the potential scale reduction of several chains.

    Each chain is cut in two halves. With the variance W within the halves and the variance B / n
    of their means, n draws each,

    .. math:: \hat R = \sqrt{\frac{(n - 1) W / n + B / n}{W}}.

    It is next to 1 where all halves have the same distribution; above 1.01 there should be more
    steps.

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Numbers, or arrays of them, by chain and draw: at least four of these.

    Returns
    -------
    r_hat : ndarray of shape (...)
        1 where all draws are equal, infinity where halves are constant and differ.

    Raises
    ------
    ValueError
        If there are fewer than four draws, or if some are not finite.

    References
    ----------
    A. Gelman, J. B. Carlin, H. S. Stern, D. B. Dunson, A. Vehtari and D. B. Rubin, "Bayesian data
    analysis", third edition (2013), section 11.4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.langevin import r_hat
    >>> draws = np.random.RandomState(0).randn(4, 1000)
    >>> bool(r_hat(draws) < 1.01)
    True
    >>> bool(r_hat(draws + np.arange(4)[:, None]) > 1.5)
    True
    """
    halves = split(draws)
    n = halves.shape[1]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt((n - 1) / n + between / within)
    return np.where((within == 0) & (between == 0), 1.0, found)


def effective_sample_size(draws: ArrayLike) -> NDArray:
    r"""Compute how many independent draws several chains are worth.

    .. math:: \mathrm{ESS} = \frac{m n}{1 + 2 \sum_{t \geq 1} \rho_t},

    with the autocorrelations :math:`\rho_t` of m halves of chains, n draws each, as R-hat sees
    them: chains that have not mixed are worth little. The sum ends where pairs of them are no
    longer positive, and pairs never rise (Geyer 1992).

    Parameters
    ----------
    draws : array-like of shape (n_chains, n_draws, ...)
        Numbers, or arrays of them, by chain and draw: at least four of these.

    Returns
    -------
    size : ndarray of shape (...)
        At most m n log10(m n), where draws are antithetic; m n where all draws are equal.

    Raises
    ------
    ValueError
        If there are fewer than four draws, or if some are not finite.

    References
    ----------
    C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7 (1992).

    A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Bürkner, "Rank-normalization, folding,
    and localization: an improved R-hat", Bayesian Analysis 16 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.langevin import effective_sample_size
    >>> rng, draws = np.random.RandomState(0), np.zeros((4, 1000))
    >>> for t in range(1, 1000):
    ...     draws[:, t] = 0.8 * draws[:, t - 1] + rng.randn(4)
    >>> bool(300 < effective_sample_size(draws) < 600)  # 4000 (1 - .8) / (1 + .8) = 444
    True
    """
    halves = split(draws)
    m, n = halves.shape[:2]
    total = float(m * n)
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    variance = within * (n - 1) / n + halves.mean(axis=1).var(axis=0, ddof=1)
    # Of each lag the mean over the chains, by the product of transforms.
    centered = halves - halves.mean(axis=1, keepdims=True)
    length = next_fast_len(2 * n, real=True)
    transform = rfft(centered, length, axis=1)
    covariances = irfft(np.abs(transform) ** 2, length, axis=1)[:, :n].mean(axis=0) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations = 1.0 - (within - covariances) / variance
    correlations[0] = 1.0
    pairs = correlations[: n // 2 * 2].reshape(n // 2, 2, *halves.shape[2:]).sum(axis=1)
    is_first = np.logical_and.accumulate(pairs > 0, axis=0)
    pairs = np.minimum.accumulate(np.where(is_first, pairs, 0.0), axis=0)
    time = np.maximum(2.0 * pairs.sum(axis=0) - 1.0, 1.0 / np.log10(max(total, 11.0)))
    return np.where(variance == 0, total, total / time)


def split(draws):
    """Halves of chains, each a chain; an error for too few draws."""
    draws = np.asarray(draws, dtype=np.float64)
    if draws.ndim < 2 or draws.shape[0] < 1 or draws.shape[1] < 4:
        raise ValueError(
            f"draws: found the shape {draws.shape}; allowed is (n_chains, n_draws, ...) with at "
            "least 1 chain and 4 draws."
        )
    check_array(draws.reshape(len(draws), -1), input_name="draws", ensure_min_features=0)
    n = draws.shape[1] // 2
    return np.concatenate([draws[:, :n], draws[:, -n:]])
