import re
import tempfile
import time
from pathlib import Path

import pycrfsuite
from common.bases import OneThreadSolver
from common.measure import cpu_seconds

LOSS = re.compile(r"Loss: ([\d.]+)")


class Trainer(pycrfsuite.BaseTrainer):
    """It notes CPU seconds and the loss of each iteration."""

    def message(self, message):
        if found := LOSS.match(message):
            self.curve.append((time.process_time() - self.start, float(found.group(1))))


class Solver(OneThreadSolver):
    """CRFsuite by python-crfsuite, with the same parameters: all states and transitions.

    The clock begins when it has the data: their conversion is not counted. `curve` has the CPU
    seconds and the objective after each iteration; of "l2sgd" what an epoch saw, of "ap" and
    "arow", which have another objective, the errors.
    """

    name = "CRFsuite"
    sampling_strategy = "run_once"
    requirements = ["pip::python-crfsuite"]
    parameters = {"algorithm": ["lbfgs", "l2sgd", "ap", "arow"], "max_iterations": [None]}

    def run(self, _):
        trainer = Trainer(algorithm=self.algorithm, params=self._settings())
        for names, labels in zip(self.names, self.y, strict=True):
            trainer.append(names, labels)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "model")
            trainer.curve, trainer.start = [], time.process_time()
            self.train_seconds = cpu_seconds(lambda: trainer.train(path))
            self.model = Path(path).read_bytes()  # which the tagger does not copy
        self.tagger = pycrfsuite.Tagger()
        self.tagger.open_inmemory(self.model)
        self.curve = [(seconds, self.C * loss) for seconds, loss in trainer.curve]
        self.items = [pycrfsuite.ItemSequence(names) for names in self.names_test]

    def _settings(self):
        settings = {"feature.possible_states": True, "feature.possible_transitions": True}
        if self.algorithm in ("lbfgs", "l2sgd"):
            settings["c2"] = 0.5 / self.C
        if self.algorithm == "lbfgs":
            settings |= {"epsilon": 1e-9, "delta": 1e-9}
        if self.max_iterations is not None:
            settings["max_iterations"] = self.max_iterations
        return settings

    def get_result(self):
        return {"objective": self.curve[-1][1], "predicted": self.predict()}

    def predict(self):
        return [self.tagger.tag(item) for item in self.items]

    def predict_from_names(self):
        return [self.tagger.tag(names) for names in self.names_test]
