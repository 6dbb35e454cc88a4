"""What the preconditioners of logistic regression's Newton steps buy: CPU seconds with and without.

    OPTLAND_DATA=FOLDER OMP_NUM_THREADS=1 python benchmarks/studies/preconditioners.py [NAME ...]

A default fit (tol=1e-6) on standardised columns at C = 1 and 100, with the preconditioner that it
chooses, and with the metric of its first phase in the place of that; in turn, medians.
"""

import os
import sys
from pathlib import Path
from time import process_time
from unittest import mock

import numpy as np

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression
from sklearn_optland.linear_model._logistic import newton

NAMES = ("pendigits", "satimage", "segment", "vowel", "shuttle", "usps", "isolet", "mnist")
MAX_ROWS, ROUNDS = 8000, 3


def load(name):
    """Standardised rows, at most MAX_ROWS of them, and labels."""
    data = np.load(Path(os.environ["OPTLAND_DATA"], f"{name}.npz"))
    X, y = data["X"].astype(float), data["y"]
    rows = np.random.RandomState(0).permutation(len(X))[:MAX_ROWS]
    X, y = X[rows], y[rows]
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0), y


def seconds(X, y, C, choose):
    """CPU seconds of a fit."""
    model = BoundMajorizationLogisticRegression(C, random_state=0)
    with mock.patch.object(newton, "choose_preconditioner", choose):
        start = process_time()
        model.fit(X, y)
        return process_time() - start


def main(names):
    chosen = newton.choose_preconditioner
    print("| data | C | preconditioner | seconds | without | ratio |\n|---|---|---|---|---|---|")
    for name in names:
        X, y = load(name)
        for C in (1.0, 100.0):
            kinds = set()

            def choose(problem, curvature, kinds=kinds):
                preconditioner = chosen(problem, curvature)
                kinds.add(type(preconditioner).__name__)
                return preconditioner

            def refuse(problem, curvature):
                return curvature

            pairs = [[seconds(X, y, C, how) for how in (choose, refuse)] for _ in range(ROUNDS)]
            ours, without = np.median(pairs, axis=0)
            kind = ", ".join(kinds) or "none"
            print(
                f"| {name} | {C:g} | {kind} | {ours:.3f} | {without:.3f} | {without / ours:.2f} |"
            )


if __name__ == "__main__":
    main(sys.argv[1:] or NAMES)
