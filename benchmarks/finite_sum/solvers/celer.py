from benchmark_utils import ToleranceSolver
from celer import LogisticRegression


class Solver(ToleranceSolver):
    """celer: dual extrapolation and working sets."""

    name = "celer"
    requirements = ["pip::celer"]
    penalties = ("l1",)

    def solve(self, n_iter):
        model = LogisticRegression(C=self.C, tol=self.tolerance(n_iter), fit_intercept=False)
        return model.fit(self.X, self.y).coef_
