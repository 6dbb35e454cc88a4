"""Rows in blocks: a statistic of the data is a sum over blocks of rows.

Memory maps are read a block at a time, and because a kernel call lasts one block at most, Ctrl-C
is answered between two of them.
"""

# Values of the data that one kernel call may touch: under half a second of work.
BLOCK_VALUES = 1 << 25


def row_blocks(n_rows, values_per_row):
    """Cut rows into blocks of at most `BLOCK_VALUES` values.

    Parameters
    ----------
    n_rows : int
    values_per_row : float
        Values that a kernel touches in a row, on average.

    Yields
    ------
    first, last : int
        The bounds of a block, last excluded.
    """
    size = max(1, int(BLOCK_VALUES / max(values_per_row, 1)))
    for first in range(0, n_rows, size):
        yield first, min(first + size, n_rows)


def sum_over_blocks(statistic, n_rows, values_per_row):
    """Sum what a statistic returns for each block of rows.

    Parameters
    ----------
    statistic : callable
        Takes the bounds of a block and returns a number or an array, or None if it adds into
        arrays of its own.
    n_rows, values_per_row
        As in `row_blocks`.

    Returns
    -------
    total : float, ndarray or None
    """
    total = None
    for first, last in row_blocks(n_rows, values_per_row):
        part = statistic(first, last)
        total = part if total is None else total + part
    return total
