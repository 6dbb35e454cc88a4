"""Count the iterations of the majorization modes to a relative suboptimality; a markdown table.

    OPTLAND_DATA=... python benchmarks/logistic_regression/iterations.py

The objective after each iteration is the fit's own `history_`; the optimum is that of a fit with
`tol=0`. C = 1, no intercept, standardised data (a9a as it is).
"""

import warnings
from pathlib import Path

import benchmark_utils  # noqa: F401, finds measure.py
import numpy as np
from benchopt.benchmark import Benchmark
from measure import conditions, data_of, print_header, print_row

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression

PROBLEMS = {
    "a9a": {"dataset": "a9a", "storage": "dense"},
    "magic04": {"dataset": "magic04"},
    "covtype20k class 2": {"dataset": "covtype20k", "positive_class": 2},
}
MODES = {
    "jc12": {"curvature": "jc12"},
    "jc12, refresh=10": {"curvature": "jc12", "refresh": 10},
    "bohning": {"curvature": "bohning"},
    "bohning-nesterov": {"curvature": "bohning-nesterov"},
    "growing": {"batch": "growing", "random_state": 0},
    "auto": {"random_state": 0},
}
LEVELS = 1e-3, 1e-6, 1e-9
MAX_ITER = 600


def counts(history, optimum):
    """First iteration at or under each level, or a note that there is none."""
    gaps = history["objective"] / optimum - 1
    gaps[np.isinf(history["certificate"])] = np.inf  # measured on a batch
    for level in LEVELS:
        below = np.flatnonzero(gaps <= level)
        yield str(below[0] + 1) if len(below) else f"> {MAX_ITER}"


def main():
    warnings.simplefilter("ignore")
    benchmark = Benchmark(Path(__file__).parent)
    dataset = next(d for d in benchmark.get_datasets() if d.name == "npz")
    print(conditions())
    print_header("data", *MODES)
    for name, parameters in PROBLEMS.items():
        data = data_of(dataset.get_instance(**parameters))
        X, y = data["X"], data["y"]
        fit = {"fit_intercept": False, "tol": 0.0}
        exact = BoundMajorizationLogisticRegression(**fit).fit(X, y)
        optimum = exact.history_["objective"].min()
        cells = []
        for mode in MODES.values():
            model = BoundMajorizationLogisticRegression(max_iter=MAX_ITER, **fit, **mode)
            cells.append(" / ".join(counts(model.fit(X, y).history_, optimum)))
        print_row(name, *cells)


if __name__ == "__main__":
    main()
