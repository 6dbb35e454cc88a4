"""Test error of nets whose hyperparameters were searched: measure with many commands, then print.

    OPTLAND_DATA=... python benchmarks/tuned_nets/run.py --results DIR --data yacht --solvers MLP
    OPTLAND_DATA=... python benchmarks/tuned_nets/run.py --results DIR --table

Every setting of a solver's grid is fitted on five folds of the training part of the first split;
the one with the lowest mean error is fitted on all ten splits. Every fit is a line of JSON in DIR,
and what is there is not measured again: a run may be interrupted and cut into pieces.
"""

import sys
import time
from functools import partial
from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from measure import (
    Results,
    conditions,
    data_of,
    installed_solvers,
    log,
    print_header,
    print_row,
    settings_of,
    table_parser,
)

MAX_ROWS = 2000
SPLITS = range(10)
SEARCH = [f"search {fold}" for fold in range(5)]
REGRESSION = ["yacht", "energy", "concrete", "wine_red", "power_plant", "kin8nm"]
REGRESSION += ["california_housing", "protein", "bike_hour", "naval", "pol", "elevators"]
CLASSIFICATION = ["digits", "satimage", "pendigits", "usps"]
PROBLEMS = dict.fromkeys(REGRESSION, "regression")
PROBLEMS |= dict.fromkeys(CLASSIFICATION, "classification")
RIVALS = ["MLP adam", "MLP lbfgs"]


def load(benchmark, problem, fold, max_rows):
    parameters = {"dataset": problem, "task": PROBLEMS[problem], "fold": fold, "max_rows": max_rows}
    (dataset_class,) = benchmark.get_datasets()
    objective = benchmark.get_benchmark_objective().get_instance()
    objective.set_data(**data_of(dataset_class.get_instance(**parameters)))
    return objective


def find_solvers(benchmark, wanted, part):
    """Classes with their settings: a string that holds the part, and the parameters each."""
    return {
        solver_class: {
            text: setting for text, setting in settings_of(solver_class).items() if part in text
        }
        for solver_class in installed_solvers(benchmark, wanted)
    }


def measure(solver, objective):
    solver.set_objective(**objective.get_objective())
    solver.run(None)
    result = objective.evaluate_result(**solver.get_result())
    return {key: float(value) for key, value in result.items()}


class Measured:
    """The errors and seconds of a data set that there are, and the settings chosen by them."""

    def __init__(self, results, problem, max_rows):
        self.results, self.problem, self.max_rows = results, problem, max_rows

    def find(self, name, setting, fold, measure=None):
        """The line of a fit; `measure()` if there is none yet."""
        topic = f"{self.problem} {self.max_rows} rows"
        key = {"solver": name, "setting": setting, "fold": fold}
        if measure is None:
            return self.results.find(topic, **key)
        return self.results.cell(topic, measure, **key)

    def search_error(self, name, setting):
        """Mean error over the folds of the search; infinite unless all were measured."""
        lines = [self.find(name, setting, fold) for fold in SEARCH]
        return np.inf if None in lines else np.mean([line["value"] for line in lines])

    def best_setting(self, name, settings):
        return min(settings, key=lambda setting: self.search_error(name, setting))

    def splits(self, name, settings):
        """The chosen setting and its lines of all splits, None if one of them is missing."""
        best = self.best_setting(name, settings)
        lines = [self.find(name, best, split) for split in SPLITS]
        return best, None if None in lines else lines


def run(options, benchmark, solvers, results):
    """Measure what is missing, until the time is up."""
    end = time.monotonic() + 60 * options.minutes
    for problem in options.data:
        measured = Measured(results, problem, options.max_rows)
        objectives = {}

        def fit(solver_class, parameters, fold, problem=problem, objectives=objectives):
            if time.monotonic() > end:
                log("out of time: run the same command again")
                sys.exit()
            if fold not in objectives:
                objectives[fold] = load(benchmark, problem, fold, options.max_rows)
            return measure(solver_class.get_instance(**parameters), objectives[fold])

        for solver_class, settings in solvers.items():
            name = solver_class.name
            for setting, parameters in settings.items():
                for fold in SEARCH:
                    measured.find(name, setting, fold, partial(fit, solver_class, parameters, fold))
            best = measured.best_setting(name, settings)
            for split in SPLITS:
                measured.find(name, best, split, partial(fit, solver_class, settings[best], split))


def table(results, solvers, options):
    """Errors and seconds of all solvers, and ours against the better rival."""
    names = {solver_class.name: settings for solver_class, settings in solvers.items()}
    ours = [name for name in names if name not in RIVALS]
    for task, kind, comparison in (
        ("regression", "RMSE", "÷ better MLP"),
        ("classification", "wrong %", "less better MLP"),
    ):
        columns = [f"{name}: {kind}, s" for name in names]
        print_header("data", *columns, *(f"{name} {comparison}" for name in ours), "chosen")
        for problem in options.data:
            if PROBLEMS[problem] != task:
                continue
            measured = Measured(results, problem, options.max_rows)
            row, chosen, means = [], [], {}
            for name, settings in names.items():
                best, lines = measured.splits(name, settings)
                if lines is None:
                    row.append("")
                    continue
                errors = [line["value"] for line in lines]
                seconds = np.median([line["train_seconds"] for line in lines])
                means[name] = np.mean(errors)
                row.append(f"{means[name]:.4g} ± {np.std(errors, ddof=1):.2g}, {seconds:.2f}")
                chosen.append(f"{name}: {best}")
            rivals = [means[name] for name in RIVALS if name in means]
            for name in ours:
                if name not in means or len(rivals) < len(RIVALS):
                    row.append("")
                elif task == "regression":
                    row.append(f"{means[name] / min(rivals):.3f}")
                else:
                    row.append(f"{means[name] - min(rivals):+.2f}")
            cut = "" if options.max_rows == MAX_ROWS else f", ≤ {options.max_rows} rows"
            print_row(problem + cut, *row, "; ".join(chosen))


def main():
    parser = table_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--solvers", nargs="+", default=[""], help="those whose name starts so")
    parser.add_argument("--settings", default="", help="search those that hold this text")
    parser.add_argument("--max-rows", type=int, default=MAX_ROWS, help="of a training part")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no fit after these")
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    solvers = find_solvers(benchmark, options.solvers, options.settings)
    results = Results(options.results, measuring=not options.table)
    if options.table:
        print(conditions())
        table(results, solvers, options)
    else:
        run(options, benchmark, solvers, results)


if __name__ == "__main__":
    main()
