import benchmark_utils  # noqa: F401, finds public_data.py
import numpy as np
from benchopt import BaseDataset
from public_data import load
from scipy.sparse import csr_matrix, issparse
from sklearn.preprocessing import StandardScaler

PIXEL_RANGE = {"mnist": 255, "usps": 1}  # divided by this instead of standardised


class Dataset(BaseDataset):
    """The training rows of a data set of `public_data.py`; dense ones are standardised.

    dataset : its name
    positive_class : None, or a class: the problem is this class against the rest
    n_rows : None, or this many rows, drawn without replacement with seed 0
    storage : "stored", "dense" or "sparse"
    dtype : "float64" or "float32"
    """

    name = "npz"
    requirements = ["numpy", "scipy", "scikit-learn"]
    parameters = {
        "dataset": ["a9a", "magic04"],
        "positive_class": [None],
        "n_rows": [None],
        "storage": ["stored"],
        "dtype": ["float64"],
    }

    def get_data(self):
        try:
            X, y, n_train = load(self.dataset)
        except FileNotFoundError as error:
            return {"missing": str(error)}
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
        if self.dataset in PIXEL_RANGE:
            return X / PIXEL_RANGE[self.dataset], y
        return StandardScaler().fit_transform(X), y

    def _stored(self, X):
        if self.storage == "sparse":
            X = csr_matrix(X)
        elif self.storage == "dense" and issparse(X):
            X = X.toarray()
        return X.astype(self.dtype)
