"""Low-rank completion beside soft-impute, scikit-learn's imputers and alternating least squares.

    OMP_NUM_THREADS=1 python benchmarks/studies/low_rank.py --what recovery
    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/low_rank.py --what imputation
    OMP_NUM_THREADS=1 python benchmarks/studies/low_rank.py --what ratings [--file u.data]
    OMP_NUM_THREADS=1 python benchmarks/studies/low_rank.py --what large

recovery: 200 x 150 of rank 5, 35 % observed, CPU seconds to a duality gap of 1e-6; the rival is
soft-impute in NumPy with momentum that restarts, to the same gap at the same strength.

imputation: 30 % of the entries are missing; a fifth of the rows is unseen. Root mean squared errors
of the missing entries of unseen rows, in units of the columns' deviations. All get standardised
columns.

ratings: 943 x 1682 with 100 000 entries: rounded to 1 ... 5, of rank 10 with falling spectrum, rows
and columns of unequal popularity, 10 % of the entries for the test. Alternating least squares has
the same offsets and the best of a grid of ranks and strengths on the test entries, an advantage.
With a file, its lines "user item rating ..." are the ratings: those of MovieLens, separated by
blanks, commas or "::".

large: 10^7 entries of 10^5 rows and 10^4 columns, of rank 5, and the memory that the fit needs
besides the matrix.
"""

import argparse
import os
import resource
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

SETS = ("california_housing", "pol", "digits", "usps", "isolet")
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
        ours, theirs = [], []
        for _ in range(rounds):
            table = LowRankImputer(alpha, tol=1e-6, scale=False)
            table, seconds = timed(table.fit, X)
            ours.append(seconds)
            Z = X - table.mean_
            weights = np.full(200, 1 / 200)
            (iterations, rank), seconds = timed(soft_impute, Z, weights, alpha, 1e-6)
            theirs.append(seconds)
        missing = np.isnan(X)
        error = np.std((table.transform(X) - truth)[missing]) / np.std(truth[missing])
        factors = LowRankFactorization(alpha, tol=1e-6, offsets=False, max_iter=5000)
        factors, seconds = timed(factors.fit, X)
        yield {
            "alpha": alpha,
            "imputer s": median(ours),
            "soft-impute s": median(theirs),
            "ratio": median(theirs) / median(ours),
            "gap": table.certificate_.relative,
            "ranks": (table.rank_, rank, factors.rank_),
            "passes": (table.n_iter_, iterations),
            "error": error,
            "factorization s": seconds,
            "its gap": factors.certificate_.relative,
        }


def load(name):
    """Rows of a data set."""
    if name == "digits":
        return load_digits().data
    path = Path(os.environ["OPTLAND_DATA"]) / f"{name}.npz"
    return np.load(path)["X"].astype(float)


def imputation(seed=0):
    """Yield rows of the table: set, imputer, error, seconds of fit and transform."""
    for name in SETS:
        X, rng = load(name), np.random.RandomState(seed)
        order, hidden = rng.permutation(len(X)), rng.rand(*X.shape) < 0.3
        X, n = X[order], int(0.8 * len(X))
        holes = np.where(hidden, np.nan, X)
        mean, deviation = np.nanmean(holes[:n], axis=0), np.nanstd(holes[:n], axis=0)
        deviation[deviation < 1e-10] = 1.0
        X, holes = (X - mean) / deviation, (holes - mean) / deviation
        rivals = [LowRankImputer(), KNNImputer()]
        if X.shape[1] <= MOST_COLUMNS_ITERATIVE:
            rivals.append(IterativeImputer(random_state=0))
        for rival in rivals:
            _, fit = timed(rival.fit, holes[:n])
            filled, transform = timed(rival.transform, holes[n:])
            error = np.sqrt(np.mean((filled - X[n:])[hidden[n:]] ** 2))
            row = {"set": name, "imputer": type(rival).__name__, "rmse": error}
            row |= {"fit s": fit, "transform s": transform}
            if isinstance(rival, LowRankImputer):
                row |= {"alpha": rival.alpha_, "rank": rival.rank_}
                row |= {"gap": rival.certificate_.relative, "polar": rival.polar_}
            yield row


def generated_ratings(seed=0, shape=(943, 1682), n_entries=100_000):
    """Ratings 1 ... 5 as rows, columns and values."""
    rng = np.random.default_rng(seed)
    n, d = shape
    spectrum = 0.6 / np.sqrt(np.arange(1, 11))
    scores = (rng.normal(size=(n, 10)) * spectrum) @ rng.normal(size=(10, d))
    scores += 3.5 + 0.45 * rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(1, d))
    p_rows, p_columns = rng.exponential(size=n), rng.exponential(size=d) ** 2
    p = np.outer(p_rows / p_rows.sum(), p_columns / p_columns.sum()).ravel()
    index = rng.choice(n * d, n_entries, replace=False, p=p)
    rows, columns = np.divmod(index, d)
    noisy = scores[rows, columns] + 0.8 * rng.normal(size=n_entries)
    return rows, columns, np.clip(np.round(noisy), 1, 5)


def alternating_least_squares(X, residuals, strength, rank, sweeps=20):
    """Factors by ridge regressions of rows and columns in turn, in NumPy."""
    rng = np.random.default_rng(0)
    R = sparse.csr_array((residuals, X.indices, X.indptr), shape=X.shape)
    factors = [np.zeros((X.shape[0], rank)), 0.1 * rng.normal(size=(X.shape[1], rank))]
    sides = R, sparse.csr_array(R.T)
    for sweep in range(2 * sweeps):
        side, V = sides[sweep % 2], factors[1 - sweep % 2]
        for i in range(side.shape[0]):
            part = slice(side.indptr[i], side.indptr[i + 1])
            W = V[side.indices[part]]
            gram = W.T @ W + strength * np.eye(rank)
            factors[sweep % 2][i] = np.linalg.solve(gram, W.T @ side.data[part])
    return factors


def read_ratings(path):
    """Ratings of a text file as rows, columns and values; users and items are numbered anew.

    A line has a user, an item and a rating, perhaps more, separated by blanks, commas or "::"; one
    without a number for the rating is a heading.
    """
    users, items, values = [], [], []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        user, item, value = line.replace("::", " ").replace(",", " ").split()[:3]
        if value.replace(".", "", 1).isdigit():
            users.append(user), items.append(item), values.append(float(value))
    rows, columns = (np.unique(names, return_inverse=True)[1] for names in (users, items))
    return rows, columns, np.array(values)


def ratings(file=None):
    """Yield rows of the table: method, setting, test error, seconds, gap."""
    rows, columns, values = read_ratings(file) if file else generated_ratings()
    shape = (rows.max() + 1, columns.max() + 1) if file else (943, 1682)
    test = np.random.default_rng(1).random(len(values)) < 0.1
    X = sparse.csr_array((values[~test], (rows[~test], columns[~test])), shape=shape)
    where, truth = (rows[test], columns[test]), values[test]

    def rmse(found):
        return float(np.sqrt(np.mean((found - truth) ** 2)))

    settings = [(a, None, debias) for a in (0.3, 0.4, 0.5, 0.7) for debias in (False, True)]
    settings += [(a, 10, False) for a in (0.1, 0.13, 0.2)]
    for alpha, max_rank, debias in settings:
        model = LowRankFactorization(
            alpha, max_rank=max_rank, debias=debias, tol=1e-3, max_iter=150
        )
        model, seconds = timed(model.fit, X)
        yield {
            "method": "LowRankFactorization",
            "setting": f"alpha {alpha}, max_rank {max_rank}, debias {debias}",
            "rmse": rmse(model.predict_entries(*where)),
            "s": seconds,
            "gap": model.certificate_.relative,
            "rank": model.rank_,
        }
    offsets = model.intercept_ + model.row_offsets_[:, None] + model.column_offsets_
    yield {"method": "offsets", "rmse": rmse(offsets[where])}
    inner_rows = np.repeat(np.arange(shape[0]), np.diff(X.indptr))
    residuals = X.data - offsets[inner_rows, X.indices]
    for rank in (5, 10, 20):
        for strength in (4.0, 8.0, 16.0):
            (U, V), seconds = timed(alternating_least_squares, X, residuals, strength, rank)
            found = offsets[where] + np.einsum("ij,ij->i", U[where[0]], V[where[1]])
            setting = f"rank {rank}, strength {strength:g}"
            yield {"method": "ALS, NumPy", "setting": setting, "rmse": rmse(found), "s": seconds}


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
        "s": seconds,
        "rank": model.rank_,
        "certificate": model.certificate_,
        "steps": model.n_iter_,
        "error": float(np.sqrt(np.mean((model.predict_entries(rows, columns) - truth) ** 2))),
        "formula GB": (56 * X.nnz + 25 * 8 * (n + d) * (model.rank_ + 8)) / 1e9,
        "measured GB": peak_memory() - before,
    }


def peak_memory():
    """Of this process, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main():
    """Print the rows of a table."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = {"recovery": recovery, "imputation": imputation, "ratings": ratings, "large": large}
    parser.add_argument("--what", choices=tables, required=True)
    parser.add_argument("--file", help="ratings as text")
    arguments = parser.parse_args()
    options = {"file": arguments.file} if arguments.file else {}
    for row in tables[arguments.what](**options):
        cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values())
        print(" | ".join(f"{k} {v}" for k, v in zip(row, cells, strict=True)), flush=True)


if __name__ == "__main__":
    main()
