from benchmark_utils import EstimatorSolver

from sklearn_optland.tree import LOMTreeClassifier

MAX_BYTES = 8e9  # of weights: each node has one for every feature


class Solver(EstimatorSolver):
    """This package's LOMtree, the paper's online algorithm."""

    name = "LOMTreeClassifier"
    requirements = ["pip::sklearn-optland"]
    parameters = {
        "loss": ["absolute", "hinge"],
        "nodes_per_class": [4, 16],
        "learning_rate": [0.05, 0.1, 0.2, 0.4],
    }

    def skip(self, X, n_classes, **problem):
        size = 4 * self.nodes_per_class * n_classes * X.shape[1]
        return size > MAX_BYTES, f"{size / 1e9:.0f} GB of weights"

    def make_estimator(self):
        return LOMTreeClassifier(
            max_nodes=self.nodes_per_class * self.n_classes - 1,
            loss=self.loss,
            learning_rate=self.learning_rate,
            max_iter=self.n_passes,
            random_state=self.seed,
        )
