from benchmark_utils import EstimatorSolver
from scipy.sparse import issparse
from sklearn.ensemble import RandomForestClassifier

MAX_ROWS = 20_000  # of a dense X with three times √d features a split
MAX_CELLS = 1e7  # rows x classes: a leaf holds a number for every class


class Solver(EstimatorSolver):
    """scikit-learn's random forest, 100 trees; a split tries width·√d features."""

    name = "random forest"
    requirements = ["scikit-learn"]
    parameters = {"width": [1, 3]}

    def skip(self, X, n_classes, **problem):
        cells = X.shape[0] * n_classes
        if cells > MAX_CELLS:
            return True, f"{cells:.1e} numbers in a tree's leaves"
        many = issparse(X) or X.shape[0] > MAX_ROWS
        return many and self.width > 1, "too long for so many rows or columns"

    def make_estimator(self):
        tries = int(self.width * self.X.shape[1] ** 0.5)
        return RandomForestClassifier(max_features=tries, random_state=self.seed)
