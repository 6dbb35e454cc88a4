"""Branch and bound for the maximum of the first variation over the sphere in three dimensions.

Triangles whose bound is above the best value are cut into four, all of a size at a time. The bounds
are those of `first_variation_fast.pyx`.
"""

from itertools import pairwise

import numpy as np

from sklearn_optland.neural_network._mean_field.ascent import FirstVariation, Inputs, ascend, unit
from sklearn_optland.neural_network._mean_field.first_variation_fast import bound_triangles

# Rows of all triangles in a call of the kernel, so that Ctrl-C is answered and memory is held.
BATCH_ROWS = 1 << 21


def branch_and_bound(X, R, starts, n_points, tol, max_nodes):
    """High points of |f| on the sphere in three dimensions, and an upper bound but for rounding."""
    f = FirstVariation(Inputs.of_array(X), R, R.shape[1])
    points, heights = ascend(f, starts, n_points)
    lower = heights[0]
    upper, n_nodes = 0.0, 0
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), axis=-1).reshape(8, 3, 1)
    corners = signs * np.eye(3)
    parents, bounds = np.zeros(8, dtype=np.intp), np.array([np.inf])
    # G of each parent, where its mixed rows begin, and these rows.
    linear = np.zeros((1, 3, R.shape[1]))
    first, mixed = np.array([0, len(X)]), np.arange(len(X), dtype=np.intc)
    while len(parents):
        centers = unit(corners.sum(axis=1))
        parents_bounds = bounds[parents]
        bounds, values, linear, first, mixed = _bound_in_batches(
            X, R, corners, centers, parents, linear, first, mixed
        )
        bounds = np.minimum(bounds, parents_bounds)
        n_nodes += len(bounds)
        if values.max() > lower:
            higher, heights = ascend(f, centers[[values.argmax()]], 1)
            points = np.concatenate([points, higher])
            lower = max(lower, heights[0])
        is_open = bounds > lower * (1 + tol)
        if n_nodes + 4 * is_open.sum() > max_nodes:
            is_open[:] = False
        upper = max(upper, bounds[~is_open].max(initial=0))
        corners, parents = _quarter(corners[is_open]), np.repeat(np.flatnonzero(is_open), 4)
    return points, upper


def _quarter(corners):
    """Four triangles of each, cut at the middles of its edges."""
    a, b, c = corners.swapaxes(0, 1)
    ab, bc, ca = unit(a + b), unit(b + c), unit(c + a)
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
