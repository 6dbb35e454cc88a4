"""
Where training ends, by width
=============================

One net is trained many times, from other random starts. The wider it is, the nearer to each other
are the losses at which training ends: of narrow nets some runs end at a poor minimum, of wide nets
all are alike. And the less does the training loss say of the test loss. After Choromanska et al.
(2015), made small; `python benchmarks/studies/landscape.py --what correlation` is the large
version.
"""

# %%
# ReLU nets on handwritten digits, without a penalty: 60 epochs fit the 300 training rows.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_optland.landscape import loss_correlation

warnings.simplefilter("ignore", ConvergenceWarning)  # all runs have the same number of epochs
WIDTHS = 4, 8, 16, 32, 64

X, y = load_digits(return_X_y=True)
train, test = (X[:300] / 16, y[:300]), (X[300:] / 16, y[300:])
settings = {"alpha": 0.0, "batch_size": 50, "learning_rate_init": 0.01, "max_iter": 60}
runs = {
    width: loss_correlation(
        MLPClassifier((width,), **settings), *train, *test, n_runs=20, random_state=0
    )
    for width in WIDTHS
}

# %%
# Distributions
# -------------
# A box has half of the runs, its line is their median.
figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for ax, name in zip(axes, ("train", "test"), strict=True):
    ax.boxplot([getattr(found, f"{name}_losses_") for found in runs.values()])
    ax.set_xticks(range(1, len(WIDTHS) + 1), WIDTHS)
    ax.set(xlabel="hidden units", ylabel=f"{name} loss", yscale="log")
    ax.grid(alpha=0.3)
figure.tight_layout()
plt.show()
for width, found in runs.items():
    print(f"{width:3} units: standard deviation of the test loss {np.std(found.test_losses_):.3f}")

# %%
# Correlations
# ------------
# Each point is a run, its losses relative to the mean of the runs. Where the training losses hardly
# differ, choosing the run with the smallest one is no help. Of 20 runs the error is .2 where there
# is no correlation.
figure, ax = plt.subplots(figsize=(7, 4.5))
for width, found in runs.items():
    losses = found.train_losses_, found.test_losses_
    ax.plot(*(part / part.mean() for part in losses), "o", ms=4, label=f"{width} units")
ax.set(xlabel="train loss / mean", ylabel="test loss / mean")
ax.grid(alpha=0.3)
ax.legend()
plt.show()
for width, found in runs.items():
    print(f"{width:3} units: {found}")
