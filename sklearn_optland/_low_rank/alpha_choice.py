"""The strength of the penalty, by entries that are held out.

Which entries these are depends on the values of their row alone, not on where it stands: a row
that comes twice counts like one of weight two, and the order of the rows does not matter.
"""

from functools import partial
from itertools import islice

import numpy as np
from scipy import linalg

from sklearn_optland._low_rank.completion import (
    Model,
    SecondMoment,
    clipped,
    completion_steps,
    near_rows,
    near_steps,
    observed_range,
)
from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland._rows.source import ArraySource

# Of the observed entries that are held out, and the fewest of them that may decide.
HELD_OUT = 0.1
FEWEST = 10
# Strengths are these powers of a factor times the largest one that matters. They begin in the
# middle, where most tables have theirs, and fall until the error no longer improves; larger ones
# are tried if the first is the best.
FACTOR = 0.6
FIRST, MOST = 4, 18
# Of several strengths whose errors differ by no more than this share, the largest is taken: it
# needs the fewest components.
NEAR = 2e-3
# Rows that take part, as many as this work allows, but not fewer than these: the strength is in
# units of a row's standard deviation, and hardly depends on their number once that exceeds the
# columns'.
WORK = 1e8
FEWEST_ROWS = 1000
ROWS_PER_COLUMN = 2
# The key of rows that are not drawn.
LAST_KEY = np.iinfo(np.uint64).max
# Of the gap, relative to the objective: errors change by less than the strengths' spacing makes.
# MOVE is the same for passes over `NearRows`.
TOL = 5e-2
MOVE = 1e-2
MAX_STEPS = 30


def alpha_max(source):
    """The least strength at which the model is of rank 0: the largest singular value, NaN as 0."""
    model = Model.empty(source.n_columns, 1.0)
    C = reduce(SecondMoment(source.n_columns), source, (model,))[1]
    side = len(C) - 1
    return float(np.sqrt(max(linalg.eigvalsh(C, subset_by_index=(side, side))[0], 0.0)))


class LowestKeys(Statistic):
    """The lowest of the rows' keys, in no order; `LAST_KEY` where rows are fewer.

    Parameters
    ----------
    size : int
        How many.
    used, seed
        Of `row_keys`, and which columns are used.
    """

    dtype = np.uint64

    def __init__(self, size, used, seed):
        self.shape, self.used, self.seed = size, used, seed
        self.work, self.values = 8.0 * len(used), 64.0 * len(used)

    def zero(self, parameters):
        return np.full(self.shape, LAST_KEY)

    def add(self, block, parameters, total):
        self.merge(total, _draw_keys(block.source.X[block.slice][:, self.used], self.seed))

    def merge(self, total, part):
        total[:] = np.partition(np.append(total, part), self.shape - 1)[: self.shape]


def sample_of_keys(source, used, seed):
    """The rows by which a strength is chosen, in this process.

    Parameters
    ----------
    source : source of rows
    used : ndarray of bool
        Columns that have entries.
    seed : int

    Returns
    -------
    source : ArraySource
    """
    d = np.count_nonzero(used)
    n_rows = max(FEWEST_ROWS, ROWS_PER_COLUMN * d, int(WORK / d**2))
    if source.n_rows <= n_rows:
        return source.take(slice(None))
    largest = reduce(LowestKeys(n_rows + 1, used, seed), source)[1].max()
    return source.choose(partial(_have_keys_to, largest, used, seed))


def _have_keys_to(largest, used, seed, X):
    keys = _draw_keys(X[:, used], seed)
    return np.flatnonzero((keys <= largest) & (keys < LAST_KEY))


def _draw_keys(X, seed):
    """The keys by which rows are drawn; those without an entry, which tell nothing, come last.

    They are equal, and would be drawn all together.
    """
    keys = row_keys(X, seed)
    keys[np.isnan(X).all(axis=1)] = LAST_KEY
    return keys


def choose_alpha(Z, c, keys, max_rank, debias=False, clip=False):
    """The largest strength with nearly the least squared error on entries that are held out.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_columns)
        Standardised, NaN where nothing is observed.
    c : ndarray of shape (n_rows,)
        Weights.
    keys : ndarray of uint64 of shape (n_rows,)
        Random numbers of the rows, as `row_keys` makes them.
    max_rank : int
    debias : bool, default=False
        Whether the errors are those of `Model.debiased`.
    clip : bool, default=False
        Whether they are those of values within the range of what was not held out.

    Returns
    -------
    model : Model
        Of that strength, as fitted to what was not held out.
    alphas, errors : ndarray
        What was tried, and the weighted mean squared errors.
    """
    d, c = Z.shape[1], c / c.sum()
    held_out = entry_numbers(keys, d) < HELD_OUT
    held_out &= ~np.isnan(Z)
    shown = Z.copy()
    shown[held_out] = np.nan
    source = ArraySource(shown, c=c)
    largest = alpha_max(source)
    if largest == 0 or held_out.sum() < FEWEST:
        alpha = 0.1 * largest or 1.0
        return Model.empty(d, alpha), np.array([alpha]), np.array([np.nan])
    truth, weights = Z[held_out], np.repeat(c, held_out.sum(axis=1))
    limits, tried, rows = observed_range(shown), {}, near_rows(source)

    def fit_at(power, start):
        """Fit with a strength, and note its error."""
        start = Model(start.Q, start.w, largest * FACTOR**power)
        if rows is None:
            steps = completion_steps(source, start, max_rank, TOL)
        else:
            steps = near_steps(rows, start, max_rank, MOVE)
        for step in islice(steps, MAX_STEPS):
            if step.done:
                break
        fitted = step.parameters.model
        filled = (fitted.debiased if debias else fitted).complete(shown)
        found = (clipped(filled, limits) if clip else filled)[held_out]
        tried[power] = float(np.average((found - truth) ** 2, weights=weights)), fitted
        return fitted

    def best():
        least = min(error for error, _ in tried.values())
        return min(power for power, (error, _) in tried.items() if error <= (1 + NEAR) * least)

    model = Model.empty(d, largest)
    for power in range(FIRST, MOST + 1):
        model = fit_at(power, model)
        if power > best():
            break
    power = FIRST
    while power > 1 and best() == power:
        power -= 1
        fit_at(power, Model.empty(d, largest))
    powers = np.array(sorted(tried))
    errors = np.array([tried[power][0] for power in powers])
    return tried[best()][1], largest * FACTOR**powers, errors


def row_keys(X, seed):
    """A random number of each row, the same for equal rows."""
    bits = np.where(np.isnan(X), 0.0, X + 0.0).astype(np.float64).view(np.uint64)
    columns = _mixed(np.arange(1, X.shape[1] + 1, dtype=np.uint64) + np.uint64(seed << 32))
    return _mixed(np.bitwise_xor.reduce(_mixed(bits + columns), axis=1))


def entry_numbers(keys, n_columns):
    """A number in [0, 1) for each entry of rows with these keys."""
    columns = _mixed(np.arange(1, n_columns + 1, dtype=np.uint64))
    return (_mixed(keys[:, None] + columns) >> np.uint64(11)) * 2.0**-53


def _mixed(x):
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
