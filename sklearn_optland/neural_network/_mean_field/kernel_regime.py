"""The kernel regime of two-layer nets: random neurons that stay, and a linear output layer.

With b_j on the unit sphere f = sum_j a_j relu(b_j'[x, 1]) is a function of the Hilbert space of the
kernel (1/m) sum_j relu(b_j'[x, 1]) relu(b_j'[x', 1]), of squared norm m sum_j |a_j|^2. The fit

    sum_i c_i l(y_i, f(x_i)) + alpha/2 |f|^2

is convex. With the residuals as dual point its gap is |gradient|^2 / (2 alpha m), exactly.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sklearn_optland.neural_network._mean_field.problem import Bound, TwoLayerProblem

# Jitter of the metric, relative to the Gram matrix: without a penalty it may be singular.
JITTER = {np.float64: 1e-12, np.float32: 1e-6}


class KernelProblem(TwoLayerProblem):
    """The problem of the output layer alone; the interface is that of `TwoLayerProblem`."""

    def __init__(self, X, Y, c, *, alpha, **settings):
        super().__init__(X, Y, c, alpha=alpha, **settings)
        self.kernel_alpha = alpha / self.x_scale / self.x_scale
        self.alpha = 0.0

    def value_and_gradient(self, theta, rows=slice(None)):
        """Objective and its gradient, zero for the neurons that stay."""
        value, gradient = super().value_and_gradient(theta, rows)
        A, ridge = self.parts(theta)[2], self.kernel_alpha * self.n_particles(theta)
        gW, gbias, gA, _ = self.parts(gradient)
        gW[:], gbias[:] = 0, 0
        gA += self.dtype.type(ridge) * A
        return value + 0.5 * ridge * float(np.vdot(A, A)), gradient

    def metric(self, theta):
        """Solver of a Hessian that majorizes the objective's: L-BFGS needs few steps in it."""
        m, k = self.n_particles(theta), self.n_outputs
        G = np.zeros((m + 1, m + 1))
        for first, last, H in self._hidden(theta):
            H = np.column_stack([H, np.full(len(H), float(self.fit_intercept))])
            G += (H * self.c[first:last, None]).T @ H
        # Curvature of the loss: 1, 1/4, and at most 1/2 for a softmax.
        G *= 1.0 if not self.is_log_loss else 0.25 if k == 1 else 0.5
        jitter = JITTER[self.dtype.type] * np.trace(G)
        G[np.diag_indices(m)] += self.kernel_alpha * m
        G[np.diag_indices(m + 1)] += jitter if jitter > 0 else 1.0
        if not self.fit_intercept:
            G[m, m] = 1.0
        factor = cho_factor(G)

        def solve(gradient):
            _, _, gA, goffset = self.parts(gradient)
            solution = cho_solve(factor, np.vstack([gA, goffset]))
            step = np.zeros_like(gradient)
            _, _, A, offset = self.parts(step)
            A[:], offset[:] = solution[:m], solution[m]
            return step

        return solve

    def to_user(self, theta):
        """`coefs_` and `intercepts_`; the neurons have length 1."""
        B, A = self.particles(theta)
        offset = self.parts(theta)[3].astype(np.float64) * self.y_scale + self.y_mean
        return (
            [
                np.ascontiguousarray(W, dtype=self.dtype)
                for W in (B[:, :-1].T, A * (self.y_scale / self.x_scale))
            ],
            [b.astype(self.dtype) for b in (B[:, -1] * self.fit_intercept, offset)],
        )

    def to_inside(self, coefs, intercepts):
        """The flat array of a net in the user's units."""
        B = np.column_stack([coefs[0].T, intercepts[0] * self.fit_intercept])
        offset = (intercepts[1] - self.y_mean) / self.y_scale * self.fit_intercept
        return self.join(B, coefs[1] * (self.x_scale / self.y_scale), offset)

    def bound(self, theta, **_):
        """The gap, for the features that were drawn."""
        F = self.scores(theta)
        F += self.best_intercept(F, self.parts(theta)[3])
        weighted = self.pulls(F) * self.c[:, None]
        A, m = self.parts(theta)[2].astype(np.float64), self.n_particles(theta)
        eta = sum(H.T @ weighted[first:last] for first, last, H in self._hidden(theta))
        # In data of size 1e300 the penalty is below the least number.
        ridge = max(self.kernel_alpha * m, np.finfo(np.float64).tiny)
        return Bound(
            objective=float(self.units * (self.loss(F) + 0.5 * ridge * np.vdot(A, A))),
            gap=float(self.units * np.sum((ridge * A - eta) ** 2 / (2 * ridge))),
            first_variation_max=float(np.abs(eta).max(initial=0) * self.x_scale * self.y_scale),
            proven=True,
            points=np.empty((0, 0)),
            values=np.empty(0),
        )
