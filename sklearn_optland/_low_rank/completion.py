r"""Completion of tables by the nuclear norm, with the rows eliminated.

    minimise over V   sum_i s_i min_u [ 1/2 |x_o - V_o u|^2 + alpha/2 |u|^2 ] + alpha/2 |V|^2

over rows i with weights s_i that sum to 1; o are the observed entries of a row. With rows
z_i = V u_i that is the loss plus alpha ||S^{1/2} Z||_*, the nuclear norm. In W = V V' it is convex
(a sum of matrix fractional functions), and all that an algorithm needs of the rows is

    C(W) = sum_i s_i y_i y_i',

the second moment of the rows as W completes them (complete_fast). With K = (W + alpha I)^-1:

    objective  F(W) = alpha/2 (tr K C + tr W)
    gradient   alpha/2 (I - K C K)
    pulls      theta_i = alpha K y_i, the residuals: zero where nothing is observed
    polar      the largest singular value of S^{1/2} Theta / alpha: root of that of K C K
    dual       c alpha tr K C - c^2 alpha^2 / 2 tr K C K, for c Theta with c polar <= 1

The map W -> (C(W)^{1/2} - alpha I)_+ completes the rows, then shrinks the singular values of the
completed table: soft-impute (Mazumder, Hastie and Tibshirani 2010), but with rows that are solved
exactly. It never raises the objective. Anderson mixing accelerates it.

Where the rows' systems are large, the first passes only come near to their solutions. For any rows
that agree with X where it is observed, the objective above, of C = sum_i s_i y_i y_i', is convex in
W and y together; a pass improves the rows by a few conjugate gradients, in products of matrices and
in float32 (`NearRows`). Passes with exact rows come last, and prove.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import lt

import numpy as np
from scipy import linalg

from sklearn_optland._loss.gauge_dual import dual_scale
from sklearn_optland._low_rank.complete_fast import complete
from sklearn_optland._optim.anderson import Anderson
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.reduce import BLOCK_VALUES, Statistic, reduce
from sklearn_optland._rows.source import ArraySource

EPS = np.finfo(float).eps
TINY = np.finfo(np.float32).tiny
# Iterates that are mixed; more of them did not pay.
MEMORY = 8
# Multiply-adds of a block, which decide how soon Ctrl-C is answered.
BLOCK_WORK = 1e9
# What rounding may do to an objective. Below it, iterations go on: gap and move of the map are of
# the order of the root of what the objective lacks.
ROUNDING = 1e-13
# Steps that lower neither of the three, after which a fit ends.
PATIENCE = 10
# Of a singular value, relative to the largest: a square root of a sum of squares knows no less.
LEAST_SINGULAR_VALUE = 1e-7
# Conjugate gradients of a pass that does not solve for the rows, and rows of a block, which stays
# in the cache. It pays if the cubes of the systems' sides are this many times n_columns**2:
# products of matrices are some five times faster than Cholesky factorisations of this size.
GRADIENTS = 3
NEAR_ROWS = 256
NEAR_PAYS = 4.0
# Such passes end where the map moves the model by this share of tol, or the least that float32
# allows; or after so many that do not come nearer.
MOVE = 0.2
LEAST_MOVE = 2e-5
NEAR_PATIENCE = 3
# Of the variance of the first component: with less, rounding decides how rows are filled.
LEAST_NOISE = 1e-10


@dataclass
class Model:
    """W = Q diag(w) Q', Q of orthonormal columns, and the strength of the penalty."""

    Q: np.ndarray
    w: np.ndarray
    alpha: float

    @classmethod
    def empty(cls, n_columns, alpha):
        """The model of rank 0."""
        return cls(np.zeros((n_columns, 0)), np.zeros(0), alpha)

    @cached_property
    def W(self):
        """The matrix."""
        return (self.Q * self.w) @ self.Q.T

    @cached_property
    def K(self):
        """(W + alpha I)^-1."""
        K = (self.Q * (-self.w / (self.w + self.alpha))) @ self.Q.T
        K.flat[:: len(K) + 1] += 1.0
        return K / self.alpha

    @cached_property
    def near_K(self):
        """alpha K and the reciprocals of its diagonal, in float32."""
        K = (self.alpha * self.K).astype(np.float32)
        return K, 1 / np.maximum(np.diag(K), TINY)

    @cached_property
    def debiased(self):
        """The model whose rows alone are shrunk, for new rows.

        At the optimum the completed table has the second moment C = (W + alpha I)^2 in the range of
        W, and singular values up to alpha beyond it. So W + alpha I, the prior that rows are filled
        with, is like the root of a covariance, and makes large components too weak. This one has
        the covariance itself: C in the range, and noise of variance alpha^2, as in probabilistic
        principal components (Tipping and Bishop 1999).
        """
        if not len(self.w):
            return self
        w = (self.w + self.alpha) ** 2
        return Model(self.Q, w, max(self.alpha**2, LEAST_NOISE * w.max()))

    def complete(self, X):
        """Rows whose NaN are filled, in float64."""
        if not len(self.w):
            return np.where(np.isnan(X), 0.0, X.astype(float))
        Y = np.empty(X.shape)
        products = np.where(np.isnan(X), 0.0, X) @ self.K
        if complete(X, self.W, self.K, self.alpha, products, Y):
            raise _too_small(self.alpha, self.w.max(initial=0))
        return Y


def _too_small(alpha, largest):
    return ValueError(
        f"alpha: found {alpha:.3g}; allowed are values above some 1e-13 times the largest singular "
        f"value, {largest:.3g}."
    )


def observed_range(X):
    """The least and the largest observed entry of each column, NaN where there is none."""
    return np.fmin.reduce(X, axis=0), np.fmax.reduce(X, axis=0)


def clipped(X, limits):
    """Values within limits of the columns; those that are NaN do not limit."""
    return np.fmin(np.fmax(X, limits[0]), limits[1])


class SecondMoment(Statistic):
    """C: the second moment of the rows as a model completes them. Parameter: the model."""

    def __init__(self, n_columns):
        self.shape = n_columns, n_columns
        self.work = float(n_columns) ** 2
        block_rows = np.clip(BLOCK_WORK / self.work / max(n_columns / 10, 1), 8, 1024)
        self.values = BLOCK_VALUES / block_rows

    def add(self, block, parameters, total):
        Y = parameters[0].complete(block.source.X[block.slice])
        Y *= np.sqrt(block.source.c[block.slice])[:, None]
        total += Y.T @ Y


class NearMoment(Statistic):
    """C of rows that a pass improves. Parameters: the model; the rows, in float32, in some unit."""

    writes = (1,)
    values = BLOCK_VALUES / NEAR_ROWS

    def __init__(self, n_columns):
        self.shape = n_columns, n_columns
        self.work = GRADIENTS * float(n_columns) ** 2

    def add(self, block, parameters, total):
        X, Y = block.source.X[block.slice], block.local(parameters[1])[block.slice]
        _improve(Y, np.isnan(X).astype(np.float32), *parameters[0].near_K)
        Y = Y * np.sqrt(block.source.c[block.slice]).astype(np.float32)[:, None]
        total += Y.T @ Y


def _improve(Y, is_missing, K, reciprocals):
    """Conjugate gradients on y'Ky in the missing entries of rows, with the diagonal's metric."""
    R = Y @ K
    R *= -is_missing
    P, square = 0.0, np.inf
    for _ in range(GRADIENTS):
        Z = R * reciprocals
        before, square = square, np.einsum("ij,ij->i", R, Z)
        P = Z + (square / np.maximum(before, TINY))[:, None] * P
        Q = P @ K
        Q *= is_missing
        curvature = np.einsum("ij,ij->i", P, Q)
        size = np.where(curvature > TINY, square / np.maximum(curvature, TINY), np.float32(0))
        Y += size[:, None] * P
        R -= size[:, None] * Q


class NearRows:
    """Rows of a source that come nearer to their completion with every pass.

    Parameters
    ----------
    source : ArraySource
    """

    def __init__(self, source):
        self.source, self.unit = source, float(np.nanmax(np.abs(source.X), initial=0.0)) or 1.0
        self.Y = source.map(self._start, source.X)

    def _start(self, X):
        return np.where(np.isnan(X), 0.0, X / self.unit).astype(np.float32)

    def moment(self, model):
        """C, after a pass that improves the rows for this model."""
        statistic = NearMoment(self.source.n_columns)
        return self.unit**2 * reduce(statistic, self.source, (model, self.Y))[1]


def near_rows(source):
    """`NearRows`, or None where it is faster to solve for the rows, or they are elsewhere."""
    if not isinstance(source, ArraySource):
        return None
    d = source.n_columns
    missing = np.isnan(source.X).sum(axis=1)
    sides = np.minimum(missing, d - missing).astype(float)
    return NearRows(source) if np.mean(sides**3) > NEAR_PAYS * d**2 else None


class Point:
    """What C says of a model: objective, gap, and the model that the map makes of it.

    With `is_near` C is that of `NearRows`, and there is no gap.
    """

    def __init__(self, model, C, max_rank, is_near=False):
        alpha, self.model = model.alpha, model
        values, vectors = np.linalg.eigh(C)
        singular = np.sqrt(np.maximum(values, 0.0))
        with np.errstate(over="ignore", invalid="ignore"):
            trace = np.vdot(model.K, C)
        if not np.isfinite(trace):
            raise _too_small(alpha, singular[-1])
        self.objective = 0.5 * alpha * (trace + model.w.sum())
        self.polar = self.gap = np.nan
        if not is_near:
            self._certify(trace, C)

        shrunk = singular - max(alpha, LEAST_SINGULAR_VALUE * singular[-1])
        kept = np.flatnonzero(shrunk > 0)[::-1][:max_rank]
        self.image = Model(vectors[:, kept], singular[kept] - alpha, alpha)
        self.residual = np.linalg.norm(self.image.W - model.W)
        self._C = C

    def _certify(self, trace, C):
        """Polar and gap."""
        alpha, K, side = self.model.alpha, self.model.K, len(C) - 1
        with np.errstate(over="ignore", invalid="ignore"):
            KCK = K @ C @ K
        if not np.isfinite(KCK).all():
            raise _too_small(alpha, np.sqrt(np.trace(C)))
        top = linalg.eigh(0.5 * (KCK + KCK.T), eigvals_only=True, subset_by_index=(side, side))
        self.polar = float(np.sqrt(max(top[0], 0.0)))
        square = alpha * np.trace(KCK)
        scale = dual_scale(self.polar, 1.0, trace / square if square > 0 else 1.0)
        dual = alpha * scale * (trace - 0.5 * scale * square)
        rounding = 8 * EPS * (self.objective + abs(dual))
        self.gap = float(max(self.objective - dual, 0.0) + rounding)

    @property
    def singular_values(self):
        """Of the completed table Z, its rows weighted by the roots of theirs."""
        model = self.model
        shrunk = model.Q * (model.w / (model.w + model.alpha))
        squares = np.linalg.eigvalsh(shrunk.T @ self._C @ shrunk)[::-1]
        return np.sqrt(np.maximum(squares, 0.0))

    @property
    def at_rest(self):
        """Whether the map leaves the model as it is, but for rounding."""
        return self.residual <= 4 * EPS * max(np.linalg.norm(self.model.w), self.model.alpha)


def completion_steps(source, start, max_rank, tol):
    """Steps from a model, each a pass over the rows.

    Parameters
    ----------
    source : source of rows
        X with NaN where nothing is observed; weights c that sum to 1.
    start : Model
    max_rank : int
    tol : float
        Of the gap, relative to the objective.

    Yields
    ------
    step : Step
        Its parameters are a Point. In passes over `NearRows` the curve "certificate" is NaN.
    """
    moment, anderson = SecondMoment(source.n_columns), Anderson(MEMORY)
    rows, model, passes = near_rows(source), start, 0
    if rows is not None:
        for step in near_steps(rows, start, max_rank, MOVE * tol):
            yield replace(step, done=False)
        model, passes = step.parameters.image, step.curves["passes"]
    last, best, age, is_plain = None, None, 0, False
    least = np.inf, np.inf, np.inf
    while True:
        point, passes = Point(model, reduce(moment, source, (model,))[1], max_rank), passes + 1
        failed = point.objective > least[0] * (1 + ROUNDING)
        now = point.objective * (1 + ROUNDING), point.gap, point.residual
        age = 0 if any(map(lt, now, least)) else age + 1
        if not failed:
            last = point
            if (
                best is None
                or point.objective < best.objective / (1 + ROUNDING)
                or now[1] < best.gap
            ):
                best = point
            least = tuple(map(min, (point.objective, *now[1:]), least))
        reached = best.gap <= tol * best.objective
        done = reached or last.at_rest or (failed and is_plain) or age > PATIENCE
        curves = {"objective": best.objective, "certificate": best.gap, "passes": passes}
        curves["rank"] = len(best.model.w)
        yield Step(best, curves, best.objective, reached, done)
        if failed:  # the map itself never fails, but for rounding
            anderson.forget()
            model = last.image
        else:
            model = _mixed(last, anderson)
        is_plain = model is last.image


def near_steps(rows, model, max_rank, move):
    """Steps over `NearRows`, until the map moves the model by no more than this share of it."""
    anderson, best, age, passes = Anderson(MEMORY), None, 0, 0
    while True:
        point, passes = Point(model, rows.moment(model), max_rank, is_near=True), passes + 1
        age += 1
        if best is None or point.residual < best.residual:
            best, age = point, 0
        at_rest = best.residual <= max(move, LEAST_MOVE) * np.linalg.norm(best.model.w)
        curves = {"objective": best.objective, "certificate": np.nan, "passes": passes}
        curves["rank"] = len(best.model.w)
        done = at_rest or age > NEAR_PATIENCE
        yield Step(best, curves, best.objective, done=done)
        if done:
            return
        model = _mixed(point, anderson)


def certified(source, point, max_rank):
    """The point with its gap, if it has none yet."""
    if np.isfinite(point.gap):
        return point
    C = reduce(SecondMoment(source.n_columns), source, (point.model,))[1]
    return Point(point.model, C, max_rank)


def _mixed(point, anderson):
    """The accelerated model, in the range of the map's image: ranks are exact."""
    image = point.image
    mixed = anderson.mix(point.model.W, image.W)
    if not anderson:
        return image
    values, vectors = np.linalg.eigh(image.Q.T @ mixed @ image.Q)
    kept = values > 0
    return Model(image.Q @ vectors[:, kept], values[kept], image.alpha)
