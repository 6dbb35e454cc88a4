"""Duality for penalties alpha g(w), g a gauge: a norm, or the least total of atoms.

    minimise  sum_i c_i l_i(f_i) + alpha g(w),   f linear in w

The conjugate of alpha g is 0 where the polar of g is at most alpha, and infinite elsewhere. The
polar is a maximum over the atoms: the largest |v_j| for the L1 norm, the first variation's maximum
over the sphere for the variation norm, the largest singular value for the nuclear norm. So pulls
theta_i in the domains of l_i*, whose image v has a finite polar, become a dual point as soon as
they are scaled by at most alpha / polar(v).
"""

import numpy as np

EPS = np.finfo(float).eps


def dual_scale(polar, alpha, best=1.0):
    """The factor of the pulls next to the best one that makes them a dual point.

    Parameters
    ----------
    polar : float
        Of the pulls' image, or an upper bound on it.
    alpha : float
    best : float, default=1.0
        The factor that one would take if there were no constraint.

    Returns
    -------
    scale : float
    """
    if not polar > 0:
        return max(best, 0.0)
    # the last ulp must not leave the set
    return max(min(best, alpha / polar * (1 - 2 * EPS)), 0.0)
