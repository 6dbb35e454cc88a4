from benchmark_utils import ToleranceSolver
from scipy.sparse import csc_matrix
from skglm.datafits import Logistic
from skglm.penalties import L1
from skglm.solvers import ProxNewton


class Solver(ToleranceSolver):
    """skglm's prox-Newton with working sets."""

    name = "skglm"
    requirements = ["pip::skglm"]
    penalties = ("l1",)

    def solve(self, n_iter):
        solver = ProxNewton(tol=self.tolerance(n_iter), fit_intercept=False)
        return solver.solve(csc_matrix(self.X), self.y, Logistic(), L1(self.alpha))[0]
