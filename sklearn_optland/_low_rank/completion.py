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
"""

from dataclasses import dataclass
from functools import cached_property
from operator import lt

import numpy as np
from scipy import linalg

from sklearn_optland._loss.gauge_dual import dual_scale
from sklearn_optland._low_rank.complete_fast import complete
from sklearn_optland._optim.anderson import Anderson
from sklearn_optland._optim.step import Step
from sklearn_optland._rows.reduce import BLOCK_VALUES, Statistic, reduce

EPS = np.finfo(float).eps
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


class Point:
    """What C(W) says of a model: objective, gap, and the model that the map makes of it."""

    def __init__(self, model, C, max_rank):
        alpha, self.model = model.alpha, model
        values, vectors = np.linalg.eigh(C)
        singular = np.sqrt(np.maximum(values, 0.0))
        with np.errstate(over="ignore", invalid="ignore"):
            KC = model.K @ C
            trace, KCK = np.trace(KC), KC @ model.K
        if not np.isfinite(KCK).all():
            raise _too_small(alpha, singular[-1])
        side = len(C) - 1
        top = linalg.eigh(0.5 * (KCK + KCK.T), eigvals_only=True, subset_by_index=(side, side))
        self.polar = float(np.sqrt(max(top[0], 0.0)))
        square = alpha * np.trace(KCK)
        self.objective = 0.5 * alpha * (trace + model.w.sum())
        scale = dual_scale(self.polar, 1.0, trace / square if square > 0 else 1.0)
        dual = alpha * scale * (trace - 0.5 * scale * square)
        rounding = 8 * EPS * (self.objective + abs(dual))
        self.gap = float(max(self.objective - dual, 0.0) + rounding)

        shrunk = singular - max(alpha, LEAST_SINGULAR_VALUE * singular[-1])
        kept = np.flatnonzero(shrunk > 0)[::-1][:max_rank]
        self.image = Model(vectors[:, kept], singular[kept] - alpha, alpha)
        self.residual = np.linalg.norm(self.image.W - model.W)
        self._C = C

    @property
    def singular_values(self):
        """Of the completed table Z, its rows weighted by the roots of theirs."""
        model, root = self.model, np.sqrt(self.model.w)
        inner = model.Q.T @ self._C @ model.Q * np.outer(root, root)
        shrunk = root / (model.w + model.alpha)
        squares = np.linalg.eigvalsh(inner * np.outer(shrunk, shrunk))[::-1]
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
        Its parameters are a Point.
    """
    moment, anderson = SecondMoment(source.n_columns), Anderson(MEMORY)
    model, last, best, passes, age, is_plain = start, None, None, 0, 0, False
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


def _mixed(point, anderson):
    """The accelerated model, in the range of the map's image: ranks are exact."""
    image = point.image
    mixed = anderson.mix(point.model.W, image.W)
    if not anderson:
        return image
    values, vectors = np.linalg.eigh(image.Q.T @ mixed @ image.Q)
    kept = values > 0
    return Model(image.Q @ vectors[:, kept], values[kept], image.alpha)
