"""Spherical spin glasses: a random landscape whose critical points are known."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, eigh, solve
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland._rows.threads import one_blas_thread
from sklearn_optland.landscape._spin_glass_fast import energies_and_gradients, hessian
from sklearn_optland.landscape._spin_glass_slabs import draw_slabs, n_coefficients
from sklearn_optland.landscape._spin_glass_theory import critical_energy, threshold_energy

COUNT = [Interval(Integral, 0, None, closed="left")]
# Coefficients that are stored: 8 GB.
MOST_COEFFICIENTS = 10**9
# Energies of points and fields up to these sizes do not overflow.
LARGEST_ENERGY, LARGEST_FIELD = 1e300, 1e100
# A descent's step is halved where the energy would rise by more than its rounding.
ROUNDING = 1e-14
# Newton's steps are no longer than this share of the sphere's radius: of .05 to 1 that which found
# most points.
LONGEST = 0.4


@dataclass(frozen=True, repr=False)
class SpinGlassPoints:
    """Points of a spin glass: where descents or Newton's method ended.

    Parameters
    ----------
    points : ndarray of shape (n_points, n)
        The points.
    energies : ndarray of shape (n_points,)
        Energies per spin.
    gradient_norms : ndarray of shape (n_points,)
        Norms of the gradient along the sphere, by √n: the root of the mean square of a component.
    indices : ndarray of int of shape (n_points,), or None
        Number of directions along the sphere in which the energy falls, if it was counted.
    n_iter : int
        Number of steps of the slowest.
    """

    points: np.ndarray
    energies: np.ndarray
    gradient_norms: np.ndarray
    indices: np.ndarray | None
    n_iter: int

    def __repr__(self):
        if not len(self.points):
            return "no points"
        low, high = self.energies.min(), self.energies.max()
        return (
            f"{len(self.points)} points with energies of {low:.4g} to {high:.4g} a spin, "
            f"gradients of at most {self.gradient_norms.max():.1e}"
        )


class SphericalSpinGlass:
    r"""A spherical spin glass: a random polynomial on a sphere.

    .. math:: H(s) = n^{-(p - 1) / 2} \sum_{i_1, \ldots, i_p} J_{i_1 \ldots i_p} s_{i_1} \cdots
              s_{i_p} + h^T s, \qquad \|s\|^2 = n,

    with standard normal J, and h normal of standard deviation `field`. Under assumptions that no
    net fulfils, the loss of a ReLU net of p layers is such a polynomial (Choromanska et al., 2015).
    For large n it is known how many critical points it has of each energy and index:
    :func:`complexity`, :func:`critical_energy`, :func:`expected_index`.

    Parameters
    ----------
    p : int, default=3
        Spins that interact, at least 2.
    n : int, default=50
        Number of spins, at least 2. There are about 2 nᵖ / p! coefficients of 8 bytes.
    field : float, default=0.0
        Standard deviation of the external field h. With a square above p (p - 2) the landscape is
        trivial for large n: one minimum, and one maximum.
    random_state : int, RandomState instance or None, default=None
        Draws J and h, and starts of `descend` and `critical_points`.

    Attributes
    ----------
    field_ : ndarray of shape (n,)
        The external field h.
    n_coefficients_ : int
        Number of coefficients that are stored.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or there would be more than a billion coefficients.

    See Also
    --------
    LossSurface : The loss of a net.
    sklearn_optland.plotting.SpinGlassDisplay : Index against energy.

    References
    ----------
    A. Choromanska, M. Henaff, M. Mathieu, G. Ben Arous and Y. LeCun, "The loss surfaces of
    multilayer networks", AISTATS 2015.

    A. Auffinger, G. Ben Arous and J. Černý, "Random matrices and complexity of spin glasses",
    Communications on Pure and Applied Mathematics 66 (2013).

    P. Chaudhari and S. Soatto, "On the energy landscape of deep networks", arXiv:1511.06485: the
    external field.

    Examples
    --------
    >>> from sklearn_optland.landscape import SphericalSpinGlass
    >>> glass = SphericalSpinGlass(p=3, n=30, random_state=0)
    >>> minima = glass.descend(10)
    >>> bool((minima.energies < -1.2).all())
    True
    >>> saddles = glass.critical_points(5)
    >>> bool((saddles.gradient_norms < 1e-8).all())
    True
    """

    @validate_params(
        {
            "p": [Interval(Integral, 2, None, closed="left")],
            "n": [Interval(Integral, 2, None, closed="left")],
            "field": [Interval(Real, 0, LARGEST_FIELD, closed="both")],
            "random_state": ["random_state"],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self, p: int = 3, n: int = 50, *, field: float = 0.0, random_state: RandomState = None
    ) -> None:
        self.p, self.n, self.field, self.random_state = p, n, field, random_state
        self.n_coefficients_ = n_coefficients(p, n)
        if self.n_coefficients_ > MOST_COEFFICIENTS:
            raise ValueError(
                f"p, n: found p={p} and n={n} with {self.n_coefficients_:.1e} coefficients; "
                f"allowed are at most {MOST_COEFFICIENTS:.0e}."
            )
        self._rng = check_random_state(random_state)
        self._prefixes, self._slabs = draw_slabs(p, n, self._rng)
        self._slabs *= float(n) ** (-(p - 1) / 2)
        self.field_ = field * self._rng.standard_normal(n)

    def energy(self, s: ArrayLike) -> float | NDArray:
        """Compute energies.

        Parameters
        ----------
        s : array-like of shape (n,) or (n_points, n)
            Points, on the sphere or not.

        Returns
        -------
        energy : float or ndarray of shape (n_points,)
            H, not divided by n.
        """
        energies, _ = self._evaluate(self._checked(s))
        return float(energies[0]) if np.ndim(s) == 1 else energies

    def gradient(self, s: ArrayLike) -> NDArray:
        """Compute the gradient in space; along the sphere it is its tangential part.

        Parameters
        ----------
        s : array-like of shape (n,) or (n_points, n)
            Points, on the sphere or not.

        Returns
        -------
        gradient : ndarray of the shape of s
            Derivatives of H.
        """
        _, gradients = self._evaluate(self._checked(s))
        return gradients[0] if np.ndim(s) == 1 else gradients

    def hessian(self, s: ArrayLike) -> NDArray:
        """Compute the Hessian in space.

        Parameters
        ----------
        s : array-like of shape (n,)
            A point, on the sphere or not.

        Returns
        -------
        hessian : ndarray of shape (n, n)
            Second derivatives of H.
        """
        s = self._checked(s)
        if len(s) != 1:
            raise ValueError(f"s: found {len(s)} points; allowed is one.")
        H = np.empty((self.n, self.n))
        hessian(self._slabs, self._prefixes, s.T.copy(), H, np.empty(self.n))
        return H

    def sphere_hessian(self, s: ArrayLike) -> NDArray:
        r"""Compute the Hessian along the sphere, in tangent directions.

        With the projection P on the directions across s it is

        .. math:: P \left(\nabla^2 H - \frac{s^T \nabla H}{n} I\right) P.

        Parameters
        ----------
        s : array-like of shape (n,)
            A point; it is scaled to the sphere.

        Returns
        -------
        hessian : ndarray of shape (n, n)
            Symmetric, with the eigenvalue 0 of the direction s.
        """
        (s,) = self._on_sphere(self._checked(s))
        multiplier = s @ self.gradient(s) / self.n
        H = self.hessian(s)
        H[np.diag_indices(self.n)] -= multiplier
        Hs = H @ s / self.n
        H -= np.outer(Hs, s) + np.outer(s, Hs) - (s @ Hs / self.n) * np.outer(s, s)
        return H

    @validate_params({"n_points": COUNT}, prefer_skip_nested_validation=True)
    def random_points(self, n_points: int) -> NDArray:
        """Draw points of the sphere.

        Parameters
        ----------
        n_points : int
            Number of points.

        Returns
        -------
        points : ndarray of shape (n_points, n)
            Uniform on the sphere; other ones in each call.

        Raises
        ------
        ValueError
            If n_points is not allowed.
        """
        return self._on_sphere(self._rng.standard_normal((n_points, self.n)))

    @validate_params(
        {"starts": [*COUNT, "array-like"], "tol": [Interval(Real, 0, None, closed="left")],
         "max_iter": COUNT, "until": ["array-like", Real, None]},
        prefer_skip_nested_validation=True,
    )  # fmt: skip
    def descend(
        self,
        starts: ArrayLike = 10,
        *,
        tol: float = 1e-4,
        max_iter: int = 10000,
        until: ArrayLike | None = None,
    ) -> SpinGlassPoints:
        """Descend along the gradient, all replicas at once.

        The step is constant, the reciprocal of the largest curvature of a large glass, and halved
        where the energy would rise.

        Parameters
        ----------
        starts : int or array-like of shape (n_replicas, n), default=10
            Points, which are scaled to the sphere, or how many to draw.
        tol : float, default=1e-4
            A replica ends where the gradient's norm is at most tol √n.
        max_iter : int, default=10000
            The most steps.
        until : float or array-like of shape (n_replicas,), default=None
            Energies per spin at which replicas end, too.

        Returns
        -------
        points : SpinGlassPoints
            Where replicas ended; indices are not counted.

        Raises
        ------
        ValueError
            If starts have another shape, are not finite or are zero, or a parameter is not
            allowed.
        """
        S = self._starts(starts)
        levels = np.asarray(-np.inf if until is None else until, dtype=np.float64)
        if levels.shape not in ((), (len(S),)):
            raise ValueError(
                f"until: found an array of shape {levels.shape}; allowed are a number and "
                f"({len(S)},), one for each replica."
            )
        energies, gradients, norms = self._along(S)
        sizes = np.full(len(S), 1.0 / self._largest_curvature())
        n_iter = 0
        for n_iter in range(max_iter + 1):
            goes_on = (norms > tol) & (energies > levels) & (sizes > 0)
            k = np.flatnonzero(goes_on)
            if not len(k) or n_iter == max_iter:
                break
            trial = self._on_sphere(S[k] - sizes[k, None] * gradients[k])
            new, new_gradients, new_norms = self._along(trial)
            falls = new <= energies[k] + ROUNDING * np.abs(energies[k])
            sizes[k[~falls]] *= 0.5
            k = k[falls]
            S[k], energies[k], gradients[k] = trial[falls], new[falls], new_gradients[falls]
            norms[k] = new_norms[falls]
        return SpinGlassPoints(S, energies, norms, None, n_iter)

    @validate_params(
        {"starts": [*COUNT, "array-like"], "tol": [Interval(Real, 0, None, closed="left")],
         "max_iter": COUNT},
        prefer_skip_nested_validation=True,
    )  # fmt: skip
    def critical_points(
        self, starts: ArrayLike = 10, *, tol: float = 1e-9, max_iter: int = 100
    ) -> SpinGlassPoints:
        """Search for critical points of any index by Newton's method on the gradient.

        Parameters
        ----------
        starts : int or array-like of shape (n_starts, n), default=10
            Points, which are scaled to the sphere. Of a number, random points descend to random
            energies between 0 and the threshold's first, so that points of all energies are found.
            With p = 2 and no field, all critical points are known, and there is no search.
        tol : float, default=1e-9
            What the gradient's norm is to be below, by √n.
        max_iter : int, default=100
            The most steps of each search.

        Returns
        -------
        points : SpinGlassPoints
            Those that were found: of starts whose gradient did not vanish there is none.

        Raises
        ------
        ValueError
            If starts have another shape, are not finite or are zero, or a parameter is not
            allowed.
        """
        if self.p == 2 and not self.field:
            return self._eigenvectors()
        if np.ndim(starts) == 0:
            levels = threshold_energy(self.p) * self._rng.uniform(size=starts)
            S = self.descend(starts, until=levels).points
        else:
            S = self._starts(starts)
        found = [self._newton(s, tol, max_iter) for s in S]
        n_iter = max((steps for *_, steps in found), default=0)
        found = [(s, index) for s, index, _ in found if index is not None]
        points = np.array([s for s, _ in found]).reshape(-1, self.n)
        energies, _, norms = self._along(points)
        indices = np.array([index for _, index in found], dtype=np.intp)
        return SpinGlassPoints(points, energies, norms, indices, n_iter)

    def _newton(self, s, tol, max_iter):
        """A critical point, its index, None if it is none, and the number of steps."""
        longest = LONGEST * np.sqrt(self.n)
        for n_iter in range(max_iter + 1):
            _, gradients, norms = self._along(s[None])
            H = self.sphere_hessian(s) + np.outer(s, s)  # n instead of 0 in the direction of s
            if norms[0] <= tol:
                return s, int(np.sum(eigh(H, eigvals_only=True) < 0)), n_iter
            try:
                step = -solve(H, gradients[0], assume_a="sym")
            except LinAlgError:
                break
            step *= min(1.0, longest / np.linalg.norm(step))
            (s,) = self._on_sphere((s + step)[None])
        return s, None, n_iter

    def _eigenvectors(self):
        """All critical points of p = 2: the energy of an eigenvector is half its eigenvalue."""
        values, vectors = eigh(self.hessian(np.zeros(self.n)))
        points = np.sqrt(self.n) * vectors.T
        _, _, norms = self._along(points)
        return SpinGlassPoints(points, 0.5 * values, norms, np.arange(self.n), 0)

    def _largest_curvature(self):
        """The largest eigenvalue of the Hessian along the sphere that a large glass has."""
        radius = 2.0 * np.sqrt(self.p * (self.p - 1))
        return radius - self.p * critical_energy(self.p) + self.p * self.field

    def _evaluate(self, S):
        """Energies and gradients in space, by rows."""
        columns = np.ascontiguousarray(S.T)
        G, Y = np.empty((2, *columns.shape))
        energies, scratch = np.empty((2, len(S)))
        with one_blas_thread():
            energies_and_gradients(self._slabs, self._prefixes, columns, energies, G, Y, scratch)
        return energies + S @ self.field_, G.T + self.field_

    def _along(self, S):
        """Energies per spin, gradients along the sphere and their norms by √n."""
        energies, gradients = self._evaluate(S)
        gradients -= S * (np.einsum("ij,ij->i", S, gradients) / self.n)[:, None]
        return energies / self.n, gradients, np.linalg.norm(gradients, axis=1) / np.sqrt(self.n)

    def _on_sphere(self, S):
        S = S / np.abs(S).max(axis=1, keepdims=True)  # squares neither overflow nor vanish
        return S * (np.sqrt(self.n) / np.linalg.norm(S, axis=1))[:, None]

    def _starts(self, starts):
        if np.ndim(starts) == 0:
            return self.random_points(starts)
        S = self._checked(starts)
        if not S.any(axis=1).all():
            raise ValueError("starts: found zero; allowed are points that are not zero.")
        return self._on_sphere(S)

    def _checked(self, s):
        S = np.atleast_2d(np.asarray(s, dtype=np.float64))
        if S.ndim != 2 or S.shape[1] != self.n:
            raise ValueError(
                f"s: found an array of shape {np.shape(s)}; allowed are ({self.n},) and "
                f"(n_points, {self.n})."
            )
        if not np.isfinite(S).all():
            raise ValueError("s: found NaN or infinity; allowed are finite points.")
        largest = max(LARGEST_ENERGY ** (1.0 / self.p) / self.n, np.sqrt(self.n))
        found = np.abs(S).max(initial=0.0)
        if found > largest:
            raise ValueError(
                f"s: found a value of size {found:.3g}; allowed is at most {largest:.3g}, since "
                f"energies are of order {self.p}."
            )
        return S
