import os
from pathlib import Path

import numpy as np
from benchopt import BaseDataset
from sklearn.datasets import load_digits

PIXEL_RANGE = {"mnist": 255}


class Dataset(BaseDataset):
    """A `.npz` in the folder named by the environment variable OPTLAND_DATA, or "digits".

    A file holds X and y; rows [:n_train] are the training part, without n_train nine tenths of a
    draw. Pixels are divided by their range, all else is standardised by the training part.

    dataset : the file's name without `.npz`
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
        if self.dataset == "digits":
            X, y = load_digits(return_X_y=True)
            n_train = 0
        else:
            path = Path(os.environ.get("OPTLAND_DATA", "."), f"{self.dataset}.npz")
            if not path.exists():
                return {"missing": f"no file {path}: OPTLAND_DATA names the folder"}
            with np.load(path) as file:
                X, y = file["X"].astype(float), file["y"]
                n_train = int(file["n_train"]) if "n_train" in file else 0
        rng = np.random.default_rng(0)
        if n_train:
            train, test = rng.permutation(n_train), np.arange(n_train, len(y))
        else:
            test, train = np.split(rng.permutation(len(y)), [len(y) // 10])
        train = train[: self.n_rows or len(train)]
        if self.dataset in PIXEL_RANGE:
            X /= PIXEL_RANGE[self.dataset]
        else:
            deviation = X[train].std(axis=0)
            X = (X - X[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1)
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
