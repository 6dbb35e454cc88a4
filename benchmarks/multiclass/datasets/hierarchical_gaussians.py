import numpy as np
from benchmark_utils import VALIDATION, passes_for, problem
from benchopt import BaseDataset


class Dataset(BaseDataset):
    """Gaussian classes whose means form a hierarchy; every fold is a problem of its own.

    A level of the hierarchy adds offsets 0.8 times as long as those of the level above. A class has
    three modes around its mean. Features are cut at zero and divided by three.
    """

    name = "hierarchical-gaussians"
    requirements = ["numpy"]
    parameters = {
        "n_classes, rows_per_class, test_share": [(1000, 108, 0.1)],
        "n_features": [128],
        "fold": [0],
    }
    test_parameters = {"n_classes, rows_per_class, test_share": [(8, 20, 0.25)]}
    branching = 10
    noise = 1.3

    def get_data(self):
        seed = [2026, 11, 21, 99 if self.fold == VALIDATION else int(self.fold)]
        rng = np.random.default_rng(seed)
        k, d = self.n_classes, self.n_features
        means, scale = np.zeros((1, d)), 1.0
        while len(means) < k:
            offsets = scale * rng.standard_normal((len(means), self.branching, d))
            means, scale = (means[:, None] + offsets).reshape(-1, d), 0.8 * scale
        modes = means[:k, None] + 0.5 * rng.standard_normal((k, 3, d))
        y = rng.permutation(np.repeat(np.arange(k), self.rows_per_class))
        X = modes[y, rng.integers(3, size=len(y))].astype(np.float32)
        X += np.float32(self.noise) * rng.standard_normal(X.shape, dtype=np.float32)
        X = np.maximum(X, 0, out=X)
        X /= 3
        n_test = round(self.test_share * len(y))
        train, test = np.arange(n_test, len(y)), np.arange(n_test)
        return problem(X, y, train, test, self.fold, passes_for(len(train)))
