import numpy as np
from common.bases import NpzDataset


class Dataset(NpzDataset):
    """The training rows of a sparse data set of `common/npz.py`, one class against the rest.

    The positive class is the last of two, the first of several.
    """

    name = "npz"
    parameters = {"dataset": ["a9a", "clinc150_tfidf", "news20_bydate_tfidf"]}

    def prepare(self, X, y, n_train):
        X, y = X[:n_train].astype(np.float64), y[:n_train]
        labels = np.unique(y)
        return {"X": X, "y": (y == labels[1 if len(labels) == 2 else 0]).astype(int)}
