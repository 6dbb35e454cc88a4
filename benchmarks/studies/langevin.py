"""Langevin dynamics and spectral complexity: calibration, and true against random labels.

    OMP_NUM_THREADS=1 python benchmarks/studies/langevin.py --what calibration
    OMP_NUM_THREADS=1 python benchmarks/studies/langevin.py --what complexity

calibration: breast_cancer, standardised; probabilities of the rows left out of 5 folds; the
calibration error is the mean distance of frequency and probability in ten bins.

complexity: nets on the first rows of digits, with their labels and with the labels permuted, all
fitted without an error; ratios of spectral complexity, and of median normalised margins.
"""

import argparse
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_optland.landscape import normalized_margins, spectral_complexity
from sklearn_optland.langevin import LangevinClassifier
from sklearn_optland.neural_network import ADMMNetClassifier


def calibration_error(y, p, n_bins=10):
    """Mean distance of frequency and probability."""
    bins = np.minimum((p * n_bins).astype(int), n_bins - 1)
    parts = [(y[bins == k], p[bins == k]) for k in np.unique(bins)]
    return sum(abs(a.mean() - b.mean()) * len(a) for a, b in parts) / len(y)


def calibration():
    """Scores of the probabilities of rows left out."""
    X, y = load_breast_cancer(return_X_y=True)
    models = (
        LogisticRegression(),
        LangevinClassifier(random_state=0),
        LangevinClassifier((10,), random_state=0),
    )
    for model in models:
        wrapped = make_pipeline(StandardScaler(), model)
        p = cross_val_predict(wrapped, X, y, method="predict_proba")[:, 1]
        print(
            f"{model!r}: log-loss {log_loss(y, p):.4f}, Brier score {brier_score_loss(y, p):.4f}, "
            f"calibration error {calibration_error(y, p):.4f}"
        )


def complexity():
    """Ratios of random to true labels."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    nets = {
        "MLPClassifier, lbfgs": MLPClassifier((64,), alpha=0, solver="lbfgs", max_iter=10_000),
        "ADMMNetClassifier": ADMMNetClassifier((64,), alpha=1e-6),
    }
    for n in (500, 1000, len(X)):
        for name, net in nets.items():
            for seed in range(5):
                found = []
                for labels in (y[:n], np.random.RandomState(seed).permutation(y[:n])):
                    model = clone(net).set_params(random_state=seed).fit(X[:n], labels)
                    margin = np.median(normalized_margins(model, X[:n], labels))
                    found.append((model.score(X[:n], labels), spectral_complexity(model), margin))
                (_, true, margin), (_, random, small) = found
                print(
                    f"{n} rows, {name}, seed {seed}: accuracies {[row[0] for row in found]}, "
                    f"complexity {true:.0f} and {random:.0f}, ratio {random / true:.1f}; "
                    f"margins' ratio {margin / small:.1f}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=("calibration", "complexity"), required=True)
    warnings.simplefilter("ignore")  # chains of nets that have not mixed
    {"calibration": calibration, "complexity": complexity}[parser.parse_args().what]()
