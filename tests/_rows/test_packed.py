"""Columns in few bytes: the array that comes back is the one that went in."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_optland._rows.packed import Packed, packed, unpacked

N = 300
BYTES = {  # of what is kept
    "equal weights": (np.full(N, 0.7), 8),
    "ones": (np.ones(N), 1),
    "class numbers": (np.arange(N, dtype=np.int32) % 5, N),
    "many classes": (np.arange(N, dtype=np.int64), 2 * N),
    "large integers": (2**53 + np.arange(N), 8 * N),
    "indicators": (np.eye(3)[np.arange(N) % 3], 3 * N),
    "float32 in float64": (np.linspace(0, 1, N, dtype=np.float32).astype(float), 4 * N),
    "float64": (np.linspace(0, 1, N), 8 * N),
    "too large for int8 and float32": (np.array([1e300, -1e300]), 16),
    "not numbers": (np.array([np.nan, np.inf, 0.5]), 24),
    "no rows": (np.empty(0), 0),
    "no columns": (np.empty((N, 0)), 0),
    "strings": (np.array(["a", "b"]), 8),
}


@pytest.mark.parametrize(("array", "n_bytes"), BYTES.values(), ids=BYTES)
def test_what_comes_back(array, n_bytes):
    kept = packed(array)
    assert (kept.rows if isinstance(kept, Packed) else kept).nbytes == n_bytes
    found = unpacked(kept)
    assert found.dtype == array.dtype
    assert found.flags.c_contiguous
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array)


def test_what_is_no_array_is_left_alone():
    A = sparse.csr_array(np.eye(3))
    assert unpacked(packed(A)) is A
