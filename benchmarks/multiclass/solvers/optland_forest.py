import numpy as np
from benchmark_utils import EstimatorSolver, median_cpu_seconds
from scipy.sparse import csr_matrix

from sklearn_optland.tree import LOMForestClassifier

SINGLE_ROWS = 300  # timed one at a time


class Solver(EstimatorSolver):
    """This package's forest of label trees with a shared linear model over the candidates."""

    name = "LOMForestClassifier"
    requirements = ["pip::sklearn-optland"]
    parameters = {"n_estimators, beam_width": [(3, 2), (5, 2)]}

    def make_estimator(self):
        return LOMForestClassifier(
            n_estimators=self.n_estimators, beam_width=self.beam_width, random_state=self.seed
        )

    def costs(self):
        """Candidates of the test rows, and a call of `predict` for every row."""
        rows = [self.X_test[row : row + 1] for row in range(min(SINGLE_ROWS, self.X_test.shape[0]))]
        seconds = median_cpu_seconds(lambda: [self.model.predict(row) for row in rows])
        scores = self.model.candidate_scores(self.X_test)
        parts = np.ones(scores.nnz), self.model.classes_[scores.indices], scores.indptr
        candidates = csr_matrix(parts, shape=(scores.shape[0], self.n_classes))
        return {"single_microseconds": 1e6 * seconds / len(rows), "candidates": candidates}
