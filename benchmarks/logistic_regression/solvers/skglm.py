import numpy as np
from benchmark_utils import LinearSolver, first_skip, skip_multinomial
from common.bases import TOL
from scipy.sparse import csc_matrix, issparse
from skglm.datafits import Logistic
from skglm.penalties import L2
from skglm.solvers import LBFGS


class Solver(LinearSolver):
    """skglm's L-BFGS, its solver for a smooth penalty."""

    name = "skglm"
    requirements = ["pip::skglm"]

    def skip(self, X, y, C, fit_intercept):
        return first_skip((fit_intercept, "fits no intercept"), skip_multinomial(y))

    def solve(self, n_iter):
        X = csc_matrix(self.X) if issparse(self.X) else np.asfortranarray(self.X)
        signs = (2 * self.y - 1).astype(X.dtype)
        penalty = L2(1 / (self.C * len(signs)))
        coef, _, _ = LBFGS(max_iter=n_iter, tol=TOL).solve(X, signs, Logistic(), penalty)
        return [coef], [0]
