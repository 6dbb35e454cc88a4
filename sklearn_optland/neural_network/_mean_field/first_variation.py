"""The maximum over the unit sphere of the first variation of a two-layer ReLU net.

The measure of neurons that a convex fit looks for is optimal only if

    |f(t)| <= alpha for all unit vectors t,    f(t) = sum_i relu(x_i't) R_i,

with the rows R_i of weighted residuals, a column for each output. f is positively homogeneous, and
linear on each cone on which no x_i't changes its sign. By the dimension of what the rows span:

1   there are two unit vectors;
2   the 2 n angles at which a row switches cut the circle into arcs. On each, f is linear, and the
    maximum of its norm has a closed form;
3   branch and bound over spherical triangles (`first_variation_fast.pyx`);
4 and more   ascent from many starts, which gives a lower bound and proves nothing.

The ascent is passes over the rows wherever they are. What is exact needs all rows in one place, and
takes them into this process.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._net.units import extremes
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network._mean_field.first_variation_fast import bound_triangles
from sklearn_optland.neural_network._mean_field.passes import divided, some_rows

EPSILON = np.finfo(np.float64).eps
RANK_ROWS = 64  # enough of them to see that the rows span more than three dimensions
RANK_TOLERANCE = 1e-12  # what is left out for it joins the bound
# Ascent: after the first steps only so many of the starts go on.
FIRST_STEPS, STEPS = 10, 200
SURVIVORS = 32
SHORTEST = 1e-6  # step, relative
SAME = 1e-2  # points closer than this count as one peak
# Rows of all triangles in a call of the kernel, so that Ctrl-C is answered and memory is held.
BATCH_ROWS = 1 << 21


@dataclass(frozen=True)
class SphereMaximum:
    """What is known of the maximum of |f| over the unit sphere.

    Parameters
    ----------
    value : float
        If `proven`, an upper bound of the maximum, rounding included; else the highest value that
        was found, a lower bound.
    proven : bool
        Whether `value` is an upper bound.
    points : ndarray of shape (n_points, n_features)
        Distinct unit vectors where |f| is high, most of them local maxima, the highest first.
    values : ndarray of shape (n_points,)
        |f| there.
    directions : ndarray of shape (n_points, n_outputs), default=None
        Unit vectors along f there, if they are known.
    """

    value: float
    proven: bool
    points: np.ndarray
    values: np.ndarray
    directions: np.ndarray | None = None


class Inputs(NamedTuple):
    """Inputs x_i of all rows of a source.

    Parameters
    ----------
    source : ArraySource or another source of rows
    X : array of the source, or CSR, of shape (n_rows, n_columns), float32 or float64
    some : ndarray of shape (n_some, n_columns)
        A few of them in this process, of the same type: enough to see how many dimensions the rows
        span, if these are more than three.
    """

    source: object
    X: object
    some: np.ndarray

    @classmethod
    def of_array(cls, X):
        """Inputs in this process."""
        return cls(ArraySource(X), X, X[some_of(len(X))])


def some_of(n_rows):
    """Which rows `Inputs.some` has."""
    return slice(None, None, max(1, n_rows // RANK_ROWS))


class Values(Statistic):
    """f at points.

    Parameters
    ----------
    shape : (int, int)
        Number of points and of outputs.
    n_columns : int
    dtype : dtype
        In which it is computed.
    scale : float, default=1.0
        The inputs are divided by it.
    """

    def __init__(self, shape, n_columns, dtype, scale=1.0):
        self.shape, self.dtype, self.scale = shape, dtype, dtype.type(scale)
        self.values = max(shape[0], n_columns)

    def add(self, block, parameters, total):
        X, R, points = parameters
        activity = self.inputs(block, X) @ points.T
        np.maximum(activity, 0, out=activity)
        total += activity.T @ block.local(R)[block.slice]

    def inputs(self, block, X):
        """Inputs of a block over their scale."""
        X = some_rows(block.local(X), block.slice)
        return X.astype(self.dtype, copy=False) if self.scale == 1 else X / self.scale


class Gradients(Values):
    """sum_i 1(x_i't > 0) x_i R_i'u for points t and directions u of outputs."""

    def zero(self, parameters):
        return np.zeros(parameters[2].shape, dtype=self.dtype)

    def add(self, block, parameters, total):
        X, R, points, directions = parameters
        x = self.inputs(block, X)
        pulls = block.local(R)[block.slice] @ directions.T
        pulls[x @ points.T <= 0] = 0
        total += pulls.T @ x


class FirstVariation:
    """f(t) = sum_i relu(x_i't) R_i.

    Parameters
    ----------
    inputs : Inputs
    R : array of the source, of shape (n_rows, n_outputs)
        Residuals, times the weights of their rows.
    n_outputs : int
    scale : float, default=1.0
        The inputs are divided by it.
    """

    def __init__(self, inputs, R, n_outputs, scale=1.0):
        self.source, self.X, self.R = inputs.source, inputs.X, R
        self.n_outputs, self.dtype, self.scale = n_outputs, inputs.some.dtype, scale

    def __call__(self, points):
        """f at points, of shape (n_points, n_outputs)."""
        points = points.astype(self.dtype, copy=False)
        return self._sum(Values, points)

    def norms(self, points):
        """|f| at points."""
        return np.linalg.norm(self(points).astype(np.float64), axis=1)

    def norms_and_gradients(self, points):
        """|f| at points, and its gradients there."""
        f = self(points)
        norms = np.linalg.norm(f, axis=1)
        directions = f / np.maximum(norms, np.finfo(self.dtype).tiny)[:, None]
        return norms, self._sum(Gradients, points, directions)

    def _sum(self, kind, points, *others):
        n_points, n_columns = points.shape
        statistic = kind((n_points, self.n_outputs), n_columns, self.dtype, self.scale)
        return reduce(statistic, self.source, (self.X, self.R, points, *others))[1]


def maximum_over_sphere(
    inputs,
    R,
    n_outputs,
    *,
    starts=None,
    n_starts=128,
    n_points=16,
    tol=1e-5,
    max_nodes=200_000,
    random_state=None,
):
    """Maximise |sum_i relu(x_i't) R_i| over the unit vectors t.

    Parameters
    ----------
    inputs : Inputs
    R : array of the inputs' source, of shape (n_rows, n_outputs)
        Residuals, times the weights of their rows.
    n_outputs : int
    starts : ndarray of shape (n_atoms, n_columns), default=None
        Points to ascend from besides random ones, of any length, such as the neurons of a net.
    n_starts : int, default=128
        Number of random starts. One and two dimensions need none.
    n_points : int, default=16
        The most points to return.
    tol : float, default=1e-5
        In three dimensions, the relative gap between `value` and `values[0]` that is good enough.
    max_nodes : int, default=200_000
        In three dimensions, the number of triangles after which the search ends in any case; the
        bound is proven all the same, only wider.
    random_state : int, RandomState instance or None, default=None
        Of the random starts.

    Returns
    -------
    maximum : SphereMaximum
    """
    source, (_, d), dtype = inputs.source, inputs.some.shape, inputs.some.dtype
    X_scale, R_scale = (
        float(np.abs(array.data).max(initial=0.0))
        if issparse(array)
        else float(np.abs(extremes(source, n_columns, array)).max())
        for array, n_columns in ((inputs.X, d), (R, n_outputs))
    )
    if X_scale == 0 or R_scale == 0:
        return SphereMaximum(0.0, True, np.eye(1, d), np.zeros(1))
    starts = np.empty((0, d)) if starts is None else np.asarray(starts, dtype=np.float64)
    rng = private_random_state(random_state)
    if _span_many_dimensions(inputs, X_scale):
        X = basis = None
    else:
        X = inputs.X.toarray() if issparse(inputs.X) else source.gather(inputs.X)
        basis, rows = _coordinates(X, X_scale)
    if basis is None:
        R = source.map(partial(divided, divisor=R_scale, dtype=dtype), R)
        f = FirstVariation(inputs, R, n_outputs, X_scale)
        starts = np.concatenate([starts, rng.standard_normal((n_starts, d))])
        points = _ascend(f, _unit(starts), n_points)
        points, values = _best_distinct(points, f.norms(points), n_points)
        bound = values[0]
    else:
        R = source.gather(R) / R_scale
        # Rounding of the sums and of their terms, and what the coordinates leave out.
        left_out = np.linalg.norm(X / X_scale - rows @ basis.T, axis=1)
        sizes = 8 * (len(X) + 100) * EPSILON * np.linalg.norm(rows, axis=1)
        slack = np.linalg.norm(R, axis=1) @ (sizes + left_out)
        if basis.shape[1] == 1:
            points, bound = np.array([[1.0], [-1.0]]), 0.0
        elif basis.shape[1] == 2:
            points, bound = _on_circle(rows, R)
        else:
            rows, R = _merge_equal_rows(X, rows, R)
            starts = np.concatenate([starts @ basis, rng.standard_normal((n_starts, 3))])
            points, bound = _branch_and_bound(rows, R, _unit(starts), n_points, tol, max_nodes)
        f = FirstVariation(Inputs.of_array(rows), R, n_outputs)
        points, values = _best_distinct(points, f.norms(points), n_points)
        bound = max(bound, values[0]) + slack
        points = points @ basis.T
    scale = X_scale * R_scale
    return SphereMaximum(float(bound * scale), basis is not None, points, values * scale)


def _unit(points):
    """The points as unit vectors, without those that are zero."""
    largest = np.abs(points).max(axis=1, initial=0)
    points = points[largest > 0] / largest[largest > 0, None]
    return points / np.linalg.norm(points, axis=1)[:, None]


def _best_distinct(points, values, n_points):
    """The highest of those that are not close to a higher one."""
    chosen = []
    for i in np.argsort(-values, kind="stable"):
        if len(chosen) == n_points:
            break
        if all(np.abs(points[i] - points[j]).max() > SAME for j in chosen):
            chosen.append(i)
    return points[chosen], values[chosen]


def _span_many_dimensions(inputs, scale):
    """Whether some of the rows span more than three dimensions; wider CSR is taken to do so."""
    if issparse(inputs.X) and inputs.X.shape[1] > 3:
        return True
    few = inputs.some / inputs.some.dtype.type(scale)
    return few.shape[1] > 3 and np.linalg.matrix_rank(few) > 3


def _coordinates(X, scale):
    """An orthonormal basis of the rows' span, at most three vectors, and the rows in it."""
    rows = (X / X.dtype.type(scale)).astype(np.float64, copy=False)
    singular, basis = np.linalg.svd(rows, full_matrices=False)[1:]
    basis = basis[singular > RANK_TOLERANCE * singular[0]].T
    return (None, None) if basis.shape[1] > 3 else (basis, rows @ basis)


def _merge_equal_rows(X, rows, R):
    """Rows that are equal in X as one: their residuals may cancel, which no bound would see."""
    _, index, inverse = np.unique(X, axis=0, return_index=True, return_inverse=True)
    merged = np.zeros((len(index), R.shape[1]))
    np.add.at(merged, inverse.ravel(), R)
    return np.ascontiguousarray(rows[index]), merged


def _on_circle(X, R):
    """All local maxima of |f| on the circle, and the highest of them.

    Between two neighbouring angles at which a row switches, f is G't for a matrix G, and |f|^2 is
    a sinusoid of twice the angle.
    """
    switching = np.abs(X).max(axis=1) > 0
    X, R = X[switching], R[switching]
    directions = np.arctan2(X[:, 1], X[:, 0])
    begins = np.concatenate([directions - np.pi / 2, directions + np.pi / 2])
    begins -= 2 * np.pi * np.floor((begins + np.pi) / (2 * np.pi))  # in [-pi, pi)
    order = np.argsort(begins, kind="stable")
    lengths = np.diff(begins[order], append=begins[order[0]] + 2 * np.pi)
    # The longest arc is the last: in its middle no row is so near to its angle that rounding
    # decides whether it is on.
    last = lengths.argmax()
    order, lengths = np.roll(order, -last - 1), np.roll(lengths, -last - 1)
    begins = begins[order]
    on = np.cos(directions - (begins[-1] + lengths[-1] / 2)) > 0
    # G of each arc: that of the last one, and the changes since.
    jumps = X[:, :, None] * R[:, None, :]
    G = np.cumsum(np.concatenate([jumps, -jumps])[order], axis=0) + jumps[on].sum(axis=0)
    square = G @ G.transpose(0, 2, 1)
    mean, half = (square[:, 0, 0] + square[:, 1, 1]) / 2, (square[:, 0, 0] - square[:, 1, 1]) / 2
    # The sinusoid's top, as an angle from the beginning of the arc.
    tops = np.mod(np.arctan2(square[:, 0, 1], half) / 2 - begins, np.pi)
    inside = tops <= lengths
    values = np.empty((len(begins), 2))  # at an arc's beginning, and at its top
    unit = np.column_stack([np.cos(begins), np.sin(begins)])
    values[:, 0] = np.linalg.norm(np.einsum("aj,ajk->ak", unit, G), axis=1)
    values[:, 1] = np.sqrt(mean + np.hypot(half, square[:, 0, 1]))
    values = values.ravel()
    angles = np.column_stack([begins, begins + tops]).ravel()
    there = np.column_stack([np.ones_like(inside), inside]).ravel()
    values, angles = values[there], angles[there]
    peaks = (values >= np.roll(values, 1)) & (values >= np.roll(values, -1))
    return np.column_stack([np.cos(angles), np.sin(angles)])[peaks], values.max()


def _branch_and_bound(X, R, starts, n_points, tol, max_nodes):
    """High points of |f| on the sphere in three dimensions, and an upper bound but for rounding.

    Triangles whose bound is above the best value are cut into four, all of a size at a time.
    """
    f = FirstVariation(Inputs.of_array(X), R, R.shape[1])
    points = _ascend(f, starts, n_points)
    lower = f.norms(points).max(initial=0)
    upper, n_nodes = 0.0, 0
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), axis=-1).reshape(8, 3, 1)
    corners = signs * np.eye(3)
    parents, bounds = np.zeros(8, dtype=np.intp), np.array([np.inf])
    # G of each parent, where its mixed rows begin, and these rows.
    linear = np.zeros((1, 3, R.shape[1]))
    first, mixed = np.array([0, len(X)]), np.arange(len(X), dtype=np.intc)
    while len(parents):
        centers = _unit(corners.sum(axis=1))
        parents_bounds = bounds[parents]
        bounds, values, linear, first, mixed = _bound_in_batches(
            X, R, corners, centers, parents, linear, first, mixed
        )
        bounds = np.minimum(bounds, parents_bounds)
        n_nodes += len(bounds)
        if values.max() > lower:
            higher = _ascend(f, centers[[values.argmax()]], 1)
            points = np.concatenate([points, higher])
            lower = max(lower, f.norms(higher).max())
        is_open = bounds > lower * (1 + tol)
        if n_nodes + 4 * is_open.sum() > max_nodes:
            is_open[:] = False
        upper = max(upper, bounds[~is_open].max(initial=0))
        corners, parents = _quarter(corners[is_open]), np.repeat(np.flatnonzero(is_open), 4)
    return points, upper


def _quarter(corners):
    """Four triangles of each, cut at the middles of its edges."""
    a, b, c = corners.swapaxes(0, 1)
    ab, bc, ca = _unit(a + b), _unit(b + c), _unit(c + a)
    children = np.array([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]])
    return np.ascontiguousarray(children.transpose(2, 0, 1, 3)).reshape(-1, 3, 3)


def _bound_in_batches(X, R, corners, centers, parents, linear, first, mixed):
    """What `bound_triangles` finds, with its arrays of all triangles."""
    R_norms = np.linalg.norm(R, axis=1)
    sizes = np.diff(first)[parents]
    batches = np.flatnonzero(np.diff(np.cumsum(sizes) // BATCH_ROWS, prepend=-1))
    parts = []
    for start, end in pairwise([*batches, len(parents)]):
        n = end - start
        bounds, values = np.empty(n), np.empty(n)
        own_linear, own_first = np.empty((n, *linear.shape[1:])), np.empty(n + 1, dtype=np.intp)
        own_rows = np.empty(sizes[start:end].sum(), dtype=np.intc)
        bound_triangles(
            X,
            R,
            R_norms,
            corners[start:end],
            centers[start:end],
            parents[start:end],
            linear,
            first,
            mixed,
            bounds,
            values,
            own_linear,
            own_first,
            own_rows,
        )
        parts.append((bounds, values, own_linear, np.diff(own_first), own_rows[: own_first[-1]]))
    *arrays, sizes, rows = map(np.concatenate, zip(*parts, strict=True))
    return *arrays, np.concatenate([[0], np.cumsum(sizes)]), rows


def _ascend(f, points, n_points):
    """Projected gradient ascent of |f| from unit vectors; the highest distinct ends.

    A step of size s goes from t to the direction of t + s (gradient - |f| t) / |f|; s = 1 is the
    gradient's direction itself, the power iteration of a convex f. s grows with each step that
    is higher and shrinks with each that is not.
    """
    points = points.astype(f.dtype, copy=False)
    small = np.finfo(f.dtype).eps
    steps = np.ones(len(points))
    values, gradients = f.norms_and_gradients(points)
    moving = np.arange(len(points))
    for step in range(STEPS):
        tangents = gradients[moving] - values[moving, None] * points[moving]
        lengths = np.linalg.norm(tangents, axis=1)
        going = (
            (lengths > small * values[moving]) & (steps[moving] > SHORTEST) & (values[moving] > 0)
        )
        if step == FIRST_STEPS and going.sum() > SURVIVORS:
            going &= values[moving] >= np.sort(values[moving][going])[-SURVIVORS]
        moving, tangents = moving[going], tangents[going]
        if not len(moving):
            break
        trials = points[moving] + steps[moving, None] / values[moving, None] * tangents
        trials /= np.linalg.norm(trials, axis=1)[:, None]
        new_values, new_gradients = f.norms_and_gradients(trials)
        higher = new_values > values[moving]
        steps[moving] *= np.where(higher, 1.5, 0.3)
        moved = moving[higher]
        points[moved], values[moved] = trials[higher], new_values[higher]
        gradients[moved] = new_gradients[higher]
    return _best_distinct(points.astype(np.float64), values, n_points)[0]
