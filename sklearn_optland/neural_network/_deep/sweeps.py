"""What the solvers that sweep over blocks of variables share.

Rows are samples, H_l = [V_{l-1}, 1] with V_0 = X; rows have weights c_i that sum to 1, and every
term of a row, multipliers included, is weighted by c_i. So W sees weighted Grams, and V and Lambda
of a row do not see its weight. What a row has, V and Lambda, are arrays of the source, which
statistics read and write; what crosses rows is summed by them; W is here.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sklearn_optland._net.forward import residuals
from sklearn_optland._rows.reduce import Statistic, reduce

NEWTON_STEPS, HALVINGS = 3, 4


class Sweeps:
    """Weights that an algorithm moves, a sweep over all blocks of variables at a time.

    Parameters
    ----------
    objective : Objective
    theta : ndarray
        Weights to start from; V starts as their forward pass, multipliers at 0.
    rho : ndarray of shape (n_layers,)
        beta of each layer.
    """

    def __init__(self, objective, theta, rho):
        self.objective, self.passes, self.network = objective, objective.passes, objective.network
        self.theta = theta.copy()
        self.W = self.network.layers(self.theta)
        self.penalties = [P[:, 0] for P in self.network.layers(objective.penalty)]
        self.beta = rho.astype(objective.dtype)

    def __iter__(self):
        self._begin()
        while True:
            yield self._sweep()

    def _zeros(self, sizes):
        """Arrays of the source, of so many columns each."""
        return [self.passes.source.zeros(size, dtype=self.objective.dtype) for size in sizes]

    def _reduce(self, statistic, *variables):
        """Sum a statistic of the rows' variables, lists of arrays of the source."""
        return reduce(statistic, self.passes.source, (self.W, self.passes.Y, *variables))

    def _step(self, lines):
        """The net of the current weights, after a sweep."""
        self.objective.n_passes += 2  # the sweep and the lines
        point = self.objective.at(self.theta.copy())
        return self.objective.step(point, lines, done=not np.isfinite(point.objective))


class SweepStatistic(Statistic):
    """A statistic of the rows' variables, or what moves these; on one thread.

    Parameters
    ----------
    passes : Passes
    beta : ndarray of shape (n_layers,)
    """

    def __init__(self, passes, beta):
        self.forward, self.values = passes.forward, passes.forward.values
        self.dtype = passes.forward.dtype
        self.beta, self.n_layers = beta, len(beta)

    def parts(self, block, parameters):
        """Blocks that the cache holds: the loss of their outputs, X, and the rows' variables."""
        _, Y, *variables = parameters
        X, c, Y = block.source.X, block.source.c, block.local(Y)
        kind = self.forward.network.is_log_loss, self.forward.network.is_multilabel
        variables = [[block.local(array) for array in arrays] for arrays in variables]
        for rows in self.forward.blocks(block):
            loss = OutputLoss(Y[rows], c[rows], *kind)
            X_part = self.forward.columns(X, rows)
            yield loss, X_part, *([array[rows] for array in arrays] for arrays in variables)


class OutputLoss:
    """The loss of the outputs F of some rows.

    Parameters
    ----------
    Y : ndarray of shape (n_rows, n_outputs)
    c : ndarray of shape (n_rows,)
        Their weights.
    is_log_loss : bool
    is_multilabel : bool, default=False
        As `LossKind` has them.
    """

    def __init__(self, Y, c, is_log_loss, is_multilabel=False):
        self.Y, self.c = Y, c
        self.is_log_loss, self.is_multilabel = is_log_loss, is_multilabel

    @cached_property
    def weights(self):
        """The weights as a column, in the dtype of the variables."""
        return self.c[:, None].astype(self.Y.dtype)

    def slope(self, F):
        """Sum of c l(F), and dl/dF."""
        D = np.ascontiguousarray(F).copy()
        loss = residuals(self, D, self.Y, self.c)
        return loss, D / self.weights

    def prox(self, F, target, strength):
        """argmin over F of l(F) + strength/2 |F - target|^2, row by row.

        In closed form for squared error; for the log-loss by Newton steps from the given F, in
        which the Hessian is diagonal plus rank one, halved where they do not descend.
        """
        Y = self.Y
        if not self.is_log_loss:
            return (Y + strength * target) / (1 + strength)
        if self.is_multilabel:  # each output is a row of its own
            flat = OutputLoss(Y.reshape(-1, 1), np.repeat(self.c, Y.shape[1]), is_log_loss=True)
            F = flat.prox(F.reshape(-1, 1), target.reshape(-1, 1), strength)
            return F.reshape(Y.shape)

        def value(F):
            if F.shape[1] == 1:
                losses = np.logaddexp(0, np.where(Y > 0, -F, F))[:, 0]
            else:
                losses = np.logaddexp.reduce(F, axis=1) - np.sum(F * Y, axis=1)
            return losses + 0.5 * strength * np.sum((F - target) ** 2, axis=1)

        at = value(F)
        for _ in range(NEWTON_STEPS):
            slope = self.slope(F)[1]
            p = np.where(Y > 0, 1.0, 0.0).astype(F.dtype) + slope
            rhs = slope + strength * (F - target)
            if F.shape[1] == 1:
                step = rhs / (p * (1 - p) + strength)
            else:  # (diag(p + strength) - p p')^-1 by Sherman and Morrison
                diagonal = p + strength
                scaled, pull = rhs / diagonal, p / diagonal
                rest = 1 - np.sum(p * pull, axis=1, keepdims=True)
                step = scaled + pull * (np.sum(p * scaled, axis=1, keepdims=True) / rest)
            limit = at + 64 * np.finfo(F.dtype).eps * np.abs(at)  # rounding does not halve a step
            moved = value(F - step)
            for _ in range(HALVINGS):
                worse = moved > limit
                if not worse.any():
                    break
                step = np.where(worse[:, None], 0.5 * step, step)
                moved = value(F - step)
            descends = moved <= limit
            F = np.where(descends[:, None], F - step, F).astype(F.dtype)
            at = np.where(descends, moved, at)
        return F


def with_ones(V):
    """[V, 1]."""
    return np.hstack([V, np.ones((len(V), 1), dtype=V.dtype)])


def product(V, W):
    """H W of a layer."""
    return V @ W[:-1] + W[-1]


def solve_psd(A, B):
    """A^-1 B for a positive semi-definite A; the least-norm solution if it is singular."""
    try:
        return cho_solve(cho_factor(A, lower=True), B)
    except LinAlgError:
        return np.linalg.lstsq(A, B, rcond=None)[0]
