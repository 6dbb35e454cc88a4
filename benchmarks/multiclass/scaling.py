"""Microseconds an example against the number of classes, and how they grow with it.

    python benchmarks/multiclass/scaling.py --results DIR --classes 1000 10000 100000
    python benchmarks/multiclass/scaling.py --results DIR --table

Sparse random codes of 1000 features, about 23 non-zeros a row (`datasets/random_codes.py`), one
pass, as many nodes as classes. What costs a product for every class is measured on fewer rows: its
microseconds do not depend on them. The slope is that of log(time) in log(k): k^slope; and the
microseconds that a doubling of k adds.
"""

from functools import cache, partial
from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from measure import (
    Results,
    conditions,
    installed_solvers,
    print_header,
    print_row,
    table_parser,
)
from run import PROBLEMS, load

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


def topic(n_classes):
    return f"random codes {n_classes}"


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
    lines = {name: {k: results.find(topic(k), solver=name) for k in CLASSES} for name in LEARNERS}
    sizes = [f"k = {k:,}" for k in CLASSES]
    for what in ("train", "predict"):
        print_header(f"µs an example, {what}", *sizes, "slope", "µs a doubling")
        for name in LEARNERS:
            found = {k: line[what] for k, line in lines[name].items() if line is not None}
            if not found:
                continue
            row = [f"{found[k]:.3g}" if k in found else "" for k in CLASSES]
            if len(found) > 1:
                log_k, times = np.log2(list(found)), np.array(list(found.values()))
                slope = np.polyfit(log_k, np.log2(np.maximum(times, 1e-3)), 1)[0]
                row += [f"{slope:.2f}", f"{np.polyfit(log_k, times, 1)[0]:.3g}"]
            else:
                row += ["", ""]
            print_row(name, *row)
    print("\nErrors in percent:")
    for name in LEARNERS:
        errors = [(line or {}).get("value") for line in lines[name].values()]
        if any(error is not None for error in errors):
            print(f"- {name}:", ", ".join("–" if e is None else f"{e:.1f}" for e in errors))


def main():
    parser = table_parser(__doc__)
    parser.add_argument("--classes", nargs="+", type=int, default=list(CLASSES))
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS), choices=list(LEARNERS))
    options = parser.parse_args()
    results = Results(options.results, measuring=not options.table)
    if options.table:
        print(conditions())
        table(results)
        return
    benchmark = Benchmark(Path(__file__).parent)
    solvers = {c.name: c for c in installed_solvers(benchmark, options.learners)}
    for n_classes in options.classes:
        rows = {"n_classes": n_classes, "n_rows": rows_of(n_classes), "n_features": 1000}
        PROBLEMS[topic(n_classes)] = "random-codes", rows
        objective = cache(partial(load, benchmark, topic(n_classes), 0))
        for name in options.learners:
            if name in solvers:
                solver = solvers[name].get_instance(**LEARNERS[name])

                def run(solver=solver, objective=objective):
                    return measure(solver, objective())

                results.cell(topic(n_classes), run, solver=name, setting="", fold=0)


if __name__ == "__main__":
    main()
