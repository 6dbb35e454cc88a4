from benchmark_utils import EstimatorSolver, products_per_pass
from sklearn.linear_model import LogisticRegression

MAX_PRODUCTS = 1e9  # of a pass: a fit takes hundreds


class Solver(EstimatorSolver):
    """scikit-learn's multinomial logistic regression by L-BFGS."""

    name = "LogisticRegression"
    requirements = ["scikit-learn"]
    parameters = {"C": [0.03, 0.3, 3.0, 30.0]}
    deterministic = True
    all_classes = True

    def skip(self, X, n_classes, **problem):
        products = products_per_pass(X, n_classes)
        return products > MAX_PRODUCTS, f"{products:.1e} products a pass over all classes"

    def make_estimator(self):
        return LogisticRegression(C=self.C, max_iter=100)
