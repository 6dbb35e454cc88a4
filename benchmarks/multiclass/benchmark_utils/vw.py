"""Vowpal Wabbit by its own C++ driver, as `vw` on the command line would run it.

The driver reads a binary cache, not text. A `--noop` run over its own cache, with as many passes,
parses and learns nothing: what it takes is subtracted, so that the seconds are the learner's, and
only the learner's thread is counted, not the one that reads the cache. Loading a model is left out
of prediction by the difference of two counts of passes.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from common.measure import megabytes
from scipy.sparse import csr_matrix, issparse
from vowpalwabbit import Workspace

from . import MulticlassSolver

MAX_BITS = 27  # of the table of weights
TEST_ROWS = 30_000  # that a timing of prediction reads, at least


class Texts:
    """A problem's rows in VW's format, and the caches that are made of them, in a folder."""

    last = None  # the files of the problem at hand: solvers of one problem share them

    def __init__(self, X, y, X_test):
        self.folder = tempfile.TemporaryDirectory(prefix="vw-")
        self.path = Path(self.folder.name)
        self.key = X, y, X_test
        self.caches = set()
        # Multilabel labels, those of plt, are written without a weight and begin with 0.
        self.write("train", X, y + 1)
        self.write("test", X_test, np.ones(X_test.shape[0], dtype=int))

    def write(self, name, X, labels):
        X = X if issparse(X) else csr_matrix(X)
        with open(self.path / name, "w") as out:
            for row, label in enumerate(labels):
                part = slice(X.indptr[row], X.indptr[row + 1])
                pairs = zip(X.indices[part].tolist(), X.data[part].tolist(), strict=True)
                out.write(f"{label} | " + " ".join(map("%d:%.6g".__mod__, pairs)) + "\n")

    @classmethod
    def of(cls, X, y, X_test):
        if cls.last is None or any(
            a is not b for a, b in zip(cls.last.key, (X, y, X_test), strict=True)
        ):
            cls.last = cls(X, y, X_test)
        return cls.last

    def source(self, name, labels, bits, learner):
        """Arguments that read a part; the first time a learner of its kind writes the cache."""
        cache = self.path / f"{name}-{labels}-{bits}.cache"
        arguments = ["-d", str(self.path / name), "--cache_file", str(cache), "--quiet"]
        if cache not in self.caches:
            drive([*arguments, "-k", "-b", str(bits), *learner])
            self.caches.add(cache)
        return arguments


def drive(arguments):
    """The learner's CPU seconds to the last example; the model is written after that.

    The learner runs in the thread that calls, the parser in another.
    """
    start = time.thread_time()
    workspace = Workspace(arg_list=arguments)
    seconds = time.thread_time() - start
    workspace.finish()
    return seconds


class VowpalWabbitSolver(MulticlassSolver):
    """`learner()` returns the reduction's arguments, n_weights() the number of its vectors."""

    requirements = ["pip::vowpalwabbit"]
    labels = "multiclass"  # their type, which decides whose cache a learner can read
    timing_rounds = 3
    prediction = ()  # arguments of prediction alone

    def set_objective(self, **problem):
        super().set_objective(**problem)
        self.texts = Texts.of(self.X, self.y, self.X_test)
        size = self.X.shape[1] * self.n_weights()
        self.bits = int(np.clip(np.ceil(np.log2(size)), 18, MAX_BITS))
        self.model_path = self.texts.path / f"{self.name}.model".replace(" ", "-")

    def n_weights(self):
        return self.n_classes

    def cheapest(self):
        """A learner that reads the same labels, to write a cache."""
        return ["--log_multi", str(self.n_classes)]

    def seconds(self, part, learner, passes):
        """The learner's, less those of --noop."""
        common = ["-b", str(self.bits), "--passes", str(passes), "--holdout_off"]
        source = self.texts.source(part, self.labels, self.bits, self.cheapest())
        noop = self.texts.source(part, "none", self.bits, ["--noop"])
        testing = ["-t", "-p", "/dev/null"] if part == "test" else []
        spent = drive([*source, *common, *testing, *learner])
        return spent - drive([*noop, *common, *testing, "--noop"])

    def run(self, _):
        learner = [*self.learner(), "--random_seed", str(self.seed), "-f", str(self.model_path)]
        self.train_seconds = self.seconds("train", learner, self.n_passes)

    def predict(self):
        out = self.texts.path / "predicted"
        source = self.texts.source("test", self.labels, self.bits, self.cheapest())
        drive([*source, "-t", "-i", str(self.model_path), "-p", str(out), *self.prediction])
        return self.read(out)

    def read(self, path):
        return np.loadtxt(path, dtype=int) - 1

    def time_prediction(self):
        many = 1 + int(np.ceil(TEST_ROWS / self.X_test.shape[0]))
        test = ["-i", str(self.model_path), *self.prediction]
        rounds = [
            (self.seconds("test", test, many) - self.seconds("test", test, 1)) / (many - 1)
            for _ in range(self.timing_rounds)
        ]
        return float(np.median(rounds))

    def model_megabytes(self):
        return megabytes(self.model_path)
