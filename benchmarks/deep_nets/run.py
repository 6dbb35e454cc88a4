"""CPU seconds to a level of the training loss: ADMM nets against scikit-learn's, one thread.

    OPTLAND_DATA=... python benchmarks/deep_nets/run.py --results DIR
    OPTLAND_DATA=... python benchmarks/deep_nets/run.py --results DIR --table

Every solver is fitted from scratch for 1, 2, 4, … iterations until it reaches the level, and the
least count that does is found by bisection to within an eighth. Then whole fits of so many
iterations, input validation included, are timed in rounds of all solvers in turn.

The level is a cross-entropy of 0.03 for a classification, and 1.1 times the root mean squared
error that L-BFGS ends at after 500 iterations for a regression.
"""

from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from measure import (
    Results,
    conditions,
    data_of,
    first_count,
    median_ratio,
    print_header,
    print_row,
    seconds_in_turn,
    table_parser,
)

LOGISTIC, TANH = ((100,), "logistic"), ((50, 50), "tanh")
# Parameters of the data set, and the net.
PROBLEMS = {
    "mnist 6000 rows": ({"dataset": "mnist", "n_rows": 6000}, LOGISTIC),
    "isolet": ({"dataset": "isolet"}, LOGISTIC),
    "naval 4000 rows": ({"dataset": "naval", "task": "regression", "n_rows": 4000}, TANH),
}
LEVEL = 0.03
END, MARGIN = 500, 1.1
MAX_ITER = {"lbfgs": 1000, "adam": 64}  # an iteration of Adam is an epoch
SETTINGS = {  # the name in the table: that of the solver's class, and its parameters
    "ours": ("sklearn-optland", {"solver": "feasible"}),
    "lbfgs": ("MLP", {"solver": "lbfgs", "learning_rate": 1e-3}),
    "adam 1e-3": ("MLP", {"solver": "adam", "learning_rate": 1e-3}),
    "adam 5e-3": ("MLP", {"solver": "adam", "learning_rate": 5e-3}),
}


def load(benchmark, problem, names):
    """The objective with its data, and the solvers of these names."""
    parameters, (layers, activation) = PROBLEMS[problem]
    (dataset_class,) = benchmark.get_datasets()
    data = data_of(dataset_class.get_instance(**parameters))
    objective = benchmark.get_benchmark_objective().get_instance()
    objective.layers, objective.activation = layers, activation
    objective.set_data(**data)
    classes = {solver_class.name: solver_class for solver_class in benchmark.get_solvers()}
    solvers = {}
    for name in names:
        solver_name, settings = SETTINGS[name]
        solvers[name] = classes[solver_name].get_instance(**settings)
        solvers[name].set_objective(**objective.get_objective())
    return objective, solvers


def measure(benchmark, problem, names, rounds):
    objective, solvers = load(benchmark, problem, names)

    def result(name, count):
        solvers[name].run(count)
        return objective.evaluate_result(**solvers[name].get_result())

    level = LEVEL
    if objective.task == "regression":
        level = float(MARGIN * result("lbfgs", END)["value"])
    counts, errors = {}, {}
    for name in solvers:
        most = MAX_ITER["adam" if name.startswith("adam") else "lbfgs"]
        count = first_count(lambda count, name=name: result(name, count)["value"], level, most)
        if count is not None:
            counts[name] = count
            errors[name] = float(result(name, count)["test_error"])
    calls = {name: lambda name=name: solvers[name].run(counts[name]) for name in counts}
    seconds = seconds_in_turn(calls, rounds)
    found = {"names": names, "level": level, "counts": counts, "errors": errors}
    return {**found, "seconds": seconds}


def main():
    parser = table_parser(__doc__)
    parser.add_argument("--data", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--names", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    results = Results(options.results, measuring=not options.table)
    print(conditions())
    print_header(
        "data", "level", *(f"{name}: s, iterations, test" for name in options.names), "lbfgs ÷ ours"
    )
    for problem in options.data:
        line = results.cell(
            "speed",
            lambda problem=problem: measure(benchmark, problem, options.names, options.rounds),
            data=problem,
        )
        if line is None:
            continue
        row = [problem, f"{line['level']:.3g}"]
        for name in options.names:
            if name in line["counts"]:
                seconds = np.median(line["seconds"][name])
                row.append(f"{seconds:.3g}, {line['counts'][name]}, {line['errors'][name]:.3g}")
            else:
                row.append("not reached" if name in line["names"] else "")
        seconds = line["seconds"]
        both = "ours" in seconds and "lbfgs" in seconds
        print_row(*row, median_ratio(seconds["lbfgs"], seconds["ours"]) if both else "")


if __name__ == "__main__":
    main()
