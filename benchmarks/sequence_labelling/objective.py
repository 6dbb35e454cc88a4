import numpy as np
from benchmark_utils import chunk_f1
from common.bases import DataObjective


class Objective(DataObjective):
    """½‖W‖² + ½‖A‖² + C Σ log-loss of the training sequences, without scores of the ends.

    Sequences are given as matrices, for us, and as the names of their features, for CRFsuite.
    """

    name = "Sequence labelling"
    parameters = {"C": [1.0]}
    seen = "X", "y", "names", "X_test", "names_test", "C"
    sampling_strategy = "run_once"
    test_dataset_name = "conll2000"

    def evaluate_result(self, objective, predicted):
        wrong = np.concatenate(predicted) != np.concatenate(self.y_test)
        result = {"value": objective, "error": 100 * wrong.mean()}
        if self.task == "chunks":
            result["f1"] = 100 * chunk_f1(self.y_test, predicted)
        return result

    def get_one_result(self):
        return {"objective": np.inf, "predicted": self.y_test}
