"""The loss on lines and planes."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._estimator.typing import RandomState
from sklearn_optland.landscape._surface import LossSurface


@dataclass(frozen=True, repr=False)
class LossSlice:
    """The loss of a surface on a line or a plane: at origin + Σ t_k directions_k.

    Parameters
    ----------
    losses_ : ndarray of shape (n_points,) or (n_points, n_points)
        The losses; of a plane, row i is at the i-th coordinate of the first direction.
    coordinates_ : list of ndarray of shape (n_points,)
        The coordinates t_k along each direction.
    origin_ : ndarray of shape (n_parameters,)
        Where all coordinates are 0.
    directions_ : ndarray of shape (n_directions, n_parameters)
        The directions.
    """

    losses_: np.ndarray
    coordinates_: list
    origin_: np.ndarray
    directions_: np.ndarray

    def project(self, points: ArrayLike) -> NDArray:
        """Project points onto the line or plane.

        Parameters
        ----------
        points : array-like of shape (n_points, n_parameters)
            Parameters, such as `points_` of a `Path`.

        Returns
        -------
        coordinates : ndarray of shape (n_points, n_directions)
            Of the nearest points of the slice.
        """
        offsets = np.asarray(points, dtype=np.float64) - self.origin_
        return np.linalg.lstsq(self.directions_.T, offsets.T, rcond=None)[0].T

    def __repr__(self):
        kind = "line" if self.losses_.ndim == 1 else "plane"
        ends = f"{self.losses_.min():.3g} to {self.losses_.max():.3g}"
        return f"losses on a {kind}, from {ends}"


@validate_params(
    {
        "through": ["array-like", None],
        "n_directions": [Options(Integral, {1, 2})],
        "extent": [Interval(Real, 0, None, closed="neither")],
        "n_points": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def loss_slice(
    surface: LossSurface,
    center: BaseEstimator | ArrayLike | None = None,
    *,
    through: Sequence[Any] | None = None,
    n_directions: Literal[1, 2] = 2,
    extent: float = 1.0,
    n_points: int = 25,
    random_state: RandomState = None,
) -> LossSlice:
    """Compute the loss on a line or a plane.

    Parameters
    ----------
    surface : LossSurface
        The surface.
    center : estimator or array-like of shape (n_parameters,), default=None
        The middle, for random directions. Default: the parameters of the fit.
    through : list of two or three estimators or arrays, default=None
        Points that the line or plane goes through: the first has coordinates 0, the second 1 along
        the first direction, the third 1 along the second. Default: random directions, in which the
        weights into each unit are as large as those of the center, so that slices of nets with
        other scales can be compared.
    n_directions : {1, 2}, default=2
        A line or a plane, if directions are random.
    extent : float, default=1.0
        Coordinates go from -extent to extent; through given points, from -extent / 2 to
        1 + extent / 2.
    n_points : int, default=25
        Points along each direction. Each costs a pass forward.
    random_state : int, RandomState instance or None, default=None
        Draws the directions.

    Returns
    -------
    slice : LossSlice
        Losses and coordinates.

    Raises
    ------
    ValueError
        If points do not fit the surface, or are not two or three.

    See Also
    --------
    sklearn_optland.plotting.SurfaceDisplay : The picture.

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, "Visualizing the loss landscape of neural
    nets", NeurIPS 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import LossSurface, loss_slice
    >>> X, y = load_iris(return_X_y=True)
    >>> surface = LossSurface(LogisticRegression(max_iter=1000).fit(X, y), X, y)
    >>> plane = loss_slice(surface, n_points=5, random_state=0)
    >>> plane.losses_.shape, bool(plane.losses_.argmin() == 12)
    ((5, 5), True)
    """
    if through is not None:
        if len(through) not in (2, 3):
            raise ValueError(f"through: found {len(through)} points; allowed are two or three.")
        origin, *others = (surface.flat(point) for point in through)
        directions = np.array([other - origin for other in others])
        ends = -0.5 * extent, 1.0 + 0.5 * extent
    else:
        origin = surface.theta_ if center is None else surface.flat(center)
        rng = check_random_state(random_state)
        shape = n_directions, surface.n_parameters_
        directions = like_units(surface.network, origin, rng.standard_normal(shape))
        ends = -extent, extent
    coordinates = [np.linspace(*ends, n_points) for _ in directions]
    mesh = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1)
    losses = [surface.loss(origin + t @ directions) for t in mesh.reshape(-1, len(directions))]
    losses = np.array(losses).reshape(mesh.shape[:-1])
    return LossSlice(losses, coordinates, origin, directions)


def like_units(network, theta, directions):
    """Directions whose weights into each unit have the norm of theta's; biases stay."""
    for direction in directions:
        pairs = zip(network.layers(direction), network.layers(theta), strict=True)
        for mine, layer in pairs:
            norms = np.linalg.norm(mine[:-1], axis=0)
            mine[:-1] *= np.linalg.norm(layer[:-1], axis=0) / np.where(norms > 0, norms, 1.0)
            mine[-1] = 0.0
    return directions
