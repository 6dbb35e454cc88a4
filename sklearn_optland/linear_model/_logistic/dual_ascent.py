"""Dual coordinate ascent of the multinomial log-loss."""

import numpy as np

from sklearn_optland._rows.reduce import row_blocks
from sklearn_optland.linear_model._logistic import dual_ascent_fast as kernels


def start_ascent(problem, rng):
    """Return a `DualAscent` from zero, or None if the problem has no penalty or exceeds float32."""
    squares, c = problem.row_lengths(), problem.source.c
    sizes = c, problem.products.scale, 1.0 + c * squares
    fits = all(size.min() > 1e-9 and size.max() < 1e9 for size in sizes)
    return DualAscent(problem, squares, rng) if problem.l2 and fits else None


class DualAscent:
    """Dual coordinate ascent from zero, for several classes and CSR rows, in float32.

    The intercept has no penalty, which would be a constraint on the dual: it gets
    rho/2 (b - anchor)^2, and the anchor moves to b after each pass, as in the finite sums' SDCA.

    Attributes
    ----------
    scores : ndarray of float32 of shape (n_samples, k)
        Logarithms of the dual variables, which are probabilities.
    """

    def __init__(self, problem, squares, rng):
        self.problem, self.rng, X, c = problem, rng, problem.source.X, problem.source.c
        self.indptr, self.indices = X.indptr.astype(np.int64), X.indices.astype(np.int32)
        self.data, self.c = X.data.astype(np.float32), c.astype(np.float32)
        self.rho = 0.0
        if problem.fit_intercept:
            self.rho = min(0.5 * c.mean(), problem.l2 * c.sum() / max(c @ squares, 1e-300))
        lengths = squares / problem.l2 + (1.0 / self.rho if self.rho else 0.0)
        self.q = (c * lengths).astype(np.float32)
        self.scores = np.empty((problem.n_samples, problem.k), dtype=np.float32)
        self._V = problem.zeros().astype(np.float32)
        self._anchor = self._V[-1].copy()
        self._fresh = True

    def run(self):
        """Visit each row once, in random order; returns about the duality gap before."""
        problem = self.problem
        order = self.rng.permutation(problem.n_samples).astype(np.int32)
        problem.count_pass()
        gap = 0.0
        for first, last in row_blocks(problem.n_samples, problem.values_per_row * problem.k):
            gap += kernels.dual_pass(
                order[first:last],
                self.indptr,
                self.indices,
                self.data,
                problem.source.y,
                self.c,
                self.q,
                problem.l2,
                self.rho,
                self._fresh,
                self.scores,
                self._V,
            )
        b = self._V[-1].copy()
        self._V[-1] += b - self._anchor
        self._anchor = b
        self._fresh = False
        return gap

    @property
    def W(self):
        """Parameters."""
        W = self._V.astype(float)
        return W - W.mean(axis=1, keepdims=True)
