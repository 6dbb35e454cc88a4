"""Rows in blocks that are read when a pass needs them, and let go of after it."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import config_context

from sklearn_optland._rows.source import is_memory_mapped


class RowBlocks:
    """Rows in blocks that a fit reads as it needs them: data larger than memory, without Dask.

    Estimators that take collections of Dask take these too, as X, y and sample_weight. A pass reads
    each block once, one in each thread at a time. What has an entry for each row, such as y, the
    weights and scores, stays in memory. Predictions are arrays, computed block by block.

    With a client of Dask the workers read the blocks: functions must be such that they can.

    Parameters
    ----------
    blocks : sequence
        Their order is that of the rows. A block is an array, a memory map, a CSR matrix or a
        dataframe, or a function without arguments that reads one of these, each time the same rows.
    lengths : sequence of int, default=None
        Rows of each block. Default: those of arrays; unknown if there is a function, which is
        allowed unless y or sample_weight is an array in memory.
    names : sequence of str, default=None
        Of the columns. Default: those of the first block, if it is a dataframe.

    Attributes
    ----------
    blocks : list
    lengths : list of int or None
    names : list of str or None

    See Also
    --------
    sklearn_optland.linear_model.BoundMajorizationLogisticRegression : Takes them.
    sklearn_optland.neural_network.ADMMNetClassifier : Takes them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
    >>> from sklearn_optland.utils import RowBlocks
    >>> def read(seed):
    ...     return np.random.default_rng(seed).standard_normal((1000, 3))
    >>> X = RowBlocks([lambda seed=seed: read(seed) for seed in range(4)])
    >>> y = RowBlocks([lambda seed=seed: read(seed).sum(axis=1) > 0 for seed in range(4)])
    >>> model = BoundMajorizationLogisticRegression(C=0.01).fit(X, y)
    >>> model.certificate_.scope, model.certificate_.reached
    ('global', True)
    >>> model.predict(X).shape
    (4000,)
    """

    def __init__(
        self,
        blocks: Iterable[Any],
        *,
        lengths: Iterable[int] | None = None,
        names: Iterable[str] | None = None,
    ) -> None:
        self.blocks = list(blocks)
        if not self.blocks:
            raise ValueError("blocks: found none; allowed is at least one.")
        if lengths is None and not any(map(callable, self.blocks)):
            lengths = [
                block.shape[0] if hasattr(block, "shape") else len(block) for block in self.blocks
            ]
        self.lengths = None if lengths is None else [int(length) for length in lengths]
        if self.lengths is not None and len(self.lengths) != len(self.blocks):
            raise ValueError(
                f"lengths: found {len(self.lengths)}; allowed are {len(self.blocks)}, one a block."
            )
        first = self.blocks[0]
        if names is None and hasattr(first, "columns"):
            names = first.columns
        self.names = None if names is None else list(names)

    @classmethod
    def from_array(cls, X: NDArray | sparse.sparray | sparse.spmatrix, block_rows: int) -> Self:
        """Cut an array, such as a memory map, into blocks.

        Parameters
        ----------
        X : ndarray, memory map or CSR matrix of shape (n_rows, ...)
            It is not copied.
        block_rows : int
            Rows of a block; the last may have fewer.

        Returns
        -------
        blocks : RowBlocks

        Raises
        ------
        ValueError
            If a block would have no row.
        """
        if block_rows < 1:
            raise ValueError(f"block_rows: found {block_rows}; allowed is at least 1.")
        starts = range(0, X.shape[0], block_rows)
        return cls([X[start : start + block_rows] for start in starts])

    @classmethod
    def from_parquet(
        cls,
        source: Any,
        columns: str | Sequence[str] | None = None,
        *,
        exclude: str | Sequence[str] = (),
    ) -> Self:
        """Row groups of Parquet files; pyarrow reads them.

        Parameters
        ----------
        source : str, path, list of these, or `pyarrow.dataset.Dataset`
            A file, a folder of files as Spark and Dask write them, or several files.
        columns : str or list of str, default=None
            A name makes blocks of one dimension, as y has them; a list makes matrices in the
            order of the list. Default: all columns but `exclude`.
        exclude : str or list of str, default=()
            Columns that are left out.

        Returns
        -------
        blocks : RowBlocks
            Of matrices float32 or float64, to which numbers are converted. Row groups without a
            row are left out.

        Raises
        ------
        ImportError
            If pyarrow is not installed: ``pip install "sklearn-optland[parquet]"``.
        ValueError
            If there is no such column, or a matrix would have one that has no numbers.
        """
        try:
            import pyarrow.dataset as arrow
        except ImportError as error:
            raise ImportError(
                'RowBlocks.from_parquet needs pyarrow: pip install "sklearn-optland[parquet]".'
            ) from error
        if not isinstance(source, arrow.Dataset):
            paths = [str(path) for path in source] if isinstance(source, list) else str(source)
            source = arrow.dataset(paths, format="parquet")
        exclude = [exclude] if isinstance(exclude, str) else list(exclude)
        is_matrix = not isinstance(columns, str)
        names = [columns] if not is_matrix else columns
        if names is None:
            names = [name for name in source.schema.names if name not in exclude]
        missing = sorted({*names, *exclude} - set(source.schema.names))
        if missing or not names:
            raise ValueError(
                f"columns: found {missing or 'none'}; allowed are those of the files, "
                f"{source.schema.names}."
            )
        make = partial(_as_matrix, _matrix_type(source.schema, names)) if is_matrix else _as_column
        groups = [
            (partial(_read, group, source.schema, names, make), group.row_groups[0].num_rows)
            for fragment in source.get_fragments()
            for group in fragment.split_by_row_group()
        ]
        groups = [(read, length) for read, length in groups if length]
        if not groups:
            raise ValueError("source: found no rows; allowed is at least one.")
        blocks, lengths = zip(*groups, strict=True)
        return cls(blocks, lengths=lengths, names=names if is_matrix else None)

    def map(self, function: Callable[[Any], Any], *, names: Iterable[str] | None = None) -> Self:
        """What a function makes of the blocks, each time that they are read.

        Parameters
        ----------
        function : callable
            Takes a block and returns one of as many rows, such as a transformer's `transform`.
        names : sequence of str, default=None
            Of the columns that it returns. Default: none, since they may be others.

        Returns
        -------
        blocks : RowBlocks
            They read these, and then call the function.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.preprocessing import StandardScaler
        >>> from sklearn_optland.utils import RowBlocks
        >>> X = RowBlocks.from_array(np.arange(8.0).reshape(4, 2), 3)
        >>> scaler = StandardScaler()
        >>> for block in X:
        ...     scaler = scaler.partial_fit(block)
        >>> np.concatenate(list(X.map(scaler.transform))).std(axis=0)
        array([1., 1.])
        """
        blocks = [partial(_mapped, function, block) for block in self.blocks]
        return type(self)(blocks, lengths=self.lengths, names=names)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "found RowBlocks, which are no array; allowed here are data in memory. What has a "
            "partial_fit learns from `for block in X`, and X.map(model.transform) transforms."
        )

    def __iter__(self):
        """Yield the blocks, read."""
        return map(read_block, self.blocks)

    def __repr__(self):
        rows = "" if self.lengths is None else f" of {sum(self.lengths)} rows"
        return f"<RowBlocks: {len(self.blocks)}{rows}>"


def _matrix_type(schema, names):
    """The type of a matrix of some columns: float32 if float64 would not say more."""
    types = []
    for name in names:
        try:
            found = schema.field(name).type
            kind = np.dtype(found.to_pandas_dtype())
        except NotImplementedError:
            kind = np.dtype(object)
        if kind.kind not in "biuf":
            raise ValueError(
                f"columns: found {name!r} of type {found}; allowed are numbers (leave it out by "
                "`exclude`)."
            )
        types.append(kind)
    return np.result_type(np.float32, *types)


def _read(group, schema, names, make):
    return make(group.to_table(schema=schema, columns=names, use_threads=False))


def _as_matrix(dtype, table):
    out = np.empty(table.shape, dtype)
    for number, column in enumerate(table.columns):
        first = 0
        for part in column.chunks:  # what is missing becomes NaN
            out[first : first + len(part), number] = part.to_numpy(zero_copy_only=False)
            first += len(part)
    return out


def _as_column(table):
    return table.column(0).to_numpy()


def read_block(block):
    """The rows of a block."""
    return block() if callable(block) else block


def _mapped(function, block):
    return function(read_block(block))


class Unread:
    """Rows of a block that are read, and converted, each time they are needed.

    Parameters
    ----------
    read : callable
        Returns an array or a CSR matrix.
    X : ndarray or CSR matrix
        What it returns.
    """

    def __init__(self, read, X):
        self.read_all, self.all_rows, self.rows, self.function = read, X.shape, None, None
        self.shape, self.dtype, self.is_sparse = X.shape, X.dtype, sparse.issparse(X)
        # Stored values; of a part of the rows, as if they were spread evenly.
        self.size = X.nnz if self.is_sparse else X.size

    def astype(self, dtype, copy=False):
        """The same rows as another type."""
        self.dtype = np.dtype(dtype)
        return self

    def __getitem__(self, is_used):
        """Some of the rows, by a mask."""
        self.rows, n = is_used, np.count_nonzero(is_used)
        self.size = self.size * n // max(self.shape[0], 1)
        self.shape = n, self.shape[1]
        return self

    def mapped(self, function, n_columns):
        """What a function makes of the rows, of the same type and number, with these columns."""
        self.function, self.shape = function, (self.shape[0], n_columns)
        return self

    def read(self):
        """The rows, which were found finite when they were first read."""
        with config_context(assume_finite=True):
            X = self.read_all()
        if X.shape != self.all_rows:
            raise ValueError(
                f"X: found a block of shape {X.shape} that was {self.all_rows} before; allowed are "
                "blocks that stay the same during a fit."
            )
        X = X if self.rows is None else X[self.rows]
        X = X.astype(self.dtype, copy=False)
        return X if self.function is None else self.function(X)


def is_read_later(block):
    """Whether a block takes memory only while it is read."""
    return callable(block) or (isinstance(block, np.ndarray) and is_memory_mapped(block))
