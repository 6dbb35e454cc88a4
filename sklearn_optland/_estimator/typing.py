"""Types of what public methods and functions take."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix

from sklearn_optland._rows.blocks import RowBlocks

__all__ = ["ClassWeight", "ColumnLike", "MatrixLike", "Method", "RandomState"]

# Dask's collections and data frames are array-like to a type checker: they have `__array__`.
MatrixLike: TypeAlias = ArrayLike | sparray | spmatrix | RowBlocks
# Targets and weights where rows may come in blocks.
ColumnLike: TypeAlias = ArrayLike | RowBlocks
RandomState: TypeAlias = int | np.random.RandomState | None
# Weights by label.
ClassWeight: TypeAlias = dict[Any, Any] | Literal["balanced"] | None
# What decorators take and return, so that a type checker sees that signatures stay.
Method = TypeVar("Method", bound=Callable[..., Any])
