"""CPU time of training and of prediction: against log_multi, against all classes, by their number.

Vowpal Wabbit's C++ driver reads a cache; the seconds of its learner's thread, less those of a
--noop run, are compared with all of `fit` and all of `predict`, validation of the input included.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from benchmark_utils import median_cpu_seconds
from common.folder import Case
from common.measure import MissingData, cpu_seconds, ratio

RATIO = "{:.1f} ({:.1f}–{:.1f})"
ROUNDS = 5


def instance(folder, name, **parameters):
    if name not in folder.solvers:
        raise MissingData(f"{name} is not installed")
    return folder.solvers[name].get_instance(**parameters)


@dataclass(frozen=True)
class Speed(Case):
    """LOMTreeClassifier against log_multi: same rows, same passes, same budget of nodes.

    Rounds alternate; medians, and the ratio's median and quartiles.
    """

    problems: dict
    smoke: dict
    rounds: int = ROUNDS
    names = "VW log_multi", "LOMTreeClassifier"
    nodes_per_class = 4

    @property
    def columns(self):
        seconds = dict.fromkeys(self.names, "{:.3g}")
        heads = {"data": "{}", "passes": "{}", "budget": "{}", "": "{}"}
        return {**heads, **seconds, "ratio (quartiles)": RATIO}

    def rows(self, folder, cell):
        for data in self.problems:
            line = cell("speed", partial(self.measure, folder), data=data)
            if line is None:
                continue
            row = {"data": data, "passes": line["passes"], "budget": line["budget"]}
            for what in ("train, s", "predict, µs a row"):
                both = np.transpose(line[what])
                medians = dict(zip(self.names, map(np.median, both), strict=True))
                yield {**row, "": what, **medians, "ratio (quartiles)": ratio(*both)}
            errors = (f"{error:.2f}" for error in line["errors"])
            yield {**row, "": "error %", **dict(zip(self.names, errors, strict=True))}

    def measure(self, folder, data):
        dataset, parameters = self.problems[data]
        objective = folder.load(dataset, **parameters, fold=0)
        nodes = {"nodes_per_class": self.nodes_per_class}
        vw = instance(folder, self.names[0], learning_rate=0.25, **nodes)
        ours = instance(folder, self.names[1], learning_rate=0.2, loss="hinge", **nodes)
        train, predict = [], []
        for solver in (vw, ours):
            solver.set_objective(**objective.get_objective())
        micro = 1e6 / len(objective.y_test)
        for _ in range(self.rounds):
            vw.run(None)
            train.append((vw.train_seconds, cpu_seconds(ours.fit)))
            seconds = vw.time_prediction(), median_cpu_seconds(ours.predict)
            predict.append([micro * each for each in seconds])
        errors = [objective.evaluate_result(s.predict())["value"] for s in (vw, ours)]
        return {
            "passes": vw.n_passes,
            "budget": self.nodes_per_class * objective.n_classes - 1,
            "train, s": train,
            "predict, µs a row": predict,
            "errors": errors,
        }


@dataclass(frozen=True)
class Forest(Case):
    """Prediction by LOMForestClassifier against a score for every class.

    One-against-all scores batches by BLAS in float32, or one row at a time by a product of its
    weights and the row, without a check of the input. The forest's kernel takes one row at a time
    in any case: its time of `predict(X)` for all rows is what both are compared with. A call of
    `predict` for every row, most of which is validation in Python, stands beside it. Rounds
    alternate; medians, and the ratios' medians and quartiles.
    """

    problem: tuple
    smoke: dict
    rounds: int = 7

    @property
    def columns(self):
        micro, against = {"µs a row": "{:.3g}"}, {"ratio to the forest (quartiles)": RATIO}
        return {"": "{}", "error %": "{:.2f}", **micro, **against}

    def rows(self, folder, cell):
        line = cell("forest speed", partial(self.measure, folder))
        if line is None:
            return
        forest, batches, single = np.transpose(line["times"])
        for name, error, times, against in (
            ("forest", "forest", forest, "1"),
            ("forest, a call of predict a row", "forest", line["call"], None),
            ("one-against-all, batches", "all", batches, ratio(batches, forest)),
            ("one-against-all, one row at a time", "all", single, ratio(single, forest)),
        ):
            values = name, line[error], np.median(times), against
            yield dict(zip(self.columns, values, strict=True))
        yield (
            f"Forest: candidate recall {line['recall']:.1f} %, "
            f"{line['candidates']:.0f} candidates; "
            f"training {line['training'][0]:.1f} s, of one-against-all {line['training'][1]:.1f} s."
        )

    def measure(self, folder):
        dataset, parameters = self.problem
        objective = folder.load(dataset, **parameters, fold=0)
        forest = instance(folder, "LOMForestClassifier", n_estimators=3, beam_width=2)
        scores = instance(folder, "one-against-all", training="lda", strength=0.1)
        for solver in (forest, scores):
            solver.set_objective(**objective.get_objective())
            solver.run(None)
        micro = 1e6 / len(objective.y_test)

        def one_round():
            return (
                micro * median_cpu_seconds(forest.predict),
                micro * cpu_seconds(scores.predict),
                scores.costs()["single_microseconds"],
            )

        times = [one_round() for _ in range(self.rounds)]
        result = objective.evaluate_result(**forest.get_result())
        return {
            "times": times,
            "forest": result["value"],
            "all": objective.evaluate_result(scores.predict())["value"],
            "call": result["single_microseconds"],
            "recall": result["candidate_recall"],
            "candidates": result["n_candidates"],
            "training": [forest.train_seconds, scores.train_seconds],
        }


MAX_ROW_CLASSES = 3e7  # rows x classes, of a learner of all classes
MIN_ROWS = 200
LEARNERS = {
    "LOMTreeClassifier": {"loss": "hinge", "nodes_per_class": 1, "learning_rate": 0.2},
    "VW log_multi": {"nodes_per_class": 1, "learning_rate": 0.25},
    "VW recall_tree": {"learning_rate": 0.3},
    "VW oaa": {"learning_rate": 0.3},
    "one-against-all": {"training": "class means", "strength": 0.0},
}
TOO_LONG = {"VW oaa": 10_000, "VW recall_tree": 1_000}  # the most classes that they are run on


@dataclass(frozen=True)
class Scaling(Case):
    """Microseconds an example against the number of classes, and how they grow with it.

    Sparse random codes of 1000 features, about 23 non-zeros a row, one pass, as many nodes as
    classes. What costs a product for every class is measured on fewer rows: its microseconds do not
    depend on them. The slope is that of log(time) in log(k): k^slope; and the microseconds that a
    doubling of k adds.
    """

    what: str
    n_classes: tuple = (1_000, 10_000, 100_000)
    n_rows: tuple = (100_000, 500_000)  # the least and the most: else ten a class
    smoke = {"n_classes": (10, 20), "n_rows": (2000, 2000)}

    @property
    def columns(self):
        heads = [f"k = {k:,}" for k in self.n_classes]
        return {
            f"µs an example, {self.what}": "{}",
            **dict.fromkeys(heads, "{:.3g}"),
            "slope": "{:.2f}",
            "µs a doubling": "{:.3g}",
        }

    def rows(self, folder, cell):
        errors = ["Errors in percent:"]
        found = {name: {} for name in LEARNERS if name in folder.solvers}
        for k in self.n_classes:
            for name in found:
                if k <= TOO_LONG.get(name, k):
                    line = cell("scaling", partial(self.measure, folder), solver=name, k=k)
                    found[name] |= {} if line is None else {k: line}
        for name, lines in found.items():
            times = {k: line[self.what] for k, line in lines.items()}
            row = {f"k = {k:,}": value for k, value in times.items()}
            if len(times) > 1:
                log_k, values = np.log2(list(times)), np.array(list(times.values()))
                row["slope"] = np.polyfit(log_k, np.log2(np.maximum(values, 1e-3)), 1)[0]
                row["µs a doubling"] = np.polyfit(log_k, values, 1)[0]
            yield {f"µs an example, {self.what}": name, **row}
            shown = (lines.get(k, {}).get("value") for k in self.n_classes)
            texts = ["–" if error is None else f"{error:.1f}" for error in shown]
            if set(texts) != {"–"}:
                errors.append(f"- {name}: {', '.join(texts)}")
        if self.what == "predict":
            yield from errors

    def measure(self, folder, solver, k):
        """Microseconds an example, of training and of prediction; error in percent."""
        n_rows = int(np.clip(10 * k, *self.n_rows))
        objective = folder.load("random-codes", n_classes=k, n_rows=n_rows, fold=0)
        solver = instance(folder, solver, **LEARNERS[solver])
        problem = objective.get_objective()
        if solver.all_classes:
            few = int(max(MAX_ROW_CLASSES / k, MIN_ROWS))
            problem |= {part: problem[part][:few] for part in ("X", "y", "X_test")}
        solver.set_objective(**problem)
        solver.n_passes = solver.timing_rounds = 1
        solver.run(None)
        found = {
            "train": 1e6 * solver.train_seconds / solver.X.shape[0],
            "predict": 1e6 * solver.time_prediction() / solver.X_test.shape[0],
        }
        if not solver.all_classes:
            found["value"] = float(objective.evaluate_result(solver.predict())["value"])
        return found
