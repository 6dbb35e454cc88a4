"""Low-rank completion beside soft-impute and scikit-learn's imputers.

    OMP_NUM_THREADS=1 python benchmarks/studies/low_rank.py --what recovery
    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/low_rank.py --what imputation
    OMP_NUM_THREADS=1 python benchmarks/studies/low_rank.py --what large

recovery: 200 x 150 of rank 5, 35 % observed, CPU seconds to a duality gap of 1e-6; the rival is
soft-impute in NumPy with momentum that restarts, to the same gap at the same strength. The ratio is
soft-impute's seconds by those of the factorization; ranks are of factorization, imputer and rival.

imputation: 30 % of the entries are missing; a fifth of the rows is unseen. Root mean squared errors
of the missing entries of unseen rows, in units of the columns' deviations. All get standardised
columns. Columns with few values that are not the same decide the errors of digits: means over more
seeds. With --sets for some of the sets; rows of the others stay.

large: 10^7 entries of 10^5 rows and 10^4 columns, of rank 5, and the memory that the fit needs
besides the matrix.

Tables go to results/low_rank.json; that of ratings is of studies/ratings.py.
"""

import argparse
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from statistics import median

import numpy as np
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from sklearn_optland.decomposition import LowRankFactorization
from sklearn_optland.impute import LowRankImputer

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.tables import Table, conditions_of, read, write

SETS = ("california_housing", "pol", "digits", "usps", "isolet")
# Seeds of the split and the missing entries, where fits are fast.
SEEDS = {"digits": range(10)}
# IterativeImputer takes minutes to hours on more columns.
MOST_COLUMNS_ITERATIVE = 64


def soft_impute(X, weights, alpha, gap):
    """Iterations to a duality gap relative to the objective, and the rank."""
    root, seen = np.sqrt(weights)[:, None], ~np.isnan(X)
    Y = np.where(seen, root * X, 0.0)
    A = Z = np.zeros_like(Y)
    t, best = 1.0, np.inf
    for iteration in range(20_000):
        U, s, Vt = np.linalg.svd(np.where(seen, Y, Z), full_matrices=False)
        s = np.maximum(s - alpha, 0.0)
        new = (U * s) @ Vt
        R = np.where(seen, Y - new, 0.0)
        objective = 0.5 * (R**2).sum() + alpha * s.sum()
        if iteration % 10 == 0:  # a bound costs as much as an iteration
            c = min(1.0, alpha / np.linalg.norm(R, 2))
            dual = c * (R * Y).sum() - 0.5 * c**2 * (R**2).sum()
            if objective - dual <= gap * objective:
                break
        if objective > best:
            t, Z, best = 1.0, A, np.inf
            continue
        best, after = objective, 0.5 * (1 + np.sqrt(1 + 4 * t * t))
        Z = new + (t - 1) / after * (new - A)
        A, t = new, after
    return iteration, int((s > 0).sum())


def timed(function, *arguments):
    """The result, and CPU seconds."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


def recovery(rounds=5):
    """Yield rows of the table: alpha, seconds, ranks."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 150))
    X = np.where(rng.random(truth.shape) < 0.35, truth, np.nan)
    for alpha in (1.0, 0.5, 0.2):
        ours, theirs, factorizations = [], [], []
        for _ in range(rounds):
            table = LowRankImputer(alpha, tol=1e-6, scale=False)
            table, seconds = timed(table.fit, X)
            ours.append(seconds)
            Z = X - table.mean_
            weights = np.full(200, 1 / 200)
            (iterations, rank), seconds = timed(soft_impute, Z, weights, alpha, 1e-6)
            theirs.append(seconds)
            factors = LowRankFactorization(alpha, tol=1e-6, offsets=False, max_iter=5000)
            factors, seconds = timed(factors.fit, X)
            factorizations.append(seconds)
        missing = np.isnan(X)
        error = np.std((table.transform(X) - truth)[missing]) / np.std(truth[missing])
        yield {
            "α": f"{alpha}",
            "imputer, s": median(ours),
            "soft-impute, s": median(theirs),
            "ratio": median(theirs) / median(factorizations),
            "gap": table.certificate_.relative,
            "ranks": [factors.rank_, table.rank_, rank],
            "passes": [table.n_iter_, iterations],
            "error": error,
            "factorization, s": median(factorizations),
            "its gap": factors.certificate_.relative,
        }


def load(name):
    """Rows of a data set."""
    if name == "digits":
        return load_digits().data
    path = Path(os.environ["OPTLAND_DATA"]) / f"{name}.npz"
    return np.load(path)["X"].astype(float)


def with_holes(name, seed):
    """Standardised rows, the same with holes, where these are, and the number of training rows."""
    X, rng = load(name), np.random.RandomState(seed)
    order, hidden = rng.permutation(len(X)), rng.rand(*X.shape) < 0.3
    X, n = X[order], int(0.8 * len(X))
    holes = np.where(hidden, np.nan, X)
    mean, deviation = np.nanmean(holes[:n], axis=0), np.nanstd(holes[:n], axis=0)
    deviation[deviation < 1e-10] = 1.0
    return (X - mean) / deviation, (holes - mean) / deviation, hidden, n


def imputation(sets):
    """Yield rows of the table: set, imputer, error, seconds of fit and transform."""
    for name in sets:
        found = {}
        for seed in SEEDS.get(name, range(1)):
            X, holes, hidden, n = with_holes(name, seed)
            rivals = [LowRankImputer(), KNNImputer()]
            if X.shape[1] <= MOST_COLUMNS_ITERATIVE and len(SEEDS.get(name, "0")) == 1:
                rivals.append(IterativeImputer(random_state=0))
            for rival in rivals:
                _, fit = timed(rival.fit, holes[:n])
                filled, transform = timed(rival.transform, holes[n:])
                error = np.sqrt(np.mean((filled - X[n:])[hidden[n:]] ** 2))
                found.setdefault(type(rival), []).append((error, fit, transform, rival))
        for kind, runs in found.items():
            errors, fits, transforms, fitted = zip(*runs, strict=True)
            is_ours = kind is LowRankImputer
            yield {
                "data": name,
                "imputer": kind.__name__,
                "seeds": len(runs),
                "RMSE": np.mean(errors),
                "fit, s": median(fits),
                "transform, s": median(transforms),
                "α": fitted[0].alpha_ if is_ours else None,
                "rank": fitted[0].rank_ if is_ours else None,
                "gap": fitted[0].certificate_.relative if is_ours else None,
                "better than KNN": better(found) if is_ours else None,
            }


def better(found):
    """On how many seeds the error is below KNN's."""
    pairs = zip(found[LowRankImputer], found[KNNImputer], strict=True)
    return f"{sum(ours[0] < theirs[0] for ours, theirs in pairs)} of {len(found[KNNImputer])}"


def large(n=100_000, d=10_000, per_row=100, rank=5, seed=0):
    """Yield the row of the table: entries, seconds, memory in GB by formula and as measured."""
    rng = np.random.default_rng(seed)
    U, V = rng.normal(size=(n, rank)), rng.normal(size=(d, rank))
    # a column may be drawn twice for a row: a few in a hundred thousand entries
    columns = np.sort(rng.integers(0, d, size=(n, per_row)), axis=1)
    values = np.empty(columns.shape)
    for first in range(0, n, 1000):
        part = slice(first, first + 1000)
        values[part] = np.einsum("ir,ijr->ij", U[part], V[columns[part]])
    values += rng.normal(size=values.shape)
    indptr = np.arange(0, n * per_row + 1, per_row)
    X = sparse.csr_array((values.ravel(), columns.ravel().astype(np.int32), indptr), shape=(n, d))
    X.sum_duplicates()
    before = peak_memory()
    # above the largest singular value of the noise, whose deviation is 1
    alpha = 1.5 * (np.sqrt(per_row / n) + np.sqrt(per_row / d))
    model = LowRankFactorization(alpha, offsets=False, tol=1e-2, max_iter=60)
    model, seconds = timed(model.fit, X)
    rows, columns = rng.integers(0, n, size=10_000), rng.integers(0, d, size=10_000)
    truth = np.einsum("ir,ir->i", U[rows], V[columns])
    yield {
        "entries": X.nnz,
        "fit, s": seconds,
        "rank": model.rank_,
        "certificate": str(model.certificate_),
        "steps": model.n_iter_,
        "error": float(np.sqrt(np.mean((model.predict_entries(rows, columns) - truth) ** 2))),
        "formula, GB": (56 * X.nnz + 25 * 8 * (n + d) * (model.rank_ + 8)) / 1e9,
        "measured, GB": peak_memory() - before,
    }


def peak_memory():
    """Of this process, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


COLUMNS = {
    recovery: {
        "α": "",
        "imputer, s": "{:.3f}",
        "soft-impute, s": "{:.3f}",
        "ratio": "{:.1f}",
        "gap": "{:.0e}",
        "ranks": "{}, {}, {}",
        "passes": "{}, {}",
        "error": "{:.3f}",
        "factorization, s": "{:.3f}",
        "its gap": "{:.0e}",
    },
    imputation: {
        "data": "",
        "imputer": "",
        "seeds": "{}",
        "RMSE": "{:.3f}",
        "better than KNN": "",
        "fit, s": "{:.2f}",
        "transform, s": "{:.2f}",
        "α": "{:.3g}",
        "rank": "{}",
        "gap": "{:.0e}",
    },
    large: {
        "entries": "{}",
        "fit, s": "{:.1f}",
        "rank": "{}",
        "certificate": "",
        "steps": "{}",
        "error": "{:.3f}",
        "formula, GB": "{:.2f}",
        "measured, GB": "{:.2f}",
    },
}


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", choices=[cases.__name__ for cases in COLUMNS], required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    options = parser.parse_args()
    cases = globals()[options.what]
    table = Table(COLUMNS[cases])
    print(table.head())
    for row in cases(options.sets) if cases is imputation else cases():
        print(table.add(row), flush=True)
    if cases is imputation:
        old = read("low_rank").get("imputation", table).rows
        table.rows += [row for row in old if row["data"] not in options.sets]
        table.rows.sort(key=lambda row: SETS.index(row["data"]))
    command = f"OMP_NUM_THREADS=1 python benchmarks/studies/low_rank.py --what {options.what}"
    table.conditions = conditions_of(command, "sklearn-optland", "scikit-learn")
    write("low_rank", read("low_rank") | {options.what: table})


if __name__ == "__main__":
    main()
