"""CPU seconds to a risk of 1e-4 on a teacher's data: particles against torch and scikit-learn.

    python benchmarks/two_layer/run.py --results DIR
    python benchmarks/two_layer/run.py --results DIR --table

One thread; 1000 rows, 100 neurons, five teachers, no noise. Every solver is fitted from scratch for
1, 2, 4, … iterations until it reaches the risk, and the least count that does is found by bisection
to within an eighth. Then whole fits of so many iterations, validation included, are timed in rounds
of all solvers in turn. The rates of torch's optimisers are the best of a grid for each problem.
"""

from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from measure import (
    Results,
    conditions,
    first_count,
    installed_solvers,
    log,
    median_ratio,
    print_header,
    print_row,
    seconds_in_turn,
    table_parser,
)

LEVEL = 1e-4
N_FEATURES = 2, 10
SEEDS = range(2)
MAX_ITER = 5000
RATES = {"GD": [0.125, 0.25, 0.35, 0.5, 0.7, 1, 2], "Adam": [0.01, 0.03, 0.1, 0.3]}
SETTINGS = {  # the name in the table: that of the solver's class, and its grid
    "particles": ("sklearn-optland", [{"solver": "particles"}]),
    "flow": ("sklearn-optland", [{"solver": "flow"}]),
    "MLP lbfgs": ("MLP lbfgs", [{}]),
    "torch GD": ("torch", [{"optimizer": "GD", "rate": rate} for rate in RATES["GD"]]),
    "torch Adam": ("torch", [{"optimizer": "Adam", "rate": rate} for rate in RATES["Adam"]]),
}


def fastest(solver_class, grid, objective):
    """The solver of a grid with the fewest iterations, and their number; None if none arrives."""
    best, most = (None, None), MAX_ITER
    for parameters in grid:
        solver = solver_class.get_instance(**parameters)
        solver.set_objective(**objective.get_objective())

        def risk(count, solver=solver):
            solver.run(count)
            value = objective.evaluate_result(**solver.get_result())["value"]
            return value if np.isfinite(value) else np.inf

        count = first_count(risk, LEVEL, most)
        log(f"{solver_class.name} {parameters}: {count} iterations")
        if count is not None:
            best, most = (solver, count), count
    return best


def measure(benchmark, n_features, seed, rounds):
    (dataset_class,) = benchmark.get_datasets()
    instance = dataset_class.get_instance(
        n_features=n_features, n_rows=1000, n_teachers=5, seed=seed
    )
    objective = benchmark.get_benchmark_objective().get_instance()
    objective.seed = seed
    objective.set_data(**instance.get_data())
    classes = {c.name: c for c in installed_solvers(benchmark)}
    counts, calls = {}, {}
    for name, (class_name, grid) in SETTINGS.items():
        if class_name not in classes:
            continue
        solver, count = fastest(classes[class_name], grid, objective)
        if solver is not None:
            counts[name] = count
            calls[name] = lambda solver=solver, count=count: solver.run(count)
    return {"counts": counts, "seconds": seconds_in_turn(calls, rounds)}


def main():
    parser = table_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    results = Results(options.results, measuring=not options.table)
    print(conditions())
    columns = [f"{name}: s, iterations" for name in SETTINGS]
    print_header("d", "seed", *columns, *(f"{name} ÷ particles" for name in list(SETTINGS)[2:]))
    for n_features in N_FEATURES:
        for seed in SEEDS:

            def run(n_features=n_features, seed=seed):
                return measure(benchmark, n_features, seed, options.rounds)

            line = results.cell("speed", run, n_features=n_features, seed=seed)
            if line is None:
                continue
            seconds, row = line["seconds"], []
            for name in SETTINGS:
                if name in seconds:
                    row.append(f"{np.median(seconds[name]):.3g}, {line['counts'][name]}")
                else:
                    row.append("not reached")
            for name in list(SETTINGS)[2:]:
                both = name in seconds and "particles" in seconds
                row.append(median_ratio(seconds[name], seconds["particles"]) if both else "")
            print_row(n_features, seed, *row)


if __name__ == "__main__":
    main()
