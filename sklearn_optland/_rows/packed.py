"""Columns of rows in few bytes, for the time between two passes."""

from dataclasses import dataclass

import numpy as np

# What may hold an array's numbers exactly in fewer bytes, by their kind, the smallest first.
SMALL_TYPES = {"i": (np.int8, np.int16, np.int32), "f": (np.int8, np.float32)}


@dataclass(frozen=True)
class Packed:
    """An array in a smaller type; of one whose rows are all equal the first alone."""

    rows: np.ndarray
    shape: tuple
    dtype: np.dtype


def packed(array):
    """The array in fewer bytes, from which `unpacked` makes it again; itself if there are none.

    Of weights that are all 1 that is one number, of class numbers a byte a row.
    """
    types = SMALL_TYPES.get(array.dtype.kind, ()) if isinstance(array, np.ndarray) else ()
    if not types or not array.size:
        return array
    rows = array[:1].copy() if np.all(array == array[:1]) else array
    for dtype in types:
        if np.dtype(dtype).itemsize < array.itemsize:
            with np.errstate(invalid="ignore", over="ignore"):
                small = rows.astype(dtype)
            if np.array_equal(small, rows):
                return Packed(small, array.shape, array.dtype)
    return array if rows is array else Packed(rows, array.shape, array.dtype)


def unpacked(array):
    """The array that was packed; what was not, as it is."""
    if not isinstance(array, Packed):
        return array
    return np.broadcast_to(array.rows, array.shape).astype(array.dtype, order="C")
