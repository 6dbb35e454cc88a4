"""
Kernel against feature learning
===============================

A wide net can be trained in two ways. In the kernel regime the hidden layer stays as it was drawn, and
only the output layer learns. If both layers learn, neurons turn to the directions that matter. Here
two of the columns matter, and the others are noise: after Chizat and Bach (2020), made small;
`benchmarks/two_layer/regimes.py` is the large version.
"""

# %%
# Nine discs in the first two columns, whose classes alternate. The margin is maximised in both regimes,
# there is no penalty; what differs is the norm that the margin is measured in.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # the margins need not be exact here
REGIMES = {"kernel": "kernel: output layer", "feature": "feature: both layers"}


def discs(n_rows, n_features, rng):
    i, j = rng.integers(0, 3, (2, n_rows))
    angle, distance = 2 * np.pi * rng.random(n_rows), np.sqrt(rng.random(n_rows)) / 8
    X = rng.uniform(-0.5, 0.5, (n_rows, n_features))
    X[:, 0] = (3 * i + 1) / 8 - 0.5 + distance * np.cos(angle)
    X[:, 1] = (3 * j + 1) / 8 - 0.5 + distance * np.sin(angle)
    return X, (i + j) % 2


def net(regime, seed):
    return MeanFieldTwoLayerNetClassifier(
        200, solver="margin-ascent", regime=regime, tol=0.05, max_iter=300, random_state=seed
    )


# %%
# In the plane
# ------------
# Without noise columns both separate the classes. Scores of the two nets:
X, y = discs(64, 2, np.random.default_rng(0))
ticks = np.linspace(-0.6, 0.6, 120)
across, up = np.meshgrid(ticks, ticks)
figure, axes = plt.subplots(1, 2, figsize=(9, 4.1), sharey=True)
for ax, (regime, title) in zip(axes, REGIMES.items(), strict=True):
    model = net(regime, 0).fit(X, y)
    grid = np.column_stack([across.ravel(), up.ravel()])
    score = model.decision_function(grid).reshape(across.shape)
    ax.contourf(across, up, score, np.linspace(-3, 3, 13), cmap="PuOr", extend="both", alpha=0.8)
    ax.contour(across, up, score, [0], colors="black")
    ax.scatter(*X.T, c=np.where(y, "#5e3c99", "#b35806"), s=14, edgecolor="white", linewidth=0.5)
    ax.set(title=f"{title}, margin {model.margin_:.2g}", aspect="equal")
    ax.grid(False)
plt.show()

# %%
# In 15 dimensions
# ----------------
# Test errors by the number of training rows, mean and standard deviation over three draws.
n_rows, draws = [32, 64, 128, 256], range(3)
figure, ax = plt.subplots(figsize=(6.5, 4))
for (regime, title), marker in zip(REGIMES.items(), "os", strict=True):
    errors = np.empty((len(n_rows), len(draws)))
    for a, n in enumerate(n_rows):
        for seed in draws:
            rng = np.random.default_rng(seed)
            model = net(regime, seed).fit(*discs(n, 15, rng))
            X_test, y_test = discs(3000, 15, rng)
            errors[a, seed] = 1 - model.score(X_test, y_test)
    ax.errorbar(n_rows, errors.mean(axis=1), errors.std(axis=1), marker=marker, capsize=3, label=title)
ax.set_xscale("log", base=2)
ax.xaxis.set_major_formatter("{x:g}")
ax.set(xlabel="training rows", ylabel="test error", ylim=(0, None))
ax.legend()
plt.show()
