from benchmark_utils import ToleranceSolver
from scipy.sparse import csc_matrix
from skglm.datafits import Logistic
from skglm.penalties import L1
from skglm.solvers import ProxNewton
from skglm.utils.jit_compilation import compiled_clone


class Solver(ToleranceSolver):
    """skglm's prox-Newton with working sets."""

    name = "skglm"
    requirements = ["pip::skglm"]
    penalties = ("l1",)

    def set_objective(self, **problem):
        super().set_objective(**problem)
        # compiled once, or every fit would wait for numba
        self.parts = compiled_clone(Logistic()), compiled_clone(L1(self.alpha))

    def solve(self, n_iter):
        solver = ProxNewton(tol=self.tolerance(n_iter), fit_intercept=False)
        return solver.solve(csc_matrix(self.X), self.y, *self.parts)[0]
