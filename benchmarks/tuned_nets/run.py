"""Test error of nets whose hyperparameters were searched: measure with many commands, then print.

    OPTLAND_DATA=... python benchmarks/tuned_nets/run.py --results DIR --data yacht --solvers MLP
    OPTLAND_DATA=... python benchmarks/tuned_nets/run.py --results DIR --table

Every setting of a solver's grid is fitted on five folds of the training part of the first split;
the one with the lowest mean error is fitted on all ten splits. Every fit is a line of JSON in DIR,
and what is there is not measured again: a run may be interrupted and cut into pieces.
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
from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import product_param

MAX_ROWS = 2000
SPLITS = range(10)
SEARCH = [f"search {fold}" for fold in range(5)]
REGRESSION = ["yacht", "energy", "concrete", "wine_red", "power_plant", "kin8nm"]
REGRESSION += ["california_housing", "protein", "bike_hour", "naval", "pol", "elevators"]
CLASSIFICATION = ["digits", "satimage", "pendigits", "usps"]
PROBLEMS = dict.fromkeys(REGRESSION, "regression")
PROBLEMS |= dict.fromkeys(CLASSIFICATION, "classification")
RIVALS = ["MLP adam", "MLP lbfgs"]
PACKAGES = ["sklearn-optland", "scikit-learn", "numpy", "scipy", "benchopt"]
PAUSE = "OPTLAND_PAUSE"  # environment variable: no fit begins while the file that it names exists


def log(message):
    print(message, file=sys.stderr, flush=True)


class Results:
    """Lines of JSON, a file a data set; the last line of a cell counts."""

    def __init__(self, folder, max_rows):
        self.folder, self.max_rows = Path(folder), max_rows
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, problem):
        return self.folder / f"{problem} {self.max_rows} rows.jsonl"

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


def load(benchmark, problem, fold, max_rows):
    parameters = {"dataset": problem, "task": PROBLEMS[problem], "fold": fold, "max_rows": max_rows}
    (dataset_class,) = benchmark.get_datasets()
    data = dataset_class.get_instance(**parameters).get_data()
    if "missing" in data:
        raise SystemExit(data["missing"])
    objective = benchmark.get_benchmark_objective().get_instance()
    objective.set_data(**data)
    return objective


def find_solvers(benchmark, wanted):
    """Classes with their settings: a string and the parameters each."""
    return {
        solver_class: {
            ", ".join(f"{key}={value}" for key, value in setting.items()): setting
            for setting in product_param(solver_class.parameters)
        }
        for solver_class in benchmark.get_solvers()
        if any(solver_class.name.startswith(start) for start in wanted)
        and solver_class.is_installed(quiet=True)
    }


def measure(solver, objective):
    solver.set_objective(**objective.get_objective())
    solver.run(None)
    result = objective.evaluate_result(**solver.get_result())
    return {key: float(value) for key, value in result.items()}


def search_error(cells, name, setting):
    """Mean error over the folds of the search; infinite unless all were measured."""
    errors = [cells.get((name, setting, fold), {}).get("value", np.inf) for fold in SEARCH]
    return np.nan_to_num(np.mean(errors), nan=np.inf)


def best_setting(cells, name, settings):
    return min(settings, key=lambda setting: search_error(cells, name, setting))


def run(options, benchmark, solvers, results):
    """Measure what is missing, until the time is up."""
    end = time.monotonic() + 60 * options.minutes
    for problem in options.data:
        objectives = {}

        def fit(solver_class, setting, parameters, fold, problem=problem, objectives=objectives):
            """False when there is no time left."""
            if (solver_class.name, setting, str(fold)) in results.read(problem):
                return True
            while Path(os.environ.get(PAUSE, "/no file")).exists():
                time.sleep(5)
            if time.monotonic() > end:
                log("out of time: run the same command again")
                return False
            if fold not in objectives:
                objectives[fold] = load(benchmark, problem, fold, results.max_rows)
            result = measure(solver_class.get_instance(**parameters), objectives[fold])
            identity = {"solver": solver_class.name, "setting": setting, "fold": fold}
            results.add(problem, **identity, **result)
            log(f"{problem}, {', '.join(map(str, identity.values()))}: {result}")
            return True

        for solver_class, settings in solvers.items():
            for setting, parameters in settings.items():
                if not all(fit(solver_class, setting, parameters, fold) for fold in SEARCH):
                    return
            best = best_setting(results.read(problem), solver_class.name, settings)
            if not all(fit(solver_class, best, settings[best], split) for split in SPLITS):
                return


def splits_of(cells, name, settings):
    """The chosen setting, and its measurements on the splits; None until all are there."""
    best = best_setting(cells, name, settings)
    found = [cells.get((name, best, str(split))) for split in SPLITS]
    return best, None if None in found else found


def table(results, solvers, problems):
    """Errors and seconds of all solvers, and ours against the better rival."""
    names = {solver_class.name: settings for solver_class, settings in solvers.items()}
    ours = [name for name in names if name not in RIVALS]
    for task in ("regression", "classification"):
        kind = "RMSE" if task == "regression" else "wrong %"
        comparison = "RMSE ÷ better MLP" if task == "regression" else "points below better MLP"
        header = ["data"] + [f"{name}: {kind}, s" for name in names]
        header += [f"{name}: {comparison}" for name in ours] + ["chosen"]
        print("\n|", " | ".join(header), "|\n" + "| --- " * len(header) + "|")
        for problem in problems:
            if PROBLEMS[problem] != task:
                continue
            cells = results.read(problem)
            row, chosen, means = [problem], [], {}
            for name, settings in names.items():
                best, found = splits_of(cells, name, settings)
                if found is None:
                    row.append("")
                    continue
                errors = np.array([cell["value"] for cell in found])
                seconds = np.median([cell["train_seconds"] for cell in found])
                means[name] = errors.mean()
                row.append(f"{errors.mean():.4g} ± {errors.std(ddof=1):.2g}, {seconds:.2f}")
                chosen.append(f"{name}: {best}")
            rivals = [means[name] for name in RIVALS if name in means]
            for name in ours:
                if name not in means or len(rivals) < len(RIVALS):
                    row.append("")
                elif task == "regression":
                    row.append(f"{means[name] / min(rivals):.3f}")
                else:
                    row.append(f"{means[name] - min(rivals):.2f}")
            print("|", " | ".join([*row, "; ".join(chosen)]), "|")


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
    parser.add_argument("--max-rows", type=int, default=MAX_ROWS, help="of a training part")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no fit after these")
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    solvers = find_solvers(benchmark, options.solvers)
    results = Results(options.results, options.max_rows)
    if options.table:
        print(f"`python {' '.join(sys.argv)}`, {conditions()}")
        table(results, solvers, options.data)
    else:
        run(options, benchmark, solvers, results)


if __name__ == "__main__":
    main()
