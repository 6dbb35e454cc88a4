"""Penalties of linear models, as solvers and certificates see them."""

from dataclasses import dataclass

import numpy as np

from sklearn_optland._loss.gauge_dual import dual_scale


@dataclass(frozen=True)
class ElasticNet:
    """l1 |w|_1 + l2/2 |w|^2, with w >= 0 if `positive`; its kernels are in penalties.pxd."""

    l1: float
    l2: float
    positive: bool = False

    is_convex = True

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

    def largest_scale(self, v):
        """Return the largest t <= 1 for which the conjugate is finite at t v: 1 if l2 > 0."""
        if self.l2 > 0:
            return 1.0
        return dual_scale(np.max(v if self.positive else np.abs(v), initial=0.0), self.l1)

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


# What the L1 part of a penalty can be.
SPARSITIES = {"l1": ElasticNet, "mcp": Mcp, "scad": Scad}
