import os
from pathlib import Path

import numpy as np
from benchopt import BaseDataset
from scipy.sparse import csr_matrix
from sklearn.preprocessing import StandardScaler

PIXEL_RANGE = {"mnist": 255, "usps": 1}  # divided by this instead of standardised


class Dataset(BaseDataset):
    """Training rows of a `.npz` in the folder named by the environment variable OPTLAND_DATA.

    A file holds X and y, or the CSR parts data, indices, indptr, shape and y; where n_train is
    stored, rows [:n_train] are the training part. Files with a dense X are standardised.

    dataset : the file's name without `.npz`
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
        if "OPTLAND_DATA" not in os.environ:
            return {"missing": "set OPTLAND_DATA to the folder of the .npz files"}
        path = Path(os.environ["OPTLAND_DATA"], f"{self.dataset}.npz")
        if not path.exists():
            return {"missing": f"no file {path}"}
        with np.load(path) as file:
            X, y = self._rows(file)
        if self.positive_class is not None:
            y = (y == self.positive_class).astype(int)
        return {"X": self._stored(X), "y": y}

    def _rows(self, file):
        """The chosen rows of the training part, scaled in float64."""
        y = file["y"]
        rows = np.arange(file.get("n_train", len(y)))
        if self.n_rows is not None:
            rows = np.random.default_rng(0).permutation(rows)[: self.n_rows]
        if "indptr" in file:
            parts = (file["data"].astype(np.float64), file["indices"], file["indptr"])
            return csr_matrix(parts, shape=file["shape"])[rows], y[rows]
        X = file["X"][rows].astype(np.float64)
        if self.dataset in PIXEL_RANGE:
            return X / PIXEL_RANGE[self.dataset], y[rows]
        return StandardScaler().fit_transform(X), y[rows]

    def _stored(self, X):
        if self.storage == "sparse":
            X = csr_matrix(X)
        elif self.storage == "dense" and not isinstance(X, np.ndarray):
            X = X.toarray()
        return X.astype(self.dtype)
