"""
LOMtree: a tree that grows online
=================================

The tree of Choromanska and Langford learns a row at a time. A leaf that meets a second class
splits; its regressor is pushed to send each class to one side, and half of the rows to each.
"""

# %%
# Eight classes in the plane, a stream of rows. The regions are the tree's predictions after so
# many rows; the points are the last ones it has seen.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.datasets import load_digits

from sklearn_optland.tree import LOMTreeClassifier, plot_tree

rng = np.random.default_rng(0)
angles = 2 * np.pi * np.arange(8) / 8
centres = np.column_stack([np.cos(angles), np.sin(angles)]) * 3
palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#999999"]
colours = ListedColormap(palette)


def stream(n_rows):
    y = rng.integers(8, size=n_rows)
    return centres[y] + 0.55 * rng.standard_normal((n_rows, 2)), y


across, up = np.meshgrid(np.linspace(-5, 5, 200), np.linspace(-5, 5, 200))
grid = np.column_stack([across.ravel(), up.ravel()])

tree = LOMTreeClassifier(max_nodes=15, max_depth=6)
figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), sharex=True, sharey=True)
seen = 0
for ax, until in zip(axes, [10, 40, 200, 4000], strict=True):
    X, y = stream(until - seen)
    tree.partial_fit(X, y, classes=np.arange(8))
    seen = until
    regions = tree.predict(grid).reshape(across.shape)
    ax.pcolormesh(across, up, regions, cmap=colours, vmin=0, vmax=7, alpha=0.35, rasterized=True)
    ax.scatter(*X[-150:].T, c=y[-150:], cmap=colours, vmin=0, vmax=7, s=8, edgecolor="none")
    ax.set(title=f"{until} rows, {tree.get_n_leaves()} leaves", aspect="equal")
    ax.grid(False)
plt.show()

# sphinx_gallery_thumbnail_number = 2

# %%
# The tree
# --------
# After a fit, :func:`~sklearn_optland.tree.plot_tree` draws it. J is the paper's objective: 1 is a
# split that is balanced and pure.
X, y = stream(2000)
tree = LOMTreeClassifier(max_nodes=15, max_depth=6, random_state=0).fit(X, y)
figure, ax = plt.subplots(figsize=(11, 6))
plot_tree(tree, max_depth=4, n_terms=0, ax=ax, fontsize=8)
plt.show()

# %%
# What the splits do
# ------------------
# `node_stats_` has the measures of each node; here for handwritten digits, the size of a dot being
# the number of classes. Splits that many rows pass have a J near 1. Those with a small J send few
# rows to one side: a balance near 0 or 1. Nearly all are pure: hardly a class is divided.
X, y = load_digits(return_X_y=True)
tree = LOMTreeClassifier(random_state=0).fit(X, y)
stats = tree.node_stats_
split = ~np.isnan(stats["J"])
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharex=True)
for ax, name, best in zip(axes, ["J", "balance", "purity"], [1.0, 0.5, 0.0], strict=True):
    ax.scatter(stats["n"][split], stats[name][split], s=8 * stats["n_classes"][split], alpha=0.7)
    ax.axhline(best, color="black", linestyle=":", label="the best possible")
    ax.set(xscale="log", xlabel="rows of the node", title=name, ylim=(-0.05, 1.05))
axes[0].legend(loc="lower left")
plt.show()

# %%
# The leaf entropy, relative to that of the classes before any split:
print(tree.certificate_)
