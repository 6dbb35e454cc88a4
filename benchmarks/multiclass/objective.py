import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    """The error on the test rows, in percent, and what it costs.

    Labels are 0, 1, …; `n_passes` is what every online learner takes over the training rows, and
    `seed` is that of all that is random.
    """

    name = "Multiclass"
    min_benchopt_version = "1.10"
    requirements = ["numpy", "scipy", "scikit-learn", "threadpoolctl"]
    sampling_strategy = "run_once"
    test_dataset_name = "hierarchical-gaussians"

    def skip(self, X_train=None, missing=None, **others):
        return missing is not None, missing

    def set_data(self, X_train, y_train, X_test, y_test, n_classes, n_passes, seed):
        self.X_train, self.y_train, self.X_test, self.y_test = X_train, y_train, X_test, y_test
        self.n_classes, self.n_passes, self.seed = n_classes, n_passes, seed

    def get_objective(self):
        return {
            "X_train": self.X_train,
            "y_train": self.y_train,
            "X_test": self.X_test,
            "n_classes": self.n_classes,
            "n_passes": self.n_passes,
            "seed": self.seed,
        }

    def evaluate_result(self, predicted, candidates=None, **costs):
        """`candidates` is a CSR of rows x classes: 1 for those that the solver has scored."""
        result = {"value": 100 * np.mean(predicted != self.y_test), **costs}
        if candidates is not None:
            found = candidates[np.arange(len(self.y_test)), self.y_test]
            result["candidate_recall"] = 100 * np.mean(found)
            result["n_candidates"] = candidates.nnz / candidates.shape[0]
        return result

    def get_one_result(self):
        return {"predicted": np.zeros_like(self.y_test)}
