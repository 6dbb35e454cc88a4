import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import omikuji
from benchmark_utils import MulticlassSolver
from common.measure import cpu_seconds, megabytes, quiet
from omikuji import ffi, lib
from scipy.sparse import csr_matrix


class Solver(MulticlassSolver):
    """Omikuji: three balanced label trees (Parabel), in Rust.

    It reads a text file: the seconds of loading it are subtracted. Rows are handed to its C
    function one by one, without the checks of its Python method.
    """

    name = "omikuji"
    requirements = ["pip::omikuji"]
    parameters = {"linear_c": [1.0, 10.0], "loss": ["hinge", "log"]}

    def set_objective(self, **problem):
        super().set_objective(**problem)
        self.folder = tempfile.TemporaryDirectory(prefix="omikuji-")
        self.path = Path(self.folder.name)
        rows = csr_matrix(self.X)
        rows.sort_indices()
        with open(self.path / "train", "w") as out:
            out.write(f"{rows.shape[0]} {rows.shape[1]} {self.n_classes}\n")
            for row, label in enumerate(self.y):
                part = slice(rows.indptr[row], rows.indptr[row + 1])
                pairs = zip(rows.indices[part].tolist(), rows.data[part].tolist(), strict=True)
                values = " ".join(map("%d:%.6g".__mod__, pairs))
                out.write(f"{label} {values or '0:0'}\n")  # an empty row is refused
        self.rows = csr_matrix(self.X_test)
        self.rows.sort_indices()

    def run(self, _):
        with quiet():
            self.fit()

    def fit(self):
        hyper_param = omikuji.Model.default_hyper_param()
        hyper_param.linear_c = self.linear_c
        hyper_param.linear_loss_type = getattr(omikuji.LossType, self.loss.upper()).value
        path = str(self.path / "train")

        def train():
            self.model = omikuji.Model.train_on_data(path, hyper_param, n_threads=1)

        seconds = cpu_seconds(train)
        self.model.init_prediction_thread_pool(1)
        pool = self.model._thread_pool.ptr
        holder = []

        def load():
            holder.append(lib.load_omikuji_data_set(ffi.new("char[]", path.encode()), pool))

        self.train_seconds = seconds - cpu_seconds(load)
        lib.free_omikuji_data_set(holder[0])

    def predict(self):
        indices = self.rows.indices.astype(np.uint32)
        values = self.rows.data.astype(np.float32)
        indices_at = int(ffi.cast("uintptr_t", ffi.from_buffer("uint32_t[]", indices)))
        values_at = int(ffi.cast("uintptr_t", ffi.from_buffer("float[]", values)))
        label, score = ffi.new("uint32_t[]", 1), ffi.new("float[]", 1)
        predicted = np.zeros(self.rows.shape[0], dtype=int)
        bounds = self.rows.indptr.tolist()
        model, pool = self.model._model_ptr, self.model._thread_pool.ptr
        for row, (start, stop) in enumerate(pairwise(bounds)):
            first = ffi.cast("uint32_t *", indices_at + 4 * start)
            value = ffi.cast("float *", values_at + 4 * start)
            lib.omikuji_predict(
                model, 10, stop - start, first, value, 1, label, score, pool
            )  # a beam of 10, the default
            predicted[row] = label[0]
        return predicted

    def model_megabytes(self):
        with quiet():
            self.model.save(str(self.path / "model"))
        return megabytes(self.path / "model")
