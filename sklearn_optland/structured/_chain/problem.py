"""The objective of a chain, on sequences in blocks."""

from collections import defaultdict

import numpy as np
from scipy import sparse

from sklearn_optland._loss.linear_passes_fast import row_squares
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland._rows.rows import as_rows
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.structured._chain.chain_fast import Chain, aligned, lanes_of
from sklearn_optland.structured._sequences import part_of


class SequenceSource(ArraySource):
    """Sequences in this process: a row of the source is a whole sequence.

    Parameters
    ----------
    chain : Chain
    """

    def __init__(self, chain):
        self.n_rows = len(chain.starts) - 1
        self.buffers = defaultdict(dict)
        self.rows = defaultdict(chain.share, {0: chain})


class Losses(Statistic):
    """The losses of all sequences, written to an array that is the last parameter."""

    def __init__(self, problem):
        self.work = self.values = problem.work / 2

    def add(self, block, parameters, total):
        """Write the losses of a block."""
        *parts, losses = parameters
        block.rows.set(*parts)
        block.rows.losses(block.first, block.last, losses)


class Gradient(Statistic):
    """The sum of weighted losses, and its gradient."""

    def __init__(self, problem):
        self.work = self.values = problem.work
        self.shape = problem.shape

    def add(self, block, parameters, total):
        """Add the gradient of a block; return its losses."""
        *parts, c = parameters
        block.rows.set(*parts)
        return block.rows.gradient(block.first, block.last, c, total)


class ChainProblem:
    """1/2 |theta|^2 + sum_i c_i [log Z_i - score_i].

    theta has a row for each column of X, each label a transition begins with, and both ends of a
    sequence, and in a row an entry for each label, with zeros up to a whole octet.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_tokens, n_columns)
    starts : ndarray of int64 of shape (n_sequences + 1,)
    codes : ndarray of int32 of shape (n_tokens,)
    c : ndarray of shape (n_sequences,)
        Positive weights.
    k : int
        Labels.
    has_ends : bool
        Whether the ends of sequences have parameters.
    only_observed : bool
        Whether there are parameters only for what occurs with a label.
    has : ndarray of uint8 of the shape of theta, default=None
        1 for parameters that there are, if that is known already.

    Attributes
    ----------
    rounding : float
        How far that of probabilities can move a gradient, and, times |theta|, that of scores the
        objective. It is small beside both unless weights are so large that losses are small
        differences of scores.
    strength : float
        Mean of c |x|^2 over tokens.
    """

    def __init__(self, X, starts, codes, c, k, *, has_ends, only_observed, has=None):
        self.X, self.starts, self.codes, self.c, self.k = X, starts, codes, c, k
        self.lanes, self.n_columns = lanes_of(k), X.shape[1]
        self.has_ends, self.shape = has_ends, (self.n_columns + k + 2, self.lanes)
        self.rows = as_rows(X, in_order=False)
        self.has = self._observed() if only_observed and has is None else has
        self.source = SequenceSource(self.restricted(Chain(self.rows, starts, k, codes)))
        # Stored values of a token, and multiply-adds of a sequence.
        self.n_values = X.nnz / X.shape[0] if sparse.issparse(X) else X.shape[1]
        mean_length = len(codes) / len(c)
        squares = np.empty(len(codes))
        row_squares(self.rows, 0, len(codes), np.ones(self.n_columns), squares)
        self.strength = float(c @ np.add.reduceat(squares, starts[:-1])) / len(codes)
        # The norms of the features of all tokens, times weights: those of a token are its columns,
        # and ones for the label before and for an end.
        size = float(c @ np.add.reduceat(2 + np.sqrt(squares), starts[:-1]))
        self.rounding = np.finfo(float).eps * size
        self.work = mean_length * self.lanes * (2 * self.n_values + 3 * k)

    def zeros(self):
        """Parameters that are zero."""
        return aligned(*self.shape)

    @property
    def n_marginals(self):
        """Of tokens, and of neighbours, summed over a sequence."""
        n_pairs = np.count_nonzero(np.diff(self.starts) > 1)
        return self.lanes * (len(self.codes) + self.k * n_pairs)

    def parts(self, theta):
        """Parameters of columns, of transitions, and of the ends or None."""
        first, last = self.n_columns, self.n_columns + self.k
        return theta[:first], theta[first:last], theta[last:] if self.has_ends else None

    def restrict(self, index):
        """The problem on some of the sequences, weighted up to the number of all."""
        n_sequences = len(self.c)
        chosen = np.zeros(n_sequences, dtype=bool)
        chosen[index] = True
        starts, X, codes = part_of(chosen, self.starts, self.X, self.codes)
        c = self.c[chosen] * (n_sequences / len(index))
        kinds = {"has_ends": self.has_ends, "only_observed": self.has is not None, "has": self.has}
        return ChainProblem(X, starts, codes, c, self.k, **kinds)

    def restricted(self, chain):
        """The chain, with parameters only where there are any."""
        if self.has is not None:
            chain.restrict(self.has)
        return chain

    def objective(self, theta):
        """The value at theta, by the forward recursion alone."""
        losses = np.empty(len(self.c))
        reduce(Losses(self), self.source, (*self.parts(theta), losses))
        return 0.5 * np.vdot(theta, theta) + max(float(self.c @ losses), 0.0)

    def evaluate(self, theta):
        """Value and gradient at theta."""
        loss, gradient = reduce(Gradient(self), self.source, (*self.parts(theta), self.c))
        if self.has is not None:
            gradient *= self.has
        gradient += theta
        return 0.5 * np.vdot(theta, theta) + max(loss, 0.0), gradient

    def _observed(self):
        """1 for parameters of what occurs with a label, as unsigned bytes of theta's shape."""
        has = np.zeros(self.shape, dtype=np.uint8)
        d, k, codes = self.n_columns, self.k, self.codes
        if sparse.issparse(self.X):
            labels = np.repeat(codes, np.diff(self.X.indptr))
            occurs = self.X.data != 0
            has[self.X.indices[occurs], labels[occurs]] = 1
        else:
            for label in range(k):
                has[:d, label] = (self.X[codes == label] != 0).any(axis=0)
        follows = np.ones(len(codes), dtype=bool)
        follows[self.starts[:-1]] = False
        after = np.flatnonzero(follows)
        has[d + codes[after - 1], codes[after]] = 1
        has[d + k, codes[self.starts[:-1]]] = 1
        has[d + k + 1, codes[self.starts[1:] - 1]] = 1
        return has
