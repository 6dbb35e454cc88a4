"""Error and cost of every learner on every data set: measure with many commands, then print.

    OPTLAND_DATA=... python benchmarks/multiclass/run.py --results DIR --data isolet --solvers "VW"
    OPTLAND_DATA=... python benchmarks/multiclass/run.py --results DIR --table

A solver's grid of hyperparameters is fitted on the fold "validation", rows that no fold tests; the
setting with the lowest error there is fitted on the folds 0 to 4. Every fit is a line of JSON in
DIR, and what is there is not measured again: a run may be interrupted and cut into pieces.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from benchmark_utils import VALIDATION
from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import product_param

FOLDS = 0, 1, 2, 3, 4
SLOW = 10  # CPU seconds of a fit: a solver that takes more is measured on two folds


def npz(name, **parameters):
    return "npz", {"dataset": name, **parameters}


def hierarchy(n_classes, rows_per_class, test_share):
    key = "n_classes, rows_per_class, test_share"
    return "hierarchical-gaussians", {key: (n_classes, rows_per_class, test_share)}


# The row's name in the table: the data set of this folder and its parameters.
PROBLEMS = {
    "isolet": npz("isolet"),
    "isolet 90/10": npz("isolet", split="random"),
    "mnist": npz("mnist"),
    "clinc150": npz("clinc150_tfidf"),
    "udhr_langid": npz("udhr_langid"),
    "nextword": npz("nextword_warandpeace"),
    "hierarchical 1e3": hierarchy(1000, 108, 0.1),
    "hierarchical 1e4": hierarchy(10_000, 22, 0.05),
}
PACKAGES = ["sklearn-optland", "scikit-learn", "numpy", "vowpalwabbit", "napkinxc", "omikuji"]


def log(message):
    print(message, file=sys.stderr, flush=True)


class Results:
    """Lines of JSON, a file a problem; the last line of a cell counts."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, problem):
        return self.folder / f"{problem.replace('/', '-')}.jsonl"

    def read(self, problem):
        """Measurements by (solver, setting, fold)."""
        path = self.path(problem)
        lines = path.read_text().splitlines() if path.exists() else []
        cells = {}
        for line in map(json.loads, lines):
            cells[line["solver"], line["setting"], str(line["fold"])] = line
        return cells

    def add(self, problem, **line):
        with self.path(problem).open("a") as out:
            out.write(json.dumps(line) + "\n")


def load(benchmark, problem, fold):
    name, parameters = PROBLEMS[problem]
    dataset_class = next(d for d in benchmark.get_datasets() if d.name == name)
    (instance,) = (
        dataset_class.get_instance(**setting)
        for setting in product_param({key: [value] for key, value in parameters.items()})
    )
    instance.fold = fold
    objective = benchmark.get_benchmark_objective().get_instance()
    data = instance.get_data()
    if "missing" in data:
        raise SystemExit(data["missing"])
    objective.set_data(**data)
    return objective


def measure(solver, objective):
    """The result of one fit; a dict with the reason if the solver does not take the problem."""
    arguments = objective.get_objective()
    skip, reason = solver.skip(**arguments)
    if skip:
        return {"skipped": reason}
    try:
        solver.set_objective(**arguments)
        solver.run(None)
        result = objective.evaluate_result(**solver.get_result())
    except RuntimeError as error:  # of a rival's library
        return {"skipped": f"failed: {error}"}
    return {key: float(value) for key, value in result.items()}


def best_setting(cells, solver_name, settings):
    """The setting with the lowest error on validation, of those that have been fitted."""
    errors = {}
    for setting in settings:
        cell = cells.get((solver_name, setting, VALIDATION))
        if cell is not None and "value" in cell:
            errors[setting] = cell["value"]
    return min(errors, key=errors.get) if errors else None


def find_solvers(benchmark, wanted):
    """Classes by name with their settings: a string and the parameters each."""
    solvers = {}
    for solver_class in benchmark.get_solvers():
        name = solver_class.name.replace(" ", "_")
        if not any(name.startswith(start.replace(" ", "_")) for start in wanted):
            continue
        if not solver_class.is_installed(quiet=True):
            log(f"{solver_class.name}: skipped, not installed")
            continue
        grid = list(product_param(solver_class.parameters))
        solvers[solver_class] = {
            ", ".join(f"{key}={value}" for key, value in setting.items()): setting
            for setting in grid
        }
    return solvers


class Session:
    """The measurements of one command, until its time is up."""

    def __init__(self, benchmark, results, minutes):
        self.benchmark, self.results = benchmark, results
        self.end = time.monotonic() + 60 * minutes
        self.loaded = {}

    def objective(self, problem, fold):
        if (problem, fold) not in self.loaded:
            self.loaded = {(problem, fold): load(self.benchmark, problem, fold)}
        return self.loaded[problem, fold]

    def fit(self, problem, solver_class, setting, parameters, fold):
        """Measure a cell unless it is there; False when there is no time left."""
        cells = self.results.read(problem)
        key = solver_class.name, setting, str(fold)
        if key in cells:
            return True
        if time.monotonic() > self.end:
            log("out of time: run the same command again")
            return False
        result = measure(solver_class.get_instance(**parameters), self.objective(problem, fold))
        identity = {"solver": solver_class.name, "setting": setting, "fold": fold}
        self.results.add(problem, **identity, **result)
        log(f"{problem}, {', '.join(map(str, identity.values()))}: {result}")
        return True

    def run(self, problem, solvers, folds):
        """False when there is no time left."""
        for solver_class, settings in solvers.items():
            for setting, parameters in settings.items():
                if not self.fit(problem, solver_class, setting, parameters, VALIDATION):
                    return False
        for fold in folds:
            for solver_class, settings in solvers.items():
                cells = self.results.read(problem)
                setting = best_setting(cells, solver_class.name, settings)
                if setting is None or not self.is_wanted(
                    problem, solver_class, setting, fold, cells
                ):
                    continue
                if not self.fit(problem, solver_class, setting, settings[setting], fold):
                    return False
        return True

    def is_wanted(self, problem, solver_class, setting, fold, cells):
        first = cells.get((solver_class.name, setting, str(FOLDS[0])))
        if fold == FOLDS[0] or first is None:
            return True
        fixed = PROBLEMS[problem][1].get("split", "original") == "original"
        same = solver_class.deterministic and fixed and PROBLEMS[problem][0] == "npz"
        return not same and (first["train_seconds"] < SLOW or fold == FOLDS[1])


def number(cells, key, digits):
    values = [cell[key] for cell in cells if key in cell]
    return f"{np.mean(values):.{digits}g}" if values else ""


def table(results, solvers, problems):
    """A markdown table a problem."""
    columns = ["error %", "folds", "train s", "predict µs", "one row µs", "model MB"]
    columns += ["recall %", "candidates", "chosen", "of"]
    for problem in problems:
        cells = results.read(problem)
        if not cells:
            continue
        print(f"\n**{problem}**\n\n| learner |", " | ".join(columns), "|")
        print("| --- " * (len(columns) + 1) + "|")
        rows, skipped = [], []
        for solver_class, settings in solvers.items():
            name = solver_class.name
            setting = best_setting(cells, name, settings)
            if setting is None:
                reasons = {c["skipped"] for (s, *_), c in cells.items() if s == name}
                skipped += [f"{name}: {reason}" for reason in reasons]
                continue
            keys = [(name, setting, str(fold)) for fold in FOLDS]
            found = [cells[key] for key in keys if key in cells]
            if not found:
                continue
            errors = [cell["value"] for cell in found]
            spread = f" ± {np.std(errors, ddof=1):.2f}" if len(errors) > 1 else ""
            row = [
                name,
                f"{np.mean(errors):.2f}{spread}",
                str(len(errors)),
                number(found, "train_seconds", 3),
                number(found, "predict_microseconds", 3),
                number(found, "single_microseconds", 3),
                number(found, "model_megabytes", 3),
                number(found, "candidate_recall", 3),
                number(found, "n_candidates", 3),
                setting or "defaults",
                str(sum((name, other, VALIDATION) in cells for other in settings)),
            ]
            rows.append((np.mean(errors), "| " + " | ".join(row) + " |"))
        print("\n".join(row for _, row in sorted(rows)))
        if skipped:
            print("\nSkipped: " + "; ".join(skipped) + ".")


def installed_version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def conditions():
    versions = ", ".join(f"{package} {installed_version(package)}" for package in PACKAGES)
    return f"{time.strftime('%Y-%m-%d')}; Python {platform.python_version()}, {versions}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", required=True, help="folder of the lines of JSON")
    parser.add_argument("--data", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--solvers", nargs="+", default=[""], help="those whose name starts so")
    parser.add_argument("--folds", nargs="+", type=int, default=list(FOLDS))
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no fit after these")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    solvers = find_solvers(benchmark, options.solvers)
    results = Results(options.results)
    if options.table:
        print(f"`python {' '.join(sys.argv)}`, {conditions()}")
        table(results, solvers, options.data)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    session = Session(benchmark, results, options.minutes)
    for problem in options.data:
        if not session.run(problem, solvers, options.folds):
            return


if __name__ == "__main__":
    main()
