"""Rows of tokens, cut into sequences."""

from itertools import pairwise
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse


class Sequences:
    """Rows of tokens in one matrix, which indices cut into sequences.

    A list of matrices, one a sequence, costs an object and its checks for each of them, and a copy
    where all rows are needed again. This has the length of that list and its items, so that
    :class:`~sklearn.model_selection.KFold` and searches split by sequence; a slice is a view where
    rows follow each other, and a list of numbers one gather.

    Parameters
    ----------
    tokens : {ndarray, sparse matrix} of shape (n_tokens, n_features)
        The rows of all sequences, one after the other. Sparse matrices other than CSR are
        converted.
    lengths : array-like of int of shape (n_sequences,)
        Tokens of each sequence, at least one; they sum to n_tokens.

    Attributes
    ----------
    shape : tuple of int
        (n_sequences,).

    Raises
    ------
    ValueError
        If tokens are no matrix, a length is not positive, or they do not sum to the rows.

    See Also
    --------
    DictSequenceVectorizer : Makes it of lists of dicts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.structured import Sequences
    >>> X = Sequences(np.arange(6.0).reshape(3, 2), [1, 2])
    >>> len(X), X[1].tolist()
    (2, [[2.0, 3.0], [4.0, 5.0]])
    >>> X[[1, 0]].lengths.tolist()
    [2, 1]
    """

    def __init__(
        self, tokens: ArrayLike | sparse.sparray | sparse.spmatrix, lengths: ArrayLike
    ) -> None:
        self.tokens = tokens.tocsr() if sparse.issparse(tokens) else np.asarray(tokens)
        self.lengths = np.asarray(lengths)
        if self.lengths.ndim != 1 or self.lengths.dtype.kind not in "iu":
            raise ValueError(
                f"lengths: found an array of {self.lengths.dtype} and shape {self.lengths.shape}; "
                "allowed are whole numbers, one for each sequence."
            )
        self.lengths = self.lengths.astype(np.int64, copy=False)
        if self.tokens.ndim != 2:
            raise ValueError(
                f"tokens: found the shape {self.tokens.shape}; allowed is (n_tokens, n_features)."
            )
        short = np.flatnonzero(self.lengths < 1)
        if len(short):
            raise ValueError(
                f"lengths: found {self.lengths[short[0]]} for sequence {short[0]}; allowed are "
                "sequences of at least one token."
            )
        self._ends = np.cumsum(self.lengths)
        n_rows, total = self.tokens.shape[0], int(self.lengths.sum())
        if total != n_rows:
            raise ValueError(f"lengths: found a sum of {total}; allowed is {n_rows}, that of rows.")

    @property
    def shape(self) -> tuple[int]:
        """The number of sequences, as scikit-learn asks for it."""
        return (len(self.lengths),)

    def __len__(self):
        return len(self.lengths)

    def __repr__(self):
        n_tokens, n_features = self.tokens.shape
        return f"<{len(self)} sequences, {n_tokens} tokens, {n_features} features>"

    def __iter__(self):
        bounds = [0, *self._ends.tolist()]
        return (self.tokens[first:last] for first, last in pairwise(bounds))

    def __getitem__(self, index):
        """The matrix of one sequence, or several as `Sequences`.

        scikit-learn asks for rows by `[index, ...]`, as NumPy allows it.
        """
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]
        if isinstance(index, Integral):
            last = self._ends[index]
            return self.tokens[last - self.lengths[index] : last]
        chosen = np.arange(len(self))[index]
        if len(chosen) and (np.diff(chosen) == 1).all():
            rows = slice(self._ends[chosen[0]] - self.lengths[chosen[0]], self._ends[chosen[-1]])
        else:
            rows = _rows_of(self._ends[chosen], self.lengths[chosen])
        return Sequences(self.tokens[rows], self.lengths[chosen])


def part_of(chosen, starts, *arrays):
    """Where the sequences of a part start, and the tokens' arrays of that part.

    Parameters
    ----------
    chosen : ndarray of bool of shape (n_sequences,)
    starts : ndarray of int64 of shape (n_sequences + 1,)
    *arrays : {ndarray, CSR} of n_tokens rows
    """
    lengths = np.diff(starts)
    tokens = np.repeat(chosen, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)
    return starts, *(array[tokens] for array in arrays)


def _rows_of(ends, lengths):
    """Numbers of the rows of sequences, given where these end."""
    total = int(lengths.sum())
    # Counted on from the row at which each begins, where the sequences before it have ended.
    return np.arange(total) + np.repeat(ends - np.cumsum(lengths), lengths)
