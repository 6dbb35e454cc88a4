import numpy as np
from benchopt.stopping_criterion import SufficientProgressCriterion
from common.bases import DataObjective


class Objective(DataObjective):
    """The loss on the training rows, and the error on the test rows, without a penalty.

    Of a classification the mean cross-entropy and the wrong in percent, of a regression the root
    of the mean squared error, of both parts.

    layers, activation : widths of the hidden layers, and "logistic", "tanh" or "relu"
    """

    name = "Deep nets"
    seen = "X", "y", "X_test", "task", "layers", "activation"
    parameters = {"layers, activation": [((100,), "logistic"), ((50, 50), "tanh")]}
    sampling_strategy = "iteration"
    stopping_criterion = SufficientProgressCriterion(eps=1e-6, patience=4)
    test_dataset_name = "npz"

    def evaluate_result(self, fitted, predicted):
        if self.task == "regression":
            value, test = (
                np.sqrt(np.mean((f - y) ** 2))
                for f, y in ((fitted, self.y), (predicted, self.y_test))
            )
        else:
            likelihood = fitted[np.arange(len(self.y)), self.y]
            value = -np.log(np.maximum(likelihood, 1e-300)).mean()
            test = 100 * np.mean(predicted != self.y_test)
        return {"value": value, "test_error": test}

    def get_one_result(self):
        shape = (len(self.y), self.y.max() + 1) if self.task == "classification" else self.y.shape
        return {"fitted": np.ones(shape) / shape[-1], "predicted": np.zeros_like(self.y_test)}
