import numpy as np
from benchopt import BaseObjective
from benchopt.stopping_criterion import SufficientProgressCriterion


class Objective(BaseObjective):
    """The loss on the training rows, and the error on the test rows, without a penalty.

    Of a classification the mean cross-entropy and the wrong in percent, of a regression the root
    of the mean squared error, of both parts.

    layers, activation : widths of the hidden layers, and "logistic", "tanh" or "relu"
    """

    name = "Deep nets"
    min_benchopt_version = "1.10"
    requirements = ["numpy", "scikit-learn", "threadpoolctl"]
    parameters = {"layers, activation": [((100,), "logistic"), ((50, 50), "tanh")]}
    sampling_strategy = "iteration"
    stopping_criterion = SufficientProgressCriterion(eps=1e-6, patience=4)
    test_dataset_name = "npz"

    def skip(self, X=None, missing=None, **others):
        return missing is not None, missing

    def set_data(self, X, y, X_test, y_test, task):
        self.X, self.y, self.X_test, self.y_test, self.task = X, y, X_test, y_test, task

    def get_objective(self):
        return {
            "X": self.X,
            "y": self.y,
            "X_test": self.X_test,
            "task": self.task,
            "layers": self.layers,
            "activation": self.activation,
        }

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
