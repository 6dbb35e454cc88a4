import numpy as np
from benchopt.stopping_criterion import SufficientProgressCriterion
from common.bases import DataObjective


class Objective(DataObjective):
    """Half the mean squared error on the training rows of a net of m ReLU neurons.

    n_neurons : m
    seed : of the start
    """

    name = "Two-layer nets"
    seen = "X", "y", "n_neurons", "seed"
    parameters = {"n_neurons": [100], "seed": [0]}
    sampling_strategy = "iteration"
    stopping_criterion = SufficientProgressCriterion(eps=1e-10, patience=6)
    test_dataset_name = "teacher"

    def evaluate_result(self, fitted):
        return {"value": 0.5 * np.mean((fitted - self.y) ** 2)}

    def get_one_result(self):
        return {"fitted": np.zeros_like(self.y)}
