from benchmark_utils import EstimatorSolver
from sklearn.linear_model import SGDClassifier


class Solver(EstimatorSolver):
    """scikit-learn's SGD, one against the rest."""

    name = "SGD one-vs-rest"
    requirements = ["scikit-learn"]
    parameters = {"loss": ["hinge", "log_loss"], "alpha": [1e-6, 1e-5, 1e-4]}
    all_classes = True

    def make_estimator(self):
        return SGDClassifier(
            loss=self.loss,
            alpha=self.alpha,
            max_iter=self.n_passes,
            tol=None,
            random_state=self.seed,
        )
