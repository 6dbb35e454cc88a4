import numpy as np
from benchmark_utils import logistic_labels
from benchopt import BaseDataset
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer


class Dataset(BaseDataset):
    """Sparse rows like tf-idf of texts: words drawn by Zipf's law, logistic labels."""

    name = "simulated-text"
    requirements = ["numpy", "scipy", "scikit-learn"]
    parameters = {
        "n_samples": [15_000],
        "n_features": [40_000],
        "text_length": [60],
        "seed": [0],
    }
    test_parameters = {"n_samples": [200], "n_features": [100], "text_length": [10]}

    def get_data(self):
        rng = np.random.default_rng(self.seed)
        frequencies = 1 / np.arange(1, self.n_features + 1)
        n_words = self.n_samples * self.text_length
        words = rng.choice(self.n_features, n_words, p=frequencies / frequencies.sum())
        starts = np.arange(0, n_words + 1, self.text_length)
        counts = csr_matrix(
            (np.ones(n_words), words, starts), shape=(self.n_samples, self.n_features)
        )
        counts.sum_duplicates()
        X = TfidfTransformer().fit_transform(counts)
        y = logistic_labels(X @ rng.standard_normal(self.n_features), rng)
        return {"X": X, "y": y}
