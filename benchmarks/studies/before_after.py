"""Whether a rebuild moves the seconds: two installed versions fit the same data in turn.

    OPTLAND_DATA=~/data OMP_NUM_THREADS=1 python benchmarks/studies/before_after.py BEFORE AFTER
    ... before_after.py ~/old/bin/python ~/new/bin/python --folder finite_sum multiclass

BEFORE and AFTER are the Python programs of two virtual environments. Each runs a process that fits
what it is told to; the two take turns, so that what else the machine does meets both. Printed is,
for each folder of benchmarks, the median time of a fit before and after, the median over the
rounds of after ÷ before, the same of the fastest fits, and the relative change of a figure: the
objective of the fit, or the error on rows that were not seen.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings

import numpy as np

# Estimator, its settings, data: rows, and whether columns are standardised.
LOGISTIC = "linear_model.BoundMajorizationLogisticRegression"
SUM, RIDGE = "linear_model.FiniteSumClassifier", "linear_model.FiniteSumRegressor"
TREE, FOREST = "tree.LOMTreeClassifier", "tree.LOMForestClassifier"
NET, NET_REGRESSOR = "neural_network.ADMMNetClassifier", "neural_network.ADMMNetRegressor"
PARTICLES = "neural_network.MeanFieldTwoLayerNet"
SAGA = {"solver": "saga", "alpha": 1e-3}
KERNEL = {"regime": "kernel"}
FRANK_WOLFE = {"solver": "sliding-frank-wolfe", "max_iter": 5}
CASES = {
    "logistic_regression": [
        *((LOGISTIC, {}, data, 6000) for data in ("iris", "wine", "breast_cancer", "digits")),
        *((LOGISTIC, {}, data, 20_000) for data in ("a9a", "covtype20k", "pendigits", "satimage")),
        *((LOGISTIC, {"C": 100.0}, data, 6000) for data in ("segment", "usps", "isolet")),
        *((LOGISTIC, {}, data, 20_000) for data in ("news20_bydate_tfidf", "clinc150_tfidf")),
    ],
    "finite_sum": [
        *((SUM, {}, data, 6000) for data in ("iris", "wine", "breast_cancer")),
        *((SUM, {"alpha": 1e-3}, data, 20_000) for data in ("a9a", "magic04", "pendigits")),
        *((SUM, SAGA, data, 20_000) for data in ("a9a", "magic04", "clinc150_tfidf")),
        (SUM, {"l1_ratio": 1.0, "alpha": 1e-3}, "a9a", 10_000),
        (SUM, {"loss": "hinge", "alpha": 1e-3}, "magic04", 10_000),
        (RIDGE, {"alpha": 1e-2}, "california_housing", 20_000),
    ],
    "multiclass": [
        (TREE, {"max_iter": 10}, "pendigits", 6000),
        (TREE, {"max_iter": 3}, "clinc150_tfidf", 20_000),
        (FOREST, {}, "isolet", 4000),
        (FOREST, {}, "clinc150_tfidf", 10_000),
        (FOREST, {"leaf": "histogram"}, "pendigits", 6000),
    ],
    "deep_nets": [
        (NET, {"hidden_layer_sizes": (100,), "max_iter": 20}, "mnist", 4000),
        (NET, {"hidden_layer_sizes": (50, 50), "max_iter": 40}, "isolet", 4000),
        (NET, {"hidden_layer_sizes": (20,) * 4, "max_iter": 100}, "digits", 1500),
    ],
    "tuned_nets": [
        (NET_REGRESSOR, {"max_iter": 200}, "concrete", 1000),
        (NET_REGRESSOR, {"max_iter": 100, "early_stopping": True}, "kin8nm", 8000),
        (PARTICLES, {"max_iter": 100}, "energy", 1000),
    ],
    "two_layer": [
        (PARTICLES, {"n_particles": 100, "max_iter": 100}, "concrete", 1000),
        (PARTICLES, {"n_particles": 50, "max_iter": 50}, "kin8nm", 8000),
        (PARTICLES, {"solver": "flow", "max_iter": 50}, "concrete", 1000),
        (PARTICLES, KERNEL, "concrete", 1000),
        (PARTICLES, FRANK_WOLFE, "power_plant", 1000),
    ],
}


# The process that fits


def load(name, n_rows):
    """Rows to fit and rows to predict, standardised where they are dense."""
    from pathlib import Path

    from sklearn import datasets
    from sklearn.preprocessing import StandardScaler

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from common.npz import load as load_npz

    if hasattr(datasets, f"load_{name}"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    else:
        X, y, *_ = load_npz(name)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:n_rows], order[n_rows:][:2000]
    test = test if len(test) else train
    X_train, X_test = X[train], X[test]
    if isinstance(X, np.ndarray):
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    return X_train, y[train], X_test, y[test]


def serve():
    """Read a case a line; then a line for each fit that is asked for."""
    import importlib

    warnings.simplefilter("ignore")
    for line in sys.stdin:
        path, settings, data, n_rows = json.loads(line)
        module, name = path.split(".")
        estimator = getattr(importlib.import_module(f"sklearn_optland.{module}"), name)
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()}
        X, y, X_test, y_test = load(data, n_rows)
        if not name.endswith(("Classifier", "LogisticRegression")):
            y = (y - y.mean()) / y.std()
        model = estimator(random_state=0, **settings)
        print("ready", flush=True)
        for command in sys.stdin:
            if not command.strip():
                break
            start = time.perf_counter()
            model.fit(X, y)
            seconds = time.perf_counter() - start
            curve = getattr(model, "history_", {}).get("objective")
            figure = curve[-1] if curve is not None else 1 - model.score(X_test, y_test)
            print(json.dumps([seconds, float(figure)]), flush=True)


# The process that asks


class Worker:
    """A process with one version of the package."""

    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, text=""):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args[0]} ended")
        return line

    def prepare(self, case):
        self.ask(json.dumps(case))
        self.answer()

    def fit(self):
        self.ask("fit")
        return json.loads(self.answer())


def compare(workers, case, seconds):
    """Seconds and figures of alternating fits, each of shape (rounds, 2)."""
    for worker in workers:
        worker.prepare(case)
        worker.fit()  # the first is slower
    rounds, end = [], time.perf_counter() + seconds
    while len(rounds) < 5 or (time.perf_counter() < end and len(rounds) < 200):
        order = [0, 1] if len(rounds) % 2 else [1, 0]
        found = {which: workers[which].fit() for which in order}
        rounds.append([found[0], found[1]])
    for worker in workers:
        worker.ask()
    rounds = np.array(rounds)
    return rounds[:, :, 0], rounds[-1, :, 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--folder", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--seconds", type=float, default=10.0, help="of alternating fits a case")
    options = parser.parse_args()
    workers = [Worker(options.before), Worker(options.after)]
    for folder in options.folder:
        print(f"{folder}\n  before ms  after ms  ratio  of fastest  figure changes by")
        ratios = []
        for case in CASES[folder]:
            times, figures = compare(workers, case, options.seconds)
            ratios.append(np.median(times[:, 1] / times[:, 0]))
            fastest = np.divide(*times.min(axis=0)[::-1])
            change = abs(figures[1] - figures[0]) / max(abs(figures[0]), 1e-300)
            before, after = np.median(times, axis=0) * 1e3
            settings = ", ".join(f"{key}={value}" for key, value in case[1].items())
            print(
                f"  {before:9.4g} {after:9.4g}  {ratios[-1]:5.2f}  {fastest:10.2f}  {change:17.1e}"
                f"  {case[2]}, {case[0].partition('.')[2]}({settings})",
                flush=True,
            )
        print(f"  geometric mean of the ratios {np.exp(np.mean(np.log(ratios))):.3f}")


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
