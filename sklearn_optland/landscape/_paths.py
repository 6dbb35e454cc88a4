"""Paths of low loss between minima of a net, and the graph of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland.landscape._alignment import aligned, balanced
from sklearn_optland.landscape._path_methods import (
    band,
    descend,
    inner_grid,
    segment_losses,
    string,
)
from sklearn_optland.landscape._surface import LossSurface


@dataclass(frozen=True, repr=False)
class Path:
    """A path between two points of a loss surface: straight pieces between `points_`.

    Parameters
    ----------
    points_ : ndarray of shape (n_points, n_parameters)
        The first and the last are the ends.
    losses_ : ndarray of shape (n_points,)
        The losses there.
    level_ : float
        The level that was asked for.
    grid_losses_ : ndarray of shape (n_grid,)
        Losses on a grid: the points, and 9 inside each piece.
    grid_ : ndarray of shape (n_grid,)
        Where on the path these are: 0 at the start, 1 at the end, by length.
    """

    points_: np.ndarray
    losses_: np.ndarray
    level_: float
    grid_losses_: np.ndarray
    grid_: np.ndarray

    @property
    def maximum_(self) -> float:
        """The largest loss on the grid."""
        return float(self.grid_losses_.max())

    @property
    def barrier_(self) -> float:
        """By how much the largest loss on the grid is above that of the higher end."""
        return self.maximum_ - float(max(self.losses_[0], self.losses_[-1]))

    @property
    def connected_(self) -> bool | None:
        """True if the loss is at most the level on the grid; else None, since nothing is proven."""
        return True if self.maximum_ <= self.level_ else None

    @property
    def length_(self) -> float:
        """The length of the path."""
        return float(np.linalg.norm(np.diff(self.points_, axis=0), axis=1).sum())

    @property
    def normalized_length_(self) -> float:
        """The length, divided by the distance of the ends; 1 for a straight path."""
        straight = float(np.linalg.norm(self.points_[-1] - self.points_[0]))
        return self.length_ / straight if straight > 0 else 1.0

    def __repr__(self):
        found = "connected" if self.connected_ else "not found to be connected"
        return (
            f"path of {len(self.points_)} points: {found} at level {self.level_:.4g} on a grid of "
            f"{len(self.grid_)}, barrier {self.barrier_:.3g}, normalized length "
            f"{self.normalized_length_:.4g}"
        )


@validate_params(
    {
        "method": [StrOptions({"string", "neb"})],
        "level": [Interval(Real, 0, None, closed="left"), None],
        "align": ["boolean"],
        "max_points": [Interval(Integral, 2, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def connect(
    surface: LossSurface,
    a: BaseEstimator | ArrayLike,
    b: BaseEstimator | ArrayLike,
    method: Literal["string", "neb"] = "string",
    *,
    level: float | None = None,
    align: bool = True,
    max_points: int = 64,
    max_iter: int = 400,
) -> Path:
    """Look for a path of low loss between two nets.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    a, b : estimator or array-like of shape (n_parameters,)
        The ends: fitted nets with the surface's layers, or parameters.
    method : {"string", "neb"}, default="string"
        - "string": dynamic string sampling. Where a straight piece is above the level, its highest
          point is trained to below the level and becomes a point of the path; repeat. An end that
          is above the level is trained first.
        - "neb": a nudged elastic band, as AutoNEB grows it. The points descend across the path,
          spread evenly along it, and new ones are inserted where the loss between two is high. It
          makes the barrier small, and does not know a level.
    level : float, default=None
        The loss that a path may have. Default: 1.1 times that of the higher end.
    align : bool, default=True
        Whether to exchange the hidden units of b, and their signs where the activation is odd, to
        those nearest to a's, scales of ReLU units being balanced in both first. It does not change
        what the nets predict.
    max_points : int, default=64
        The most points of the path.
    max_iter : int, default=400
        The most steps of the band.

    Returns
    -------
    path : Path
        The path. If it is not `connected_`, there may be another one that is.

    Raises
    ------
    ValueError
        If a or b do not fit the surface, or a parameter is not allowed.

    See Also
    --------
    connectivity_graph : Paths between many minima.
    sklearn_optland.plotting.PathDisplay : The loss on a path.

    References
    ----------
    C. D. Freeman and J. Bruna, "Topology and geometry of half-rectified network optimization",
    ICLR 2017: strings.

    F. Draxler, K. Veschgini, M. Salmhofer and F. A. Hamprecht, "Essentially no barriers in neural
    network energy landscape", ICML 2018: bands.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_optland.landscape import LossSurface, connect
    >>> X, y = load_iris(return_X_y=True)
    >>> settings = {"activation": "tanh", "solver": "lbfgs", "alpha": 0.1, "max_iter": 5000}
    >>> a, b = (MLPClassifier((20,), **settings, random_state=i).fit(X, y) for i in (0, 1))
    >>> connect(LossSurface(a, X, y), a, b, level=0.1).connected_
    True
    """
    a, b = surface.flat(a), surface.flat(b)
    if align:
        a, b = (balanced(surface.network, end, surface.penalty_factors) for end in (a, b))
        b = aligned(surface.network, a, b)
    if level is None:
        level = 1.1 * max(surface.loss(a), surface.loss(b))
    if np.array_equal(a, b):
        points = [descend(surface, a, level)] * 2 if method == "string" else [a, b]
    elif method == "string":
        points = string(surface, a, b, level, max_points)
    else:
        points = band(surface, a, b, max_points, max_iter)
    return path_of(surface, points, level)


def path_of(surface, points, level):
    """The path through some points, with losses on its grid."""
    points = np.array(points)
    losses = np.array([surface.loss(point) for point in points])
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    ends = np.append(0.0, np.cumsum(lengths))
    grid, values = [0.0], [losses[0]]
    for k in range(len(points) - 1):
        grid.extend(ends[k] + lengths[k] * inner_grid())
        values.extend(segment_losses(surface, points[k], points[k + 1]))
        grid.append(ends[k + 1])
        values.append(losses[k + 1])
    total = ends[-1] if ends[-1] > 0 else 1.0
    return Path(points, losses, float(level), np.array(values), np.array(grid) / total)


@dataclass(frozen=True, repr=False)
class ConnectivityGraph:
    """Paths between minima, and the tree of the lowest saddles.

    Parameters
    ----------
    saddles_ : ndarray of shape (n_minima, n_minima)
        The largest loss on the path between each two; on the diagonal, their own.
    paths_ : dict of (int, int) to Path
        The path between each two, the smaller number first.
    tree_ : list of (int, int)
        The spanning tree whose highest saddle is lowest, its lowest edges first.
    """

    saddles_: np.ndarray
    paths_: dict
    tree_: list

    def __repr__(self):
        top = max((self.saddles_[edge] for edge in self.tree_), default=float(self.saddles_.max()))
        return f"{len(self.saddles_)} minima, connected below the loss {top:.4g}"


def connectivity_graph(
    surface: LossSurface, minima: Sequence[Any] | NDArray, **settings: Any
) -> ConnectivityGraph:
    """Connect many minima with each other.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    minima : list of estimator or array-like of shape (n_minima, n_parameters)
        Fitted nets, or parameters.
    **settings
        Of `connect`, for each pair.

    Returns
    -------
    graph : ConnectivityGraph
        Paths between all pairs, and their tree.

    Raises
    ------
    ValueError
        As `connect`, or if there are no minima.

    See Also
    --------
    connect : One path.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_optland.landscape import LossSurface, connectivity_graph
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> surface = LossSurface(model, X, y)
    >>> points = surface.theta_ + 0.1 * np.eye(3, surface.n_parameters_)
    >>> graph = connectivity_graph(surface, points)
    >>> len(graph.tree_)
    2
    """
    minima = [surface.flat(point) for point in minima]
    n = len(minima)
    if not n:
        raise ValueError("minima: found none; allowed are one or more.")
    saddles, paths = np.diag([surface.loss(point) for point in minima]), {}
    for i in range(n):
        for j in range(i + 1, n):
            paths[i, j] = connect(surface, minima[i], minima[j], **settings)
            saddles[i, j] = saddles[j, i] = paths[i, j].maximum_
    # Ranks, because SciPy takes a weight of 0 for no edge.
    edges = sorted(paths, key=lambda edge: saddles[edge])
    ranks = np.zeros((n, n))
    for rank, edge in enumerate(edges, 1):
        ranks[edge] = rank
    tree = minimum_spanning_tree(ranks)
    kept = zip(*tree.nonzero(), strict=True)
    order = sorted(((int(i), int(j)) for i, j in kept), key=lambda edge: ranks[edge])
    return ConnectivityGraph(saddles, paths, order)
