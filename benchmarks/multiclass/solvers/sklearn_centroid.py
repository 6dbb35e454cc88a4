from benchmark_utils import EstimatorSolver
from sklearn.neighbors import NearestCentroid

MAX_WEIGHTS = 1e8  # classes x features


class Solver(EstimatorSolver):
    """scikit-learn's nearest class mean."""

    name = "nearest centroid"
    requirements = ["scikit-learn"]
    parameters = {"shrink_threshold": [None]}
    deterministic = True

    def skip(self, X, n_classes, **problem):
        weights = n_classes * X.shape[1]
        return weights > MAX_WEIGHTS, f"{weights:.1e} coordinates of means"

    def make_estimator(self):
        return NearestCentroid()
