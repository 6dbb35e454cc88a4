"""Online trees and forests on streams: accuracy before each batch is learned, and what it costs.

    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/streams.py
    OMP_NUM_THREADS=1 python benchmarks/studies/streams.py --what after_fit offsets labels few_rows

text: rows of clinc150 and news20 in a random order, columns hashed to 2^16 with signs, batches of
100 rows that are predicted, then learned. Accuracy is that of the predictions; seconds are CPU time
of both. Ours have `n_bits=22`. The rival is SGDClassifier at the better of two strengths.
ranked: the same with the forest's label trees and ranking, `leaf="rerank"`; and digits in batches
of 10, beside online trees of river, a row at a time, in an environment that has it.
after_fit: a fit to 650 rows of digits, then 40 batches of 10; scores on the other rows, 8 seeds, of
the online tree and of the forest with `leaf="rerank"`.
offsets: digits as a stream with columns moved by multiples of their deviations.
labels: a stream in which every row has a new label; the forest, which ranks, is fitted to its first
rows whenever they have doubled, up to 10 000, and these fits are in the time of a row.
few_rows: classes around means of their own in three levels, five rows each, 64 columns; errors of
the forest and of the nearest mean, which looks at all classes.
Tables go to results/streams.json.
"""

import argparse
import sys
import time
import warnings
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

import sklearn_optland
from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load
from common.tables import Table, read, write

TEXTS = "clinc150_tfidf", "news20_bydate_tfidf"
HASH_BITS = 16
BATCH = 100
SEEDS = range(8)
OFFSETS = 0, 1, 100, 1e4
FIRST_ROWS, MORE_ROWS = 650, 400
N_LABELS = 1000, 2000, 5000, 10_000
N_CLASSES = 15_000, 100_000
BEAMS = 2, 4, 8


def hashed(X):
    """The columns hashed, with signs (Weinberger et al. 2009)."""
    hashes = np.arange(X.shape[1], dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    column = (hashes >> np.uint64(64 - HASH_BITS)).astype(np.int32)
    sign = np.where(hashes >> np.uint64(32) & np.uint64(1), 1, -1).astype(np.float32)
    parts = X.data * sign[X.indices], column[X.indices], X.indptr
    X = sparse.csr_matrix(parts, shape=(X.shape[0], 1 << HASH_BITS))
    X.sum_duplicates()
    return X


def shuffled(X, y, seed=0):
    order = np.random.RandomState(seed).permutation(len(y))
    return X[order], y[order]


def prequential(model, X, y, batch=BATCH):
    """The share of rows that were predicted before they were learned, and CPU seconds."""
    n_right, start = 0, time.process_time()
    for first in range(0, len(y), batch):
        rows = slice(first, first + batch)
        if first:
            n_right += np.sum(model.predict(X[rows]) == y[rows])
        model.partial_fit(X[rows], y[rows], **({} if first else {"classes": np.unique(y)}))
    return n_right / len(y), time.process_time() - start


def text():
    def forest(n_trees):
        return LOMForestClassifier(n_trees, leaf="histogram", n_bits=22, random_state=0)

    models = {
        "SGDClassifier": [SGDClassifier(alpha=alpha, random_state=0) for alpha in (1e-4, 1e-5)],
        "LOMTreeClassifier": [LOMTreeClassifier(n_bits=22)],
        "LOMForestClassifier, 3 trees": [forest(3)],
        "LOMForestClassifier, 5 trees": [forest(5)],
        "LOMForestClassifier, 10 trees": [forest(10)],
    }
    for name in TEXTS:
        X, y, _ = load(name)
        X, y = shuffled(hashed(X), y)
        for model, candidates in models.items():
            yield name, model, *max(prequential(clone(one), X, y) for one in candidates)


def ranked():
    for name in TEXTS:
        X, y, _ = load(name)
        forest = LOMForestClassifier(n_bits=22, random_state=0)
        yield name, "LOMForestClassifier", *prequential(forest, *shuffled(hashed(X), y))
    X, y = shuffled(*digits())
    for model in (LOMForestClassifier(random_state=0), LOMTreeClassifier()):
        yield "digits", type(model).__name__, *prequential(model, X, y, 10)
    if find_spec("river"):
        from river.forest import ARFClassifier
        from river.tree import HoeffdingAdaptiveTreeClassifier, HoeffdingTreeClassifier

        rivals = HoeffdingTreeClassifier(), HoeffdingAdaptiveTreeClassifier(seed=0)
        for model in (*rivals, ARFClassifier(seed=0)):
            yield "digits", f"river {type(model).__name__}", *beside_river(model, X, y)


def beside_river(model, X, y):
    n_right, start = 0, time.process_time()
    for x, label in zip(X.tolist(), y.tolist(), strict=True):
        row = dict(enumerate(x))
        n_right += model.predict_one(row) == label
        model.learn_one(row, label)
    return n_right / len(y), time.process_time() - start


def digits():
    return load_digits(return_X_y=True)


def after_fit():
    for seed in SEEDS:
        X, y = shuffled(*digits(), seed)
        test = slice(FIRST_ROWS + MORE_ROWS, None)
        for Model in (LOMTreeClassifier, LOMForestClassifier):
            model = Model(random_state=seed).fit(X[:FIRST_ROWS], y[:FIRST_ROWS])
            fitted, scores = model.score(X[test], y[test]), []
            for first in range(FIRST_ROWS, FIRST_ROWS + MORE_ROWS, 10):
                model.partial_fit(X[first : first + 10], y[first : first + 10])
                scores.append(model.score(X[test], y[test]))
            yield Model.__name__, str(seed), fitted, min(scores), scores[-1]


def offsets():
    for offset in OFFSETS:
        found = []
        for seed in SEEDS:
            X, y = shuffled(*digits(), seed)
            X = X + offset * X.std(axis=0)
            found.append(prequential(LOMTreeClassifier(), X, y, 10)[0])
        yield f"{offset:g}", np.mean(found)


def labels():
    X = np.random.default_rng(0).standard_normal((max(N_LABELS), 32))
    for model in (LOMTreeClassifier(), LOMForestClassifier(random_state=0)):
        learned, start = 0, time.process_time()
        for n_labels in N_LABELS:
            for i in range(learned, n_labels):
                model.partial_fit(X[i : i + 1], [i])
            end = time.process_time()
            microseconds = 1e6 * (end - start) / (n_labels - learned)
            yield type(model).__name__, f"{learned} to {n_labels}", microseconds
            learned, start = n_labels, time.process_time()


def in_levels(k, n_rows, d=64, n_test=5000, noise=1.2):
    """Classes whose means have three levels, of sizes 1, 0.8 and 0.64."""
    rng = np.random.default_rng(0)
    width = round(k ** (1 / 3))
    code = np.arange(k)
    first, second = code % width, code % width**2
    means = (
        rng.standard_normal((width, d))[first] + 0.8 * rng.standard_normal((width**2, d))[second]
    )
    means += 0.64 * rng.standard_normal((k, d))
    y, y_test = rng.permutation(np.repeat(code, n_rows)), rng.integers(k, size=n_test)
    X, X_test = (means[c] + noise * rng.standard_normal((len(c), d)) for c in (y, y_test))
    return X.astype(np.float32), y, X_test.astype(np.float32), y_test


def few_rows():
    for k in N_CLASSES:
        X, y, X_test, y_test = in_levels(k, 5)
        means = np.zeros((k, X.shape[1]), np.float32)
        np.add.at(means, y, X / 5)
        constant = (means**2).sum(axis=1) / 2
        nearest = [(part @ means.T - constant).argmax(axis=1) for part in np.split(X_test, 10)]
        yield f"{k} classes, nearest mean", None, np.mean(np.concatenate(nearest) != y_test), None
        start = time.process_time()
        model = LOMForestClassifier(random_state=0).fit(X, y)
        seconds = time.process_time() - start
        for beam in BEAMS:
            model.set_params(beam_width=beam).predict(X_test[:100])
            start = time.process_time()
            error = np.mean(model.predict(X_test) != y_test)
            microseconds = 1e6 * (time.process_time() - start) / len(y_test)
            yield f"{k} classes, beam of {beam}", seconds, error, microseconds


COLUMNS = {
    text: {"data": "", "model": "", "accuracy": "{:.3f}", "seconds": "{:.1f}"},
    ranked: {"data": "", "model": "", "accuracy": "{:.3f}", "seconds": "{:.1f}"},
    after_fit: {"model": "", "seed": "", "fit": "{:.3f}", "lowest": "{:.3f}", "last": "{:.3f}"},
    offsets: {"offset ÷ deviation": "", "accuracy": "{:.3f}"},
    labels: {"model": "", "labels known": "", "µs a row": "{:.0f}"},
    few_rows: {"": "", "fit seconds": "{:.0f}", "error": "{:.3f}", "µs a prediction": "{:.1f}"},
}


def table_of(cases):
    command = "OMP_NUM_THREADS=1 python benchmarks/studies/streams.py"
    versions = f"sklearn-optland {sklearn_optland.__version__}, scikit-learn {sklearn.__version__}"
    table = Table(
        COLUMNS[cases],
        conditions={
            "command": f"{command} --what {cases.__name__}",
            "date": date.today().isoformat(),
            "versions": versions,
        },
    )
    print(f"\n{cases.__name__}\n{table.head()}")
    for cells in cases():
        print(table.add(dict(zip(table.columns, cells, strict=True))), flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [cases.__name__ for cases in COLUMNS]
    parser.add_argument("--what", nargs="+", choices=names, default=names)
    warnings.simplefilter("ignore")
    for what in parser.parse_args().what:
        table = table_of(globals()[what])
        write("streams", read("streams") | {what: table})


if __name__ == "__main__":
    main()
