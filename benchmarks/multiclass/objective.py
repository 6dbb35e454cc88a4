import numpy as np
from common.bases import DataObjective


class Objective(DataObjective):
    """The error on the test rows, in percent, and what it costs.

    Labels are 0, 1, …; `n_passes` is what every online learner takes over the training rows, and
    `seed` is that of all that is random.
    """

    name = "Multiclass"
    seen = "X", "y", "X_test", "n_classes", "n_passes", "seed"
    sampling_strategy = "run_once"
    test_dataset_name = "hierarchical-gaussians"

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
