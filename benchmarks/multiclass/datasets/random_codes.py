import numpy as np
from benchmark_utils import VALIDATION, problem
from benchopt import BaseDataset
from scipy.sparse import csr_matrix


class Dataset(BaseDataset):
    """Sparse binary rows near their class' random code: how costs grow with the number of classes.

    A code has 25 of 1000 features. A row has each of them with probability 0.8, and three others;
    it is divided by its norm. The classes of rows are drawn uniformly.
    """

    name = "random-codes"
    requirements = ["numpy", "scipy"]
    parameters = {"n_classes": [1000], "n_rows": [200_000], "n_features": [1000], "fold": [0]}
    test_parameters = {"n_classes": [8], "n_rows": [200], "n_features": [60]}
    code_length = 25
    strays = 3
    kept = 0.8
    n_test = 5_000

    def get_data(self):
        rng = np.random.default_rng([2026, 11, 22, 99 if self.fold == VALIDATION else self.fold])
        n, k, d = self.n_rows, self.n_classes, self.n_features
        codes = rng.integers(d, size=(k, self.code_length), dtype=np.int32)
        y = rng.integers(k, size=n)
        strays = rng.integers(d, size=(n, self.strays), dtype=np.int32)
        columns = np.hstack([codes[y], strays])
        present = rng.random(columns.shape) < self.kept
        present[:, -self.strays :] = True
        indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
        ones = np.ones(indptr[-1], dtype=np.float32)
        X = csr_matrix((ones, columns[present], indptr), shape=(n, d))
        X.sum_duplicates()
        X.data = np.repeat(1 / np.sqrt(np.diff(X.indptr)), np.diff(X.indptr)).astype(np.float32)
        n_test = min(self.n_test, n // 4)
        return problem(X, y, np.arange(n_test, n), np.arange(n_test), self.fold, n_passes=1)
