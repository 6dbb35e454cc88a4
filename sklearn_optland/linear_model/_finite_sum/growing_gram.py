"""Squared losses with an L1 penalty by the Gram matrix of the columns that come into use.

The set of these grows from one minimum to the next by those that pull most. On the set the problem
is that of `gram_path`; a pass over all columns then certifies it, or says which are missing.
"""

import numpy as np

from sklearn_optland.linear_model._finite_sum.gram_path import rank_of
from sklearn_optland.linear_model._finite_sum.gram_path_fast import SupportInverse, gram_path
from sklearn_optland.linear_model._finite_sum.newton import with_best_intercept
from sklearn_optland.linear_model._finite_sum.problem import refuse_overflow
from sklearn_optland.linear_model._finite_sum.working_set_models import (
    FIRST_SET,
    NEAR_SET,
    DenseColumns,
    over_roots,
)

# Of the rows: columns beyond which it pays. With fewer, epochs cost less than their Gram matrix.
LEAST_SHARE = 0.5
# Columns of a set: its Gram matrix shall stay small.
MAX_SET = 4000
# Of the tolerance: the gap on the set that is left.
LEFT = 0.3


def has_growing_gram(problem):
    """Whether least squares go this way; sparse columns cost less than their Gram matrix."""
    is_wide = problem.n_features > LEAST_SHARE * problem.n_samples
    return is_wide and problem.penalty.l1 > 0 and not problem.source.is_sparse


def growing_gram_points(problem, penalties, w, tol):
    """Yield the point at which a fit with each penalty ends, and its passes, as `gram_points`.

    It is above the tolerance where rounding, or too many columns in use, keep it there.
    """
    columns, before = GrowingGram(problem), problem.passes
    columns.add(np.flatnonzero(w))
    point = columns.point(w)
    for penalty in penalties:
        problem.penalty, problem.lower_bound = penalty, 0.0
        while True:
            has_grown = columns.add(columns.missing(penalty, point))
            point = columns.point(columns.minimum(penalty, point.W[:-1], LEFT * tol))
            if point.certificate <= tol * point.objective or not has_grown:
                break
        yield point, problem.passes - before
        before = problem.passes


class GrowingGram:
    """Some columns times the roots of the weights, centred by a free intercept, and their Gram.

    Parameters
    ----------
    problem : FiniteSum
    """

    def __init__(self, problem):
        self.problem, self.columns = problem, DenseColumns(problem.source.X)
        self.roots = np.sqrt(problem.c)
        mean = problem.c @ problem.y if problem.fit_intercept else 0.0
        self.targets = self.roots * (problem.y - mean)
        self.square, self.rank = self.targets @ self.targets, rank_of(problem)
        self.chosen, self.parts = np.empty(0, dtype=np.intp), []  # a row for each column
        self.means, self.pulls, self.lengths = np.empty((3, 0))
        self.H, self.inverse = np.empty((0, 0)), None

    def missing(self, penalty, point):
        """The columns that pull most of those that are missing and near l1, as many as are used."""
        sizes = -point.gradient[:-1]
        sizes = sizes if penalty.positive else np.abs(sizes)
        sizes[self.chosen] = 0.0
        candidates = np.flatnonzero(sizes >= NEAR_SET * penalty.l1)
        room = max(FIRST_SET, np.count_nonzero(point.W[:-1]))
        room = min(room, MAX_SET - len(self.chosen))
        if len(candidates) <= room:
            return candidates
        return candidates[np.argpartition(-sizes[candidates], room)[:room]]

    def add(self, new):
        """Add columns, and say whether there are any."""
        if not len(new):
            return False
        A, before = self.columns.times(self.roots, new), len(self.chosen)
        squares, means = np.einsum("ij,ij->i", A, A), np.zeros(len(new))
        refuse_overflow(squares)
        if self.problem.fit_intercept:
            means = A @ self.roots
            A -= np.outer(means, self.roots)
        self.parts.append(A)
        H = np.empty((before + len(new),) * 2)
        H[:before, :before] = self.H
        np.concatenate([A @ part.T for part in self.parts], axis=1, out=H[before:])
        H[:before, before:] = H[before:, :before].T
        self.H, self.chosen = H, np.append(self.chosen, new)
        self.means = np.append(self.means, means)
        self.pulls = np.append(self.pulls, A @ self.targets)
        self.lengths = np.append(self.lengths, np.sqrt(squares))
        self.inverse = SupportInverse(len(H), self.rank, self.inverse)
        self.problem.passes += len(new) / self.problem.n_features
        return True

    def minimum(self, penalty, w, tol):
        """About the minimum where all other coefficients are zero."""
        of_set, w = w[self.chosen], np.zeros_like(w)
        if len(of_set):
            strengths = np.array([[penalty.l1, penalty.l2]])
            settings = self.square, strengths, penalty.positive, tol, of_set, self.inverse
            coefs, curves = np.empty((1, len(of_set))), np.empty((1, 2))
            gram_path(self.H, self.pulls, self.lengths, *settings, coefs, curves, 0, 1)
        w[self.chosen] = of_set
        return w

    def point(self, w):
        """The certified point of coefficients that are zero outside the set."""
        problem, of_set, scores, at = self.problem, w[self.chosen], np.zeros_like(self.roots), 0
        for part in self.parts:
            scores += of_set[at : at + len(part)] @ part
            at += len(part)
        W = np.append(w, -(self.means @ of_set) if problem.fit_intercept else 0.0)
        W, scores = with_best_intercept(problem, W, over_roots(scores, self.roots))
        point = problem.evaluate(W, scores=scores)
        if point.gradient is None:
            point.gradient = -problem.pull(point.pulls)
        return point
