"""Logistic regression, default against default: fits, grid searches and cross-validation.

    OMP_NUM_THREADS=1 python benchmarks/studies/defaults.py
    OMP_NUM_THREADS=1 python benchmarks/studies/defaults.py --what fits

Ours and scikit-learn's fit the same data in turn, in one process. Printed are the medians of the
rounds in milliseconds, the median of theirs ÷ ours with the lowest and the highest, and of a fit
how far theirs ends from the optimum, relative to the objective, which at ours is at most 1e-6.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.special import logsumexp
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    BoundMajorizationLogisticRegressionCV,
)

OURS, THEIRS = BoundMajorizationLogisticRegression(), LogisticRegression()
SMALL = ("iris", "wine", "breast_cancer", "digits")
GRID = {"C": np.logspace(-4, 4, 10)}
CV = {"l1_ratios": (0.0,), "use_legacy_attributes": False, "scoring": None}


def bundled(name):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def drawn(n, d, k):
    """Rows whose classes follow a linear model with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    scores = X @ rng.standard_normal((d, k)) * (3 / np.sqrt(d))
    return X, (scores + rng.gumbel(size=(n, k))).argmax(axis=1)


def cases(what):
    """Names, two estimators, data and rounds."""
    small = [(name, bundled(name)) for name in SMALL]
    many = [(200_000, 10, 4), (1_000_000, 3, 3), (1_000_000, 20, 2)]
    if what == "fits":
        for name, data in small:
            yield name, OURS, THEIRS, data, 25
        for size in many:
            text = "{} rows, {} columns, {} classes".format(*size)
            yield text, OURS, THEIRS, drawn(*size), 3
    elif what == "grid":
        for name, data in small:
            yield name, GridSearchCV(OURS, GRID), GridSearchCV(THEIRS, GRID), data, 3
    else:
        ours, theirs = BoundMajorizationLogisticRegressionCV(), LogisticRegressionCV(**CV)
        for name, data in small:
            yield name, ours, theirs, data, 3


def objective(model, X, y):
    """That of a fit at C = 1; two classes have one row of coefficients."""
    scores = X @ model.coef_.T + model.intercept_
    scores = np.hstack([np.zeros_like(scores), scores]) if scores.shape[1] == 1 else scores
    own = scores[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return 0.5 * np.vdot(model.coef_, model.coef_) + np.sum(logsumexp(scores, axis=1) - own)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--what", nargs="+", default=["fits", "grid", "cv"])
    warnings.simplefilter("ignore")
    for what in parser.parse_args().what:
        print(f"\n| {what} | ours ms | theirs ms | theirs ÷ ours | theirs from the optimum |")
        print("| --- | --- | --- | --- | --- |")
        for name, ours, theirs, (X, y), rounds in cases(what):
            times = []
            for number in range(rounds + 1):
                for model in (ours, theirs) if number % 2 else (theirs, ours):
                    start = time.perf_counter()
                    model.fit(X, y)
                    times.append((model is theirs, time.perf_counter() - start))
            seconds = [
                np.array([s for is_theirs, s in times[2:] if is_theirs == who]) for who in (0, 1)
            ]
            ratios = seconds[1] / seconds[0]
            distance = ""
            if what == "fits":
                distance = f"{objective(theirs, X, y) / objective(ours, X, y) - 1:.0e}"
            mine, other = (1e3 * np.median(part) for part in seconds)
            print(
                f"| {name} | {mine:.3g} | {other:.3g} | {np.median(ratios):.2f} "
                f"({ratios.min():.2f}–{ratios.max():.2f}) | {distance} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
