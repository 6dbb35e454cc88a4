"""Microseconds an example against the number of classes, and how they grow with it.

    python benchmarks/multiclass/scaling.py --results DIR --classes 1000 10000 100000
    python benchmarks/multiclass/scaling.py --results DIR --table

Sparse random codes of 1000 features, about 23 non-zeros a row (`datasets/random_codes.py`), one
pass, as many nodes as classes. What costs a product for every class is measured on fewer rows: its
microseconds do not depend on them. The slope is that of log(time) in log(k): k^slope; and the
microseconds that a doubling of k adds.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from benchopt.benchmark import Benchmark
from run import PROBLEMS, Results, conditions, find_solvers, load, log

MAX_ROW_CLASSES = 3e7  # rows x classes, of a learner of all classes
MIN_ROWS = 200
LEARNERS = {
    "LOMTreeClassifier": {"loss": "hinge", "nodes_per_class": 1, "learning_rate": 0.2},
    "LOMForestClassifier": {},
    "VW log_multi": {"nodes_per_class": 1, "learning_rate": 0.25},
    "VW recall_tree": {"learning_rate": 0.3},
    "VW oaa": {"learning_rate": 0.3},
    "one-against-all": {"training": "class means", "strength": 0.0},
}
CLASSES = 1_000, 10_000, 100_000


def rows_of(n_classes):
    return int(np.clip(10 * n_classes, 100_000, 500_000))


def measure(solver, objective):
    """Microseconds an example, of training and of prediction; error in percent."""
    arguments = objective.get_objective()
    if solver.all_classes:
        few = int(max(MAX_ROW_CLASSES / arguments["n_classes"], MIN_ROWS))
        for name in ("X_train", "y_train", "X_test"):
            arguments[name] = arguments[name][:few]
    solver.set_objective(**arguments)
    solver.n_passes = solver.timing_rounds = 1
    solver.run(None)
    found = {
        "train": 1e6 * solver.train_seconds / arguments["X_train"].shape[0],
        "predict": 1e6 * solver.time_prediction() / arguments["X_test"].shape[0],
    }
    if not solver.all_classes:
        found["value"] = float(objective.evaluate_result(solver.predict())["value"])
    return found


def table(results):
    """Columns: microseconds at each number of classes, the exponent, the cost of a doubling."""
    cells = {}
    for n_classes in CLASSES:
        for (name, *_), cell in results.read(f"random codes {n_classes}").items():
            cells[name, n_classes] = cell
    for what in ("train", "predict"):
        print(f"\n| µs an example, {what} |", " | ".join(f"k = {k:,}" for k in CLASSES), end=" ")
        print("| slope | µs a doubling |\n" + "| --- " * (len(CLASSES) + 3) + "|")
        for name in LEARNERS:
            found = {k: cells[name, k][what] for k in CLASSES if (name, k) in cells}
            if not found:
                continue
            row = [f"{found[k]:.3g}" if k in found else "" for k in CLASSES]
            if len(found) > 1:
                log_k, times = np.log2(list(found)), np.array(list(found.values()))
                slope = np.polyfit(log_k, np.log2(np.maximum(times, 1e-3)), 1)[0]
                row += [f"{slope:.2f}", f"{np.polyfit(log_k, times, 1)[0]:.3g}"]
            else:
                row += ["", ""]
            print("|", name, "|", " | ".join(row), "|")
    print("\nErrors in percent:")
    for name in LEARNERS:
        errors = [cells.get((name, k), {}).get("value") for k in CLASSES]
        if any(error is not None for error in errors):
            print(f"- {name}:", ", ".join("–" if e is None else f"{e:.1f}" for e in errors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", required=True, help="folder of the lines of JSON")
    parser.add_argument("--classes", nargs="+", type=int, default=list(CLASSES))
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS), choices=list(LEARNERS))
    parser.add_argument("--table", action="store_true", help="print what has been measured")
    options = parser.parse_args()
    results = Results(options.results)
    if options.table:
        print(f"`python {' '.join(sys.argv)}`, {conditions()}")
        table(results)
        return
    benchmark = Benchmark(Path(__file__).parent)
    solvers = {c.name: c for c in find_solvers(benchmark, options.learners)}
    for n_classes in options.classes:
        problem = f"random codes {n_classes}"
        PROBLEMS[problem] = (
            "random-codes",
            {"n_classes": n_classes, "n_rows": rows_of(n_classes), "n_features": 1000},
        )
        objective = None
        for name in options.learners:
            if name not in solvers or (name, "", "0") in results.read(problem):
                continue
            objective = objective or load(benchmark, problem, 0)
            found = measure(solvers[name].get_instance(**LEARNERS[name]), objective)
            results.add(problem, solver=name, setting="", fold=0, **found)
            log(f"{problem}, {name}: {found}")


if __name__ == "__main__":
    main()
