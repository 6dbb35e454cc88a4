"""Passes over the rows of two-layer nets, as statistics for `reduce`.

The rows have weights c. What is called X, Y, F, H and R in parameters are arrays of the source:
inputs (None: the source's own), targets in units, scores without the output intercept, outputs of
the hidden layer, and pulls -dl/df. A hidden layer is (W, bias) with the units of X in it.
"""

from functools import partial

import numpy as np
from scipy.sparse import hstack, issparse
from scipy.special import expit, softmax

from sklearn_optland._loss.log_loss import class_curvature, divergences
from sklearn_optland._net.entrywise_fast import KINDS, activate, times_slope
from sklearn_optland._net.forward import multiply, residuals
from sklearn_optland._net.units import in_units
from sklearn_optland._rows.reduce import Statistic, some_rows
from sklearn_optland.neural_network._mean_field import relu_fast as fast

RELU = KINDS["relu"]
# Values of the hidden layer in a block of rows: with its adjoint they stay in the second-level
# cache. Products with fewer rows are slow.
HIDDEN_VALUES = 1 << 16
MIN_ROWS = 32
# Multiply-adds of a matrix product in the time that a chunk's work is counted by.
PRODUCT_SPEED = 4
# Temporary arrays of the hidden layer's size, in values of the data.
HIDDEN_COST = 64


def inputs(block, X):
    """All inputs: those of the source, or another array of it."""
    return block.source.X if X is None else block.local(X)


def hidden_layer(block, X, W, bias):
    """Outputs of the hidden layer at the rows of a block."""
    H = some_rows(inputs(block, X), block.slice) @ W
    activate(H, bias, RELU)
    return H


class LossGradient(Statistic):
    """Mean loss of a net, and its gradient by the scaled weights; a flat array like theta.

    Parameters
    ----------
    layout : ParticleLayout
    kind : LossKind
    m : int
        Number of particles.
    """

    def __init__(self, layout, kind, m):
        d, k = layout.n_features, layout.n_outputs
        self.layout, self.kind, self.m = layout, kind, m
        self.values, self.work = d, m * (2 * d + 4 * k) / PRODUCT_SPEED
        self.shape, self.dtype = (d + 1 + k) * m + k, layout.dtype

    def add(self, block, parameters, total):
        X, Y, W, bias, A, offset = parameters
        X, Y, c = inputs(block, X), block.local(Y), block.source.c
        k, a = self.layout.n_outputs, A.ravel()
        gW, gbias, gA, goffset = self.layout.parts(total)
        size = max(MIN_ROWS, HIDDEN_VALUES // max(self.m, 1))
        hidden, pull, scores = self._scratch(block, min(size, block.last - block.first))
        loss = 0.0
        for start in range(block.first, block.last, size):
            part = slice(start, min(start + size, block.last))
            n = part.stop - start
            x, H, F = some_rows(X, part), hidden[:n], scores[:n]
            multiply(x, W, H)
            if k == 1:
                fast.relu_scores(H, bias, a, F[:, 0])
            else:
                activate(H, bias, RELU)
                np.matmul(H, A, out=F)
            F += offset
            loss += residuals(self.kind, F, Y[part], c[part])
            if k == 1:
                fast.relu_pull(H, a, F[:, 0], gA[:, 0], gbias)
                P = H
            else:
                gA += H.T @ F
                P = pull[:n]
                np.matmul(F, A.T, out=P)
                times_slope(P, H, RELU)
                gbias += P.sum(axis=0)
            gW += x.T @ P
            if self.layout.fit_intercept:
                goffset += F.sum(axis=0)
        return loss

    def _scratch(self, block, n):
        """Buffers for n rows: hidden layer, its pulls, scores. They follow nets that grow."""
        m, k = self.m, self.layout.n_outputs
        buffers = block.scratch((type(self), self.layout.dtype), list)
        if not buffers or buffers[0].shape[1] != m or len(buffers[0]) < n:
            shapes = (n, m), (n, m) if k > 1 else (0, 0), (n, k)
            buffers[:] = (np.empty(shape, self.layout.dtype) for shape in shapes)
        return buffers


class Outputs(Statistic):
    """`out` takes the scores, or for A = None the outputs of the hidden layer."""

    writes = (4,)

    def __init__(self, m):
        self.values = HIDDEN_COST * (m + 1)

    def add(self, block, parameters, _):
        *layer, A, out = parameters
        H = hidden_layer(block, *layer)
        block.local(out)[block.slice] = H if A is None else H @ A


class Augmented(Statistic):
    """`rows` takes the inputs in units, and the bias feature if there is one."""

    writes = (0,)

    def __init__(self, n_columns):
        self.values = 16 * n_columns

    def add(self, block, parameters, _):
        rows, x_scale, bias = parameters
        X = block.source.X[block.slice]
        block.local(rows)[block.slice] = augmented(X, x_scale, bias)


def product(H, R):
    """H'R."""
    return H.T @ R


def augmented(X, x_scale, bias):
    """Inputs in units, with the bias feature unless it is None; CSR stays so."""
    X = in_units(X if issparse(X) else np.asarray(X), x_scale)
    if bias is None:
        return X
    stack = partial(hstack, format="csr") if issparse(X) else np.hstack
    return stack([X, np.full((X.shape[0], 1), bias, X.dtype)])


# Losses


def pulls(F, Y, *, offset, kind):
    """-dl/df of each row, at scores F + offset."""
    R = F + offset
    residuals(kind, R, Y.astype(np.float64, copy=False), np.ones(len(R)))
    return -R


def times_weight(R, c):
    """Each row times its weight."""
    return R * c[:, None]


def divided(R, *, divisor, dtype):
    """R / divisor in some precision."""
    return (R / divisor).astype(dtype, copy=False)


class LossStatistic(Statistic):
    """Something of the loss at scores with some output intercept."""

    def __init__(self, kind, k):
        self.kind, self.k, self.values = kind, k, 8 * k

    @property
    def has_logits(self):
        """Whether outputs are logits, each of its own."""
        return self.k == 1 or self.kind.is_multilabel

    def local(self, block, F, offset, Y):
        """Scores with intercept, targets and weights of a block."""
        F, Y = block.local(F)[block.slice] + offset, block.local(Y)[block.slice]
        return F, Y.astype(np.float64, copy=False), block.source.c[block.slice]


class Loss(LossStatistic):
    """Mean loss."""

    def add(self, block, parameters, _):
        F, Y, c = self.local(block, *parameters)
        return residuals(self.kind, F, Y, c)


class Balance(LossStatistic):
    """The mean of the pulls, and the log-loss' Hessian in the output intercept."""

    def __init__(self, kind, k):
        super().__init__(kind, k)
        self.shape = [k, (k, k)]

    def add(self, block, parameters, total):
        F, Y, c = self.local(block, *parameters)
        R = pulls(F, Y, offset=0.0, kind=self.kind)
        total[0] += c @ R
        if self.kind.is_log_loss:
            P = Y - R
            logits = np.diag(c @ (P * (1 - P))) if self.has_logits else None
            total[1] += class_curvature(P, c) if logits is None else logits


def least_margin(F, Y):
    """The least y f for labels 0 and 1."""
    return ((2.0 * Y - 1.0) * F).min()


class PullSums(Statistic):
    """sum_i c_i R_i, and sum_i c_i |R_i|^2, sum_i c_i Y_i'R_i."""

    def __init__(self, k):
        self.shape, self.values = [k, 2], 8 * k

    def add(self, block, parameters, total):
        R, weighted, Y = (block.local(array)[block.slice] for array in parameters)
        c = block.source.c[block.slice]
        total[0] += weighted.sum(axis=0)
        total[1] += c @ np.einsum("ij,ij->i", R, R), c @ np.einsum("ij,ij->i", Y, R)


class Divergence(LossStatistic):
    """Mean KL(q || p): q - y = scale (p - y), p a row's probabilities and y its label."""

    def add(self, block, parameters, _):
        *scores, scale = parameters
        F, Y, c = self.local(block, *scores)
        if self.has_logits:
            c = np.repeat(c, self.k)
            F, Y = np.ravel(F), np.ravel(Y)
            F, Y = np.column_stack([np.zeros(len(F)), F]), np.column_stack([1 - Y, Y])
        return float(c @ divergences(scale * softmax(F, axis=1) + (1 - scale) * Y, F))


# Masses of particles that stay where they are: f = sum_j w_j H_j u_j + o, u_j rows of U


class MassLoss(LossStatistic):
    """Mean loss for some masses; F takes the scores without intercept."""

    writes = (3,)

    def add(self, block, parameters, _):
        H, U, masses, F, offset, Y = parameters
        block.local(F)[block.slice] = (block.local(H)[block.slice] * masses) @ U
        scores, Y, c = self.local(block, F, offset, Y)
        return residuals(self.kind, scores, Y, c)


class MassNewton(LossStatistic):
    """What Newton's method needs of the loss in masses w and intercept o.

    The total is H'R, the pulls R having the weights of their rows, the sum of R, and the Hessian:
    its block of w, the one of w and o, and the one of o.
    """

    def __init__(self, kind, k, m):
        super().__init__(kind, k)
        self.shape, self.values = [(m, k), k, (m, m), (m, k), (k, k)], 8 * (m + k)

    def add(self, block, parameters, total):
        H, U, F, offset, Y = parameters
        F, Y, c = self.local(block, F, offset, Y)
        H = block.local(H)[block.slice]
        R = pulls(F, Y, offset=0.0, kind=self.kind) * c[:, None]
        part = H.T @ R, R.sum(axis=0), *self._curvature(F, H, U, c)
        for sums, terms in zip(total, part, strict=True):
            sums += terms

    def _curvature(self, F, H, U, c):
        if not self.kind.is_log_loss:
            Q = ((H * c[:, None]).T @ H) * (U @ U.T)
            return Q, (c @ H)[:, None] * U, c.sum() * np.eye(self.k)
        if self.has_logits:
            h = c[:, None] * expit(F) * expit(-F)
            Q = sum(
                np.outer(u, u) * ((H * w[:, None]).T @ H) for u, w in zip(U.T, h.T, strict=True)
            )
            return Q, (H.T @ h) * U, np.diag(h.sum(axis=0))
        column = c[:, None]
        P = softmax(F, axis=1)
        mean = H * (P @ U.T)  # sum_k p_k H u_k
        Q = (
            sum(
                np.outer(U[:, i], U[:, i]) * ((H * (P[:, [i]] * column)).T @ H)
                for i in range(self.k)
            )
            - (mean * column).T @ mean
        )
        cross = (H.T @ (P * column)) * U - (mean * column).T @ P
        return Q, cross, class_curvature(P, c)


class NewParticles(Statistic):
    """H'R and the curvature sum_i c_i H_ij^2 of neurons at some points of the sphere."""

    def __init__(self, n_points, n_columns, k):
        self.shape, self.values = [(n_points, k), n_points], max(n_points, n_columns)

    def add(self, block, parameters, total):
        rows, points, weighted = parameters
        x = block.local(rows)[block.slice]
        H = np.maximum(x @ points.T.astype(x.dtype), 0).astype(np.float64)
        total[0] += H.T @ block.local(weighted)[block.slice]
        total[1] += block.source.c[block.slice] @ (H * H)
