import os
from pathlib import Path

import numpy as np
from benchmark_utils import VALIDATION, passes_for, problem, validation_split
from benchopt import BaseDataset
from scipy.sparse import csr_matrix

PIXEL_RANGE = {"mnist": 255}


class Dataset(BaseDataset):
    """A `.npz` in the folder named by the environment variable OPTLAND_DATA.

    A file holds X and y, or the CSR parts data, indices, indptr, shape and y; rows [:n_train] are
    the training part.

    dataset : the file's name without `.npz`
    split : "original", or "random": fold i tests the i-th tenth of the shuffled rows
    scaling : "stored", or "standardised" by the training rows; mnist is divided by 255 in both
    fold : 0 to 4, or "validation": nine tenths and a tenth of rows that no fold tests
    """

    name = "npz"
    requirements = ["numpy", "scipy"]
    parameters = {
        "dataset": ["isolet", "clinc150_tfidf"],
        "split": ["original"],
        "scaling": ["stored"],
        "fold": [0],
    }

    def get_data(self):
        path = Path(os.environ.get("OPTLAND_DATA", "."), f"{self.dataset}.npz")
        if not path.exists():
            return {"missing": f"no file {path}: OPTLAND_DATA names the folder"}
        with np.load(path) as file:
            n_train = int(file["n_train"])
            _, y = np.unique(file["y"], return_inverse=True)
            if "indptr" in file:
                parts = (file["data"].astype(np.float32), file["indices"], file["indptr"])
                X = csr_matrix(parts, shape=file["shape"])
            else:
                X = file["X"].astype(np.float32) / np.float32(PIXEL_RANGE.get(self.dataset, 1))
        train, test = self._split(len(y), n_train)
        if self.scaling == "standardised":
            deviation = X[train].std(axis=0)
            X = (X - X[train].mean(axis=0)) / np.where(deviation > 0, deviation, 1)
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
