import numpy as np
from benchmark_utils import VALIDATION, passes_for, problem, validation_split
from common.bases import NpzDataset
from common.npz import PIXEL_RANGE, standardised
from scipy.sparse import issparse


class Dataset(NpzDataset):
    """A data set of `common/npz.py`.

    dataset : its name
    split : "original", or "random": fold i tests the i-th tenth of the shuffled rows
    scaling : "stored", or "standardised" by the training rows; mnist is divided by 255 in both
    fold : 0 to 4, or "validation": nine tenths and a tenth of rows that no fold tests
    """

    name = "npz"
    parameters = {
        "dataset": ["isolet", "clinc150_tfidf"],
        "split": ["original"],
        "scaling": ["stored"],
        "fold": [0],
    }

    def prepare(self, X, y, n_train):
        _, y = np.unique(y, return_inverse=True)
        X = X.astype(np.float32)
        if not issparse(X):
            X /= np.float32(PIXEL_RANGE.get(self.dataset, 1))
        train, test = self._split(len(y), n_train)
        if self.scaling == "standardised":
            X = standardised(X, train)
        n_passes = passes_for(n_train)  # also where hyperparameters are chosen on fewer rows
        return problem(X, y, train, test, self.fold, n_passes)

    def _split(self, n_rows, n_train):
        if self.split == "original":
            train, test = np.arange(n_train), np.arange(n_train, n_rows)
            return validation_split(train) if self.fold == VALIDATION else (train, test)
        parts = np.array_split(np.random.default_rng(2015).permutation(n_rows), 10)
        if self.fold == VALIDATION:
            return validation_split(np.concatenate(parts[5:]))
        test = parts.pop(int(self.fold))
        return np.concatenate(parts), test
