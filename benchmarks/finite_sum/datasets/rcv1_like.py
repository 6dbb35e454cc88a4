import numpy as np
from benchopt import BaseDataset
from scipy import sparse


class Dataset(BaseDataset):
    """Rows of norm 1 like those of texts: Zipf columns, idf weights, about 47 non-zeros a row."""

    name = "rcv1-like"
    requirements = ["numpy", "scipy"]
    parameters = {"n_samples": [15_000], "n_features": [40_000], "draws": [60], "seed": [0]}
    test_parameters = {"n_samples": [200], "n_features": [300], "draws": [10]}

    def get_data(self):
        n, d = self.n_samples, self.n_features
        rng = np.random.RandomState(self.seed)
        popularity = 1 / np.arange(1, d + 1) ** 1.05
        columns = rng.choice(d, size=(n, self.draws), p=popularity / popularity.sum())
        values = np.abs(rng.randn(n, self.draws)) + 0.3
        rows = np.repeat(np.arange(n), self.draws)
        X = sparse.csr_matrix((values.ravel(), (rows, columns.ravel())), shape=(n, d))
        idf = np.log(n / (1 + np.bincount(X.indices, minlength=d)))
        X.data *= np.maximum(idf, 0.1)[X.indices]
        lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
        X = (sparse.diags(1 / lengths) @ X).tocsr()
        margin = X @ (rng.randn(d) * (rng.rand(d) < 0.1))
        y = (rng.rand(n) < 1 / (1 + np.exp(-4 * margin / margin.std()))).astype(int)
        return {"X": X, "y": y}
