import os
from pathlib import Path

import numpy as np
from benchopt import BaseDataset
from scipy.sparse import csr_matrix


class Dataset(BaseDataset):
    """Training rows of a sparse `.npz` in the folder named by OPTLAND_DATA, one class to the rest.

    A file holds the CSR parts data, indices, indptr, shape, and y; rows [:n_train] are the
    training part. The positive class is the last of two, the first of several.
    """

    name = "npz"
    requirements = ["numpy", "scipy"]
    parameters = {"dataset": ["a9a", "clinc150_tfidf", "news20_bydate_tfidf"]}

    def get_data(self):
        path = Path(os.environ.get("OPTLAND_DATA", "."), f"{self.dataset}.npz")
        if not path.exists():
            return {"missing": f"no file {path}: OPTLAND_DATA names the folder"}
        with np.load(path) as file:
            n = int(file.get("n_train", len(file["y"])))
            parts = (file["data"].astype(np.float64), file["indices"], file["indptr"])
            X, y = csr_matrix(parts, shape=file["shape"])[:n], file["y"][:n]
        labels = np.unique(y)
        return {"X": X, "y": (y == labels[1 if len(labels) == 2 else 0]).astype(int)}
