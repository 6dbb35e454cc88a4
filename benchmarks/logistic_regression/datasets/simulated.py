import numpy as np
from benchmark_utils import logistic_labels
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """Dense Gaussian rows, their covariance of a given condition number, logistic labels."""

    name = "simulated"
    requirements = ["numpy"]
    parameters = {
        "n_samples": [5_000],
        "n_features": [30],
        "condition_number": [1e4],
        "seed": [0],
    }
    test_parameters = {"n_samples": [200], "n_features": [5]}

    def get_data(self):
        rng = np.random.default_rng(self.seed)
        axes, _ = np.linalg.qr(rng.standard_normal((self.n_features, self.n_features)))
        deviations = np.geomspace(1, self.condition_number**-0.5, self.n_features)
        X = rng.standard_normal((self.n_samples, self.n_features)) @ (deviations[:, None] * axes)
        y = logistic_labels(X @ rng.standard_normal(self.n_features), rng)
        return {"X": X, "y": y}
