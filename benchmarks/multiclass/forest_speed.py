"""CPU time of prediction: LOMForestClassifier against a score for every class.

    python benchmarks/multiclass/forest_speed.py

One-against-all scores batches by BLAS in float32, or one row at a time by a product of its weights
and the row, without a check of the input. The forest's kernel takes one row at a time in any case:
its time of `predict(X)` for all rows is what both are compared with. A call of `predict` for every
row, most of which is validation in Python, stands beside it. Rounds alternate; medians, and the
ratios' medians and quartiles.
"""

import argparse
from pathlib import Path

import numpy as np
from benchmark_utils import median_cpu_seconds
from benchopt.benchmark import Benchmark
from measure import (
    conditions,
    cpu_seconds,
    installed_solvers,
    median_ratio,
    print_header,
    print_row,
)
from run import PROBLEMS, load


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="hierarchical 1e4", choices=list(PROBLEMS))
    parser.add_argument("--training", default="lda", help="of one-against-all")
    parser.add_argument("--strength", type=float, default=0.1, help="of one-against-all")
    parser.add_argument("--n-estimators", type=int, default=3)
    parser.add_argument("--beam-width", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    all_class, forest_class = (
        next(installed_solvers(benchmark, [name])) for name in ("one-against", "LOMForest")
    )
    objective = load(benchmark, options.data, 0)
    forest = forest_class.get_instance(
        n_estimators=options.n_estimators, beam_width=options.beam_width
    )
    scores = all_class.get_instance(training=options.training, strength=options.strength)
    for solver in (forest, scores):
        solver.set_objective(**objective.get_objective())
        solver.run(None)
    n_test = len(objective.y_test)

    def one_round():
        return (
            1e6 * median_cpu_seconds(forest.predict) / n_test,
            1e6 * cpu_seconds(scores.predict) / n_test,
            scores.costs()["single_microseconds"],
        )

    times = np.array([one_round() for _ in range(options.rounds)])
    print(conditions())
    print_header("", "error %", "µs a row", "ratio to the forest (quartiles)")
    costs = forest.get_result()
    result = objective.evaluate_result(**costs)
    error, call = f"{result['value']:.2f}", f"{result['single_microseconds']:.3g}"
    print_row("forest", error, f"{np.median(times[:, 0]):.3g}", 1)
    print_row("forest, a call of predict a row", error, call, "")
    error = f"{objective.evaluate_result(scores.predict())['value']:.2f}"
    for column, name in ((1, "batches"), (2, "one row at a time")):
        ratio = median_ratio(times[:, column], times[:, 0])
        print_row(f"one-against-all, {name}", error, f"{np.median(times[:, column]):.3g}", ratio)
    print(f"\nForest: candidate recall {result['candidate_recall']:.1f} %,", end=" ")
    print(
        f"{result['n_candidates']:.0f} candidates; training {forest.train_seconds:.1f} s,", end=" "
    )
    print(f"of one-against-all {scores.train_seconds:.1f} s.")


if __name__ == "__main__":
    main()
