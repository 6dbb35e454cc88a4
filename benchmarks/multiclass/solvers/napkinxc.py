import shutil
import tempfile

import numpy as np
from benchmark_utils import MulticlassSolver
from common.measure import megabytes
from napkinxc.models import PLT
from scipy.sparse import csr_matrix


class Solver(MulticlassSolver):
    """napkinXC's probabilistic label trees: hierarchical k-means of the classes, LIBLINEAR nodes.

    Its fit writes the model to a folder, which is in its seconds; loading it is not.
    """

    name = "napkinXC PLT"
    requirements = ["pip::napkinxc"]
    parameters = {"ensemble": [1, 3], "liblinear_c": [3.0, 30.0]}

    def fit(self):
        self.close()
        self.folder = tempfile.mkdtemp(prefix="napkinxc-")
        self.model = PLT(
            self.folder,
            ensemble=self.ensemble,
            liblinear_c=self.liblinear_c,
            seed=self.seed + 1,
            threads=1,
        )
        self.model.fit(csr_matrix(self.X), self.y.tolist())
        self.rows = csr_matrix(self.X_test)
        self.is_loaded = False

    def predict(self):
        if not self.is_loaded:
            self.model.load()
            self.is_loaded = True
        return np.array([labels[0] for labels in self.model.predict(self.rows, top_k=1)])

    def model_megabytes(self):
        return megabytes(self.folder)

    def close(self):
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    __del__ = close
