"""The log-loss at scores that are known, over the rows of a source and row by row.

Scores Z, their changes dZ, residuals R and probabilities P have a row of k values for each row;
k = 1 score is that of class 1 of two. Here nothing passes over X.
"""

from functools import partial

import numpy as np

from sklearn_optland._loss import log_loss_fast as kernels
from sklearn_optland._rows.reduce import ExtremeOf, SumOf, reduce


def loss_along(source, Z, dZ, t):
    """The loss at the scores Z + t dZ, and its derivative in t."""
    sums = SumOf(partial(kernels.loss_along, t=t), (2,), values=1.0)
    return reduce(sums, source, (source.y, source.c, Z, dZ))[1]


# The smallest relative change of a probability by a Newton step; parameters Z, dZ.
SmallestChange = partial(ExtremeOf, kernels.smallest_change, np.minimum)


def smallest_change(source, Z, dZ):
    """The smallest relative change of a probability by the Newton step dZ."""
    return reduce(SmallestChange(), source, (Z, dZ))[1]


def largest_change(source, Z_new, Z):
    """The largest magnitude of a change of scores."""
    return reduce(ExtremeOf(_largest_change, np.maximum), source, (Z_new, Z))[1]


def _residual_sums(R):
    return np.append(R.sum(axis=0), np.abs(R).sum())


def _largest_change(Z_new, Z):
    return np.abs(Z_new - Z).max(initial=0.0)


class NewtonDual(SumOf):
    """KL(p' || p) of the Newton step's dual point p' = p + cut (diag p - pp') dz.

    Parameters Z, dZ, y, c and R, which takes c (p' - y).
    """

    def __init__(self, cut):
        super().__init__(partial(kernels.newton_dual, cut=cut), values=1.0, writes=(4,))


class ResidualSums(SumOf):
    """The sum of residuals of each class, and of all magnitudes at last; parameter R."""

    def __init__(self, k):
        super().__init__(_residual_sums, (k + 1,))


# Functions for `source.map` and for `SumOf`


def softmax(Z):
    """Probabilities, read-only."""
    P = np.empty_like(Z)
    kernels.softmax(Z, P)
    P.flags.writeable = False
    return P


def residuals(Z, y, c):
    """c (P - Y)."""
    R = np.empty_like(Z)
    kernels.newton_dual(Z, np.zeros_like(Z), y, c, R, cut=1.0)
    return R


def binary_curvature(Z, c, radius):
    """Curvature of each row: Newton's for radius 0, JC12 for infinity, a majorizer between.

    `radius`, a number or one for each row, is how far a score may move.
    """
    h = np.empty(len(Z))
    radius = np.full(len(Z), radius) if np.isscalar(radius) else radius
    kernels.binary_curvature(Z, c, radius, h)
    return h


def uncertainty(P, c):
    """c (1 - |p|^2) of each row, the trace of its share in the Hessian."""
    return c * (1.0 - np.einsum("ij,ij->i", P, P))


def class_curvature(P, c):
    """Sum over rows of c (diag p - pp'): the Hessian in a shift of the scores.

    Its rows sum to 0, which gives a diagonal without cancellation where a class is all but certain.
    """
    H = -(P * c[:, None]).T @ P
    np.fill_diagonal(H, 0.0)
    np.fill_diagonal(H, -H.sum(axis=1))
    return H


def curvature_along(P, c, dZ):
    """Sum over rows of c (diag p - pp') dz, dz less that of the largest p: nothing cancels."""
    total = np.zeros(P.shape[1])
    kernels.curvature_along(P, c, dZ, total)
    return total


def class_variances(P, c):
    """Sum over rows of c p (1 - p)."""
    return c @ (P * (1.0 - P))


def inner_with_change(R, Z_new, Z):
    """Sum of R (Z_new - Z), and of the magnitudes of its terms."""
    change = Z_new - Z
    return np.array([np.vdot(R, change), np.vdot(np.abs(R), np.abs(change))])


def shifted(shift, Z):
    """Z + shift."""
    return Z + shift


def moved(factor, Z_new, Z):
    """How far the one score of each row has moved, times a factor."""
    return np.abs(Z_new - Z)[:, 0] * factor


def divergences(Q, Z):
    """KL(q || softmax(z)) of each row."""
    out = np.empty(len(Z))
    kernels.divergences(np.ascontiguousarray(Q), np.ascontiguousarray(Z), out)
    return out


def diagonal_bound(log_alpha):
    """The JC12 curvature of log sum_y exp(log_alpha_y), with l l' replaced by diag(|l|) sum|l|.

    Parameters
    ----------
    log_alpha : ndarray of shape (..., k)

    Returns
    -------
    log_z : ndarray of shape (...)
    D : ndarray of shape (..., k)
        Algorithm 1's curvature is at most diag(D) - DD' / sum(D); for k = 2 it is that.
    """
    order = np.argsort(-log_alpha, axis=-1)  # the largest first: the tightest
    log_alpha = np.take_along_axis(log_alpha, order, axis=-1)
    log_alpha, top = log_alpha - log_alpha[..., :1], log_alpha[..., 0]
    alpha = np.exp(log_alpha)
    z = np.cumsum(alpha, axis=-1)
    # tanh(x / 2) / (2 x) of x = log(z / alpha), z that of those before.
    x, before, new = np.log(z[..., :-1]) - log_alpha[..., 1:], z[..., :-1], alpha[..., 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        curvatures = np.where(x > 1e-6, 0.5 * (before - new) / ((before + new) * x), 0.25)
    # l = e_y - alpha / z of those before y; the sum of its entries' sizes is 2.
    later = np.cumsum((curvatures / z[..., :-1])[..., ::-1], axis=-1)[..., ::-1]
    sizes = np.zeros_like(alpha)
    sizes[..., :-1] = alpha[..., :-1] * later
    sizes[..., 1:] += curvatures
    D = np.empty_like(alpha)
    np.put_along_axis(D, order, 2 * sizes, axis=-1)
    return top + np.log(z[..., -1]), D
