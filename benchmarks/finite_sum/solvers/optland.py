from benchmark_utils import LinearSolver
from common.bases import TOL

from sklearn_optland.linear_model import FiniteSumClassifier


class Solver(LinearSolver):
    """This package's estimator, the certificate at the last pass included."""

    name = "sklearn-optland"
    requirements = ["pip::sklearn-optland"]
    parameters = {
        "solver": ["auto", "sag", "saga", "svrg", "sdca", "miso", "point-saga", "catalyst"]
    }
    parameter_template = "{solver}"

    def skip(self, penalty, **problem):
        no_l1 = self.solver in ("sag", "sdca", "miso", "point-saga")
        return penalty == "l1" and no_l1, "takes no l1 penalty"

    def solve(self, n_iter):
        self.model = FiniteSumClassifier(
            solver=self.solver,
            alpha=self.alpha,
            l1_ratio=float(self.penalty == "l1"),
            fit_intercept=False,
            tol=TOL,
            max_iter=n_iter,
            random_state=0,
        ).fit(self.X, self.y)
        return self.model.coef_

    def get_result(self):
        model = getattr(self, "model", None)  # none before the first fit
        bound = model.certificate_.value if model else float("nan")
        return {**super().get_result(), "bound": bound}
