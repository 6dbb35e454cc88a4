"""Up to 10⁶ classes on one machine: memory of training, size of the model, µs a prediction.

    OMP_NUM_THREADS=1 python benchmarks/studies/classes.py 100000 dense

Dense rows are Gaussian around means that form a hierarchy of ten branches (a level's offsets are
0.8 times those above), of 128 columns, noise 0.6. Sparse rows are `common.extreme.documents` of one
class each, 6 a class, of 3 words a class. The nearest mean by brute force knows the true means of
dense rows; of documents it has those of the training rows, each divided by its length. It is
measured on 500 rows. "Nearest training mean" of dense rows has the means of the training rows, as
a forest has, of the 1000 classes nearest by the hierarchy, on 4000 rows. Microseconds a row of
`predict` and of `predict_top_k` are medians of five rounds over 20 000 rows. Memory is the most
that the process had, and what it had before the fit, data included.
The table goes to results/streams.json.
"""

import argparse
import pickle
import resource
import sys
import warnings
from datetime import date
from pathlib import Path

import numpy as np
from scipy import sparse

import sklearn_optland
from sklearn_optland.tree import LOMForestClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.extreme import documents
from common.measure import cpu_seconds
from common.tables import Table, read, write

N_COLUMNS, NOISE, ROWS_PER_CLASS = 128, 0.6, 3
N_TEST, N_BRUTE_FORCE, N_ROUNDS = 20_000, 500, 5
N_RELATED, N_RELATED_ROWS = 1000, 4000
ROWS_PER_DOCUMENT_CLASS, WORDS_PER_CLASS = 6, 3
COLUMNS = {
    "rows": "{}",
    "classes": "{:,}",
    "columns": "{:,}",
    "settings": "{}",
    "error %": "{:.2f}",
    "nearest mean %": "{:.2f}",
    "nearest training mean %": "{:.2f}",
    "recall %": "{:.1f}",
    "fit s": "{:.0f}",
    "predict µs": "{:.2f}",
    "top 5 µs": "{:.2f}",
    "GB before": "{:.2f}",
    "GB at most": "{:.2f}",
    "model MB": "{:.0f}",
}


def labels(n_classes, n_rows, rng):
    """So many training rows of each class, in random order, and test rows of any."""
    y = rng.permutation(np.tile(np.arange(n_classes, dtype=np.int32), n_rows))
    return np.concatenate([y, rng.integers(n_classes, size=N_TEST, dtype=np.int32)])


def dense_rows(n_classes, rng):
    means, scale = np.zeros((1, N_COLUMNS), dtype=np.float32), np.float32(1.0)
    while len(means) < n_classes:
        offsets = rng.standard_normal((len(means), 10, N_COLUMNS), dtype=np.float32)
        means = (means[:, None] + scale * offsets).reshape(-1, N_COLUMNS)
        scale *= np.float32(0.8)
    means = means[:n_classes]
    y = labels(n_classes, ROWS_PER_CLASS, rng)
    X = rng.standard_normal((len(y), N_COLUMNS), dtype=np.float32)
    X *= np.float32(NOISE)
    for first in range(0, len(y), 100_000):
        X[first : first + 100_000] += means[y[first : first + 100_000]]
    return X, y, means


def sparse_rows(n_classes, rng):
    y = labels(n_classes, ROWS_PER_DOCUMENT_CLASS, rng)
    Y = sparse.csr_array((np.ones(len(y)), y, np.arange(len(y) + 1)), (len(y), n_classes))
    X = documents(Y, WORDS_PER_CLASS * n_classes, rng)
    sums = sparse.csr_array(Y[:-N_TEST].T @ X[:-N_TEST], dtype=np.float32)
    length = np.sqrt(sums.power(2).sum(axis=1))
    return X, y, sparse.diags_array(1 / length) @ sums


def nearest_mean_error(X, y, means):
    """Error in percent of the nearest mean, some rows at a time."""
    half_squares = 0.5 * (means**2).sum(axis=1)
    errors = []
    for first in range(0, N_BRUTE_FORCE, 20):
        rows = slice(first, first + 20)
        products = X[rows] @ means.T
        products = products.toarray() if sparse.issparse(products) else products
        errors.append(np.mean(np.argmax(products - half_squares, axis=1) != y[rows]))
    return 100 * float(np.mean(errors))


def nearest_training_mean_error(X, y, X_test, y_test):
    """The same with the means of the training rows, among the classes of one part of the hierarchy.

    It is a lower bound of what all classes would give.
    """
    n_columns = X.shape[1]
    rows_of = np.argsort(y, kind="stable").reshape(-1, ROWS_PER_CLASS)
    wrong = []
    for x, code in zip(X_test[:N_RELATED_ROWS], y_test[:N_RELATED_ROWS], strict=True):
        first = code // N_RELATED * N_RELATED
        related = X[rows_of[first : first + N_RELATED].ravel()]
        means = related.reshape(-1, ROWS_PER_CLASS, n_columns).mean(axis=1)
        wrong.append(first + np.argmin(((means - x) ** 2).sum(axis=1)) != code)
    return 100 * float(np.mean(wrong))


def gigabytes():
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measured(kind, n_classes, settings):
    make = {"dense": dense_rows, "sparse": sparse_rows}[kind]
    X, y, means = make(n_classes, np.random.default_rng(0))
    X, y, X_test, y_test = X[:-N_TEST], y[:-N_TEST], X[-N_TEST:], y[-N_TEST:]
    brute_force = nearest_mean_error(X_test, y_test, means)
    del means
    of_training_means = None
    if kind == "dense":
        of_training_means = nearest_training_mean_error(X, y, X_test, y_test)
    before = gigabytes()
    model = LOMForestClassifier(random_state=0, **settings)
    fit = cpu_seconds(lambda: model.fit(X, y))
    most = gigabytes()
    print(f"fitted: {fit:.0f} s, {before:.2f} to {most:.2f} GB", flush=True)
    model.predict_top_k(X_test[:1000], 1)
    micro = 1e6 / N_TEST
    rounds = [
        (
            cpu_seconds(lambda: model.predict(X_test)),
            cpu_seconds(lambda: model.predict_top_k(X_test)),
        )
        for _ in range(N_ROUNDS)
    ]
    predict, top = micro * np.median(rounds, axis=0)
    error = 100 * np.mean(model.predict(X_test) != y_test)
    candidates = model.candidate_scores(X_test)
    row = np.repeat(np.arange(N_TEST), np.diff(candidates.indptr))
    recall = 100 * np.sum(model.classes_[candidates.indices] == y_test[row]) / N_TEST
    return {
        "rows": kind,
        "classes": n_classes,
        "columns": X.shape[1],
        "settings": ", ".join(f"{name}={value}" for name, value in settings.items()),
        "error %": float(error),
        "nearest mean %": brute_force,
        "nearest training mean %": of_training_means,
        "recall %": float(recall),
        "fit s": fit,
        "predict µs": float(predict),
        "top 5 µs": float(top),
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
