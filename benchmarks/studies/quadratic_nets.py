"""Quadratic nets beside ridge on degree-2 features: test RMSE, and gaps of default fits.

Columns and targets are standardised on the training rows; the strengths of both are chosen on a
fifth of these, three a decade, and refitted on all. `OPTLAND_DATA` says where the data sets are.

    python benchmarks/studies/quadratic_nets.py [DATA ...]
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

DATA = ("concrete", "kin8nm", "airfoil", "energy", "boston_housing", "pol")
ALPHAS_NET = np.logspace(-5, -1, 13)
ALPHAS_RIDGE = np.logspace(-4, 4, 25)
SEEDS = range(3)


def load(name):
    with np.load(Path(os.environ["OPTLAND_DATA"]) / f"{name}.npz") as file:
        X, y = file["X"].astype(float), file["y"].astype(float)
    return X, y.reshape(len(y), -1)[:, 0]


def net(alpha):
    return MeanFieldTwoLayerNet(activation="square", alpha=alpha)


def ridge(alpha):
    return make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), Ridge(alpha))


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def tuned(make, alphas, X, y, seed):
    A, B, a, b = train_test_split(X, y, test_size=0.2, random_state=seed)
    best = min(alphas, key=lambda alpha: rmse(make(alpha).fit(A, a), B, b))
    return make(best).fit(X, y)


def main(names):
    print("| data | quadratic net | degree-2 ridge | gap of the default fit | seconds |")
    print("|---|---:|---:|---:|---:|")
    for name in names or DATA:
        X, y = load(name)
        errors = []
        for seed in SEEDS:
            A, B, a, b = train_test_split(X, y, test_size=0.2, random_state=seed)
            scaler, mean, size = StandardScaler().fit(A), a.mean(), a.std()
            A, B, a, b = (
                scaler.transform(A),
                scaler.transform(B),
                (a - mean) / size,
                (b - mean) / size,
            )
            models = (
                tuned(make, alphas, A, a, seed)
                for make, alphas in ((net, ALPHAS_NET), (ridge, ALPHAS_RIDGE))
            )
            errors.append([rmse(model, B, b) for model in models])
        X, y = StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
        start = time.process_time()
        model = MeanFieldTwoLayerNet(activation="square").fit(X, y)
        seconds = time.process_time() - start
        ours, theirs = np.mean(errors, axis=0)
        gap = model.certificate_.relative
        print(f"| {name} | {ours:.4f} | {theirs:.4f} | {gap:.0e} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
