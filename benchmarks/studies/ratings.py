"""Ratings: low-rank factorization beside alternating least squares and surprise's SVD.

    OMP_NUM_THREADS=1 python benchmarks/studies/ratings.py [--file u.data]
    OMP_NUM_THREADS=1 python benchmarks/studies/ratings.py --peers    # where surprise is installed

943 x 1682 with 100 000 entries: rounded to 1 ... 5, of rank 10 with falling spectrum, rows and
columns of unequal popularity; 10 % of the entries are for the test. All settings are chosen on a
tenth of the other entries and refitted on all of them. Alternating least squares, in NumPy, has our
offsets. Seconds are CPU time of the last fit, and of the search with it.

With a file, its lines "user item rating ..." are the ratings: those of MovieLens, separated by
blanks, commas or "::". The table goes to results/low_rank.json, unless there is a file.

`implicit` predicts preferences, for which all that is not observed is a zero, and no ratings: it
has no error to compare.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from scipy import sparse

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.tables import Table, conditions_of, read, write

COLUMNS = {
    "method": "",
    "setting": "",
    "test RMSE": "{:.4f}",
    "fit, s": "{:.2f}",
    "with search, s": "{:.1f}",
    "gap": "{:.0e}",
    "rank": "{}",
}
ALPHAS = 0.8, 0.65, 0.5, 0.4, 0.32, 0.25


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


class Low:
    """Our factorization."""

    settings = tuple(product((False, True), ALPHAS))
    options = {}

    def __init__(self, debias, alpha):
        self.debias, self.alpha = debias, alpha

    def __str__(self):
        return f"alpha {self.alpha}, debias {self.debias}"

    def fit(self, X):
        from sklearn_optland.decomposition import LowRankFactorization

        model = LowRankFactorization(self.alpha, debias=self.debias, tol=1e-3, **self.options)
        self.model = model.fit(X)
        self.gap, self.rank = model.certificate_.relative, model.rank_

    def predict(self, rows, columns):
        return self.model.predict_entries(rows, columns)


class LowOfFewColumns(Low):
    """Our factorization with a limit to the rank, as the others have."""

    settings = tuple(product((5, 10, 20), (0.13, 0.18, 0.25)))

    def __init__(self, max_rank, alpha):
        super().__init__(True, alpha)
        self.options = {"max_rank": max_rank}

    def __str__(self):
        return f"{super().__str__()}, max_rank {self.options['max_rank']}"


class AlternatingLeastSquares:
    """Ridge regressions of rows and columns in turn, in NumPy, with our offsets."""

    settings = tuple(product((5, 10, 20), (4.0, 8.0, 16.0)))
    sweeps = 20
    gap = None

    def __init__(self, rank, strength):
        self.rank, self.strength = rank, strength

    def __str__(self):
        return f"rank {self.rank}, strength {self.strength:g}"

    def fit(self, X):
        from sklearn_optland.decomposition import LowRankFactorization

        offsets = LowRankFactorization(1e3).fit(X)
        a, b = offsets.row_offsets_, offsets.column_offsets_
        self.offsets = offsets.intercept_ + a[:, None] + b
        rng = np.random.default_rng(0)
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        residuals = X.data - self.offsets[rows, X.indices]
        R = sparse.csr_array((residuals, X.indices, X.indptr), shape=X.shape)
        sides = R, sparse.csr_array(R.T)
        self.factors = [
            np.zeros((X.shape[0], self.rank)),
            0.1 * rng.normal(size=(X.shape[1], self.rank)),
        ]
        for sweep in range(2 * self.sweeps):
            self._regress(sides[sweep % 2], sweep % 2)

    def _regress(self, side, which):
        V = self.factors[1 - which]
        for i in range(side.shape[0]):
            part = slice(side.indptr[i], side.indptr[i + 1])
            W = V[side.indices[part]]
            gram = W.T @ W + self.strength * np.eye(self.rank)
            self.factors[which][i] = np.linalg.solve(gram, W.T @ side.data[part])

    def predict(self, rows, columns):
        U, V = self.factors
        return self.offsets[rows, columns] + np.einsum("ij,ij->i", U[rows], V[columns])


class SurpriseSVD:
    """surprise's SVD: offsets and factors by stochastic gradients."""

    settings = tuple(product((10, 20, 50, 100), (0.02, 0.05, 0.1), (20, 60)))
    gap = None

    def __init__(self, rank, reg_all, n_epochs):
        self.rank, self.reg_all, self.n_epochs = rank, reg_all, n_epochs

    def __str__(self):
        return f"n_factors {self.rank}, reg_all {self.reg_all}, n_epochs {self.n_epochs}"

    def fit(self, X):
        from surprise import SVD, Dataset, Reader

        X = X.tocoo()
        entries = zip(X.row.tolist(), X.col.tolist(), X.data.tolist(), strict=True)
        data = Dataset(Reader(rating_scale=(1, 5)))
        train = data.construct_trainset([(i, j, value, None) for i, j, value in entries])
        settings = {"reg_all": self.reg_all, "n_epochs": self.n_epochs, "random_state": 0}
        self.model = SVD(n_factors=self.rank, **settings).fit(train)

    def predict(self, rows, columns):
        pairs = zip(rows.tolist(), columns.tolist(), strict=True)
        return np.array([self.model.predict(i, j, clip=False).est for i, j in pairs])


def rmse(model, where, values):
    return float(np.sqrt(np.mean((model.predict(*where) - values) ** 2)))


def chosen(method, entries, values, shape):
    """The setting with the least error on a tenth of the entries."""
    inner = np.random.default_rng(2).random(len(values)) < 0.1
    X = matrix(entries, values, ~inner, shape)
    where, best = tuple(part[inner] for part in entries), (np.inf,)
    for setting in method.settings:
        model = method(*setting)
        model.fit(X)
        best = min(best, (rmse(model, where, values[inner]), setting))
    return method(*best[1])


def matrix(entries, values, taken, shape):
    rows, columns = entries
    return sparse.csr_array((values[taken], (rows[taken], columns[taken])), shape=shape)


def cases(methods, file=None):
    """Yield rows of the table."""
    rows, columns, values = read_ratings(file) if file else generated_ratings()
    shape = (rows.max() + 1, columns.max() + 1) if file else (943, 1682)
    test = np.random.default_rng(1).random(len(values)) < 0.1
    entries, seen = (rows[~test], columns[~test]), values[~test]
    X = matrix((rows, columns), values, ~test, shape)
    for name, method in methods.items():
        start = time.process_time()
        model = chosen(method, entries, seen, shape)
        middle = time.process_time()
        model.fit(X)
        end = time.process_time()
        yield {
            "method": name,
            "setting": str(model),
            "test RMSE": rmse(model, (rows[test], columns[test]), values[test]),
            "fit, s": end - middle,
            "with search, s": end - start,
            "gap": model.gap,
            "rank": model.rank,
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--file", help="ratings as text")
    parser.add_argument("--peers", action="store_true", help="surprise's SVD alone")
    options = parser.parse_args()
    ours = {
        "LowRankFactorization": Low,
        "LowRankFactorization, max_rank": LowOfFewColumns,
        "ALS, NumPy": AlternatingLeastSquares,
    }
    methods = {"surprise SVD": SurpriseSVD} if options.peers else ours
    old = read("low_rank").get("ratings", Table(COLUMNS))
    table = Table(COLUMNS)
    print(table.head())
    for row in cases(methods, options.file):
        print(table.add(row), flush=True)
    if options.file:
        return
    table.rows += [row for row in old.rows if row["method"] not in methods]
    table.rows.sort(key=lambda row: row["test RMSE"])
    command = "OMP_NUM_THREADS=1 python benchmarks/studies/ratings.py"
    packages = ("scikit-surprise", "numpy") if options.peers else ("sklearn-optland", "numpy")
    table.conditions = conditions_of(command, *packages)
    both = {old.conditions.get("versions"), table.conditions["versions"]} - {None}
    table.conditions["versions"] = "; ".join(sorted(both))
    write("low_rank", read("low_rank") | {"ratings": table})


if __name__ == "__main__":
    main()
