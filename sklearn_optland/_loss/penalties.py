"""Penalties of linear models, as solvers and certificates see them."""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_optland._loss.gauge_dual import dual_scale


@dataclass(frozen=True)
class ElasticNet:
    """l1 |w|_1 + l2/2 |w|^2, with w >= 0 if `positive`; its kernels are in penalties.pxd."""

    l1: float
    l2: float
    positive: bool = False

    is_convex = True
    is_separable = True  # a sum over coefficients

    def of(self, columns):
        """Return the part of the penalty that belongs to some columns."""
        return self

    def tilt(self, w):
        """Return what the penalty's slope lacks at w of that of the elastic net: of this, nothing.

        At w the elastic net less tilt'w touches the penalty, and lies above it.
        """
        return np.zeros_like(w)

    def saved(self, w):
        """Return how far the penalty is below the elastic net."""
        return 0.0

    @property
    def is_quadratic(self):
        """Whether it is l2/2 |w|^2 and nothing else."""
        return self.l1 == 0 and not self.positive

    def value(self, w):
        """Return the penalty of w: infinite outside the feasible set."""
        if self.positive and (w < 0).any():
            return np.inf
        return self.l1 * np.abs(w).sum() + 0.5 * self.l2 * np.vdot(w, w) - self.saved(w)

    def rise(self, w, v):
        """Return value(w + v) - value(w)."""
        return self.value(w + v) - self.value(w)

    def slope(self, w, v):
        """Return the derivative at a feasible w along v, of one side where w is at a kink."""
        signs = np.where(w == 0, np.sign(v), np.sign(w))
        return self.l1 * np.vdot(signs, v) + np.vdot(self.l2 * w - self.tilt(w), v)

    def project(self, w):
        """Return the nearest w that is feasible."""
        return np.maximum(w, 0.0) if self.positive else w

    def prox(self, v):
        """Minimise l1 |w|_1 + |w - v|^2 / 2 under the constraint."""
        if self.is_quadratic:
            return v.copy()
        v = np.maximum(v, 0.0) if self.positive else v
        return np.sign(v) * np.maximum(np.abs(v) - self.l1, 0.0)

    def polar(self, v):
        """Return the least l1 that holds w at zero against the pulls v."""
        return np.max(v if self.positive else np.abs(v), initial=0.0)

    def largest_scale(self, v):
        """Return the largest t <= 1 for which the conjugate is finite at t v: 1 if l2 > 0."""
        return 1.0 if self.l2 > 0 else dual_scale(self.polar(v), self.l1)

    def subgradient(self, w, v):
        """Return the subgradient at a feasible w that is nearest to v."""
        nearest = np.minimum(v, self.l1)
        if not self.positive:
            nearest = np.maximum(nearest, -self.l1, out=nearest)
        used = w != 0
        w = w[used]
        nearest[used] = self.l2 * w + self.l1 * np.sign(w) - self.tilt(w)
        return nearest

    def fenchel_gap(self, w, v):
        """Return penalty(w) + conjugate(v) - w'v >= 0, as a sum of terms that are not negative."""
        used = (w != 0) | ((v if self.positive else np.abs(v)) > self.l1)  # the other terms are 0
        w, v = w[used], v[used]
        sign = 1.0 if self.positive else np.where(v < 0, -1.0, 1.0)
        along, v = sign * w, sign * v  # w in the direction of v, and v >= 0 unless positive
        size = np.abs(w)
        inside = size * (self.l1 - v) + v * (size - along) + 0.5 * self.l2 * w * w
        if self.l2 == 0:
            return np.sum(np.maximum(inside, 0.0))
        beyond = v - self.l1
        quadratic = 0.5 * self.l2 * (along - beyond / self.l2) ** 2
        return np.sum(np.where(beyond > 0, self.l1 * (size - along) + quadratic, inside))


@dataclass(frozen=True)
class Mcp(ElasticNet):
    """The minimax concave penalty of Zhang (2010) instead of the L1 norm.

    Its slope falls evenly from l1 at 0 to 0 at |w| = WIDTH l1. It is an elastic net less a convex
    function with slopes `tilt`: where that is replaced with its tangent at w, a penalty is left
    that is convex, touches this one at w and lies above it. Proximal Newton steps take a new one
    each, as the reweighted L1 norms of Zou and Li (2008) do, and no objective rises.
    """

    is_convex = False
    WIDTH = 3.0  # Zhang's gamma, as in his examples

    def tilt(self, w):
        return np.sign(w) * np.minimum(np.abs(w) / self.WIDTH, self.l1)

    def saved(self, w):
        size = np.abs(w)
        end = self.WIDTH * self.l1
        inside = np.minimum(size, end)
        return np.sum(0.5 * inside**2 / self.WIDTH + self.l1 * (size - inside))


@dataclass(frozen=True)
class Scad(ElasticNet):
    """The smoothly clipped absolute deviation of Fan and Li (2001) instead of the L1 norm.

    As `Mcp`, but its slope stays at l1 up to |w| = l1 and is 0 from WIDTH l1 on.
    """

    is_convex = False
    WIDTH = 3.7  # Fan and Li's a

    def tilt(self, w):
        beyond = np.maximum(np.abs(w) - self.l1, 0.0)
        return np.sign(w) * np.minimum(beyond / (self.WIDTH - 1), self.l1)

    def saved(self, w):
        beyond = np.maximum(np.abs(w) - self.l1, 0.0)
        inside = np.minimum(beyond, (self.WIDTH - 1) * self.l1)
        return np.sum(0.5 * inside**2 / (self.WIDTH - 1) + self.l1 * (beyond - inside))


@dataclass(frozen=True, eq=False)
class GroupLasso(ElasticNet):
    """l1 sum_g scales_g |w_g| + l2/2 |w|^2, |w_g| the Euclidean norm of a group's coefficients.

    Yuan and Lin's (2006) group lasso. A whole group is zero, or none of it: the norm pulls it to
    zero as l1 scales_g |.| pulls a number, along its direction.

    Parameters
    ----------
    groups : ndarray of int of shape (n_columns,)
        The number of each column's group.
    scales : ndarray of shape (n_groups,)
        All positive.
    """

    groups: np.ndarray | None = None
    scales: np.ndarray | None = None

    is_separable = False
    is_quadratic = False

    def of(self, columns):
        return replace(self, groups=self.groups[columns])

    def norms(self, v):
        """Return the Euclidean norm of each group."""
        return np.sqrt(self._sums(v**2))

    def value(self, w):
        return self.l1 * (self.scales @ self.norms(w)) + 0.5 * self.l2 * np.vdot(w, w)

    def slope(self, w, v):
        sizes = self.norms(w)
        along = np.where(sizes > 0, self._sums(self._units(w) * v), self.norms(v))
        return self.l1 * (self.scales @ along) + self.l2 * np.vdot(w, v)

    def prox(self, v):
        sizes = self.norms(v)
        return self._units(v) * np.maximum(sizes - self.l1 * self.scales, 0.0)[self.groups]

    def polar(self, v):
        return np.max(self.norms(v) / self.scales, initial=0.0)

    def subgradient(self, w, v):
        radii = self.l1 * self.scales
        inside = self._units(v) * np.minimum(self.norms(v), radii)[self.groups]
        smooth = self.l2 * w + self._units(w) * radii[self.groups]
        return np.where(self.norms(w)[self.groups] > 0, smooth, inside)

    def rise(self, w, v):
        return self.secant(w, v) @ v  # without cancellation

    def secant(self, w, step):
        """Return q with q'step = value(w + step) - value(w)."""
        sums = np.maximum(self.norms(w) + self.norms(w + step), np.finfo(float).tiny)
        rates = self.l1 * self.scales / sums
        return rates[self.groups] * (2 * w + step) + self.l2 * (w + 0.5 * step)

    def turns(self, w, other):
        """Return of each coefficient whether its group points to the other side of zero."""
        return (self._sums(w * other) < 0)[self.groups]

    def curvature(self, w):
        """Return the second derivatives at w, of which no group is zero, as a matrix."""
        rates = (self.l1 * self.scales)[self.groups] / self.norms(w)[self.groups]
        units = self._units(w)
        same = self.groups[:, None] == self.groups
        return np.diag(self.l2 + rates) - same * np.outer(rates * units, units)

    def fenchel_gap(self, w, v):
        # |w_g| |v_g| - w_g'v_g = |w_g| |v_g| |difference of their directions|^2 / 2
        sizes, norms, radii = self.norms(w), self.norms(v), self.l1 * self.scales
        turn = 0.5 * self._sums((self._units(w) - self._units(v)) ** 2)
        inside = sizes * (np.maximum(radii - norms, 0.0) + norms * turn) + 0.5 * self.l2 * sizes**2
        if self.l2 == 0:
            return np.sum(inside)
        beyond = np.maximum(norms - radii, 0.0)
        nearest = self._units(v) * (beyond / self.l2)[self.groups]
        quadratic = 0.5 * self.l2 * self._sums((w - nearest) ** 2)
        return np.sum(np.where(beyond > 0, radii * sizes * turn + quadratic, inside))

    def _sums(self, v):
        return np.bincount(self.groups, weights=v, minlength=len(self.scales))

    def _units(self, v):
        """Each group divided by its norm; zeros stay."""
        sizes = self.norms(v)
        return v / np.where(sizes > 0, sizes, 1.0)[self.groups]


# What the L1 part of a penalty can be.
SPARSITIES = {"l1": ElasticNet, "mcp": Mcp, "scad": Scad}
