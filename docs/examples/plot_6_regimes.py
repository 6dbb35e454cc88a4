"""
Kernel against feature learning
===============================

A wide net can be trained in two ways. In the kernel regime the hidden layer stays as it was drawn,
and only the output layer learns. If both layers learn, neurons turn to the directions that matter.
Here two columns matter and the others are noise: after Chizat and Bach (2020), made small, and
with a penalty that is chosen on held-out rows, where theirs maximises the margin.
`python benchmarks/run.py two_layer --what regimes` is the large version.
"""

# %%
# Nine discs in the first two columns, each of one class. The penalty is the norm of the regime:
# that of the random features' Hilbert space, or the variation norm.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit

from sklearn_optland.neural_network import MeanFieldTwoLayerNetClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # 1000 steps are enough to compare
REGIMES = {"kernel": "kernel: output layer", "feature": "feature: both layers"}


def discs(n_rows, n_features, classes, rng):
    i, j = rng.integers(0, 3, (2, n_rows))
    angle, distance = 2 * np.pi * rng.random(n_rows), np.sqrt(rng.random(n_rows)) / 8
    X = rng.uniform(-0.5, 0.5, (n_rows, n_features))
    X[:, 0] = (3 * i + 1) / 8 - 0.5 + distance * np.cos(angle)
    X[:, 1] = (3 * j + 1) / 8 - 0.5 + distance * np.sin(angle)
    return X, classes[i, j]


def net(regime, seed):
    model = MeanFieldTwoLayerNetClassifier(
        100, regime=regime, scale_inputs=False, random_state=seed
    )
    split = StratifiedShuffleSplit(1, test_size=0.25, random_state=seed)
    return GridSearchCV(model, {"alpha": [1e-6, 1e-5, 1e-4, 1e-3]}, cv=split)


# %%
# In the plane
# ------------
# Without columns of noise both separate the classes; the kernel with smooth borders:
chess = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
X, y = discs(150, 2, chess, np.random.default_rng(0))
ticks = np.linspace(-0.6, 0.6, 120)
across, up = np.meshgrid(ticks, ticks)
grid = np.column_stack([across.ravel(), up.ravel()])
figure, axes = plt.subplots(1, 2, figsize=(9, 4.3), sharey=True)
for ax, (regime, title) in zip(axes, REGIMES.items(), strict=True):
    score = net(regime, 0).fit(X, y).decision_function(grid).reshape(across.shape)
    levels = np.linspace(-6, 6, 13)
    ax.contourf(across, up, score, levels, cmap="PuOr", extend="both", alpha=0.8)
    ax.contour(across, up, score, [0], colors="black")
    ax.scatter(*X.T, c=np.where(y, "#5e3c99", "#b35806"), s=16, edgecolor="white", linewidth=0.5)
    ax.set(title=title, aspect="equal", xlabel="first column")
    ax.grid(False)
axes[0].set_ylabel("second column")
plt.show()

# %%
# In 15 dimensions
# ----------------
# Test errors by the number of training rows: medians and quartiles of five draws of the classes of
# the discs and of the rows.
n_rows, draws = [32, 64, 128, 256, 512], range(5)
figure, ax = plt.subplots(figsize=(6.5, 4.2))
for (regime, title), marker, shift in zip(REGIMES.items(), "os", [0.98, 1.02], strict=True):
    errors = np.empty((len(n_rows), len(draws)))
    for a, n in enumerate(n_rows):
        for seed in draws:
            rng = np.random.default_rng(seed)
            classes = rng.permutation([0, 0, 0, 0, 1, 1, 1, 1, rng.integers(2)]).reshape(3, 3)
            model = net(regime, seed).fit(*discs(n, 15, classes, rng))
            errors[a, seed] = 1 - model.score(*discs(2000, 15, classes, rng))
    low, middle, high = np.quantile(errors, [0.25, 0.5, 0.75], axis=1)
    where = np.array(n_rows) * shift
    ax.errorbar(where, middle, [middle - low, high - middle], marker=marker, capsize=3, label=title)
ax.set_xscale("log", base=2)
ax.xaxis.set_major_formatter("{x:g}")
ax.set(xlabel="training rows", ylabel="test error", ylim=(0, None))
ax.legend()
plt.show()
