"""Random features: arc-cosine kernel beside RBFSampler and Nystroem, at equal numbers.

    OMP_NUM_THREADS=1 OPTLAND_DATA=~/data python benchmarks/studies/random_features.py [--data usps]

`error`: relative error of the kernel (Frobenius) on digits, mean of five draws.

`accuracy`: features of a data set, and scikit-learn's LogisticRegression on them. Parameters are
chosen on a fifth of the training rows with 256 features: C for all, the width of Gaussian kernels,
degree and bias of the arc-cosine kernel. Test accuracies are means of three draws, CPU seconds
those of the features of all rows and of a fit. Columns are centred, and scaled by one number.
"""

import argparse
import itertools
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_optland.kernel_approximation import ArcCosineSampler
from sklearn_optland.metrics.pairwise import arc_cosine_kernel

sys.path.insert(0, str(Path(__file__).parents[1]))
from common.npz import load

NUMBERS, CHOSEN_AT, DRAWS = (256, 512, 1024), 256, 3
CS = (1.0, 10.0, 100.0, 1000.0)
# gamma in units of 1 / (n_features variance), scikit-learn's "scale"
WIDTHS = [{"gamma": gamma} for gamma in (0.25, 0.5, 1.0, 2.0, 4.0)]
METHODS = {
    "arc-cosine": (
        ArcCosineSampler(),
        [{"degree": n, "bias": bias} for n in (1, 2) for bias in (0.0, 0.5)],
    ),
    "RBFSampler": (RBFSampler(), WIDTHS),
    "Nystroem": (Nystroem(), WIDTHS),
}


def error():
    digits = load_digits().data[:1000]
    print("| columns | directions | m = 128 | 256 | 512 |")
    print("| --- | --- | --- | --- | --- |")
    for name, X in (
        ("/ 16", digits / 16),
        ("standardised", StandardScaler().fit_transform(digits)),
    ):
        kernel = arc_cosine_kernel(X)
        for is_orthogonal in (True, False):
            cells = []
            for m in (128, 256, 512):
                errors = []
                for seed in range(5):
                    sampler = ArcCosineSampler(m, orthogonal=is_orthogonal, random_state=seed)
                    features = sampler.fit_transform(X)
                    errors.append(np.linalg.norm(features @ features.T - kernel))
                cells.append(f"{np.mean(errors) / np.linalg.norm(kernel):.3f}")
            kind = "orthogonal pairs" if is_orthogonal else "independent"
            print(f"| {name} | {kind} | " + " | ".join(cells) + " |", flush=True)


def outcome(sampler, C, train, test):
    """Accuracy, and CPU seconds of features and fit."""
    start = time.process_time()
    F, G = sampler.fit_transform(train[0]), sampler.transform(test[0])
    made = time.process_time() - start
    model = LogisticRegression(C=C, max_iter=300).fit(F, train[1])
    return model.score(G, test[1]), made, time.process_time() - start - made


def accuracy(name):
    X, y, n_train = load(name)
    X = X - X[:n_train].mean(axis=0, dtype=np.float64)
    X = X / np.sqrt(np.mean(X[:n_train] ** 2) * X.shape[1])  # rows of length 1 on average
    scale = 1 / (X.shape[1] * X[:n_train].var())
    train, test = (X[:n_train], y[:n_train]), (X[n_train:], y[n_train:])
    parts = train_test_split(*train, test_size=0.2, random_state=0, stratify=train[1])
    inner, outer = parts[::2], parts[1::2]
    print(f"{name}: {n_train} training and {len(test[1])} test rows, {X.shape[1]} columns")
    print("| features | chosen | m | accuracy | s features | s fit |")
    print("| --- | --- | --- | --- | --- | --- |")
    for method, (sampler, grid) in METHODS.items():
        grid = [
            {key: value * scale if key == "gamma" else value for key, value in some.items()}
            for some in grid
        ]
        scores = {}
        for (k, settings), C in itertools.product(enumerate(grid), CS):
            settings = {**settings, "n_components": CHOSEN_AT, "random_state": 100}
            scores[k, C] = outcome(clone(sampler).set_params(**settings), C, inner, outer)[0]
        k, C = max(scores, key=scores.get)
        chosen = ", ".join(f"{key} {value:.3g}" for key, value in grid[k].items())
        for m in NUMBERS:
            found = [
                outcome(
                    clone(sampler).set_params(**grid[k], n_components=m, random_state=seed),
                    C, train, test,
                )
                for seed in range(DRAWS)
            ]  # fmt: skip
            score, made, fitted = np.mean(found, axis=0)
            print(f"| {method} | {chosen}, C {C:g} | {m} | {score:.4f} | {made:.2f} "
                  f"| {fitted:.1f} |", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="usps")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    error()
    accuracy(arguments.data)


if __name__ == "__main__":
    main()
