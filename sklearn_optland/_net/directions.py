"""Random directions of hidden units."""

import numpy as np


def random_directions(n_directions, n_columns, rng):
    """Draw unit vectors, each uniform on the sphere, orthogonal in blocks and in pairs ±u.

    Means over them vary less than over independent ones: of a pair relu(u'x) - relu(-u'x) = u'x,
    and over a whole block the products of these are x'x' exactly.

    Parameters
    ----------
    n_directions, n_columns : int
    rng : RandomState

    Returns
    -------
    U : ndarray of shape (n_directions, n_columns)
        A vector and its opposite follow each other.
    """
    n_pairs, blocks = (n_directions + 1) // 2, []
    for first in range(0, n_pairs, n_columns):
        side = min(n_columns, n_pairs - first)
        Q, R = np.linalg.qr(rng.standard_normal((n_columns, side)))
        blocks.append((Q * np.where(np.diag(R) < 0, -1.0, 1.0)).T)
    U = np.concatenate(blocks)
    return np.stack([U, -U], axis=1).reshape(-1, n_columns)[:n_directions]
