from benchmark_utils import LinearSolver
from common.bases import TOL
from sklearn.linear_model import LogisticRegression, SGDClassifier


class Solver(LinearSolver):
    """scikit-learn: sag, saga, liblinear (dual for L2, primal for L1), SGDClassifier."""

    name = "scikit-learn"
    requirements = ["scikit-learn"]
    parameters = {"solver": ["sag", "saga", "liblinear", "sgd"]}
    parameter_template = "{solver}"

    def skip(self, penalty, **problem):
        return penalty == "l1" and self.solver == "sag", "takes no l1 penalty"

    def solve(self, n_iter):
        l1_ratio = int(self.penalty == "l1")
        if self.solver == "sgd":
            model = SGDClassifier(
                "log_loss",
                penalty=self.penalty,
                alpha=self.alpha,
                fit_intercept=False,
                tol=None,
                max_iter=n_iter,
                random_state=0,
            )
        else:
            model = LogisticRegression(
                solver=self.solver,
                dual=self.solver == "liblinear" and not l1_ratio,
                C=self.C,
                l1_ratio=l1_ratio,
                fit_intercept=False,
                tol=TOL,
                max_iter=n_iter,
                random_state=0,
            )
        return model.fit(self.X, self.y).coef_
