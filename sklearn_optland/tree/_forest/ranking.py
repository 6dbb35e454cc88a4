"""What a forest of `leaf="rerank"` predicts with: label trees name candidates, one model ranks."""

import numpy as np
from scipy import sparse
from scipy.special import expit, logsumexp

from sklearn_optland._rows.rows import as_rows
from sklearn_optland._rows.threads import share_rows
from sklearn_optland.tree._forest.search_fast import (
    LabelForest,
    ShortRows,
    as_short_rows,
    best_classes,
)
from sklearn_optland.tree._top_k import stored

# Sparse data of so few columns are handled as dense ones: that is faster, and takes little.
MAX_DENSE_COLUMNS = 64
# Rows of a prediction that one kernel call may have: some tenths of a second.
PREDICTED_ROWS = 8192
# Probability that is left to classes that are no candidates.
LEAST_MISS = 1e-3


class Model:
    """Label trees and the weights of their prototypes.

    Parameters
    ----------
    arrays : dict
        What LabelForest takes, and what ranks: "ranking", rows that score z; "table" and "start",
        weights of sparse values. One of both may be empty.
    beam_width : int
    missed : float, default=0.0
        How many classes of a row are no candidates, on average.
    calibration : float or ndarray of shape (3,), default=1.0
        The factor of scores whose softmax is a probability; of `MultilabelModel`, what
        `sigmoid_scale` returns.
    n_jobs : int, default=None
    """

    def __init__(self, arrays, beam_width, *, missed=0.0, calibration=1.0, n_jobs=None):
        parts = dict(arrays)
        self.ranking = ShortRows(**parts.pop("ranking"))
        self.table, self.start = parts.pop("table"), parts.pop("start")
        self.forest = LabelForest(**parts, beam=beam_width)
        self.missed, self.calibration, self.n_jobs = missed, calibration, n_jobs

    def best(self, X, width=None):
        """The best classes of each row and their scores, best first; -1 where there are no more.

        Parameters
        ----------
        X : ndarray or CSR of shape (n_rows, n_features)
        width : int, default=None
            How many classes; None is all candidates.

        Returns
        -------
        codes : ndarray of shape (n_rows, width), int32
        scores : ndarray of shape (n_rows, width), float32
        """
        width = min(width or self.forest.max_candidates, self.forest.max_candidates)
        codes = np.empty((X.shape[0], width), dtype=np.int32)
        scores = np.empty((X.shape[0], width), dtype=np.float32)

        def rank(part):
            for start in range(part.start, part.stop, PREDICTED_ROWS):
                rows = slice(start, min(start + PREDICTED_ROWS, part.stop))
                best_classes(
                    self.forest,
                    as_rows(as_kind(X[rows], self.forest.is_sparse), in_order=False),
                    self.ranking,
                    self.table,
                    self.start,
                    codes[rows],
                    scores[rows],
                )

        share_rows(rank, X.shape[0], self.n_jobs)
        return codes, scores

    def codes(self, X):
        """The class that each row is predicted to have."""
        return self.best(X, 1)[0][:, 0]

    def scores(self, X):
        """Scores of the candidates as a CSR array, the best of a row first."""
        return stored(*self.best(X), self.forest.n_classes)

    def top_k(self, X, k):
        """Probabilities of the k most probable candidates as a CSR array, the largest first."""
        codes, shares, _ = self._shares(X)
        return stored(codes[:, :k], shares[:, :k], self.forest.n_classes)

    def probabilities(self, X):
        """Probabilities of all classes."""
        codes, shares, other = self._shares(X)
        probabilities = np.repeat(other, self.forest.n_classes).reshape(len(codes), -1)
        row, slot = np.nonzero(codes >= 0)
        probabilities[row, codes[row, slot]] = shares[row, slot]
        return probabilities

    def _shares(self, X):
        """Codes and probabilities of the candidates, best first, and that of any other class."""
        codes, scores = self.best(X)
        n_classes = self.forest.n_classes
        n_candidates = np.count_nonzero(codes >= 0, axis=1)
        # No candidate may be less probable than all classes are on average.
        mass = np.maximum(1 - max(self.missed, LEAST_MISS), n_candidates / n_classes)
        shares = softmax(scores, self.calibration) * mass[:, None]
        other = (1 - mass) / np.maximum(n_classes - n_candidates, 1)
        return codes, shares, other


class MultilabelModel(Model):
    """The same of rows that have any number of classes: each has a probability of its own."""

    def indicator(self, X):
        """The classes whose probability is at least a half, as a CSR array of ones."""
        codes, shares, _ = self._shares(X)
        codes = np.where(shares >= 0.5, codes, -1)
        return stored(codes, np.ones(codes.shape, dtype=np.int64), self.forest.n_classes)

    def _shares(self, X):
        codes, scores = self.best(X)
        n_other = self.forest.n_classes - np.count_nonzero(codes >= 0, axis=1)
        other = np.minimum(max(self.missed, LEAST_MISS) / np.maximum(n_other, 1), 0.5)
        of_score, of_sum, offset = self.calibration
        scores, log_sum = score_and_sum(scores)
        shares = expit(of_score * scores + of_sum * log_sum + offset)
        return codes, falling(shares, other[:, None]), other


def falling(shares, least):
    """Probabilities of at least this that fall along rows, also where rounding made them equal."""
    # Floats of one sign are in the order of their bits, where neighbours are a step of 1 apart.
    places = np.arange(shares.shape[1])
    bits = np.minimum.accumulate(shares.view(np.int64) + places, axis=1)
    bits = np.maximum(bits, least.view(np.int64) + places)
    bits = np.maximum.accumulate(bits[:, ::-1], axis=1)[:, ::-1]
    return (bits - places).view(np.float64)


def score_and_sum(scores):
    """The scores of rows, and the logarithm of the sum of their exponentials for each."""
    scores = scores.astype(np.float64)
    log_sum = logsumexp(scores, axis=1, keepdims=True)
    return scores, np.broadcast_to(log_sum, scores.shape)


def softmax(scores, temper):
    """Softmax along rows that are sorted from the best; -inf is no class."""
    shares = np.exp(temper * (scores - scores[:, :1]).astype(np.float64))
    return shares / shares.sum(axis=1, keepdims=True)


def ranking_of(rows):
    """What scores z with such weights, which have a constant behind them."""
    return {"ranking": as_short_rows(rows[:, :-1], rows[:, -1])}


def share_of(ranking, factor):
    """The same for scores times a factor."""
    parts, factor = ranking["ranking"], np.float32(factor)
    return {"ranking": {name: part if name == "words" else factor * part
                        for name, part in parts.items()}}  # fmt: skip


# What leaves all scores to a table.
NO_RANKING = ranking_of(np.zeros((0, 1)))


def as_kind(X, is_sparse):
    """Rows as a model wants them: CSR, or dense in C order."""
    if is_sparse:
        return X if sparse.issparse(X) else sparse.csr_array(X)
    return X.toarray(order="C") if sparse.issparse(X) else X


def used_columns(counts):
    """The columns that sparse rows have.

    Parameters
    ----------
    counts : ndarray of shape (n_columns,)
        Values that all rows have there.

    Returns
    -------
    column_of : ndarray of shape (n_columns,), int32
        Where the columns are among those in use, -1 for those that are not.
    n_used : int
        At least 1.
    """
    used = np.flatnonzero(counts)
    used = used if used.size else np.array([0])
    column_of = np.full(len(counts), -1, dtype=np.int32)
    column_of[used] = np.arange(len(used))
    return column_of, len(used)


def counts_of_columns(X):
    """Values that sparse rows have in each column."""
    return np.bincount(X.indices, minlength=X.shape[1])


def with_used_columns(X, column_of, n_used):
    """Sparse rows without the columns that `used_columns` has not found."""
    return sparse.csr_array((X.data, column_of[X.indices], X.indptr), (X.shape[0], n_used))


def is_sparse_problem(X):
    """Whether rows are to be handled as sparse ones."""
    return sparse.issparse(X) and X.shape[1] > MAX_DENSE_COLUMNS
