"""Error and cost of every learner on every data set: measure with many commands, then print.

    OPTLAND_DATA=... python benchmarks/multiclass/run.py --results DIR --data isolet --solvers "VW"
    OPTLAND_DATA=... python benchmarks/multiclass/run.py --results DIR --table

A solver's grid of hyperparameters is fitted on the fold "validation", rows that no fold tests; the
setting with the lowest error there is fitted on the folds 0 to 4. Every fit is a line of JSON in
DIR, and what is there is not measured again: a run may be interrupted and cut into pieces.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from benchmark_utils import VALIDATION
from benchopt.benchmark import Benchmark
from benchopt.utils.parametrized_name_mixin import product_param
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
COSTS = {  # columns of the table
    "train s": "train_seconds",
    "predict µs": "predict_microseconds",
    "one row µs": "single_microseconds",
    "model MB": "model_megabytes",
    "recall %": "candidate_recall",
    "candidates": "n_candidates",
}


def load(benchmark, problem, fold):
    name, parameters = PROBLEMS[problem]
    dataset_class = next(d for d in benchmark.get_datasets() if d.name == name)
    (instance,) = (
        dataset_class.get_instance(**setting)
        for setting in product_param({key: [value] for key, value in parameters.items()})
    )
    instance.fold = fold
    objective = benchmark.get_benchmark_objective().get_instance()
    objective.set_data(**data_of(instance))
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


def best_setting(results, problem, name, settings):
    """The setting with the lowest error on validation, of those that have been fitted."""
    errors = {}
    for setting in settings:
        line = results.find(problem, solver=name, setting=setting, fold=VALIDATION)
        if line is not None and "value" in line:
            errors[setting] = line["value"]
    return min(errors, key=errors.get) if errors else None


def find_solvers(benchmark, wanted):
    """Classes with their settings."""
    return {found: settings_of(found) for found in installed_solvers(benchmark, wanted)}


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
        """Measure a cell unless it is there; the command ends when there is no time left."""

        def run():
            if time.monotonic() > self.end:
                log("out of time: run the same command again")
                sys.exit()
            return measure(solver_class.get_instance(**parameters), self.objective(problem, fold))

        key = {"solver": solver_class.name, "setting": setting, "fold": fold}
        self.results.cell(problem, run, **key)

    def run(self, problem, solvers, folds):
        for solver_class, settings in solvers.items():
            for setting, parameters in settings.items():
                self.fit(problem, solver_class, setting, parameters, VALIDATION)
        for fold in folds:
            for solver_class, settings in solvers.items():
                setting = best_setting(self.results, problem, solver_class.name, settings)
                if setting is not None and self.is_wanted(problem, solver_class, setting, fold):
                    self.fit(problem, solver_class, setting, settings[setting], fold)

    def is_wanted(self, problem, solver_class, setting, fold):
        key = {"solver": solver_class.name, "setting": setting, "fold": FOLDS[0]}
        first = self.results.find(problem, **key)
        if fold == FOLDS[0] or first is None:
            return True
        fixed = PROBLEMS[problem][1].get("split", "original") == "original"
        same = solver_class.deterministic and fixed and PROBLEMS[problem][0] == "npz"
        return not same and (first["train_seconds"] < SLOW or fold == FOLDS[1])


def mean(lines, key):
    values = [line[key] for line in lines if key in line]
    return f"{np.mean(values):.3g}" if values else ""


def table(results, solvers, problem):
    """Rows of a problem, the lowest error first, and why others are not among them."""
    rows, skipped = [], []
    for solver_class, settings in solvers.items():
        name = solver_class.name

        def lines_of(settings, folds, name=name):
            keys = ({"setting": setting, "fold": fold} for setting in settings for fold in folds)
            found = (results.find(problem, solver=name, **key) for key in keys)
            return [line for line in found if line is not None]

        searched = lines_of(settings, [VALIDATION])
        best = best_setting(results, problem, name, settings)
        if best is None:
            skipped += {f"{name}: {line['skipped']}" for line in searched}
            continue
        lines = lines_of([best], FOLDS)
        if not lines:
            continue
        errors = [line["value"] for line in lines]
        spread = f" ± {np.std(errors, ddof=1):.2f}" if len(errors) > 1 else ""
        costs = (mean(lines, key) for key in COSTS.values())
        row = [name, f"{np.mean(errors):.2f}{spread}", len(errors), *costs]
        row += [best or "defaults", len(searched)]
        rows.append((np.mean(errors), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])], skipped


def print_table(rows, skipped):
    print_header("learner", "error %", "folds", *COSTS, "chosen", "of")
    for row in rows:
        print_row(*row)
    if skipped:
        print("\nSkipped: " + "; ".join(skipped) + ".")


def main():
    parser = table_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--solvers", nargs="+", default=[""], help="those whose name starts so")
    parser.add_argument("--folds", nargs="+", type=int, default=list(FOLDS))
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin no fit after these")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    benchmark = Benchmark(Path(__file__).parent)
    solvers = find_solvers(benchmark, options.solvers)
    results = Results(options.results, measuring=not options.table)
    session = Session(benchmark, results, options.minutes)
    if options.table:
        print(conditions())
    for problem in options.data:
        if not options.table:
            session.run(problem, solvers, options.folds)
        elif results.path(problem).exists():
            print(f"\n**{problem}**")
            print_table(*table(results, solvers, problem))


if __name__ == "__main__":
    main()
