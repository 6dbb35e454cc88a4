import benchmark_utils  # noqa: F401, finds public_data.py
import numpy as np
from benchopt import BaseDataset
from public_data import load, standardised

PIXEL_RANGE = {"mnist": 255}


class Dataset(BaseDataset):
    """A dense data set of `public_data.py`; a tenth is drawn for the test if it has no split.

    Pixels are divided by their range, all else is standardised by the training part.

    dataset : its name
    task : "regression" or "classification"
    n_rows : so many rows of the training part are drawn; 0 takes all
    dtype : of the inputs
    """

    name = "npz"
    requirements = ["numpy", "scikit-learn"]
    parameters = {
        "dataset": ["digits"],
        "task": ["classification"],
        "n_rows": [0],
        "dtype": ["float64"],
    }

    def get_data(self):
        try:
            X, y, n_train = load(self.dataset)
        except FileNotFoundError as error:
            return {"missing": str(error)}
        X = X.astype(float)
        rng = np.random.default_rng(0)
        if n_train < len(y):
            train, test = rng.permutation(n_train), np.arange(n_train, len(y))
        else:
            test, train = np.split(rng.permutation(len(y)), [len(y) // 10])
        train = train[: self.n_rows or len(train)]
        if self.dataset in PIXEL_RANGE:
            X /= PIXEL_RANGE[self.dataset]
        else:
            X = standardised(X, train)
        if self.task == "regression":
            y = (y - y[train].mean(dtype=float)) / y[train].std(dtype=float)
        else:
            y = np.unique(y, return_inverse=True)[1]
        X = X.astype(self.dtype)
        return {
            "X": X[train],
            "y": y[train],
            "X_test": X[test],
            "y_test": y[test],
            "task": self.task,
        }
