"""Moments of columns and targets of a stream: those of its recent batches, whatever one of them is.

Each batch leaves its means and standard deviations. The typical ones are medians over the recent
batches, so that a batch in other units changes little, and is forgotten; around them the batches'
means vary, too, which counts as variance: batches of constant columns may come one after the other.

A record is a tuple of means and deviations of columns, and of targets.
"""

import numpy as np

from sklearn_optland._net.units import center_and_spread, column_moments

# Batches that are remembered.
RECENT = 25
# A net is drawn anew if columns turn out to be so many times wider, or targets of another size.
MISJUDGED = 10.0


def record(source, n_outputs):
    """The moments of a source's rows X and targets Y, with its weights c."""
    return *center_and_spread(source), *column_moments(source, n_outputs, source.Y)


def of_a_fit(moments):
    """The records of a stream that goes on from a fit: as if all batches had been like its rows."""
    return [moments] * RECENT


def with_batch(records, moments):
    """The records after one more batch."""
    return [*records, moments][-RECENT:]


def typical(records):
    """Typical means and standard deviations of columns, and of targets.

    Returns
    -------
    mean, deviation : ndarray of shape (n_columns,)
    y_mean, y_deviation : ndarray of shape (n_outputs,)
    """
    x_mean, x_deviation, y_mean, y_deviation = map(np.stack, zip(*records, strict=True))
    return *_typical(x_mean, x_deviation), *_typical(y_mean, y_deviation)


def are_misjudged(old, new):
    """Whether units turn out to be other ones: the first batches were odd.

    A net of those is far too large, or has lost its mass, and begins again sooner than it changes.

    Parameters
    ----------
    old, new : (ndarray, float)
        Sizes of the columns, and of the targets; old is None before there is a net.
    """
    if old is None:
        return False
    columns = new[0][old[0] > 0] / old[0][old[0] > 0] if np.ndim(old[0]) else new[0] / old[0]
    return max(np.max(columns, initial=0.0), new[1] / old[1], old[1] / new[1]) > MISJUDGED


def _typical(means, deviations):
    mean = np.median(means, axis=0)
    return mean, np.median(np.hypot(deviations, means - mean), axis=0)
