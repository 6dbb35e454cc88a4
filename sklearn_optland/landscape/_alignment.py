"""Symmetries of a net: units that are exchanged, rescaled or negated do not change what it is."""

from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

# Sweeps over the hidden layers; assignments of few layers settle in two or three.
SWEEPS = 20


def balanced(network, theta):
    """The same ReLU net with weights into each unit as large as those out of it.

    The scale of a unit is free, and the balanced one has the smallest squared norm.

    Parameters
    ----------
    network : Network
    theta : ndarray of shape (n_parameters,)

    Returns
    -------
    theta : ndarray of shape (n_parameters,)
        A copy; of other activations, as it was.
    """
    theta = theta.copy()
    if network.activation != "relu":
        return theta
    layers = network.layers(theta)
    for _ in range(SWEEPS if len(layers) > 2 else 1):
        for before, after in pairwise(layers):
            size_in = np.linalg.norm(before, axis=0)
            size_out = np.linalg.norm(after[:-1], axis=1)
            is_used = (size_in > 0) & (size_out > 0)
            factor = np.ones(len(size_in))
            factor[is_used] = np.sqrt(size_out[is_used] / size_in[is_used])
            before *= factor
            after[:-1] /= factor[:, None]
    return theta


def aligned(network, target, theta):
    """The same net with its hidden units in the order, and of the signs, nearest to a target.

    Layer by layer, the units are assigned so that the weights into and out of them have the largest
    inner product with the target's; the layers are swept until no unit moves.

    Parameters
    ----------
    network : Network
    target, theta : ndarray of shape (n_parameters,)

    Returns
    -------
    theta : ndarray of shape (n_parameters,)
        A copy.
    """
    theta = theta.copy()
    wanted, layers = network.layers(target), network.layers(theta)
    has_signs = network.activation in ("tanh", "identity")
    for _ in range(SWEEPS):
        has_moved = False
        for level in range(len(layers) - 1):
            before, after = layers[level], layers[level + 1]
            inner = wanted[level].T @ before + wanted[level + 1][:-1] @ after[:-1].T
            order = linear_sum_assignment(np.abs(inner) if has_signs else inner, maximize=True)[1]
            signs = np.ones(len(order))
            if has_signs:
                signs = np.where(inner[np.arange(len(order)), order] < 0, -1.0, 1.0)
            has_moved |= bool((order != np.arange(len(order))).any() or (signs < 0).any())
            before[:] = before[:, order] * signs
            after[:-1] = after[order] * signs[:, None]
        if not has_moved:
            break
    return theta
