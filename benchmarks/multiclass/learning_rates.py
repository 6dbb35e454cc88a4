"""LOMTreeClassifier's default learning rate against the one that validation chooses.

    OPTLAND_DATA=... python benchmarks/multiclass/learning_rates.py

Mean error in percent (standard deviation over five seeds) on the test rows, all else at its
default; the tuned rate has the lowest error on the fold "validation", of five seeds' mean.
"""

import argparse
from pathlib import Path

import numpy as np
from benchmark_utils import VALIDATION
from benchopt.benchmark import Benchmark
from measure import conditions, print_header, print_row
from run import FOLDS, PROBLEMS, load, npz

from sklearn_optland.tree import LOMTreeClassifier

RATES = 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6
PROBLEMS["isolet standardised"] = npz("isolet", scaling="standardised")


def errors(objective, rate):
    """Test errors in percent of five seeds."""
    found = []
    for seed in FOLDS:
        model = LOMTreeClassifier(random_state=seed)
        if rate is not None:
            model.set_params(learning_rate=rate)
        model.fit(objective.X_train, objective.y_train)
        found.append(100 * np.mean(model.predict(objective.X_test) != objective.y_test))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    defaults = ["isolet", "isolet standardised", "mnist", "clinc150"]
    parser.add_argument("--data", nargs="+", default=defaults, choices=list(PROBLEMS))
    options = parser.parse_args()
    benchmark = Benchmark(Path(__file__).parent)
    default = LOMTreeClassifier().learning_rate
    print(conditions())
    print_header("data", f"default {default:g}", "tuned", "rate", "difference")
    for problem in options.data:
        validation = load(benchmark, problem, VALIDATION)
        rate = min(RATES, key=lambda rate: np.mean(errors(validation, rate)))
        objective = load(benchmark, problem, 0)
        scores = [errors(objective, None), errors(objective, rate)]
        cells = [f"{np.mean(s):.2f} ({np.std(s, ddof=1):.2f})" for s in scores]
        difference = np.mean(scores[0]) - np.mean(scores[1])
        print_row(problem, *cells, f"{rate:g}", f"{difference:+.2f}")


if __name__ == "__main__":
    main()
