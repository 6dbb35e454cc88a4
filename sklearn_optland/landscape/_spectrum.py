"""Eigenvalues of a net's Hessian: all of a small one; of a large one the ends and a density."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland.landscape._hessian import HessianAt
from sklearn_optland.landscape._surface import LossSurface

# Parameters up to which the whole Hessian is made: as many products, and 72 MB.
EXACT = 3000
# Steps of Lanczos' method for the density. Ritz values at the ends converge in fewer.
STEPS = 80
# Vectors of Lanczos' basis for each eigenvalue at an end: the largest often need no restart.
BASIS = 3
LEAST_BASIS = 20


@dataclass(frozen=True, repr=False)
class Spectrum:
    """Eigenvalues of a Hessian.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_eigenvalues,)
        Ascending: all, if `is_exact`; else those at both ends.
    eigenvectors : ndarray of shape (n_parameters, n_eigenvalues)
        Theirs.
    residuals : ndarray of shape (n_eigenvalues,)
        ‖Hv − λv‖. Within this distance of each value is an eigenvalue.
    is_exact : bool
        Whether the eigenvalues are all.
    nodes, weights : ndarray of shape (n_draws, n_nodes)
        Quadratures of the spectral density, each of a random direction: points and the shares of
        all eigenvalues at them. If `is_exact`, one row: the eigenvalues, with equal weights.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    residuals: np.ndarray
    is_exact: bool
    nodes: np.ndarray
    weights: np.ndarray

    def density(self, points: ArrayLike, width: float) -> tuple[NDArray, NDArray]:
        """Estimate the spectral density, smoothed by a Gaussian.

        Parameters
        ----------
        points : array-like of shape (n_points,)
            Where.
        width : float
            Standard deviation of the Gaussian.

        Returns
        -------
        density : ndarray of shape (n_points,)
            It integrates to 1.
        error : ndarray of shape (n_points,)
            Its standard error over the draws; 0 if the spectrum is exact.

        Raises
        ------
        ValueError
            If the width is not positive.
        """
        if not width > 0:
            raise ValueError(f"width: found {width}; allowed are positive numbers.")
        z = (np.asarray(points, dtype=np.float64)[:, None, None] - self.nodes) / width
        kernel = np.exp(-0.5 * z * z) / (width * np.sqrt(2 * np.pi))
        draws = (kernel * self.weights).sum(axis=2)
        return self._mean(draws)

    def share_below(self, value: float = 0.0) -> tuple[float, float]:
        """Estimate the share of eigenvalues below a value.

        Parameters
        ----------
        value : float, default=0.0
            The bound.

        Returns
        -------
        share : float
            Between 0 and 1.
        error : float
            Its standard error over the draws; 0 if the spectrum is exact.
        """
        draws = np.where(self.nodes < value, self.weights, 0.0).sum(axis=1)
        return tuple(float(number) for number in self._mean(draws))

    def _mean(self, draws):
        n_draws = draws.shape[-1]
        error = np.zeros(draws.shape[:-1])
        if n_draws > 1:
            error = draws.std(axis=-1, ddof=1) / np.sqrt(n_draws)
        return draws.mean(axis=-1), error

    def __repr__(self):
        kind = "all" if self.is_exact else "both ends of"
        ends = f"{self.eigenvalues[0]:.3g} to {self.eigenvalues[-1]:.3g}"
        return f"{kind} {len(self.eigenvectors)} eigenvalues, from {ends}"


@validate_params(
    {
        "n_eigenvalues": [Interval(Integral, 1, None, closed="left")],
        # One alone has no standard error.
        "n_draws": [Interval(Integral, 2, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def hessian_spectrum(
    surface: LossSurface,
    theta: BaseEstimator | ArrayLike | None = None,
    *,
    n_eigenvalues: int = 10,
    n_draws: int = 10,
    tol: float = 1e-3,
    random_state: RandomState = None,
) -> Spectrum:
    """Compute the spectrum of a loss surface's Hessian.

    With at most 3000 parameters the Hessian is made and its eigenvalues are exact. With more,
    Lanczos' method finds the eigenvalues at both ends, each as often as it stands, and stochastic
    quadrature the density, with error bars: both by products with the Hessian only.

    Parameters
    ----------
    surface : LossSurface
        The surface.
    theta : estimator or array-like of shape (n_parameters,), default=None
        Where. Default: the parameters of the fit.
    n_eigenvalues : int, default=10
        Eigenvalues at each end, where not all are computed.
    n_draws : int, default=10
        Random directions of the quadrature, at least 2; each takes 80 products.
    tol : float, default=1e-3
        Residuals of the vectors at the ends, relative to the largest eigenvalue. Errors of
        eigenvalues apart from the others are of its square.
    random_state : int, RandomState instance or None, default=None
        Draws the directions.

    Returns
    -------
    spectrum : Spectrum
        Eigenvalues, vectors, residuals and the density.

    Raises
    ------
    ValueError
        If theta does not fit the surface, or a parameter is not allowed.

    See Also
    --------
    critical_index : The number of negative eigenvalues.

    Notes
    -----
    Lanczos' basis takes 24 · `n_eigenvalues` · n_parameters bytes for the ends, and
    640 · n_parameters for the density. The activations of all rows are kept; where float32 is
    exact enough for `tol`, they and a copy of dense rows take 4 bytes a value, else they take 8.

    References
    ----------
    S. Ubaru, J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature",
    SIAM Journal on Matrix Analysis 38 (2017).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_optland.landscape import LossSurface, hessian_spectrum
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((5,), "tanh", solver="lbfgs", max_iter=5000, random_state=0).fit(X, y)
    >>> spectrum = hessian_spectrum(LossSurface(net, X, y))
    >>> spectrum.is_exact, spectrum.eigenvalues.shape
    (True, (43,))
    >>> spectrum.share_below(-1e-3)
    (0.0, 0.0)
    """
    theta = surface.theta_ if theta is None else surface.flat(theta)
    n = surface.n_parameters_
    if n <= max(EXACT, 4 * n_eigenvalues):
        values, vectors = eigh(surface.hessian(theta))
        residuals = np.full(n, np.abs(values).max(initial=0.0) * n * np.finfo(float).eps)
        return Spectrum(values, vectors, residuals, True, values[None], np.full((1, n), 1.0 / n))
    rng, hessian = check_random_state(random_state), HessianAt(surface, theta, 0.1 * tol)
    values, vectors = extreme_eigenpairs(hessian, n_eigenvalues, tol, rng)
    images = surface.hessian_product(theta, vectors)
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    rules = [quadrature(hessian, start) for start in rng.standard_normal((n_draws, n))]
    nodes, weights = (np.array(part) for part in zip(*rules, strict=True))
    return Spectrum(values, vectors, residuals, False, nodes, weights)


def extreme_eigenpairs(hessian, n_eigenvalues, tol, rng):
    """As many of the smallest eigenvalues as of the largest, ascending, and their vectors."""
    high, high_vectors = largest_eigenpairs(hessian, n_eigenvalues, tol, rng)
    # The smallest are the largest of shift - H, where an error relative to each is one relative to
    # the largest of H: those near zero would never be exact enough for themselves.
    shift = float(np.abs(high).max())
    n = hessian.shape[0]
    shifted = LinearOperator((n, n), lambda v: shift * v - hessian @ v, dtype=np.float64)
    low, low_vectors = largest_eigenpairs(shifted, n_eigenvalues, tol, rng)
    values, vectors = np.append(shift - low, high), np.hstack([low_vectors, high_vectors])
    order = np.argsort(values)
    return values[order], vectors[:, order]


def largest_eigenpairs(operator, n_eigenvalues, tol, rng):
    """The largest eigenvalues of a symmetric operator, each as often as it stands, and vectors.

    From one start Lanczos' method sees one direction of each eigenspace; across the vectors that it
    found, the next one. It starts anew until what it sees there is not above the least that it has.
    """
    start = rng.standard_normal(operator.shape[0])
    values, vectors = lanczos(operator, n_eigenvalues, tol, start)
    n_new = 1
    while True:
        start = rng.standard_normal(len(start))
        start -= vectors @ (vectors.T @ start)
        rest = deflated(operator, vectors, values.min())
        new, new_vectors = lanczos(rest, n_new, tol, start)
        if new.max() <= values.min() + tol * np.abs(values).max():
            return values, vectors
        values, vectors = np.append(values, new), np.hstack([vectors, new_vectors])
        kept = np.argsort(values)[-n_eigenvalues:]
        values, vectors = values[kept], vectors[:, kept]
        n_new = min(2 * n_new, n_eigenvalues)


def lanczos(operator, n_eigenvalues, tol, start):
    """The largest eigenvalues that one start sees, ascending, and their vectors."""
    if not (operator @ start).any():  # no draw is across the range of an operator that is not zero
        basis = np.column_stack([start, np.eye(len(start), n_eigenvalues - 1)])
        return np.zeros(n_eigenvalues), np.linalg.qr(basis)[0]
    size = min(max(BASIS * n_eigenvalues, LEAST_BASIS), len(start))
    return eigsh(operator, n_eigenvalues, which="LA", v0=start, tol=tol, ncv=size)


def deflated(operator, vectors, value):
    """The operator across some orthonormal vectors; along them it has one value."""

    def product(v):
        along = vectors.T @ v
        image = operator @ (v - vectors @ along)
        return image + vectors @ (value * along - vectors.T @ image)

    return LinearOperator(operator.shape, product, dtype=np.float64)


def quadrature(hessian, start):
    """Gauss' quadrature of the spectral density that a direction sees: Lanczos' method.

    Returns
    -------
    nodes, weights : ndarray of shape (STEPS,)
    """
    n = len(start)
    basis = np.zeros((STEPS, n))
    diagonal, off = np.zeros(STEPS), np.zeros(STEPS)
    q, n_steps = start / np.linalg.norm(start), STEPS
    for step in range(STEPS):
        basis[step] = q
        q = hessian @ q
        diagonal[step] = basis[step] @ q
        for _ in range(2):  # orthogonal to all, twice: rounding brings back what has converged
            q -= basis[: step + 1].T @ (basis[: step + 1] @ q)
        off[step] = np.linalg.norm(q)
        if off[step] <= 1e-12 * np.abs(diagonal[: step + 1]).max(initial=1e-300):
            n_steps = step + 1  # an invariant space
            break
        q /= off[step]
    values, vectors = eigh_tridiagonal(diagonal[:n_steps], off[: n_steps - 1])
    nodes, weights = np.zeros(STEPS), np.zeros(STEPS)
    nodes[:n_steps], weights[:n_steps] = values, vectors[0] ** 2
    return nodes, weights
