"""CPU time of LOMTreeClassifier against Vowpal Wabbit's log_multi: learner only.

    OPTLAND_DATA=... python benchmarks/multiclass/speed.py

Same rows, same passes, same budget of nodes. Vowpal Wabbit's C++ driver reads a cache; the seconds
of its learner's thread, less those of a --noop run, are compared with all of `fit` and all of
`predict`, validation of the input included. Rounds alternate; a table of medians, and the ratio's
median and quartiles.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from benchmark_utils import cpu_seconds, median_cpu_seconds
from benchopt.benchmark import Benchmark
from run import PROBLEMS, conditions, find_solvers, load


def class_of(benchmark, name):
    return next(iter(find_solvers(benchmark, [name])))


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
    vw_class, our_class = (class_of(benchmark, name) for name in ("VW log_multi", "LOMTree"))
    print(f"`python {' '.join(sys.argv)}`, {conditions()}\n")
    print("| data | passes | budget | | VW log_multi | LOMTreeClassifier | ratio (quartiles) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for problem in options.data:
        objective = load(benchmark, problem, 0)
        arguments = objective.get_objective()
        nodes = {"nodes_per_class": options.nodes_per_class}
        vw = vw_class.get_instance(learning_rate=options.vw_learning_rate, **nodes)
        ours = our_class.get_instance(
            learning_rate=options.learning_rate, loss=options.loss, **nodes
        )
        seconds = {"train": [], "predict": []}
        for solver in (vw, ours):
            solver.set_objective(**arguments)
        for _ in range(options.rounds):
            vw.run(None)
            seconds["train"].append((vw.train_seconds, cpu_seconds(ours.fit)))
            seconds["predict"].append((vw.time_prediction(), median_cpu_seconds(ours.predict)))
        errors = [objective.evaluate_result(s.predict())["value"] for s in (vw, ours)]
        n_test, k = arguments["X_test"].shape[0], arguments["n_classes"]
        head = f"| {problem} | {vw.n_passes} | {options.nodes_per_class * k - 1} "
        for what, unit, scale in (("train", "s", 1), ("predict", "µs a row", 1e6 / n_test)):
            times = scale * np.array(seconds[what])
            low, middle, high = np.quantile(times[:, 0] / times[:, 1], [0.25, 0.5, 0.75])
            theirs, own = np.median(times, axis=0)
            print(f"{head}| {what}, {unit} | {theirs:.3g} | {own:.3g} ", end="")
            print(f"| {middle:.1f} ({low:.1f}–{high:.1f}) |", flush=True)
        print(f"{head}| error % | {errors[0]:.2f} | {errors[1]:.2f} | |", flush=True)


if __name__ == "__main__":
    main()
