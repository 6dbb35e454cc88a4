import numpy as np
from benchopt import BaseObjective
from benchopt.stopping_criterion import SufficientProgressCriterion


class Objective(BaseObjective):
    """Half the mean squared error on the training rows of a net of m ReLU neurons.

    n_neurons : m
    seed : of the start
    """

    name = "Two-layer nets"
    min_benchopt_version = "1.10"
    requirements = ["numpy", "scikit-learn", "threadpoolctl"]
    parameters = {"n_neurons": [100], "seed": [0]}
    sampling_strategy = "iteration"
    stopping_criterion = SufficientProgressCriterion(eps=1e-10, patience=6)
    test_dataset_name = "teacher"

    def set_data(self, X, y):
        self.X, self.y = X, y

    def get_objective(self):
        return {"X": self.X, "y": self.y, "n_neurons": self.n_neurons, "seed": self.seed}

    def evaluate_result(self, fitted):
        return {"value": 0.5 * np.mean((fitted - self.y) ** 2)}

    def get_one_result(self):
        return {"fitted": np.zeros_like(self.y)}
