"""Quadratic nets beside ridge on degree-2 features: test RMSE, and gaps of default fits.

Columns and targets are standardised on the training rows; the strengths of both are chosen on a
fifth of these, three a decade, and refitted on all. `OPTLAND_DATA` says where the data sets are.

    OMP_NUM_THREADS=1 python benchmarks/studies/quadratic_nets.py [DATA ...]

The table goes to results/low_rank.json; rows of other data sets stay.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_optland.neural_network import MeanFieldTwoLayerNet

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.tables import Table, conditions_of, read, write

COLUMNS = {
    "data": "",
    "quadratic net": "{:.4f}",
    "degree-2 ridge": "{:.4f}",
    "gap of the default fit": "{:.0e}",
    "seconds": "{:.2f}",
}
DATA = ("concrete", "kin8nm", "airfoil", "energy", "boston_housing", "pol")
ALPHAS_NET = np.logspace(-5, -1, 13)
ALPHAS_RIDGE = np.logspace(-4, 4, 25)
SEEDS = range(3)


def load(name):
    with np.load(Path(os.environ["OPTLAND_DATA"]) / f"{name}.npz") as file:
        X, y = file["X"].astype(float), file["y"].astype(float)
    return X, y.reshape(len(y), -1)[:, 0]


def net(alpha):
    return MeanFieldTwoLayerNet(activation="square", alpha=alpha, scale_inputs=False)


def ridge(alpha):
    return make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), Ridge(alpha))


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def tuned(make, alphas, X, y, seed):
    A, B, a, b = train_test_split(X, y, test_size=0.2, random_state=seed)
    best = min(alphas, key=lambda alpha: rmse(make(alpha).fit(A, a), B, b))
    return make(best).fit(X, y)


def cases(names):
    """Yield rows of the table."""
    for name in names:
        X, y = load(name)
        errors = []
        for seed in SEEDS:
            A, B, a, b = train_test_split(X, y, test_size=0.2, random_state=seed)
            scaler, mean, size = StandardScaler().fit(A), a.mean(), a.std()
            A, B = scaler.transform(A), scaler.transform(B)
            a, b = (a - mean) / size, (b - mean) / size
            models = (
                tuned(make, alphas, A, a, seed)
                for make, alphas in ((net, ALPHAS_NET), (ridge, ALPHAS_RIDGE))
            )
            errors.append([rmse(model, B, b) for model in models])
        X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
        start = time.process_time()
        model = MeanFieldTwoLayerNet(activation="square", alpha=1e-3, scale_inputs=False).fit(X, y)
        seconds = time.process_time() - start
        cells = name, *np.mean(errors, axis=0), model.certificate_.relative, seconds
        yield dict(zip(COLUMNS, cells, strict=True))


def main(names):
    names = names or DATA
    table = Table(COLUMNS)
    print(table.head())
    for row in cases(names):
        print(table.add(row), flush=True)
    old = read("low_rank").get("quadratic_nets", table).rows
    table.rows += [row for row in old if row["data"] not in names]
    table.rows.sort(key=lambda row: DATA.index(row["data"]))
    command = "OMP_NUM_THREADS=1 python benchmarks/studies/quadratic_nets.py"
    table.conditions = conditions_of(command, "sklearn-optland", "scikit-learn")
    write("low_rank", read("low_rank") | {"quadratic_nets": table})


if __name__ == "__main__":
    main(sys.argv[1:])
