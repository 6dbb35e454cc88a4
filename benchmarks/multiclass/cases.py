"""Error and cost of every learner on every data set, and speed in more detail in `speed.py`.

A solver's grid of hyperparameters is fitted on the fold "validation", rows that no fold tests; the
setting with the lowest error there is fitted on the folds 0 to 4.
"""

from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from benchmark_utils import VALIDATION
from common.folder import Case
from common.measure import mean_and_deviation
from common.search import fit_once, search
from multiclass.speed import Forest, Scaling, Speed

from sklearn_optland.tree import LOMTreeClassifier

FOLDS = 0, 1, 2, 3, 4
SLOW = 10  # CPU seconds of a fit: a solver that takes more is measured on two folds


def npz(name, **parameters):
    return "npz", {"dataset": name, **parameters}


def hierarchy(n_classes, rows_per_class, test_share):
    key = "n_classes, rows_per_class, test_share"
    return "hierarchical-gaussians", {key: (n_classes, rows_per_class, test_share)}


# The data set of this folder and its parameters, by the name of the table.
PROBLEMS = {
    "isolet": npz("isolet"),
    "isolet-random": npz("isolet", split="random"),
    "mnist": npz("mnist"),
    "clinc150": npz("clinc150_tfidf"),
    "udhr-langid": npz("udhr_langid"),
    "nextword": npz("nextword_warandpeace"),
    "hierarchical-1e3": hierarchy(1000, 108, 0.1),
    "hierarchical-1e4": hierarchy(10_000, 22, 0.05),
}
COSTS = {  # columns of the table
    "train s": "train_seconds",
    "predict µs": "predict_microseconds",
    "one row µs": "single_microseconds",
    "model MB": "model_megabytes",
    "recall %": "candidate_recall",
    "candidates": "n_candidates",
}


@dataclass(frozen=True)
class Errors(Case):
    """Rows: learners, the lowest error first. Columns: error, costs, and the setting chosen."""

    data: str
    problem: tuple
    folds: tuple = FOLDS
    solvers: tuple = ("",)  # the starts of their names
    smoke = {
        "data": "eight classes",
        "problem": hierarchy(8, 40, 0.25),
        "folds": FOLDS[:1],
        "solvers": ("LOMForest", "nearest", "random forest"),
    }

    @property
    def columns(self):
        return {
            "learner": "{}",
            "error %": ["{:.2f}", "{:.2f} ± {:.2f}"],
            "folds": "{}",
            **dict.fromkeys(COSTS, "{:.3g}"),
            "chosen": "{}",
            "of": "{}",
        }

    def rows(self, folder, cell):
        grids = folder.grids(self.solvers)
        dataset, parameters = self.problem

        def fit(solver, setting, fold):
            objective = folder.load(dataset, **parameters, fold=fold)
            instance = folder.solvers[solver].get_instance(**grids[solver][setting])
            return fit_once(instance, objective)

        def is_wanted(name, fold, lines):
            fixed = dataset == "npz" and parameters.get("split") != "random"
            if not lines:
                return True
            if fixed and folder.solvers[name].deterministic:
                return False
            return lines[0]["train_seconds"] < SLOW or len(lines) < 2

        searched, chosen, found = search(
            partial(cell, self.data), fit, grids, [VALIDATION], self.folds, is_wanted
        )
        rows, skipped = [], {}
        for name, lines in found.items():
            if lines:
                costs = {heading: mean(lines, key) for heading, key in COSTS.items()}
                rows.append(
                    {
                        "learner": name,
                        "error %": mean_and_deviation([line["value"] for line in lines]),
                        "folds": len(lines),
                        **costs,
                        "chosen": chosen[name] or "defaults",
                        "of": sum(map(len, searched[name].values())),
                    }
                )
            elif chosen[name] is None:
                reasons = chain.from_iterable(searched[name].values())
                reasons = (line["skipped"] for line in reasons if "skipped" in line)
                skipped |= dict.fromkeys(f"{name}: {reason}" for reason in reasons)
        yield from sorted(rows, key=lambda row: row["error %"][0])
        if skipped:
            yield f"Skipped: {'; '.join(skipped)}."


def mean(lines, key):
    values = [line[key] for line in lines if key in line]
    return float(np.mean(values)) if values else None


RATES = 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6


@dataclass(frozen=True)
class LearningRates(Case):
    """LOMTreeClassifier's default learning rate against the one that validation chooses.

    Mean error in percent (standard deviation over five seeds) on the test rows, all else at its
    default; the tuned rate has the lowest error on the fold "validation", of five seeds' mean.
    """

    problems: dict
    rates: tuple = RATES
    smoke = {"problems": {"eight classes": hierarchy(8, 40, 0.25)}, "rates": (0.1, 0.2)}

    @property
    def columns(self):
        error = "{:.2f} ({:.2f})"
        default = f"default {LOMTreeClassifier().learning_rate:g}"
        return {
            "data": "{}",
            default: error,
            "tuned": error,
            "rate": "{:g}",
            "difference": "{:+.2f}",
        }

    def rows(self, folder, cell):
        default = next(heading for heading in self.columns if heading.startswith("default"))

        def measure(data):
            dataset, parameters = self.problems[data]
            validation = folder.load(dataset, **parameters, fold=VALIDATION)
            rate = min(self.rates, key=lambda rate: np.mean(errors(validation, rate)))
            test = folder.load(dataset, **parameters, fold=0)
            scores = [mean_and_deviation(errors(test, choice)) for choice in (None, rate)]
            difference = scores[0][0] - scores[1][0]
            return {default: scores[0], "tuned": scores[1], "rate": rate, "difference": difference}

        for data in self.problems:
            line = cell("learning rates", measure, data=data)
            if line is not None:
                yield {"data": data, **line}


def errors(objective, rate):
    """Test errors in percent of five seeds."""
    found = []
    for seed in FOLDS:
        model = LOMTreeClassifier(random_state=seed)
        if rate is not None:
            model.set_params(learning_rate=rate)
        model.fit(objective.X, objective.y)
        found.append(100 * np.mean(model.predict(objective.X_test) != objective.y_test))
    return found


CASES = {
    **{data: Errors(data, problem) for data, problem in PROBLEMS.items()},
    "speed": Speed(
        {data: PROBLEMS[data] for data in ("isolet", "clinc150")},
        smoke={"problems": {"eight classes": hierarchy(8, 40, 0.25)}, "rounds": 1},
    ),
    "forest-speed": Forest(
        PROBLEMS["hierarchical-1e4"], smoke={"problem": hierarchy(50, 40, 0.25), "rounds": 1}
    ),
    "scaling-train": Scaling("train"),
    "scaling-predict": Scaling("predict"),
    "learning-rates": LearningRates(
        {
            "isolet": PROBLEMS["isolet"],
            "isolet standardised": npz("isolet", scaling="standardised"),
            "clinc150": PROBLEMS["clinc150"],
        }
    ),
}
