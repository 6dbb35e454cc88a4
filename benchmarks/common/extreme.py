"""Rows with many labels: the extreme classification repository's text format, and a simulation.

A file of http://manikvarma.org/downloads/XC/XMLRepository.html begins with the numbers of rows,
columns and labels; then a line a row has its labels, divided by commas, and its values.

    2 5 4
    0,3 1:0.5 4:1
    2 0:0.25
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import sparse


def read_extreme(path):
    """Read a file of the format.

    Returns
    -------
    X : csr_array of shape (n_rows, n_columns), float32
    Y : csr_array of shape (n_rows, n_labels), float32
        Indicator matrix.

    Raises
    ------
    ValueError
        If the header is no three numbers, or rows, columns or labels are not as many as it says.
    """
    header, *lines = Path(path).read_text(encoding="ascii").splitlines()
    try:
        n_rows, n_columns, n_labels = map(int, header.split())
    except ValueError:
        raise ValueError(
            f"{path}: found the header {header[:80]!r}; allowed are the numbers of rows, columns "
            "and labels."
        ) from None
    if len(lines) != n_rows:
        raise ValueError(f"{path}: found {len(lines)} rows; its header says {n_rows}.")
    labels, values = zip(*(line.partition(" ")[::2] for line in lines), strict=True)
    pairs = [np.fromstring(row.replace(":", " "), sep=" ").reshape(-1, 2) for row in values]
    columns = [np.fromstring(row, sep=",") for row in labels]
    X = _matrix(path, [row[:, 0] for row in pairs], [row[:, 1] for row in pairs], n_columns)
    return X, _matrix(path, columns, [np.ones(len(row)) for row in columns], n_labels)


def _matrix(path, columns, values, n_columns):
    """A CSR array of the columns and values of each row."""
    start = np.cumsum([0, *map(len, columns)])
    column, value = np.concatenate(columns).astype(np.int32), np.concatenate(values)
    if column.size and not 0 <= column.min() <= column.max() < n_columns:
        raise ValueError(
            f"{path}: found the numbers {column.min()} to {column.max()}; its header says that "
            f"there are {n_columns}."
        )
    matrix = sparse.csr_array((value.astype(np.float32), column, start), (len(columns), n_columns))
    matrix.sum_duplicates()
    return matrix


def write_extreme(path, X, Y):
    """Write CSR rows and their indicator matrix."""
    with open(path, "w", encoding="ascii") as out:
        print(*X.shape, Y.shape[1], file=out)
        for (first, last), (begin, end) in zip(pairwise(X.indptr), pairwise(Y.indptr), strict=True):
            labels = ",".join(map(str, Y.indices[begin:end]))
            pairs = zip(X.indices[first:last].tolist(), X.data[first:last].tolist(), strict=True)
            print(labels, *map("%d:%.6g".__mod__, pairs), file=out)


def hierarchical_multilabel(n_labels, n_rows, n_words, seed=0, *, words_per_row=30, branching=10):
    """Documents with several labels, which are the leaves of a tree of topics.

    How often labels come falls with their rank (Zipf); a document has a label, and up to six more,
    mostly from the same part of the tree. A topic at any level of the tree prefers 30 words of its
    own. A word of a document is one of a label's (0.35), of a topic above it (0.35), or of the
    language (0.3). A fifth of the labels is missing. Values are tf-idf, rows of length 1.

    Returns
    -------
    X : csr_array of shape (n_rows, n_words), float32
    Y : csr_array of shape (n_rows, n_labels)
    """
    rng = np.random.default_rng(seed)
    # Labels: the first by its frequency, each other one near it, at a random level.
    frequency = 1 / (np.arange(n_labels) + 10) ** 0.8
    first = rng.permutation(n_labels)[rng.choice(n_labels, n_rows, p=frequency / frequency.sum())]
    n_more = rng.integers(0, 7, n_rows)
    row = np.repeat(np.arange(n_rows), n_more)
    width = branching ** rng.choice([1, 2, 3], len(row), p=[0.7, 0.2, 0.1])
    near = first[row] // width * width + rng.integers(0, width)
    row, label = np.r_[np.arange(n_rows), row], np.r_[first, np.minimum(near, n_labels - 1)]
    Y = sparse.csr_array((np.ones(len(row)), (row, label)), (n_rows, n_labels))
    Y.sum_duplicates()
    X = documents(Y, n_words, rng, words_per_row=words_per_row, branching=branching)
    Y.data = (rng.random(Y.nnz) < 0.8).astype(np.int8)
    Y.eliminate_zeros()
    return X, Y


def documents(Y, n_words, rng, *, words_per_row=30, branching=10):
    """Documents of these labels, the leaves of a tree of topics: tf-idf, of length 1.

    Parameters
    ----------
    Y : csr_array of shape (n_rows, n_labels)
        Each row has a label.
    n_words : int
    rng : Generator

    Returns
    -------
    X : csr_array of shape (n_rows, n_words), float32
    """
    n_rows, n_labels = Y.shape
    n_levels = max(int(np.ceil(np.log(n_labels) / np.log(branching))), 1)
    # Words: of a label, of a topic above it, or of the language.
    size = rng.poisson(words_per_row, n_rows) + 5
    row = np.repeat(np.arange(n_rows), size)
    pick = Y.indptr[row] + (rng.random(len(row)) * np.diff(Y.indptr)[row]).astype(int)
    above = rng.integers(1, n_levels, len(row)) if n_levels > 1 else 0
    level = np.where(rng.random(len(row)) < 0.5, above, 0)
    topic = Y.indices[pick] // branching**level
    word = np.minimum(rng.geometric(0.08, len(row)), 30)
    # The words of a topic by a hash, which keeps no table of them.
    key = (topic.astype(np.uint64) * 64 + word.astype(np.uint64)) * 16 + level.astype(np.uint64)
    hashed = (key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    column = (hashed % np.uint64(n_words)).astype(np.int64)
    is_language = rng.random(len(row)) < 0.3
    language = np.minimum(n_words ** rng.random(len(row)), n_words - 1).astype(np.int64)
    column = np.where(is_language, language, column)
    X = sparse.csr_array((np.ones(len(row)), (row, column)), (n_rows, n_words))
    X.sum_duplicates()
    seen = np.bincount(X.indices, minlength=n_words)
    X.data = (1 + np.log(X.data)) * np.log(n_rows / np.maximum(seen, 1))[X.indices]
    length = np.sqrt(X.power(2).sum(axis=1))
    X = sparse.diags_array(1 / np.maximum(length, 1e-12)) @ X
    X = sparse.csr_array(X, dtype=np.float32)
    X.sort_indices()
    return X
