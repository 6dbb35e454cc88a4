"""Up to 10⁶ classes on one machine: memory of training, size of the model, µs a prediction.

    OMP_NUM_THREADS=1 python benchmarks/studies/classes.py 100000 dense

Dense rows are Gaussian around means that form a hierarchy of ten branches (a level's offsets are
0.8 times those above), of 128 columns, noise 0.6. Sparse rows are the documents of
`common.extreme.hierarchical_multilabel`, 6 a label and 3 words a label. The nearest mean by brute
force knows the true means, and is measured on 500 rows. Memory is the most that the process had,
and what it had before the fit, data included. The table goes to results/streams.json.
"""

import argparse
import pickle
import resource
import sys
import warnings
from datetime import date
from pathlib import Path

import numpy as np

import sklearn_optland
from sklearn_optland.metrics import precision_at_k
from sklearn_optland.tree import LOMForestClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.extreme import hierarchical_multilabel
from common.measure import cpu_seconds
from common.tables import Table, read, write

N_COLUMNS, NOISE, ROWS_PER_CLASS = 128, 0.6, 3
N_TEST, N_BRUTE_FORCE = 20_000, 500
COLUMNS = {
    "rows": "{}",
    "classes": "{:,}",
    "columns": "{:,}",
    "settings": "{}",
    "error %": "{:.2f}",
    "nearest mean %": "{:.2f}",
    "recall %": "{:.1f}",
    "fit s": "{:.0f}",
    "µs a prediction": "{:.2f}",
    "GB before": "{:.2f}",
    "GB at most": "{:.2f}",
    "model MB": "{:.0f}",
}


def dense(n_classes, rng):
    means, scale = np.zeros((1, N_COLUMNS), dtype=np.float32), np.float32(1.0)
    while len(means) < n_classes:
        offsets = rng.standard_normal((len(means), 10, N_COLUMNS), dtype=np.float32)
        means = (means[:, None] + scale * offsets).reshape(-1, N_COLUMNS)
        scale *= np.float32(0.8)
    means = means[:n_classes]
    y = rng.permutation(np.tile(np.arange(n_classes, dtype=np.int32), ROWS_PER_CLASS))
    y = np.concatenate([y, rng.integers(n_classes, size=N_TEST, dtype=np.int32)])
    X = rng.standard_normal((len(y), N_COLUMNS), dtype=np.float32)
    X *= np.float32(NOISE)
    for first in range(0, len(y), 100_000):
        X[first : first + 100_000] += means[y[first : first + 100_000]]
    X_test, y_test = X[-N_TEST:], y[-N_TEST:]
    squares = 0.5 * np.sum(means**2, axis=1)
    nearest = np.argmax(X_test[:N_BRUTE_FORCE] @ means.T - squares, axis=1)
    brute_force = 100 * np.mean(nearest != y_test[:N_BRUTE_FORCE])
    return X[:-N_TEST], y[:-N_TEST], X_test, y_test, brute_force


def sparse(n_labels, rng):
    n_rows = 6 * n_labels + N_TEST
    X, Y = hierarchical_multilabel(n_labels, n_rows, 3 * n_labels, 1)
    return X[:-N_TEST], Y[:-N_TEST], X[-N_TEST:], Y[-N_TEST:], None


def gigabytes():
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measured(kind, n_classes, settings):
    make = {"dense": dense, "sparse": sparse}[kind]
    X, y, X_test, y_test, brute_force = make(n_classes, np.random.default_rng(0))
    before = gigabytes()
    model = LOMForestClassifier(random_state=0, **settings)
    fit = cpu_seconds(lambda: model.fit(X, y))
    most = gigabytes()
    print(f"fitted: {fit:.0f} s, {before:.2f} to {most:.2f} GB", flush=True)
    model.predict_top_k(X_test[:1000], 1)
    predict = 1e6 * cpu_seconds(lambda: model.predict_top_k(X_test, 5)) / N_TEST
    if kind == "dense":
        error = 100 * np.mean(model.predict(X_test) != y_test)
        candidates = model.candidate_scores(X_test)
        row = np.repeat(np.arange(N_TEST), np.diff(candidates.indptr))
        hit = model.classes_[candidates.indices] == y_test[row]
        recall = 100 * hit.sum() / N_TEST
    else:
        error = 100 * (1 - precision_at_k(y_test, model.predict_top_k(X_test, 1), 1))
        candidates = model.candidate_scores(X_test)
        candidates.data[:] = 1
        recall = 100 * candidates.multiply(y_test).sum() / y_test.sum()
    return {
        "rows": kind,
        "classes": n_classes,
        "columns": X.shape[1],
        "settings": ", ".join(f"{name}={value}" for name, value in settings.items()),
        "error %": float(error),
        "nearest mean %": brute_force,
        "recall %": float(recall),
        "fit s": fit,
        "µs a prediction": predict,
        "GB before": before,
        "GB at most": most,
        "model MB": len(pickle.dumps(model, protocol=5)) / 1e6,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("classes", type=int)
    parser.add_argument("kind", choices=["dense", "sparse"])
    parser.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    settings = dict(setting.split("=") for setting in arguments.settings)
    settings = {
        name: value
        if value.isalpha() or "_" in value
        else float(value)
        if "." in value
        else int(value)
        for name, value in settings.items()
    }
    row = measured(arguments.kind, arguments.classes, settings)
    key = "classes"
    tables = read("streams")
    rows = [old for old in tables[key].rows if key in tables] if key in tables else []
    same = {name: row[name] for name in ("rows", "classes", "settings")}
    rows = [old for old in rows if any(old[name] != value for name, value in same.items())]
    versions = f"sklearn-optland {sklearn_optland.__version__}, numpy {np.__version__}"
    conditions = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/studies/classes.py CLASSES ROWS "
        "--settings NAME=VALUE ...",
        "date": date.today().isoformat(),
        "versions": versions,
    }
    table = Table(COLUMNS, conditions=conditions)
    print(table.head())
    for each in sorted([*rows, row], key=lambda line: (line["rows"], line["classes"])):
        print(table.add(each))
    write("streams", tables | {key: table})


if __name__ == "__main__":
    main()
