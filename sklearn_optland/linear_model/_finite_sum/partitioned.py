"""Finite sums whose rows are in partitions: what has an entry for each row stays there.

The objective, the dual points and the gap are those of `problem`; scores and pulls are handles.
"""

from functools import cached_property, partial

import numpy as np

from sklearn_optland._loss import linear_passes as passes
from sklearn_optland._loss import log_loss_fast as log_loss
from sklearn_optland._loss import scalar_losses_fast as scalar_losses
from sklearn_optland._loss.intercept import best_shift
from sklearn_optland._loss.log_loss import class_curvature, divergences
from sklearn_optland._rows.reduce import ExtremeOf, SumOf, reduce
from sklearn_optland.linear_model._finite_sum import problem as in_memory
from sklearn_optland.linear_model._finite_sum.problem import BALANCED, TINY, FiniteSum, SoftmaxSum

# Enough for the order of magnitude.
POWER_ITERATIONS = 6


class PartitionedSum(FiniteSum):
    """`FiniteSum` of a source whose arrays are handles; a loss and a penalty with an L2 part."""

    is_partitioned = True

    def _typical_curvature(self):
        if self.loss.is_bounded:
            return self.loss.curvature
        mean = self.mean(self.y) if self.loss.log_link else 1.0  # of y >= 0
        return self.loss.typical_curvature(np.array([mean]), np.ones(1))

    def _sum(self, function, *arrays, shape=()):
        total = reduce(SumOf(function, shape), self.source, arrays)[1]
        return total if shape else float(total)

    def mean(self, values):
        return self._sum(np.dot, self.c, values)

    @property
    def longest_square(self):
        return float(reduce(ExtremeOf(np.max, np.maximum), self.source, (self.row_squares,))[1])

    def mean_square_of(self, values):
        return self._sum(_mean_square, self.c, values)

    def pull(self, theta):
        R = self.source.map(_weighted_rows, self.c, theta)
        out = self._reduce(passes.Backward(self.source, self.k), R, cost=0.5)
        return out if self.k > 1 else out[:, 0]

    def scores(self, W):
        f = self.source.empty(self.k)
        columns = np.ascontiguousarray(W.reshape(self.n_features + 1, self.k))
        self._reduce(passes.Forward(self.source, self.k), columns, f, cost=0.5)
        return f if self.k > 1 else self.source.map(np.ravel, f)

    def losses(self, scores):
        total = self._sum(partial(_losses, self.loss), self.y, self.c, scores)
        return total, self.source.map(partial(_pulls, self.loss), self.y, self.c, scores)

    def losses_gap(self, scores, theta):
        gap = partial(scalar_losses.fenchel_gap, self.loss)
        return self._sum(gap, self.y, self.c, scores, theta)

    def in_domain(self, theta):
        domain = partial(scalar_losses.in_domain, self.loss)
        return self.source.map(domain, self.y, theta)

    def balanced(self, theta):
        up, down = self._sum(_sums_of_signs, self.c, theta, shape=(2,))
        if abs(up - down) <= BALANCED * up:
            return theta
        factor = min(up, down) / max(up, down)
        return self.source.map(partial(_side_scaled, up > down, factor), theta)

    @cached_property
    def largest_square(self):
        """The largest eigenvalue of the columns' moments, by a few power iterations."""
        size, u = 0.0, np.random.RandomState(0).standard_normal((self.n_features + 1, 1))
        product = passes.BinaryHessianProduct(self.source)
        for _ in range(POWER_ITERATIONS):
            u[-1] = 0.0  # the intercept is no column here
            u /= np.linalg.norm(u)
            scores = self.source.empty(1)
            u = self._reduce(product, self.c, u, scores)
            size = np.linalg.norm(u[:-1])
            if not size > TINY:
                return 0.0
        return size

    def scaled(self, factor, theta):
        """Return pulls times a number."""
        return self.source.map(partial(np.multiply, factor), theta)


class PartitionedSoftmax(PartitionedSum, SoftmaxSum):
    """`SoftmaxSum` of a source whose arrays are handles."""

    def losses(self, scores):
        total = self._sum(_softmax_loss, self.y, self.c, scores)
        return total, self.source.map(in_memory.softmax_pulls, self.y, scores)

    def losses_gap(self, scores, theta):
        return self._sum(_divergence, self.y, self.c, scores, theta)

    def in_domain(self, theta):
        return self.source.map(in_memory.softmax_domain, self.y, theta)

    def balanced(self, theta):
        source, k = self.source, self.k
        P = source.map(in_memory.probabilities_of, self.y, theta)
        target = self._sum(partial(_class_weights, k), self.y, self.c, shape=(k,))
        least = BALANCED * target.min()

        def shifted(shift):
            return source.map(partial(in_memory.shifted_probabilities, shift), P)

        def mass_of(P):
            return self._sum(np.dot, self.c, P, shape=(k,))

        def balance(shift):
            Q = shifted(shift)
            hessian = self._sum(class_curvature, Q, self.c, shape=(k, k))
            return target - mass_of(Q), hessian, least

        mass = mass_of(P)
        if not np.abs(target - mass).max() <= least:
            P = shifted(best_shift(balance, np.zeros(k)))
            mass = mass_of(P)
        share, row = in_memory.rest_of_mass(mass, target)
        return source.map(partial(_mixed_pulls, share, row), self.y, P)


# Functions of rows


def _mean_square(c, values):
    values = values.reshape(len(values), -1)
    return np.einsum("i,ij,ij->", c, values, values)


def _weighted_rows(c, theta):
    return np.ascontiguousarray((c * theta.T).T).reshape(len(c), -1)


def _losses(loss, y, c, scores):
    return scalar_losses.pulls(loss, y, c, scores, np.empty_like(scores))


def _pulls(loss, y, c, scores):
    theta = np.empty_like(scores)
    scalar_losses.pulls(loss, y, c, scores, theta)
    return theta


def _sums_of_signs(c, theta):
    weighted = c * theta
    return np.array([weighted[theta > 0].sum(), -weighted[theta < 0].sum()])


def _side_scaled(is_up, factor, theta):
    return np.where((theta > 0) == is_up, factor * theta, theta)


def _softmax_loss(y, c, scores):
    return log_loss.loss_along(y, c, scores, scores, 0.0)[0]


def _divergence(y, c, scores, theta):
    return c @ divergences(in_memory.probabilities_of(y, theta), scores)


def _class_weights(k, y, c):
    return np.bincount(y, weights=c, minlength=k)


def _mixed_pulls(share, row, y, P):
    return in_memory.mixed_pulls(y, P, share, row)
