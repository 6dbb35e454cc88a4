"""Paths of low loss between minima of a net: strings and elastic bands."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from sklearn_optland._estimator.parameters import validate_params
from sklearn_optland._optim.lbfgs import Memory, minimize
from sklearn_optland.landscape._alignment import aligned, balanced
from sklearn_optland.landscape._surface import LossSurface

# New points of a string are trained to this share of the level, so that segments stay below it.
BELOW = 0.98
# Steps of a descent to a level, and pairs that its L-BFGS remembers.
DESCENT, PAIRS = 2000, 10
# Points inside each segment where the loss is looked at.
GRID = 9
# Pivots that a band starts with, steps in a cycle, and the excess over the chord between pivots,
# as a share of the losses' range, above which one is inserted.
PIVOTS, CYCLE, EXCESS = 3, 40, 0.1
# Growth and cut of a pivot's step size.
GROW, CUT = 1.2, 0.5


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


def inner_grid():
    """Where inside a segment the loss is looked at."""
    return np.arange(1, GRID + 1) / (GRID + 1)


def segment_losses(surface, p, q):
    """Losses inside a segment."""
    return [surface.loss(p + t * (q - p)) for t in inner_grid()]


def descend(surface, theta, target):
    """Train from theta until the loss is at most a target, or there is nothing more to do."""
    if surface.loss(theta) <= target:
        return theta
    for n_steps, step in enumerate(minimize(surface.loss_and_gradient, theta, Memory(PAIRS)), 1):
        if step.loss <= target or step.done or n_steps == DESCENT:
            return step.parameters
    return theta


def string(surface, a, b, level, max_points):
    """Dynamic string sampling: Algorithm 1 of Freeman and Bruna, the highest segment first.

    Returns
    -------
    points : list of ndarray
    """
    points = [descend(surface, end, level) for end in (a, b)]
    segments = [segment_losses(surface, *points)]
    while len(points) < max_points:
        k = int(np.argmax([max(losses) for losses in segments]))
        if max(segments[k]) <= level:
            break
        p, q = points[k], points[k + 1]
        t = inner_grid()[int(np.argmax(segments[k]))]
        middle = descend(surface, p + t * (q - p), BELOW * level)
        if np.array_equal(middle, p) or np.array_equal(middle, q):
            break
        points.insert(k + 1, middle)
        halves = (p, middle), (middle, q)
        segments[k : k + 1] = [segment_losses(surface, *half) for half in halves]
    return points


def band(surface, a, b, max_points, max_iter):
    """A nudged elastic band with stiff springs: pivots spread evenly, and descend across the path.

    Each pivot has a step size of its own, which grows while its loss falls. After each cycle
    points are inserted in the two segments whose loss is most above their chord.

    Returns
    -------
    points : list of ndarray
    """
    points = np.linspace(a, b, min(PIVOTS + 2, max_points))
    sizes, n_iter = np.ones(len(points)), 0
    while True:
        for _ in range(min(CYCLE, max_iter - n_iter)):
            points, sizes = relaxed(surface, points, sizes)
            n_iter += 1
        if n_iter >= max_iter:
            return list(points)
        where = too_high(surface, points)[: max_points - len(points)]
        for k in sorted(where, reverse=True):
            points = np.insert(points, k + 1, 0.5 * (points[k] + points[k + 1]), axis=0)
            sizes = np.insert(sizes, k + 1, min(sizes[k], sizes[k + 1]))


def relaxed(surface, points, sizes):
    """One step of all pivots across the path, and pivots spread evenly along it again."""
    values = [surface.loss_and_gradient(point) for point in points]
    losses = np.array([loss for loss, _ in values])
    moved, sizes = points.copy(), sizes.copy()
    for k in range(1, len(points) - 1):
        tangent = tangent_at(points, losses, k)
        across = values[k][1] - (values[k][1] @ tangent) * tangent
        trial = points[k] - sizes[k] * across
        if surface.loss(trial) < losses[k]:
            moved[k], sizes[k] = trial, GROW * sizes[k]
        else:
            sizes[k] *= CUT
    return evenly(moved), sizes


def tangent_at(points, losses, k):
    """The path's direction at a pivot: to the higher neighbour; at extrema, a mean of both."""
    ahead, behind = points[k + 1] - points[k], points[k] - points[k - 1]
    rise_ahead, rise_behind = losses[k + 1] - losses[k], losses[k] - losses[k - 1]
    if rise_ahead > 0 and rise_behind > 0:
        tangent = ahead
    elif rise_ahead < 0 and rise_behind < 0:
        tangent = behind
    else:
        large, small = sorted([abs(rise_ahead), abs(rise_behind)], reverse=True)
        is_ahead_higher = losses[k + 1] > losses[k - 1]
        weights = (large, small) if is_ahead_higher else (small, large)
        tangent = weights[0] * unit(ahead) + weights[1] * unit(behind)
        if not tangent.any():
            tangent = ahead + behind
    return unit(tangent)


def unit(v):
    """v with length 1, or 0."""
    length = np.linalg.norm(v)
    return v / length if length > 0 else v


def evenly(points):
    """As many points on the same path, at even distances along it."""
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    ends = np.append(0.0, np.cumsum(lengths))
    if ends[-1] == 0:
        return points
    spread = points.copy()
    for k, where in enumerate(np.linspace(0, ends[-1], len(points))[1:-1], 1):
        piece = min(int(np.searchsorted(ends, where, side="right")) - 1, len(lengths) - 1)
        t = (where - ends[piece]) / lengths[piece] if lengths[piece] > 0 else 0.0
        spread[k] = points[piece] + t * (points[piece + 1] - points[piece])
    return spread


def too_high(surface, points):
    """Up to two segments whose loss is most above their chord, if it is by much."""
    losses = np.array([surface.loss(point) for point in points])
    dense = np.array([segment_losses(surface, *pair) for pair in pairwise(points)])
    chords = losses[:-1, None] + inner_grid() * np.diff(losses)[:, None]
    excess = (dense - chords).max(axis=1)
    least = EXCESS * (max(losses.max(), dense.max()) - min(losses.min(), dense.min()))
    order = np.argsort(excess)[::-1][:2]
    return [int(k) for k in order if excess[k] > least]


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
