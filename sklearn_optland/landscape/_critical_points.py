"""Critical points of a net's loss: how many directions fall, and a search for points."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.certificate import Certificate, ratio
from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland.landscape._hessian import HessianAt
from sklearn_optland.landscape._spectrum import EXACT, quadrature
from sklearn_optland.landscape._surface import LossSurface

# Eigenvalues up to this share of the largest are zero: symmetries of a net leave some.
ZERO = 1e-8
# Steps are no longer than a radius, which follows how well the quadratic model predicts.
START_RADIUS, MOST_HALVINGS = 1.0, 40
# Steps without a smaller gradient after which a search ends: on the way down it may grow for long.
PATIENCE = 100


@dataclass(frozen=True, repr=False)
class CriticalPoint:
    """A point where the gradient is small.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        The parameters.
    loss : float
        The loss.
    index : int
        Number of negative eigenvalues of the Hessian.
    smallest_eigenvalue : float
        That of the smallest magnitude. If it is not zero, the point is an isolated one.
    certificate : Certificate
        The gradient norm, relative to that at the start; scope "stationary".
    n_iter : int
        Number of steps.
    """

    theta: np.ndarray
    loss: float
    index: int
    smallest_eigenvalue: float
    certificate: Certificate
    n_iter: int

    def __repr__(self):
        return f"critical point of index {self.index} at loss {self.loss:.6g}, {self.certificate!r}"


@validate_params(
    {
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def critical_index(
    surface: LossSurface,
    theta: BaseEstimator | ArrayLike | None = None,
    *,
    tol: float | None = None,
    random_state: RandomState = None,
) -> tuple[float, float]:
    """Count the negative eigenvalues of a loss surface's Hessian.

    Parameters
    ----------
    surface : LossSurface
        The surface.
    theta : estimator or array-like of shape (n_parameters,), default=None
        Where. Default: the parameters of the fit.
    tol : float, default=None
        Eigenvalues count as negative below -tol. Default: 1e-8 times the largest magnitude.
    random_state : int, RandomState instance or None, default=None
        With more than 3000 parameters, draws the directions of the estimate.

    Returns
    -------
    index : float
        The number: a whole one if it is exact.
    error : float
        0 with at most 3000 parameters; else the standard error of an estimate by stochastic
        quadrature.

    Raises
    ------
    ValueError
        If theta does not fit the surface, or a parameter is not allowed.

    See Also
    --------
    hessian_spectrum : The eigenvalues.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_optland.landscape import LossSurface, critical_index
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((5,), "tanh", solver="lbfgs", max_iter=5000, random_state=0).fit(X, y)
    >>> critical_index(LossSurface(net, X, y), tol=1e-4)
    (0, 0.0)
    """
    theta = surface.theta_ if theta is None else surface.flat(theta)
    n = surface.n_parameters_
    if n <= EXACT:
        values = eigh(surface.hessian(theta), eigvals_only=True)
        return int(np.sum(values < -tolerance(values, tol))), 0.0
    rng, hessian = check_random_state(random_state), HessianAt(surface, theta)
    draws = []
    for start in rng.standard_normal((10, n)):
        nodes, weights = quadrature(hessian, start)
        draws.append(n * weights[nodes < -tolerance(nodes, tol)].sum())
    return float(np.mean(draws)), float(np.std(draws, ddof=1) / np.sqrt(len(draws)))


def tolerance(values, tol):
    """What counts as zero."""
    return ZERO * np.abs(values).max(initial=0.0) if tol is None else tol


@validate_params(
    {
        "index": [Integral, None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def find_critical_point(
    surface: LossSurface,
    start: BaseEstimator | ArrayLike | None = None,
    *,
    index: int | None = None,
    tol: float = 1e-8,
    max_iter: int = 200,
) -> CriticalPoint:
    """Search for a critical point of a loss surface near a start.

    Newton's method on the whole Hessian, each step within a trust region. Without an index it
    makes the gradient's norm fall and ends at any critical point; with one it climbs along that
    many lowest modes and descends along the others, towards a saddle of this index, until the
    norm stops to fall, and makes it fall from there. Look at the index of what was found.

    Parameters
    ----------
    surface : LossSurface
        The surface, of at most 3000 parameters. Of a smooth net: a ReLU net's kinks are no
        critical points, and the search may stop at one.
    start : estimator or array-like of shape (n_parameters,), default=None
        Where to start. Default: the parameters of the fit.
    index : int, default=None
        Number of modes to climb along. Default: whatever is near.
    tol : float, default=1e-8
        Stop when the gradient's norm has fallen below `tol` times that at the start, or times 1 if
        that is smaller.
    max_iter : int, default=200
        The most steps.

    Returns
    -------
    point : CriticalPoint
        The point with the smallest gradient.

    Raises
    ------
    ValueError
        If start does not fit the surface, the net has more parameters, `index` is not between 0
        and their number, or another parameter is not allowed.

    See Also
    --------
    critical_index : Count negative eigenvalues.

    References
    ----------
    C. J. Cerjan and W. H. Miller, "On finding transition states", Journal of Chemical Physics 75
    (1981): modes to follow.

    C. G. Frye et al., "Critical point-finding methods reveal gradient-flat regions of deep network
    losses", Neural Computation 33 (2021): where the norm of the gradient stalls.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_optland.landscape import LossSurface, find_critical_point
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((3,), "tanh", alpha=1.0, solver="lbfgs", max_iter=999).fit(X, y)
    >>> point = find_critical_point(LossSurface(net, X, y))
    >>> point.index, point.certificate.reached
    (0, True)
    """
    theta = surface.theta_ if start is None else surface.flat(start)
    n = surface.n_parameters_
    if n > EXACT:
        raise ValueError(
            f"surface: found {n} parameters; allowed are at most {EXACT}, whose Hessian is made."
        )
    if index is not None and not 0 <= index <= n:
        raise ValueError(f"index: found {index}; allowed are 0 to {n}.")
    first = float(np.linalg.norm(surface.gradient(theta)))
    target, n_iter = tol * min(first, 1.0), 0
    if index is not None:
        theta, n_iter = search(surface, theta, index, target, max_iter)
    theta, n_more = search(surface, theta, None, target, max_iter - n_iter)
    loss, gradient = surface.loss_and_gradient(theta)
    norm = float(np.linalg.norm(gradient))
    values = eigh(surface.hessian(theta), eigvals_only=True)
    n_negative = int(np.sum(values < -tolerance(values, None)))
    smallest = float(values[np.argmin(np.abs(values))])
    certificate = Certificate("gradient norm", norm, target, "stationary", ratio(norm, first))
    return CriticalPoint(theta, loss, n_negative, smallest, certificate, n_iter + n_more)


def search(surface, theta, index, target, max_iter):
    """Newton's steps until the gradient's norm is at the target, or has stopped to fall.

    Returns
    -------
    theta : ndarray
        Where the norm was smallest.
    n_iter : int
    """
    gradient = surface.gradient(theta)
    best, since, radius = (np.linalg.norm(gradient), theta), 0, START_RADIUS
    for n_iter in range(max_iter):
        norm = np.linalg.norm(gradient)
        if norm <= target or since == PATIENCE:
            return best[1], n_iter
        values, vectors = eigh(surface.hessian(theta))
        along = vectors.T @ gradient
        for _ in range(MOST_HALVINGS):
            step = vectors @ mode_step(values, along, index, radius)
            new_gradient = surface.gradient(theta + step)
            expected = gradient + vectors @ (values * (vectors.T @ step))
            missed = np.linalg.norm(new_gradient - expected)
            moved = np.linalg.norm(expected - gradient)
            falls = index is not None or np.linalg.norm(new_gradient) < norm
            if falls and missed <= 0.75 * moved:
                break
            radius = 0.5 * min(radius, np.linalg.norm(step))
        else:
            return best[1], n_iter
        if missed <= 0.25 * moved:
            radius *= 2.0
        theta, gradient, since = theta + step, new_gradient, since + 1
        norm = np.linalg.norm(gradient)
        if norm < best[0]:
            best, since = (norm, theta), 0
    return best[1], max_iter


def mode_step(values, along, index, radius):
    """A step in the coordinates of the modes, ascending, no longer than a radius.

    Along each mode Newton's step goes to where the gradient's share vanishes. With an index its
    sign is set: up along the first modes, down along the others.
    """
    size = np.abs(values)
    floor = 1e-10 * size.max(initial=1e-300)
    if index is None:
        step = -along * values / np.maximum(size, floor) ** 2
    else:
        signs = np.where(np.arange(len(values)) < index, 1.0, -1.0)
        step = signs * along / np.maximum(size, floor)
    length = np.linalg.norm(step)
    if length <= radius:
        return step
    # The largest shift of the curvatures that brings the step to the radius, by bisection.
    low, high = 0.0, np.linalg.norm(along) / radius + size.max()
    for _ in range(60):
        shift = 0.5 * (low + high)
        if np.linalg.norm(shifted_step(values, size, along, index, shift)) > radius:
            low = shift
        else:
            high = shift
    return shifted_step(values, size, along, index, high)


def shifted_step(values, size, along, index, shift):
    """The step with a shift added to the curvatures' magnitudes."""
    if index is None:
        return -along * values / (size**2 + shift * size + 1e-300)
    signs = np.where(np.arange(len(values)) < index, 1.0, -1.0)
    return signs * along / (size + shift)
