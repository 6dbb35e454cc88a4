"""The kernel regime of two-layer nets: random neurons that stay, and a linear output layer.

With b_j on the unit sphere f = sum_j a_j relu(b_j'[x, 1]) is a function of the Hilbert space of the
kernel (1/m) sum_j relu(b_j'[x, 1]) relu(b_j'[x', 1]), of squared norm m sum_j |a_j|^2; with the
random directions that `ArcCosineSampler` draws too, it is close to the arc-cosine kernel. The fit

    sum_i c_i l(y_i, f(x_i)) + alpha/2 |f|^2

is convex. With the residuals as dual point its gap is |gradient|^2 / (2 alpha m), exactly.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sklearn_optland._rows.reduce import Statistic, reduce
from sklearn_optland.neural_network._mean_field.particles import FixedNeurons
from sklearn_optland.neural_network._mean_field.passes import HIDDEN_COST, hidden_layer
from sklearn_optland.neural_network._mean_field.problem import Bound, TwoLayerProblem

# Jitter of the metric, relative to the Gram matrix: without a penalty it may be singular.
JITTER = {np.float64: 1e-12, np.float32: 1e-6}


class HiddenGram(Statistic):
    """Weighted Gram matrix of the hidden layer's outputs and the feature of the intercept."""

    def __init__(self, m, fit_intercept):
        self.shape, self.one = (m + 1, m + 1), float(fit_intercept)
        self.values = HIDDEN_COST * (m + 1)

    def add(self, block, parameters, total):
        H = hidden_layer(block, *parameters)
        H = np.column_stack([H, np.full(len(H), self.one)])
        total += (H * block.source.c[block.slice, None]).T @ H


class HiddenPulls(Statistic):
    """H'R for the outputs H of the hidden layer."""

    def __init__(self, m, k):
        self.shape, self.values = (m, k), HIDDEN_COST * (m + 1)

    def add(self, block, parameters, total):
        *layer, R = parameters
        total += hidden_layer(block, *layer).T @ block.local(R)[block.slice]


class KernelProblem(TwoLayerProblem):
    """The problem of the output layer alone; the interface is that of `TwoLayerProblem`."""

    layout_class = FixedNeurons

    def set_alpha(self, alpha):
        """Set the strength of the penalty, of which the particles themselves have none."""
        self.alpha, self.kernel_alpha = 0.0, alpha / self.x_scale / self.x_scale

    def value_and_gradient(self, theta):
        """Objective and its gradient, zero for the neurons that stay."""
        value, gradient = self.loss_and_gradient(theta)
        A, ridge = self.layout.parts(theta)[2], self._ridge(theta)
        gW, gbias, gA, _ = self.layout.parts(gradient)
        gW[:], gbias[:] = 0, 0
        gA += self.dtype.type(ridge) * A
        return value + 0.5 * ridge * float(np.vdot(A, A)), gradient

    def metric(self, theta):
        """Solver of a Hessian that majorizes the objective's: L-BFGS needs few steps in it."""
        m, k = self.layout.n_particles(theta), self.n_outputs
        gram = HiddenGram(m, self.fit_intercept)
        G = reduce(gram, self.source, self.hidden_layer(theta))[1]
        # Curvature of the loss: 1, 1/4, and at most 1/2 for a softmax.
        G *= 1.0 if not self.is_log_loss else 0.25 if k == 1 or self.kind.is_multilabel else 0.5
        jitter = JITTER[self.dtype.type] * np.trace(G)
        G[np.diag_indices(m)] += self._ridge(theta)
        G[np.diag_indices(m + 1)] += jitter if jitter > 0 else 1.0
        if not self.fit_intercept:
            G[m, m] = 1.0
        factor = cho_factor(G)

        def solve(gradient):
            _, _, gA, goffset = self.layout.parts(gradient)
            solution = cho_solve(factor, np.vstack([gA, goffset]))
            step = np.zeros_like(gradient)
            _, _, A, offset = self.layout.parts(step)
            A[:], offset[:] = solution[:m], solution[m]
            return step

        return solve

    def _ridge(self, theta):
        return self.kernel_alpha * self.layout.n_particles(theta)

    def norm(self, theta):
        """The norm in the Hilbert space."""
        m = self.layout.n_particles(theta)
        return float(np.sqrt(m) * np.linalg.norm(self.layout.parts(theta)[2]))

    def divided(self, theta, divisor):
        """The net's particles with f / divisor."""
        theta = theta.copy()
        self.layout.parts(theta)[2][:] /= divisor
        return theta

    def bound(self, theta, **_):
        """The gap, for the features that were drawn."""
        F = self.scores(theta)
        A, offset = self.layout.parts(theta)[2:]
        offset = self.best_intercept(F, offset)
        weighted = self.weighted(self.pulls(F, offset))
        A = A.astype(np.float64)
        parameters = *self.hidden_layer(theta), weighted
        eta = reduce(HiddenPulls(*A.shape), self.source, parameters)[1]
        # In data of size 1e300 the penalty is below the least number.
        ridge = max(self._ridge(theta), np.finfo(np.float64).tiny)
        size = self.x_scale * self.scales.y_scale
        return Bound(
            objective=float(self.units * (self.loss(F, offset) + 0.5 * ridge * np.vdot(A, A))),
            gap=float(self.units * np.sum((ridge * A - eta) ** 2 / (2 * ridge))),
            first_variation_max=float(np.abs(eta).max(initial=0) * size),
            proven=True,
        )
