import numpy as np
from benchmark_utils import LinearSolver, first_skip, skip_multinomial
from liblinear.liblinearutil import problem, train
from scipy.sparse import csr_matrix


class Solver(LinearSolver):
    """LIBLINEAR by its authors' interface.

    It has a tolerance but no max_iter: its n-th "iteration" here is a fit with tolerance ½ⁿ.
    """

    name = "liblinear-official"
    requirements = ["pip::liblinear-official"]
    parameters = {"form": ["primal", "dual"]}
    parameter_template = "{form}"

    def get_next(self, n_reductions):
        return n_reductions + 1

    def skip(self, X, y, C, fit_intercept):
        return first_skip((fit_intercept, "penalises the intercept"), skip_multinomial(y))

    def solve(self, n_reductions):
        # Its own way from a dense array is a loop in Python.
        rows = problem(self.y, csr_matrix(self.X, dtype=float))
        form = 0 if self.form == "primal" else 7
        model = train(rows, f"-q -s {form} -c {self.C} -e {0.5**n_reductions}")
        coef = np.ctypeslib.as_array(model.w, (1, self.X.shape[1]))  # of the label met first
        return coef * (1 if model.get_labels()[0] == 1 else -1), [0]
