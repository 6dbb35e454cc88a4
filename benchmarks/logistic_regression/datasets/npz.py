import numpy as np
from common.bases import NpzDataset
from common.npz import PIXEL_RANGE
from scipy.sparse import csr_matrix, issparse
from sklearn.preprocessing import StandardScaler

RANGES = {**PIXEL_RANGE, "usps": 1}  # divided by this instead of standardised


class Dataset(NpzDataset):
    """The training rows of a data set of `common/npz.py`; dense ones are standardised.

    dataset : its name
    positive_class : None, or a class: the problem is this class against the rest
    n_rows : None, or this many rows, drawn without replacement with seed 0
    storage : "stored", "dense" or "sparse"
    dtype : "float64" or "float32"
    """

    name = "npz"
    parameters = {
        "dataset": ["a9a", "magic04"],
        "positive_class": [None],
        "n_rows": [None],
        "storage": ["stored"],
        "dtype": ["float64"],
    }

    def prepare(self, X, y, n_train):
        X, y = self._rows(X, y, n_train)
        if self.positive_class is not None:
            y = (y == self.positive_class).astype(int)
        return {"X": self._stored(X), "y": y}

    def _rows(self, X, y, n_train):
        """The chosen rows of the training part, scaled in float64."""
        rows = np.arange(n_train)
        if self.n_rows is not None:
            rows = np.random.default_rng(0).permutation(rows)[: self.n_rows]
        X, y = X[rows].astype(np.float64), y[rows]
        if issparse(X):
            return X, y
        if self.dataset in RANGES:
            return X / RANGES[self.dataset], y
        return StandardScaler().fit_transform(X), y

    def _stored(self, X):
        if self.storage == "sparse":
            X = csr_matrix(X)
        elif self.storage == "dense" and issparse(X):
            X = X.toarray()
        return X.astype(self.dtype)
