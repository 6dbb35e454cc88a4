"""The first variation of a two-layer ReLU net, and ascent on it over the unit sphere.

f(t) = sum_i relu(x_i't) R_i is passes over the rows, wherever they are; so is the ascent.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from sklearn_optland._rows.reduce import Statistic, reduce, some_rows
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.neural_network._mean_field.passes import (
    HIDDEN_VALUES,
    MIN_ROWS,
    PRODUCT_SPEED,
)
from sklearn_optland.neural_network._mean_field.relu_fast import rounded_relu, rounded_sums

RANK_ROWS = 64  # enough of them to see that the rows span more than three dimensions
# Ascent: steps from all starts, how many of them go on at least, and steps of these at each width
# of the kinks, in proportion to the rows' length.
FIRST_STEPS, SURVIVORS, STEPS = 10, 32, 25
WIDTHS = 0.1, 0.03, 0.01, 0.003, 0.0
SHORTEST = 1e-6  # step, relative
SAME = 1e-2  # points closer than this count as one peak


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
    width : float, default=0.0
        Over which relu's kink is rounded, a parabola.
    """

    def __init__(self, shape, n_columns, dtype, scale=1.0, width=0.0):
        self.shape, self.dtype, self.scale, self.width = shape, dtype, scale, width
        self.values, self.work = n_columns, shape[0] * (4 * n_columns) / PRODUCT_SPEED
        # Rows whose activities the cache holds.
        self.n_rows = max(MIN_ROWS, HIDDEN_VALUES // max(shape[0], 1))

    def add(self, block, parameters, total):
        X, R, points = parameters
        for x, r in self.some(block, X, R):
            activity = x @ points.T
            rounded_relu(activity, self.width)
            total += activity.T @ r

    def some(self, block, X, R):
        """Inputs over their scale, and residuals, of some rows after the other."""
        X, R = block.local(X), block.local(R)
        for start in range(block.first, block.last, self.n_rows):
            rows = slice(start, min(start + self.n_rows, block.last))
            x = some_rows(X, rows)
            x = x if self.scale == 1 else x / self.scale
            yield x.astype(self.dtype, copy=False), R[rows].astype(self.dtype, copy=False)


class Gradients(Values):
    """sum_i relu'(x_i't) x_i R_i'u for points t and directions u of outputs."""

    def zero(self, parameters):
        return np.zeros(parameters[2].shape, dtype=self.dtype)

    def add(self, block, parameters, total):
        X, R, points, directions = parameters
        for x, r in self.some(block, X, R):
            pulls = x @ points.T
            rounded_relu(pulls, self.width, True)
            pulls *= r @ directions.T
            total += pulls.T @ x


class ValuesAndGradients(Values):
    """f of one output, and its gradients, at points."""

    def __init__(self, shape, n_columns, *settings):
        super().__init__(shape, n_columns, *settings)
        self.shape = [shape[0], (shape[0], n_columns)]

    def add(self, block, parameters, total):
        X, R, points = parameters
        for x, r in self.some(block, X, R):
            activity = x @ points.T
            rounded_sums(activity, np.ascontiguousarray(r[:, 0]), self.width, total[0])
            total[1] += activity.T @ x


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
        some = inputs.some.data if issparse(inputs.some) else inputs.some
        squares = np.square(some / self.dtype.type(scale), dtype=np.float64).sum()
        self.length = np.sqrt(squares / inputs.some.shape[0])  # of a typical row

    def __call__(self, points, width=0.0):
        """f at points, of shape (n_points, n_outputs), its kinks rounded over a width."""
        return self._sum(Values, width, points)

    def norms(self, points):
        """|f| at points."""
        return np.linalg.norm(self(points).astype(np.float64), axis=1)

    def norms_and_gradients(self, points, width=0.0):
        """|f| at points, and its gradients there."""
        if self.n_outputs == 1:
            f, gradients = self._sum(ValuesAndGradients, width, points)
            return np.abs(f), gradients * np.sign(f)[:, None]
        f = self(points, width)
        norms = np.linalg.norm(f, axis=1)
        directions = f / np.maximum(norms, np.finfo(self.dtype).tiny)[:, None]
        return norms, self._sum(Gradients, width, points, directions)

    def _sum(self, kind, width, points, *others):
        points = points.astype(self.dtype, copy=False)
        shape, n_columns = (len(points), self.n_outputs), points.shape[1]
        statistic = kind(shape, n_columns, self.dtype, self.scale, width * self.length)
        return reduce(statistic, self.source, (self.X, self.R, points, *others))[1]


def unit(points):
    """The points as unit vectors, without those that are zero."""
    largest = np.abs(points).max(axis=1, initial=0)
    points = points[largest > 0] / largest[largest > 0, None]
    return points / np.linalg.norm(points, axis=1)[:, None]


def best_distinct(points, values, n_points):
    """The highest of those that are not close to a higher one."""
    chosen = []
    for i in np.argsort(-values, kind="stable"):
        if len(chosen) == n_points:
            break
        if all(np.abs(points[i] - points[j]).max() > SAME for j in chosen):
            chosen.append(i)
    return points[chosen], values[chosen]


def ascend(f, points, n_points):
    """Projected gradient ascent of |f| from unit vectors.

    The highest distinct ends, or starts, and |f| there.

    Where a row that is pulled down switches, f has a ridge, on which gradients of either side lead
    to the other one, and every ascent stops. So kinks are rounded at first, over a width that falls
    to 0.
    """
    starts = points
    points, values = _climb(f, points, WIDTHS[0], FIRST_STEPS)
    points = points[np.argsort(-values, kind="stable")[: max(SURVIVORS, n_points)]]
    for width in WIDTHS:
        points, _ = _climb(f, points, width, STEPS)
    points = np.concatenate([points.astype(np.float64), starts])
    return best_distinct(points, f.norms(points), n_points)


def _climb(f, points, width, n_steps):
    """Some steps from unit vectors, and |f| where they end, with kinks of some width.

    A step of size s goes from t to the direction of t + s (gradient - |f| t) / |f|; s = 1 is the
    gradient's direction itself, the power iteration of a convex f. s grows with each step that
    is higher and shrinks with each that is not.
    """
    small = np.finfo(f.dtype).eps
    points, steps = points.astype(f.dtype), np.ones(len(points), dtype=f.dtype)
    values, gradients = f.norms_and_gradients(points, width)
    moving = np.arange(len(points))
    for _ in range(n_steps):
        tangents = gradients[moving] - values[moving, None] * points[moving]
        lengths = np.linalg.norm(tangents, axis=1)
        going = (lengths > small * values[moving]) & (steps[moving] > SHORTEST)
        going &= values[moving] > small**2 * lengths  # else the quotient may overflow
        moving, tangents = moving[going], tangents[going]
        if not len(moving):
            break
        trials = points[moving] + steps[moving, None] / values[moving, None] * tangents
        trials /= np.linalg.norm(trials, axis=1)[:, None]
        new_values, new_gradients = f.norms_and_gradients(trials, width)
        higher = new_values > values[moving]
        steps[moving] *= np.where(higher, 1.5, 0.3)
        moved = moving[higher]
        points[moved], values[moved] = trials[higher], new_values[higher]
        gradients[moved] = new_gradients[higher]
    return points, values
