"""Lists of dicts, one for each token, to the rows that estimators take."""

from collections.abc import Iterable, Mapping, Set
from functools import partial
from math import isfinite
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import murmurhash3_32
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_optland._estimator.base import OptlandEstimator, fit_context
from sklearn_optland.structured._sequences import Sequences
from sklearn_optland.structured._vectorizer_fast import ABSENT, NUMBER, SEPARATOR, Codes


class DictSequenceVectorizer(
    OptlandEstimator, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    r"""Sequences of tokens with their features in dicts, as rows of a sparse matrix.

    It takes what `sklearn_crfsuite.CRF` takes and makes the same features of it: X is a list of
    sequences, a sequence is a list of tokens, and a token is one of

    - a dict. Of its items `"f": "v"`, with a string, is the feature "f:v" with value 1; `"f": True`
      is "f" with value 1, and `"f": False` is nothing; a number is the value of "f". A dict, list
      or set has its features below "f": `"f": {"g": 2}` is "f:g" with value 2, and
      `"f": ["a", "b"]` are "f:a" and "f:b";
    - a list or set of strings, which are names of features with value 1.

    A feature that comes twice in a token counts twice. One that `fit` has not seen is ignored.

    Parameters
    ----------
    n_features : int, default=None
        Columns that the features are hashed into; those that meet in one are added. Then `fit`
        learns nothing, and columns have no names. Default: a column for each feature in `fit`.
    min_count : int, default=1
        Tokens of `fit` that a feature has to be in to get a column. Without effect on hashing.
    dtype : dtype, default=np.float64
        Of the values: np.float64 or np.float32.
    output : {"sequences", "list"}, default="sequences"
        What the rows come as.

        - "sequences": as :class:`Sequences`, one matrix of all tokens that has the length and the
          items of a list of sequences.
        - "list": as such a list, with a CSR array for each sequence.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The column of each feature: the most frequent come first, equally frequent ones by name.
        Only without `n_features`.

    See Also
    --------
    Sequences : What it returns.
    sklearn.feature_extraction.DictVectorizer : For dicts that belong to no sequence.

    Notes
    -----
    On the way to the matrix, which takes 12 bytes for each value of float64, up to 50 bytes are
    held for each item of each token.

    References
    ----------
    N. Okazaki, "CRFsuite: a fast implementation of conditional random fields" (2007).

    Examples
    --------
    >>> from sklearn_optland.structured import DictSequenceVectorizer
    >>> X = [[{"word": "the", "first": True}, {"word": "cat", "length": 3}], [{"word": "the"}]]
    >>> vectorizer = DictSequenceVectorizer()
    >>> rows = vectorizer.fit_transform(X)
    >>> rows
    <2 sequences, 3 tokens, 4 features>
    >>> vectorizer.get_feature_names_out().tolist()
    ['word:the', 'first', 'length', 'word:cat']
    >>> rows[0].toarray()
    array([[1., 1., 0., 0.],
           [0., 0., 3., 1.]])
    """

    _parameter_constraints = {
        "n_features": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "dtype": [Options(type, {np.float64, np.float32}), StrOptions({"float64", "float32"})],
        "output": [StrOptions({"sequences", "list"})],
    }

    def __init__(
        self,
        n_features: int | None = None,
        *,
        min_count: int = 1,
        dtype: DTypeLike = np.float64,
        output: Literal["sequences", "list"] = "sequences",
    ) -> None:
        self.n_features = n_features
        self.min_count = min_count
        self.dtype = dtype
        self.output = output

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.dict = True
        tags.requires_fit = self.n_features is None
        return tags

    def fit(self, X: Iterable[Any], y: None = None) -> Self:
        """Give each feature a column.

        Parameters
        ----------
        X : list of sequences of tokens
            As the class describes them. It is read once, so that an iterator will do.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted vectorizer.

        Raises
        ------
        ValueError
            If there is no sequence, one is empty, the name of a feature is no string, or a value
            is none of those described or not finite; the message has the numbers of the sequence
            and the token.
        """
        self._learn(X)
        return self

    def fit_transform(self, X: Iterable[Any], y: None = None) -> Sequences | list[sparse.csr_array]:
        """Give each feature a column, and return the rows.

        Parameters
        ----------
        X : list of sequences of tokens
            As the class describes them. It is read once, so that an iterator will do.
        y : None
            Ignored.

        Returns
        -------
        rows : Sequences or list of CSR arrays
            As `output` asks.
        """
        return self._rows(*self._learn(X))

    def transform(self, X: Iterable[Any]) -> Sequences | list[sparse.csr_array]:
        """Return the rows of sequences.

        Parameters
        ----------
        X : list of sequences of tokens
            As the class describes them. It is read once, so that an iterator will do.

        Returns
        -------
        rows : Sequences or list of CSR arrays
            As `output` asks.
        """
        if self.n_features is None:
            check_is_fitted(self, "vocabulary_")
        return self._rows(*read(X, self._column_of()))

    def get_feature_names_out(self, input_features: None = None) -> NDArray:
        """Get the names of the columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of object of shape (n_columns,)
            As CRFsuite has them: "feature:value" where the value is a string.

        Raises
        ------
        ValueError
            If features are hashed.
        """
        if self.n_features is not None:
            raise ValueError(
                f"n_features: found {self.n_features}, with which columns have no names; allowed "
                "is None."
            )
        check_is_fitted(self, "vocabulary_")
        return np.array(list(self.vocabulary_), dtype=object)

    @fit_context
    def _learn(self, X):
        """Store the vocabulary; return what `read` does, with codes by the final columns."""
        if self.n_features is not None:
            return read(X, self._column_of())
        found = {}
        # A number has the code NUMBER - column, and what has no column is ABSENT.
        codes, numbers, sizes, lengths = read(X, partial(_column_of_new, found))
        columns = np.where(codes <= NUMBER, NUMBER - codes, codes)
        counts = np.bincount(columns[columns >= 0], minlength=len(found))
        kept = sorted(name for name, column in found.items() if counts[column] >= self.min_count)
        kept.sort(key=lambda name: -counts[found[name]])
        self.vocabulary_ = {name: column for column, name in enumerate(kept)}
        # One entry more for ABSENT, which is -1.
        moved = np.full(len(found) + 1, ABSENT)
        moved[[found[name] for name in kept]] = np.arange(len(kept))
        columns = moved[columns]
        is_number = (codes <= NUMBER) & (columns >= 0)
        numbers = numbers[columns[codes <= NUMBER] >= 0]
        return np.where(is_number, NUMBER - columns, columns), numbers, sizes, lengths

    def _column_of(self):
        """What gives the column of a name, or ABSENT."""
        if self.n_features is None:
            return lambda name: self.vocabulary_.get(name, ABSENT)
        return partial(_hashed, self.n_features)

    def _rows(self, codes, numbers, sizes, lengths):
        """The rows of what `read` has returned."""
        data = np.ones(len(codes), dtype=self.dtype)
        is_number = codes <= NUMBER
        with np.errstate(over="ignore"):
            data[is_number] = numbers
        columns = np.where(is_number, NUMBER - codes, codes)
        ends = np.cumsum(sizes)
        is_absent = columns == ABSENT
        if is_absent.any():
            ends = ends - np.append(0, np.cumsum(is_absent))[ends]
            data, columns = data[~is_absent], columns[~is_absent]
        n_columns = len(self.vocabulary_) if self.n_features is None else self.n_features
        kind = np.int32 if len(data) < 2**31 else np.int64
        parts = data, columns.astype(kind), np.append(0, ends).astype(kind)
        tokens = sparse.csr_array(parts, shape=(len(sizes), n_columns))
        tokens.sum_duplicates()
        _refuse_overflow(tokens, lengths)
        rows = Sequences(tokens, lengths)
        return rows if self.output == "sequences" else list(rows)


def read(X, column_of):
    """Codes of all features of all tokens.

    Parameters
    ----------
    X : iterable of sequences of tokens
    column_of : callable
        The column of a feature's name, or ABSENT.

    Returns
    -------
    codes : ndarray of int64
        For each item of each token a column, NUMBER - column, or ABSENT.
    numbers : ndarray of float64
        The values of those at most NUMBER, in their order.
    sizes : ndarray of int64 of shape (n_tokens,)
        Items of each token.
    lengths : ndarray of int64 of shape (n_sequences,)
        Tokens of each sequence.
    """
    codes, lengths = Codes(column_of), []
    for number, sequence in enumerate(_iterated(X, "X", "sequences")):
        tokens = _iterated(sequence, f"X[{number}]", "tokens")
        tokens = tokens if isinstance(tokens, (list, tuple)) else list(tokens)
        if not tokens:
            raise ValueError(f"X[{number}]: found no token; allowed are sequences of at least one.")
        if not codes.add_tokens(tokens):
            for t, token in enumerate(tokens):
                codes.add_items(_checked_items(token, f"X[{number}][{t}]"))
        lengths.append(len(tokens))
    if not lengths:
        raise ValueError("X: found no sequence; allowed is at least one.")
    return *codes.arrays(), np.array(lengths)


def _iterated(X, name, parts):
    """X, or an error if it cannot be a list of parts."""
    if isinstance(X, (str, bytes, Mapping)) or not isinstance(X, Iterable):
        raise ValueError(f"{name}: found a {type(X).__name__}; allowed is a list of {parts}.")
    return X


def _checked_items(token, where):
    """Pairs of a name and a string, boolean or finite float of any token, or an error."""
    for name, value in _items(token, where):
        if isinstance(value, (bool, np.bool_)):
            value = bool(value)
        elif isinstance(value, Real):
            value = _finite(value, f"{where}: feature {name!r}")
        elif not isinstance(value, str):
            raise ValueError(
                f"{where}: feature {name!r}: found {value!r}; allowed are strings, booleans, "
                "finite numbers, and dicts, lists and sets of these."
            )
        yield name, value


def _checked_name(name, where):
    if not isinstance(name, str):
        raise ValueError(
            f"{where}: found the feature {name!r}, a {type(name).__name__}; names are strings."
        )
    return name


def _finite(value, where):
    try:
        value = float(value)
    except OverflowError:
        value = np.inf
    if not isfinite(value):
        raise ValueError(f"{where}: found {value}; allowed are finite numbers.")
    return value


def _items(token, where):
    """Pairs of a name, with all that it is below, and a value that is no dict, list or set."""
    if isinstance(token, Mapping):
        for name, value in token.items():
            if isinstance(value, (Mapping, list, tuple, Set)):
                for below, inner in _items(value, where):
                    yield f"{_checked_name(name, where)}{SEPARATOR}{below}", inner
            else:
                yield _checked_name(name, where), value
    elif isinstance(token, (list, tuple, Set)):
        for name in token:
            yield _checked_name(name, where), True
    else:
        raise ValueError(
            f"{where}: found a {type(token).__name__}; allowed is a dict of features, or a list of "
            "names."
        )


def _hashed(n_features, name):
    """The column of a name; those of halves of UTF-16's pairs, as files may have them, too."""
    return murmurhash3_32(name.encode("utf-8", "surrogatepass"), positive=True) % n_features


def _refuse_overflow(tokens, lengths):
    """Raise ValueError if the rows' type does not hold a feature's value, or a sum of several."""
    wrong = np.flatnonzero(~np.isfinite(tokens.data))
    if len(wrong):
        token, ends = np.searchsorted(tokens.indptr, wrong[0], side="right") - 1, np.cumsum(lengths)
        i = np.searchsorted(ends, token, side="right")
        raise ValueError(
            f"X[{i}][{token - ends[i] + lengths[i]}]: a feature's value is too large for "
            f"{tokens.dtype}; allowed are finite numbers."
        )


def _column_of_new(columns, name):
    """The column of a name, which gets the next if it has none."""
    return columns.setdefault(name, len(columns))
