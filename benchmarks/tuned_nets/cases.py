"""Test error of nets whose hyperparameters were searched.

Every setting of a solver's grid is fitted on five folds of the training part of the first split;
the one with the lowest mean error is fitted on all ten splits.
"""

from dataclasses import dataclass
from functools import partial

from common.folder import Case
from common.measure import mean_and_deviation, median
from common.search import fit_once, search

MAX_ROWS = 2000
SPLITS = range(10)
SEARCH = [f"search {fold}" for fold in range(5)]
RIVALS = "MLP adam", "MLP lbfgs"
REGRESSION = "RMSE", "{:.3f}", "÷ better MLP"
CLASSIFICATION = "wrong %", "{:+.2f}", "less better MLP"


@dataclass(frozen=True)
class Errors(Case):
    """Rows: data sets. Columns: error and seconds of all nets, and ours against the better MLP."""

    data: tuple
    ours: tuple
    task: str = "regression"
    max_rows: int = MAX_ROWS
    search_folds: tuple = tuple(SEARCH)
    splits: tuple = tuple(SPLITS)
    settings: str = ""  # search those that hold this text
    smoke = {
        "data": ("digits",),
        "task": "classification",
        "max_rows": 100,
        "search_folds": tuple(SEARCH[:1]),
        "splits": tuple(SPLITS[:2]),
        "settings": "alpha=0.001, width=50",
    }

    @property
    def solvers(self):
        return sorted((*self.ours, *RIVALS))

    @property
    def kind(self):
        return REGRESSION if self.task == "regression" else CLASSIFICATION

    @property
    def columns(self):
        error, difference, comparison = self.kind
        return {
            "data": "{}",
            **dict.fromkeys((f"{n}: {error}, s" for n in self.solvers), "{:.4g} ± {:.2g}, {:.2f}"),
            **dict.fromkeys((f"{name} {comparison}" for name in self.ours), difference),
            "chosen": "{}: {}",
        }

    def rows(self, folder, cell):
        grids = {
            name: {text: setting for text, setting in grid.items() if self.settings in text}
            for name, grid in folder.grids(self.solvers).items()
        }
        grids = {name: grids[name] for name in self.solvers}
        cut = "" if self.max_rows == MAX_ROWS else f", ≤ {self.max_rows} rows"
        for data in self.data:

            def fit(solver, setting, fold, data=data):
                options = {"dataset": data, "task": self.task, "max_rows": self.max_rows}
                objective = folder.load("npz", **options, fold=fold)
                instance = folder.solvers[solver].get_instance(**grids[solver][setting])
                return fit_once(instance, objective)

            topic = partial(cell, f"{data}, {self.max_rows} rows")
            _, chosen, lines = search(topic, fit, grids, self.search_folds, self.splits)
            complete = {n: found for n, found in lines.items() if len(found) == len(self.splits)}
            if complete:
                yield {"data": data + cut, **self.compare(complete, chosen)}

    def compare(self, lines, chosen):
        error, _, comparison = self.kind
        row, means = {}, {}
        for name, found in lines.items():
            errors = mean_and_deviation([line["value"] for line in found])
            row[f"{name}: {error}, s"] = [*errors, median(found, "train_seconds")]
            means[name] = errors[0]
        if means.keys() >= set(RIVALS):
            rival = min(means[name] for name in RIVALS)
            for name in means.keys() & set(self.ours):
                own = means[name]
                row[f"{name} {comparison}"] = (
                    own / rival if self.task == "regression" else own - rival
                )
        return {**row, "chosen": [[name, chosen[name]] for name in lines]}


CASES = {
    "two-layer": Errors(
        (
            *("yacht", "energy", "concrete", "wine_red", "power_plant", "kin8nm"),
            *("california_housing", "protein", "bike_hour", "naval"),
        ),
        ("particles",),
    ),
    "deep": Errors(
        (
            *("concrete", "energy", "naval", "power_plant", "kin8nm"),
            *("california_housing", "protein", "bike_hour", "pol", "elevators"),
        ),
        ("ADMM net",),
    ),
    "classification": Errors(
        ("digits", "satimage", "pendigits", "usps"), ("particles",), "classification"
    ),
    "all-rows": Errors(("california_housing",), ("ADMM net", "particles"), max_rows=100_000),
    "classification-all-rows": Errors(
        ("satimage",), ("particles",), "classification", max_rows=100_000
    ),
}
