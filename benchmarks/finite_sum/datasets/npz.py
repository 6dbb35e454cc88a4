import benchmark_utils  # noqa: F401, finds public_data.py
import numpy as np
from benchopt import BaseDataset
from public_data import load


class Dataset(BaseDataset):
    """The training rows of a sparse data set of `public_data.py`, one class against the rest.

    The positive class is the last of two, the first of several.
    """

    name = "npz"
    requirements = ["numpy", "scipy"]
    parameters = {"dataset": ["a9a", "clinc150_tfidf", "news20_bydate_tfidf"]}

    def get_data(self):
        try:
            X, y, n_train = load(self.dataset)
        except FileNotFoundError as error:
            return {"missing": str(error)}
        X, y = X[:n_train].astype(np.float64), y[:n_train]
        labels = np.unique(y)
        return {"X": X, "y": (y == labels[1 if len(labels) == 2 else 0]).astype(int)}
