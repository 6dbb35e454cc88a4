import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import fasttext
import numpy as np
from benchmark_utils import MulticlassSolver
from common.measure import megabytes
from scipy.sparse import issparse


class Solver(MulticlassSolver):
    """fastText with its hierarchical softmax: a word for each column that a row has.

    Values are lost. Writing its text is not in its seconds, reading it is.
    """

    name = "fastText"
    requirements = ["pip::fasttext-wheel"]
    parameters = {"lr, epoch": [(0.2, 5), (0.5, 25), (1.0, 25), (1.0, 50)]}

    def skip(self, X, **problem):
        return not issparse(X), "it takes words only"

    def set_objective(self, **problem):
        super().set_objective(**problem)
        self.close()
        self.folder = Path(tempfile.mkdtemp(prefix="fasttext-"))
        lines = zip(self.y.tolist(), words_of(self.X), strict=True)
        text = "\n".join(f"__label__{label} {words}" for label, words in lines)
        (self.folder / "train").write_text(text + "\n", encoding="ascii")
        self.rows = [words + "\n" for words in words_of(self.X_test)]

    def fit(self):
        self.model = fasttext.train_supervised(
            str(self.folder / "train"),
            loss="hs",
            lr=self.lr,
            epoch=self.epoch,
            minCount=1,
            seed=self.seed,
            thread=1,
            verbose=0,
        )

    def predict(self):
        labels, _ = self.model.f.multilinePredict(self.rows, 1, 0.0, "strict")
        return np.array([int(label[0].removeprefix("__label__")) if label else -1
                         for label in labels])  # fmt: skip

    def model_megabytes(self):
        self.model.save_model(str(self.folder / "model"))
        return megabytes(self.folder / "model")

    def close(self):
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    __del__ = close


def words_of(X):
    return [
        " ".join(f"w{column}" for column in X.indices[first:last].tolist())
        for first, last in pairwise(X.indptr.tolist())
    ]
