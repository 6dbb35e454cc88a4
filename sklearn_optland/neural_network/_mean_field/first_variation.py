"""The maximum over the unit sphere of the first variation of a two-layer ReLU net.

The measure of neurons that a convex fit looks for is optimal only if

    |f(t)| <= alpha for all unit vectors t,    f(t) = sum_i relu(x_i't) R_i,

with the rows R_i of weighted residuals, a column for each output. f is positively homogeneous, and
linear on each cone on which no x_i't changes its sign. By the dimension of what the rows span:

1   there are two unit vectors;
2   the 2 n angles at which a row switches cut the circle into arcs. On each, f is linear, and the
    maximum of its norm has a closed form;
3   branch and bound over spherical triangles (`branch_and_bound`);
4 and more   ascent from many starts (`ascent`), which gives a lower bound and proves nothing.

The ascent is passes over the rows wherever they are. What is exact needs all rows in one place, and
takes them into this process.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._estimator.base import private_random_state
from sklearn_optland._net.units import extremes
from sklearn_optland.neural_network._mean_field.ascent import (
    FirstVariation,
    Inputs,
    ascend,
    best_distinct,
    unit,
)
from sklearn_optland.neural_network._mean_field.branch_and_bound import branch_and_bound
from sklearn_optland.neural_network._mean_field.passes import divided

EPSILON = np.finfo(np.float64).eps
RANK_TOLERANCE = 1e-12  # what is left out for it joins the bound
N_POINTS = 16


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


def maximum_over_sphere(
    inputs,
    R,
    n_outputs,
    *,
    starts=None,
    n_starts=128,
    n_points=N_POINTS,
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
    n_points : int, default=N_POINTS
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
        points, values = ascend(f, unit(starts), n_points)
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
            points, bound = branch_and_bound(rows, R, unit(starts), n_points, tol, max_nodes)
        f = FirstVariation(Inputs.of_array(rows), R, n_outputs)
        points, values = best_distinct(points, f.norms(points), n_points)
        bound = max(bound, values[0]) + slack
        points = points @ basis.T
    scale = X_scale * R_scale
    return SphereMaximum(float(bound * scale), basis is not None, points, values * scale)


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
    corners = np.column_stack([np.cos(begins), np.sin(begins)])
    values[:, 0] = np.linalg.norm(np.einsum("aj,ajk->ak", corners, G), axis=1)
    values[:, 1] = np.sqrt(mean + np.hypot(half, square[:, 0, 1]))
    values = values.ravel()
    angles = np.column_stack([begins, begins + tops]).ravel()
    there = np.column_stack([np.ones_like(inside), inside]).ravel()
    values, angles = values[there], angles[there]
    peaks = (values >= np.roll(values, 1)) & (values >= np.roll(values, -1))
    return np.column_stack([np.cos(angles), np.sin(angles)])[peaks], values.max()
