from benchmark_utils import EstimatorSolver, first_skip, skip_large_hessian, skip_multinomial
from sklearn.linear_model import LogisticRegression


class Solver(EstimatorSolver):
    """Every solver of scikit-learn's LogisticRegression; liblinear in the primal and the dual."""

    name = "scikit-learn"
    requirements = ["scikit-learn"]
    parameters = {
        "solver": [
            "lbfgs",
            "newton-cg",
            "newton-cholesky",
            "liblinear",
            "liblinear-dual",
            "sag",
            "saga",
        ]
    }
    parameter_template = "{solver}"

    def skip(self, X, y, C, fit_intercept):
        if self.solver == "newton-cholesky":
            return skip_large_hessian(X, y)
        if self.solver.startswith("liblinear"):
            return first_skip((fit_intercept, "penalises the intercept"), skip_multinomial(y))
        return False, None

    def make_estimator(self):
        return LogisticRegression(
            solver=self.solver.removesuffix("-dual"),
            dual=self.solver.endswith("-dual"),
            random_state=0,
        )
