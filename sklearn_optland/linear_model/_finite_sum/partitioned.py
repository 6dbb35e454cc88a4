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

    def measured(self, scores):
        loss, *squares = self._sum(partial(_sizes, self.loss), self.y, self.c, scores, shape=(3,))
        return loss, self.source.map(partial(_pulls, self.loss), self.y, self.c, scores), *squares

    def further(self, scores, t, added):
        return self.source.map(partial(in_memory.further, t), scores, added)

    def shifted(self, scores, shift):
        return self.source.map(partial(np.add, shift), scores)

    def gain(self, point, direction, added):
        return -float(np.vdot(point.gradient, direction))  # what the pass over the rows has told

    def losses_along(self, scores, t, added):
        along = partial(_losses_along, self.loss, t)
        return self._sum(along, self.y, self.c, scores, added, shape=(2,))

    def balance(self, scores, shift):
        balance = partial(_balance, self.loss, shift)
        imbalance, curvature, size = self._sum(balance, self.y, self.c, scores, shape=(3,))
        return np.array([imbalance]), np.array([[curvature]]), size

    def losses_gap(self, scores, theta):
        gap = partial(scalar_losses.fenchel_gap, self.loss)
        return self._sum(gap, self.y, self.c, scores, theta)

    def in_domain(self, theta):
        domain = partial(scalar_losses.in_domain, self.loss)
        return self.source.map(domain, self.y, theta)

    def balanced_pull(self, theta):
        if not self.fit_intercept:
            return theta, self.pull(theta)
        sides = self.source.map(_weighted_sides, self.c, theta)
        pulled = self._reduce(passes.Backward(self.source, 2), sides, cost=0.5)
        up, down = pulled[-1, 0], -pulled[-1, 1]
        if abs(up - down) <= BALANCED * up:
            return theta, pulled.sum(axis=1)
        factors = min(up, down) / np.array([up or 1.0, down or 1.0])
        return self.source.map(partial(_sides_scaled, *factors), theta), pulled @ factors

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

    def measured(self, scores):
        total, *squares = self._sum(_softmax_sizes, self.y, self.c, scores, shape=(3,))
        return total, self.source.map(in_memory.softmax_pulls, self.y, scores), *squares

    def balanced_pull(self, theta):
        return FiniteSum.balanced_pull(self, theta)

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


def _sizes(loss, y, c, scores):
    theta = np.empty_like(scores)
    value = scalar_losses.pulls(loss, y, c, scores, theta)
    return np.array([value, c @ scores**2, c @ theta**2])


def _losses_along(loss, t, y, c, scores, added):
    theta = np.empty_like(scores)
    value = scalar_losses.pulls(loss, y, c, scores + t * added, theta)
    return np.array([value, c @ (theta * added)])


def _balance(loss, shift, y, c, scores):
    theta = np.empty_like(scores)
    scalar_losses.pulls(loss, y, c, scores + shift, theta)
    h = scalar_losses.curvatures(loss, y, theta)
    return np.array([c @ theta, c @ h, c @ np.abs(theta)])


def _weighted_sides(c, theta):
    return np.ascontiguousarray((c * np.stack([np.maximum(theta, 0.0), np.minimum(theta, 0.0)])).T)


def _sides_scaled(of_up, of_down, theta):
    return theta * np.where(theta > 0, of_up, of_down)


def _softmax_loss(y, c, scores):
    return log_loss.loss_along(y, c, scores, scores, 0.0)[0]


def _softmax_sizes(y, c, scores):
    squares = _mean_square(c, scores), _mean_square(c, in_memory.softmax_pulls(y, scores))
    return np.array([_softmax_loss(y, c, scores), *squares])


def _divergence(y, c, scores, theta):
    return c @ divergences(in_memory.probabilities_of(y, theta), scores)


def _class_weights(k, y, c):
    return np.bincount(y, weights=c, minlength=k)


def _mixed_pulls(share, row, y, P):
    return in_memory.mixed_pulls(y, P, share, row)
