"""The Hessian of a loss surface at one point, for many products."""

import numpy as np
from scipy.sparse.linalg import LinearOperator

from sklearn_optland._rows.source import float32_pays

# Errors of float32 products, relative to their norm, are below this unless digits cancel.
FLOAT32_ERROR = 1e-5


class HessianAt(LinearOperator):
    """The Hessian at one point. The activations there are kept, which spares the passes forward.

    Parameters
    ----------
    surface : LossSurface
    theta : ndarray of shape (n_parameters,)
    tol : float, default=0.0
        The error that products may have, relative to their norm. Where float32 is so exact, a copy
        of many dense rows is made and computed in it: a third of the time.
    """

    def __init__(self, surface, theta, tol=0.0):
        super().__init__(np.dtype(np.float64), (theta.size, theta.size))
        self.surface, self.theta = surface, theta
        passes = surface.passes
        pays = float32_pays(passes.source, passes.dtype, theta.size)
        if pays and tol >= FLOAT32_ERROR:
            with np.errstate(over="ignore", invalid="ignore"):
                self._keep(passes.in_float32())
                # Columns far from zero may leave float32 no digits: one product shows it.
                direction = np.random.RandomState(0).standard_normal(theta.size)
                exact = surface.hessian_product(theta, direction)
                error = np.linalg.norm(self @ direction - exact)
            if error <= tol * np.linalg.norm(exact):
                return
        self._keep(passes)

    def _keep(self, passes):
        """Take these passes, and their activations."""
        self.passes, self.parameters = passes, self.theta.astype(passes.dtype)
        with self.surface._pass():
            self.outputs = passes.activations(self.parameters)

    def _matvec(self, direction):
        direction = direction.ravel()
        rows = direction.astype(self.passes.dtype)[None]
        with self.surface._pass():
            (product,) = self.passes.hessian_products(self.parameters, rows, self.outputs)
        return product + self.surface.penalty_factors * direction

    def _adjoint(self):
        return self
