"""Risk that the gradient flow ends at, by the number of neurons: a teacher of 5, two columns.

    python benchmarks/two_layer/teacher.py --results DIR
    python benchmarks/two_layer/teacher.py --results DIR --table

Global convergence needs more neurons than the teacher has: with as many, some starts end in a
local minimum.
"""

from pathlib import Path

import numpy as np
from benchmark_utils import threadpool_limits
from benchopt.benchmark import Benchmark
from measure import Results, conditions, cpu_seconds, print_header, print_row, table_parser

from sklearn_optland.neural_network import MeanFieldTwoLayerNet

NEURONS = 5, 10, 20, 100
SEEDS = range(5)
LEVEL = 1e-4
MAX_ITER = 10_000


def measure(benchmark, n_neurons, seed):
    (dataset_class,) = benchmark.get_datasets()
    parameters = {"n_features": 2, "n_rows": 1000, "n_teachers": 5, "seed": seed}
    data = dataset_class.get_instance(**parameters).get_data()
    model = MeanFieldTwoLayerNet(
        n_particles=n_neurons,
        solver="flow",
        alpha=0.0,
        fit_intercept=False,
        tol=1e-8,
        max_iter=MAX_ITER,
        random_state=seed,
    )
    with threadpool_limits(1):
        seconds = cpu_seconds(lambda: model.fit(data["X"], data["y"]))
    risk = 0.5 * np.mean((model.predict(data["X"]) - data["y"]) ** 2)
    return {"risk": float(risk), "seconds": seconds, "iterations": int(model.n_iter_)}


def main():
    options = table_parser(__doc__).parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    results = Results(options.results, measuring=not options.table)
    print(conditions())
    seeds = [f"seed {seed}" for seed in SEEDS]
    print_header("neurons", *seeds, f"risk <= {LEVEL:g}", "median s", "median iterations")
    for n_neurons in NEURONS:
        lines = []
        for seed in SEEDS:

            def run(n_neurons=n_neurons, seed=seed):
                return measure(benchmark, n_neurons, seed)

            line = results.cell("teacher", run, n_neurons=n_neurons, seed=seed)
            lines += [line] if line else []
        risks = [line["risk"] for line in lines]
        reached = f"{sum(risk <= LEVEL for risk in risks)} of {len(risks)}"
        medians = [
            f"{np.median([line[key] for line in lines]):.3g}" if lines else ""
            for key in ("seconds", "iterations")
        ]
        missing = [""] * (len(SEEDS) - len(risks))
        print_row(n_neurons, *(f"{risk:.1e}" for risk in risks), *missing, reached, *medians)


if __name__ == "__main__":
    main()
