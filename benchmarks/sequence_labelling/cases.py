"""Chain CRF against CRFsuite: seconds to a level of the objective, to its F1, and to decode."""

import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from benchmark_utils import as_dicts
from common.folder import Case
from common.measure import MissingData, cpu_seconds

from sklearn_optland.structured import ChainCRFClassifier

LEVELS = 1e-2, 1e-3, 1e-4, 1e-6
# Iterations of CRFsuite's L-BFGS that come to 1e-4 at C = 1, and somewhat more.
MOST_ITERATIONS = 400


def prepared(folder, name, data, C=1.0, **parameters):
    """A solver that has its problem, and the objective that judges it."""
    if name not in folder.solvers:
        raise MissingData(f"{name} is not installed")
    objective = folder.load("conll2000", **data)
    objective.C = C
    solver = folder.solvers[name].get_instance(**parameters)
    solver.set_objective(**objective.get_objective())
    return solver, objective


@dataclass(frozen=True)
class Levels(Case):
    """CPU seconds until the objective is proven to be within a level of the optimum, ours, and
    until it is, CRFsuite's L-BFGS; the ratio. Ours are whole calls of `fit`: validation and
    certificates too.
    """

    strengths: tuple = (1.0, 0.1, 10.0)
    tasks: tuple = ("chunks", "tags")
    n_sentences: int = 8936
    iterations: int = MOST_ITERATIONS
    smoke = {"strengths": (1.0,), "tasks": ("chunks",), "n_sentences": 300, "iterations": 60}

    @property
    def columns(self):
        heads = {"task": "{}", "C": "{:g}", "level": "{:.0e}", "epochs": "{}"}
        return {**heads, "ours": "{:.2f}", "CRFsuite": "{:.1f}", "ratio": "{:.1f}"}

    def rows(self, folder, cell):
        for task in self.tasks:
            for C in self.strengths:
                key = {"task": task, "C": C}
                rival = cell("CRFsuite's curve", partial(self.rival, folder), **key)
                for level in LEVELS:
                    ours = cell("ours", partial(self.ours, folder), **key, level=level)
                    if None in (ours, rival):
                        continue
                    optimum = cell("ours", partial(self.ours, folder), **key, level=LEVELS[-1])
                    least = optimum["lower_bound"]
                    reached = [
                        seconds
                        for seconds, value in rival["curve"]
                        if value - least <= level * value
                    ]
                    row = {**key, "level": level, "epochs": ours["n_iter"], "ours": ours["seconds"]}
                    if reached:
                        row |= {"CRFsuite": reached[0], "ratio": reached[0] / ours["seconds"]}
                    else:
                        most = rival["curve"][-1][0]
                        row |= {"CRFsuite": f"> {most:.0f}", "ratio": f"> {most / row['ours']:.0f}"}
                    yield row

    def data(self, task):
        return {"task": task, "n_sentences": self.n_sentences}

    def rival(self, folder, task, C):
        settings = {"algorithm": "lbfgs", "max_iterations": self.iterations}
        solver, _ = prepared(folder, "CRFsuite", self.data(task), C, **settings)
        solver.run(None)
        return {"curve": solver.curve}

    def ours(self, folder, task, C, level):
        solver, _ = prepared(folder, "ChainCRFClassifier", self.data(task), C, tol=level)
        solver.run(None)
        certificate = solver.model.certificate_
        value = certificate.value / certificate.relative
        return {
            "seconds": solver.train_seconds,
            "n_iter": solver.model.n_iter_,
            "lower_bound": value - certificate.value,
        }


@dataclass(frozen=True)
class F1(Case):
    """CPU seconds of training and chunk F1 on the test sentences, by epochs or iterations. The last
    row of ours has a gap of 1e-6: CRFsuite's L-BFGS, of the same optimum, ends with its F1.
    """

    n_sentences: int = 8936
    epochs: tuple = (3, 5, 8, 12, 16, 100)
    iterations: tuple = (
        ("ap", (2, 3, 4, 5)),
        ("arow", (2, 10)),
        ("l2sgd", (2,)),
    )
    smoke = {"n_sentences": 300, "epochs": (5,), "iterations": (("ap", (5,)),)}

    @property
    def columns(self):
        return {"solver": "{}", "iterations": "{}", "seconds": "{:.1f}", "F1": "{:.2f}"}

    def rows(self, folder, cell):
        fits = [("ChainCRFClassifier", None, n) for n in self.epochs]
        fits += [("CRFsuite", name, n) for name, counts in self.iterations for n in counts]
        for name, algorithm, n in fits:
            key = {"solver": " ".join(filter(None, [name, algorithm])), "iterations": n}
            line = cell("F1", partial(self.measure, folder, name, algorithm), **key)
            if line is not None:
                yield {**key, **line}

    def measure(self, folder, name, algorithm, solver, iterations):
        settings = {"algorithm": algorithm, "max_iterations": iterations}
        if algorithm is None:
            settings = {"tol": 1e-6, "max_iter": iterations}
        data = {"task": "chunks", "n_sentences": self.n_sentences}
        fitted, objective = prepared(folder, name, data, **settings)
        fitted.run(None)
        result = objective.evaluate_result(**fitted.get_result())
        return {"seconds": fitted.train_seconds, "F1": result["f1"]}


@dataclass(frozen=True)
class Decoding(Case):
    """Thousands of test tokens labelled in a CPU second: from CSR, ours, and items, CRFsuite's; and
    both from lists of dicts of strings.
    """

    n_sentences: int = 8936
    rounds: int = 5
    smoke = {"n_sentences": 300, "rounds": 1}

    @property
    def columns(self):
        return {"features": "{}", "solver": "{}", "thousand tokens a second": "{:.0f}"}

    def rows(self, folder, cell):
        for features in ("ready", "dicts"):
            for name in ("ChainCRFClassifier", "CRFsuite"):
                key = {"name": name, "features": features}
                line = cell("decoding", partial(self.measure, folder), **key)
                if line is not None:
                    yield {"features": features, "solver": name, **line}

    def measure(self, folder, name, features):
        settings = {"max_iter": 2} if name != "CRFsuite" else {"max_iterations": 2}
        if name == "CRFsuite":
            settings["algorithm"] = "lbfgs"
        data = {"task": "chunks", "n_sentences": self.n_sentences}
        solver, objective = prepared(folder, name, data, **settings)
        if features == "dicts":
            names, names_test = map(as_dicts, (objective.names, objective.names_test))
            solver.X = solver.names = names
            solver.X_test = solver.names_test = names_test
        solver.run(None)
        n_tokens = sum(map(len, objective.y_test))
        predict = solver.predict if features == "ready" else solver.predict_from_names
        seconds = np.median([cpu_seconds(predict) for _ in range(self.rounds)])
        return {"thousand tokens a second": n_tokens / seconds / 1000}


@dataclass(frozen=True)
class Memory(Case):
    """Memory of the training data as a solver has them, and its peak above that in a fit, in MB."""

    n_sentences: int = 8936
    smoke = {"n_sentences": 300}

    @property
    def columns(self):
        return {"solver": "{}", "data, MB": "{:.0f}", "fit, MB": "{:.0f}"}

    def rows(self, folder, cell):
        for name in ("ChainCRFClassifier", "CRFsuite"):
            line = cell("memory", self.measure, solver=name)
            if line is not None:
                yield {"solver": name, **line}

    def measure(self, solver):
        script = Path(__file__).with_name("memory.py")
        command = [sys.executable, str(script), solver, str(self.n_sentences)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return dict(zip(("data, MB", "fit, MB"), map(float, output.split()[-2:]), strict=True))


@dataclass(frozen=True)
class SameObjective(Case):
    """CRFsuite's objective, as it reports it at the end, and ours at its weights.

    It writes weights with six decimals, each rounded by up to 5e-7.
    """

    n_sentences: int = 1000
    smoke = {"n_sentences": 300}

    @property
    def columns(self):
        value = "{:.6f}"
        return {"C": "{:g}", "CRFsuite": value, "ours": value, "difference": "{:.1e}"}

    def rows(self, folder, cell):
        for C in (0.1, 1.0):
            line = cell("same objective", partial(self.measure, folder), C=C)
            if line is not None:
                yield {"C": C, **line}

    def measure(self, folder, C):
        data = {"task": "chunks", "n_sentences": self.n_sentences}
        rival, objective = prepared(folder, "CRFsuite", data, C, algorithm="lbfgs")
        rival.run(None)
        found = rival.tagger.info()
        ours = ChainCRFClassifier(C, boundary=False, max_iter=1).fit(objective.X, objective.y)
        columns, labels = objective.columns, {label: i for i, label in enumerate(ours.classes_)}
        ours.coef_, ours.transition_ = np.zeros_like(ours.coef_), np.zeros_like(ours.transition_)
        for (feature, label), weight in found.state_features.items():
            ours.coef_[labels[label], columns[feature]] = weight
        for (before, label), weight in found.transitions.items():
            ours.transition_[labels[before], labels[label]] = weight
        value = -C * ours.sequence_log_proba(objective.X, objective.y).sum()
        value += 0.5 * (np.vdot(ours.coef_, ours.coef_) + np.sum(ours.transition_**2))
        last = rival.curve[-1][1]
        return {"CRFsuite": last, "ours": value, "difference": abs(value - last) / last}


CASES = {
    "levels": Levels(),
    "f1": F1(),
    "decoding": Decoding(),
    "memory": Memory(),
    "same-objective": SameObjective(),
}
