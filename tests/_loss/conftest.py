"""Rows for kernels."""

from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import read_only
from scipy import sparse

from sklearn_optland._rows import rows as _rows

# Rows, given those of a block, and columns: 1100 make a dense block small, 1 is the narrowest.
SHAPES = {
    "one value": (lambda block: 1, 1),
    "a few rows": (lambda block: 7, 3),
    "a block but one row": (lambda block: block - 1, 2),
    "a block, one column": (lambda block: block, 1),
    "two panels and a row, three tiles": (lambda block: 129, 21),
    "a block and a row": (lambda block: block + 1, 3),
    "a block and a row, wide": (lambda block: block + 1, 1100),
}


@pytest.fixture(
    params=product(["dense", "csr"], ["float32", "float64"], SHAPES),
    ids=lambda param: "-".join(param).replace(" ", "_"),
)
def data(request, global_random_seed):
    """Read-only data: X as rows, A = [X 1] in float64, and bounds of pieces, one of them empty."""
    layout, dtype, shape = request.param
    rng = np.random.default_rng(global_random_seed)
    rows_of, d = SHAPES[shape]
    one_row = sparse.csr_array((1, d)) if layout == "csr" else np.ones((1, d))
    n = rows_of(_rows.as_rows(one_row).block_size)
    X = rng.normal(size=(n, d)).astype(dtype)
    if layout == "csr":
        X *= rng.random((n, d)) < (0.3 if d < 100 else 0.03)  # NumPy's Gram matrices take long
        if n > 1:
            X[0] = X[n // 2] = 0
        if d > 1:
            X[:, 0] = X[:, d // 2] = 0
    A = np.column_stack([X, np.ones(n)]).astype(float)
    if layout == "csr":
        X = sparse.csr_array(X)
    read_only(*((X.data, X.indices, X.indptr) if layout == "csr" else (X,)))
    pieces = list(pairwise([0, n // 3, n // 3, n]))
    return SimpleNamespace(rows=_rows.as_rows(X), A=A, n=n, d=d, rng=rng, pieces=pieces)
