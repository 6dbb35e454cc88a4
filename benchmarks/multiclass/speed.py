"""CPU time of LOMTreeClassifier against Vowpal Wabbit's log_multi: learner only.

    OPTLAND_DATA=... python benchmarks/multiclass/speed.py

Same rows, same passes, same budget of nodes. Vowpal Wabbit's C++ driver reads a cache; the seconds
of its learner's thread, less those of a --noop run, are compared with all of `fit` and all of
`predict`, validation of the input included. Rounds alternate; a table of medians, and the ratio's
median and quartiles.
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
    parser.add_argument("--data", nargs="+", default=["isolet", "clinc150"], choices=list(PROBLEMS))
    parser.add_argument("--nodes-per-class", type=int, default=4)
    parser.add_argument("--vw-learning-rate", type=float, default=0.25)
    parser.add_argument("--learning-rate", type=float, default=0.2)
    parser.add_argument("--loss", default="hinge")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    names = "VW log_multi", "LOMTreeClassifier"
    classes = {c.name: c for c in installed_solvers(benchmark, names)}
    if len(classes) < len(names):
        raise SystemExit("speed.py needs vowpalwabbit and sklearn-optland")
    print(conditions())
    print_header("data", "passes", "budget", "", *names, "ratio (quartiles)")
    for problem in options.data:
        objective = load(benchmark, problem, 0)
        arguments = objective.get_objective()
        nodes = {"nodes_per_class": options.nodes_per_class}
        vw = classes[names[0]].get_instance(learning_rate=options.vw_learning_rate, **nodes)
        ours = classes[names[1]].get_instance(
            learning_rate=options.learning_rate, loss=options.loss, **nodes
        )
        train, predict = [], []
        for solver in (vw, ours):
            solver.set_objective(**arguments)
        for _ in range(options.rounds):
            vw.run(None)
            train.append((vw.train_seconds, cpu_seconds(ours.fit)))
            predict.append((vw.time_prediction(), median_cpu_seconds(ours.predict)))
        errors = [objective.evaluate_result(s.predict())["value"] for s in (vw, ours)]
        n_test, k = arguments["X_test"].shape[0], arguments["n_classes"]
        row = problem, vw.n_passes, options.nodes_per_class * k - 1
        micro = 1e6 / n_test
        for what, seconds, scale in (("train, s", train, 1), ("predict, µs a row", predict, micro)):
            theirs, own = np.median(seconds, axis=0) * scale
            ratio = median_ratio(*np.transpose(seconds))
            print_row(*row, what, f"{theirs:.3g}", f"{own:.3g}", ratio)
        print_row(*row, "error %", *(f"{error:.2f}" for error in errors), "")


if __name__ == "__main__":
    main()
