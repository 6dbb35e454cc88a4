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

    @property
    def is_quadratic(self):
        """Whether it is l2/2 |w|^2 and nothing else."""
        return self.l1 == 0 and not self.positive

    def value(self, w):
        """Return the penalty of w: infinite outside the feasible set."""
        if self.positive and (w < 0).any():
            return np.inf
        return self.l1 * np.abs(w).sum() + 0.5 * self.l2 * np.vdot(w, w)

    def slope(self, w, v):
        """Return the derivative at a feasible w along v, of one side where w is at a kink."""
        signs = np.where(w == 0, np.sign(v), np.sign(w))
        return self.l1 * np.vdot(signs, v) + self.l2 * np.vdot(w, v)

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
        nearest[used] = self.l2 * w[used] + self.l1 * np.sign(w[used])
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
