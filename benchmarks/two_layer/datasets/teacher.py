import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """Gaussian inputs and the output of a net of a few ReLU neurons with weights ±1: no noise.

    n_features, n_rows, n_teachers, seed
    """

    name = "teacher"
    requirements = ["numpy"]
    parameters = {"n_features": [2, 10], "n_rows": [1000], "n_teachers": [5], "seed": [0]}

    def get_data(self):
        rng = np.random.default_rng(self.seed)
        X = rng.standard_normal((self.n_rows, self.n_features))
        directions = rng.standard_normal((self.n_features, self.n_teachers))
        directions /= np.linalg.norm(directions, axis=0)
        weights = rng.choice([-1.0, 1.0], self.n_teachers)
        return {"X": X, "y": np.maximum(X @ directions, 0) @ weights}
