"""The objective of a chain, on sequences in blocks."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import sparse

from sklearn_optland._loss.linear_passes_fast import row_squares
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland._rows.rows import as_rows
from sklearn_optland._rows.source import ArraySource
from sklearn_optland.structured._chain.chain_fast import Chain, aligned, lanes_of
from sklearn_optland.structured._sequences import part_of


@dataclass(frozen=True)
class SequenceRows:
    """Sequences with their labels, as X of a source: a row of it is a whole sequence.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_tokens, n_columns)
    starts : ndarray of int64 of shape (n_sequences + 1,)
    codes : ndarray of int32 of shape (n_tokens,)
    k : int
        Labels.
    has : ndarray of uint8 of the shape of theta, default=None
        1 for parameters that there are.
    """

    X: object
    starts: np.ndarray
    codes: np.ndarray
    k: int
    has: np.ndarray | None = None

    @property
    def shape(self):
        """(n_sequences, n_columns)."""
        return len(self.starts) - 1, self.X.shape[1]

    def as_rows(self):
        """The sequences as kernels see them."""
        return self.restricted(Chain(self.token_rows(), self.starts, self.k, self.codes))

    def token_rows(self):
        """The tokens as kernels see them."""
        return as_rows(self.X, in_order=False)

    def restricted(self, chain):
        """The chain, with parameters only where there are any."""
        if self.has is not None:
            chain.restrict(self.has)
        return chain

    def sizes(self, c):
        """Sums of c |x|^2 over tokens, and of c times the norms of their features.

        The features of a token are its columns, and ones for the label before and for an end.
        """
        squares = np.empty(len(self.codes))
        row_squares(self.token_rows(), 0, len(squares), np.ones(self.X.shape[1]), squares)
        sums = (np.add.reduceat(part, self.starts[:-1]) for part in (squares, 2 + np.sqrt(squares)))
        return np.array([c @ part for part in sums])

    def observed(self):
        """1 for parameters of what occurs with a label, as unsigned bytes of theta's shape."""
        d, k, codes, starts = self.X.shape[1], self.k, self.codes, self.starts
        has = np.zeros(shape_of_parameters(d, k), dtype=np.uint8)
        if sparse.issparse(self.X):
            labels = np.repeat(codes, np.diff(self.X.indptr))
            occurs = self.X.data != 0
            has[self.X.indices[occurs], labels[occurs]] = 1
        else:
            for label in range(k):
                has[:d, label] = (self.X[codes == label] != 0).any(axis=0)
        follows = np.ones(len(codes), dtype=bool)
        follows[starts[:-1]] = False
        after = np.flatnonzero(follows)
        has[d + codes[after - 1], codes[after]] = 1
        has[d + k, codes[starts[:-1]]] = 1
        has[d + k + 1, codes[starts[1:] - 1]] = 1
        return has


def shape_of_parameters(n_columns, k):
    """Rows for columns, the labels that transitions begin with, and both ends; whole octets."""
    return n_columns + k + 2, lanes_of(k)


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
        return block.rows.gradient(block.first, block.last, block.local(c), total)


class _OfPartitions(Statistic):
    """What `SequenceRows` say of all sequences of a source at once."""

    values = 0.0


class Sizes(_OfPartitions):
    """The sums of `SequenceRows.sizes`."""

    shape = 2

    def add(self, block, parameters, total):
        """Add those of a source."""
        total += block.source.X.sizes(block.source.c)


class Occurrences(_OfPartitions):
    """What occurs with a label somewhere."""

    dtype = np.uint8

    def __init__(self, shape):
        self.shape = shape

    def add(self, block, parameters, total):
        """Add what occurs in a source."""
        self.merge(total, block.source.X.observed())

    def merge(self, total, part):
        """What occurs in either."""
        np.maximum(total, part, out=total)


class ChainObjective:
    """1/2 |theta|^2 + sum_i c_i [log Z_i - score_i], of sequences wherever they are.

    theta has a row for each column of X, each label a transition begins with, and both ends of a
    sequence, and in a row an entry for each label, with zeros up to a whole octet.

    Parameters
    ----------
    source : source of rows
        Its X are `SequenceRows`; c are positive weights.
    k : int
        Labels.
    n_tokens : int
    n_values : float
        Stored values of a token, on average.
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
    work : float
        Multiply-adds of a sequence.
    """

    def __init__(self, source, k, n_tokens, n_values, *, has_ends, only_observed, has=None):
        self.k, self.lanes, self.n_columns = k, lanes_of(k), source.n_columns
        self.n_sequences, self.n_tokens, self.n_values = source.n_rows, n_tokens, n_values
        self.has_ends, self.shape = has_ends, shape_of_parameters(self.n_columns, k)
        if only_observed and has is None:
            has = reduce(Occurrences(self.shape), source)[1]
        self.has = has
        self.source = source if has is None else source.with_rows(partial(with_parameters, has))
        squares, norms = reduce(Sizes(), self.source)[1]
        self.strength = float(squares) / n_tokens
        self.rounding = np.finfo(float).eps * float(norms)
        self.work = n_tokens / self.n_sequences * self.lanes * (2 * n_values + 3 * k)

    def zeros(self):
        """Parameters that are zero."""
        return aligned(*self.shape)

    def parts(self, theta):
        """Parameters of columns, of transitions, and of the ends or None."""
        first, last = self.n_columns, self.n_columns + self.k
        return theta[:first], theta[first:last], theta[last:] if self.has_ends else None

    def evaluate(self, theta):
        """Value and gradient at theta."""
        loss, gradient = reduce(Gradient(self), self.source, (*self.parts(theta), self.source.c))
        if self.has is not None:
            gradient *= self.has
        gradient += theta
        return 0.5 * np.vdot(theta, theta) + max(loss, 0.0), gradient


def with_parameters(has, rows):
    """Sequences that have these parameters only."""
    return replace(rows, has=has)


class ChainProblem(ChainObjective):
    """The objective of sequences in this process.

    Parameters
    ----------
    X, starts, codes, k
        As `SequenceRows` has them.
    c : ndarray of shape (n_sequences,)
        Positive weights.
    has_ends, only_observed, has
        As `ChainObjective` has them.
    """

    def __init__(self, X, starts, codes, c, k, **kinds):
        self.X, self.starts, self.codes, self.c = X, starts, codes, c
        n_values = X.nnz / X.shape[0] if sparse.issparse(X) else X.shape[1]
        source = ArraySource(SequenceRows(X, starts, codes, k), c=c)
        super().__init__(source, k, len(codes), n_values, **kinds)
        self.rows = self.source.rows[0].rows

    @property
    def n_marginals(self):
        """Of tokens, and of neighbours, summed over a sequence."""
        n_pairs = np.count_nonzero(np.diff(self.starts) > 1)
        return self.lanes * (len(self.codes) + self.k * n_pairs)

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
        return self.source.X.restricted(chain)

    def objective(self, theta):
        """The value at theta, by the forward recursion alone."""
        losses = np.empty(len(self.c))
        reduce(Losses(self), self.source, (*self.parts(theta), losses))
        return 0.5 * np.vdot(theta, theta) + max(float(self.c @ losses), 0.0)
