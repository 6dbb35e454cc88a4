"""Test error of two classes in 15 dimensions: the output layer alone, or both layers.

The experiment of Chizat and Bach (2020): two columns lie in nine discs, three by three, whose
classes are drawn; twelve columns are uniform and mean nothing; the bias is the fifteenth. 200
neurons, 10 draws of classes and rows; the margin is maximised, there is no penalty.

The last columns are a reference that has nothing of the net's steps: the widest margin over masses
on a set of directions, a linear program, to which directions are added where its dual is violated
until its margin is within 5 % of the bound. It shows what the problem, not the ascent, leads to.
"""

from dataclasses import dataclass

import numpy as np
from common.folder import Case
from common.measure import cpu_seconds, median
from two_layer.widest_margin import widest_margin

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier

N_FEATURES, N_TEST = 14, 4000  # the bias is the fifteenth
N_ROWS = 32, 64, 128, 256
DRAWS = range(10)
REGIMES = {"kernel": "output layer", "feature": "both layers", "program": "linear program"}
N_NEURONS, MAX_ITER = 200, 5000


def discs(n_rows, n_features, classes, rng):
    """Rows and classes: nine discs in the unit square, as far apart as their radius."""
    side = len(classes)
    radius = 1 / (3 * side - 1)
    i, j = rng.integers(0, side, (2, n_rows))
    angle, distance = 2 * np.pi * rng.random(n_rows), radius * rng.random(n_rows)
    X = rng.uniform(-0.5, 0.5, (n_rows, n_features))
    X[:, 0] = radius * (3 * i + 1) - 0.5 + distance * np.cos(angle)
    X[:, 1] = radius * (3 * j + 1) - 0.5 + distance * np.sin(angle)
    return X, classes[i, j]


def draw(n_rows, seed):
    """Training rows with both classes, and test rows of the same discs."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation([0] * 4 + [1] * 5).reshape(3, 3)
    X, y = discs(max(N_ROWS), N_FEATURES, classes, rng)
    return X[:n_rows], y[:n_rows], *discs(N_TEST, N_FEATURES, classes, rng)


def measure(n_rows, regime, seed):
    X, y, X_test, y_test = draw(n_rows, seed)
    if regime == "program":
        directions = np.random.default_rng(seed).standard_normal((N_NEURONS, N_FEATURES + 1))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        labels = []
        seconds = cpu_seconds(lambda: labels.append(widest_margin(X, y, X_test, directions)))
        return {"error": float(np.mean(labels[0] != y_test)), "seconds": seconds}
    model = MeanFieldTwoLayerNetClassifier(
        n_particles=N_NEURONS,
        solver="margin-ascent",
        regime=regime,
        scale_inputs=False,
        max_iter=MAX_ITER,
        random_state=seed,
    )
    seconds = cpu_seconds(lambda: model.fit(X, y))
    return {"error": float(np.mean(model.predict(X_test) != y_test)), "seconds": seconds}


@dataclass(frozen=True)
class Regimes(Case):
    """Rows: numbers of rows. Columns: error and seconds by what is trained."""

    n_rows: tuple = N_ROWS
    draws: tuple = tuple(DRAWS)
    smoke = {"n_rows": N_ROWS[:1], "draws": (0, 1)}

    @property
    def columns(self):
        columns = {"rows": "{}"}
        for name in REGIMES.values():
            columns |= {f"{name}: error": "{:.3f} ± {:.3f}", f"{name}: s": "{:.2f}"}
        return columns

    def rows(self, folder, cell):
        for n in self.n_rows:
            row = {"rows": n}
            for regime, name in REGIMES.items():
                key = {"n_rows": [n], "regime": [regime], "seed": self.draws}
                lines = cell.each("regimes", measure, **key)
                if lines is None:
                    continue
                errors = [line["error"] for line in lines]
                row[f"{name}: error"] = [np.mean(errors), np.std(errors)]
                row[f"{name}: s"] = median(lines, "seconds")
            yield row
