"""Logistic regression, default against default: fits, grid searches, cross-validation, threads.

    OMP_NUM_THREADS=1 python benchmarks/studies/defaults.py
    OMP_NUM_THREADS=1 python benchmarks/studies/defaults.py --what fits
    OMP_NUM_THREADS=1 python benchmarks/studies/defaults.py --what memory_map reads cv_data
    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/studies/defaults.py --what peers
    python benchmarks/studies/defaults.py --what threads
    python benchmarks/report.py

Ours and scikit-learn's fit the same data in turn, in one process. A row has the medians of the
rounds in milliseconds of wall time, the median of theirs ÷ ours with its quartiles, and of a fit
by how much the objective of theirs is above ours, which is within 1e-6 of the optimum.
`threads` compares ours on one thread with ours on two, `reads` ours with a sum over the data.
`cv_data` fits a9a and news20 of OPTLAND_DATA, in CPU time; news20 takes minutes, and has one round.
`memory_map` writes 2 GB into a temporary file. `peers` compares with what is installed of
scikit-learn-intelex, glum and snapml, at their defaults but for what makes the problem ours.
Tables go to results/defaults.json.
"""

import argparse
import sys
import tempfile
import time
import warnings
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import sklearn
from scipy.special import logsumexp
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import sklearn_optland
from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    BoundMajorizationLogisticRegressionCV,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load
from common.tables import RATIO, Table, read, write

OURS, THEIRS = BoundMajorizationLogisticRegression(), LogisticRegression()
SMALL = "iris", "wine", "breast_cancer", "digits"
MANY = (200_000, 10, 4), (1_000_000, 3, 3), (1_000_000, 50, 5), (1_000_000, 50, 2)
MAPPED = 5_000_000, 100
PEERS = {"scikit-learn-intelex": "sklearnex", "glum": "glum", "snapml": "snapml"}
FOR_PEERS = (200_000, 10, 4), (1_000_000, 50, 2)
FOR_CV = {"a9a": 3, "news20_bydate_tfidf": 1}  # rounds
READ = (200_000, 54, 2), (1_000_000, 50, 2)
GRID = {"C": np.logspace(-4, 4, 10)}
CV = {"l1_ratios": (0.0,), "use_legacy_attributes": False, "scoring": None}
COLUMNS = {"data": "", "ours ms": "{:.3g}", "theirs ms": "{:.3g}", "theirs ÷ ours": RATIO}
DISTANCE = {"theirs above ours": "{:.0e}"}
THREADS = {"data": "", "one ms": "{:.3g}", "two ms": "{:.3g}", "one ÷ two": RATIO}
READS = {"data": "", "fit ms": "{:.3g}", "read ms": "{:.3g}", "fit ÷ read": RATIO}
COLUMNS_OF = dict.fromkeys(("fits", "memory_map", "peers"), COLUMNS | DISTANCE)
COLUMNS_OF |= {"threads": THREADS, "reads": READS}
COMMANDS = {"threads": "OMP_NUM_THREADS=2", "peers": "OMP_NUM_THREADS=1 taskset -c 1"}


def bundled(name):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def drawn(n, d, k):
    """Rows whose classes follow a linear model with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return X, noisy_classes(X, rng.standard_normal((d, k)), rng)


def noisy_classes(X, weights, rng):
    scores = X @ weights * (3 / np.sqrt(len(weights)))
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def easy():
    """Ten clouds that are separated without error."""
    rng = np.random.RandomState(0)
    y = rng.randint(10, size=20_000)
    return 0.35 * rng.randn(10, 300)[y] + rng.randn(20_000, 300), y


def many(sizes):
    for n, d, k in sizes:
        yield size_name(n, d, k), drawn(n, d, k)


def size_name(n, d, k):
    return f"{n:,}".replace(",", " ") + f" rows, {d} columns, {k} classes"


def mapped(file, n, d, block=100_000):
    """Rows as of `drawn` with two classes, float32 in the file, read as a memory map."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((d, 2))
    y = np.empty(n, dtype=int)
    for start in range(0, n, block):
        X = rng.standard_normal((block, d), dtype=np.float32)
        X.tofile(file)
        y[start : start + block] = noisy_classes(X, weights, rng)
    file.flush()
    return np.memmap(file.name, np.float32, "r", shape=(n, d)), y


def cases(what):
    """Names, data, the fits to compare and rounds."""
    if what == "threads":
        for name, data in many(MANY):
            yield name, data, [on_threads(OURS, 1), on_threads(OURS, 2)], 5
        return
    if what == "reads":
        for name, data in many(READ):
            yield name, data, [OURS.fit, lambda X, y: X.sum()], 15
        return
    if what == "memory_map":
        with tempfile.NamedTemporaryFile() as file:
            name = size_name(*MAPPED, 2) + ", float32"
            yield name, mapped(file, *MAPPED), [OURS.fit, THEIRS.fit], 5
        return
    if what == "peers":
        yield from beside_peers()
        return
    if what == "cv_data":
        for name, n_rounds in FOR_CV.items():
            X, y, n_train = load(name)
            fits = [BoundMajorizationLogisticRegressionCV().fit, LogisticRegressionCV(**CV).fit]
            yield name, (X[:n_train].astype(np.float64), y[:n_train]), fits, n_rounds
        return
    ours, theirs = {
        "fits": (OURS, THEIRS),
        "grid": (GridSearchCV(OURS, GRID), GridSearchCV(THEIRS, GRID)),
        "cv": (BoundMajorizationLogisticRegressionCV(), LogisticRegressionCV(**CV)),
    }[what]
    for name in SMALL:
        yield name, bundled(name), [ours.fit, theirs.fit], 25 if what == "fits" else 5
    if what == "fits":
        yield "20 000 rows, 300 columns, 10 easy classes", easy(), [ours.fit, theirs.fit], 5
        for name, data in many(MANY):
            yield name, data, [ours.fit, theirs.fit], 5


def beside_peers():
    data = [(name, bundled(name), 25) for name in SMALL]
    for name, (X, y), n_rounds in [*data, *((*case, 5) for case in many(FOR_PEERS))]:
        for peer, module in PEERS.items():
            if find_spec(module) is None:
                print(f"{peer}: skipped, not installed", file=sys.stderr)
            elif (model := peer_for(peer, y)) is not None:
                yield f"{name}, {peer}", (X, y), [OURS.fit, model.fit], n_rounds


def peer_for(peer, y):
    """The peer's estimator for ½‖w‖² + Σ ℓ_i with intercept; None where it has none."""
    if peer == "scikit-learn-intelex":
        from sklearnex.linear_model import LogisticRegression as Intel

        return Intel()
    if peer == "snapml":  # several classes: each against the rest
        from snapml import LogisticRegression as Snap

        return Snap(fit_intercept=True)
    if len(np.unique(y)) > 2:
        return None
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(family="binomial", alpha=1 / len(y))


def on_threads(model, n_threads):
    def fit(X, y):
        with threadpool_limits(n_threads):
            model.fit(X, y)

    return fit


def in_turn(fits, data, n_rounds, clock=time.perf_counter):
    """Seconds of each fit in each round; the first of several warms up."""
    n_warm = int(n_rounds > 1)
    seconds = np.empty((n_rounds + n_warm, len(fits)))
    for number in range(n_rounds + n_warm):
        for which in range(len(fits))[:: 1 if number % 2 else -1]:
            start = clock()
            fits[which](*data)
            seconds[number, which] = clock() - start
    return seconds[n_warm:].T


def objective(model, X, y):
    """That of a fit at C = 1, in float64; two classes have one row of coefficients."""
    coef = np.atleast_2d(model.coef_).astype(np.float64)  # glum's is a vector
    scores = X @ coef.T + model.intercept_
    scores = np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores
    own = scores[np.arange(len(y)), y]
    return 0.5 * np.vdot(coef, coef) + np.sum(logsumexp(scores, axis=1) - own)


def table_of(what):
    columns = COLUMNS_OF.get(what, COLUMNS)
    command = f"{COMMANDS.get(what, 'OMP_NUM_THREADS=1')} python benchmarks/studies/defaults.py"
    versions = f"sklearn-optland {sklearn_optland.__version__}, scikit-learn {sklearn.__version__}"
    if what == "peers":
        installed = [peer for peer, module in PEERS.items() if find_spec(module)]
        versions = ", ".join([versions, *(f"{peer} {version(peer)}" for peer in installed)])
    table = Table(
        columns,
        conditions={
            "command": f"{command} --what {what}",
            "date": date.today().isoformat(),
            "versions": versions,
        },
    )
    print(f"\n{what}\n{table.head()}")
    for name, data, fits, n_rounds in cases(what):
        clock = time.process_time if what == "cv_data" else time.perf_counter
        seconds = in_turn(fits, data, n_rounds, clock)
        over, under = seconds if what in ("threads", "reads") else seconds[::-1]
        ratios = np.percentile(over / under, [50, 25, 75])
        cells = [name, *(1e3 * np.median(seconds, axis=1)), list(ratios)]
        if "theirs above ours" in columns:
            cells.append(objective(fits[1].__self__, *data) / objective(OURS, *data) - 1)
        print(table.add(dict(zip(columns, cells, strict=True))), flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", nargs="+", default=["fits", "grid", "cv"])
    warnings.simplefilter("ignore")
    for what in parser.parse_args().what:
        write("defaults", read("defaults") | {what: table_of(what)})


if __name__ == "__main__":
    main()
