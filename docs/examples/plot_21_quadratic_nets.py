r"""
Quadratic nets
==============

A net of neurons :math:`z^2` is a quadratic function, and with the variation norm as penalty a
convex problem: the nuclear norm of the matrix of interactions. The fit is proven to be the best
quadratic net of any width, and its few neurons can be read. Beside it, ridge on all products of
columns.
"""

# %%
# Interactions of few directions
# ------------------------------
# Twenty columns; the target depends on three directions, through squares and one product. All
# products together are 230 columns, of which ridge weights each.
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_optland.neural_network import MeanFieldTwoLayerNet

rng = np.random.default_rng(0)
d = 20
directions = np.linalg.qr(rng.normal(size=(d, 3)))[0]


def rows(n):
    X = rng.normal(size=(n, d))
    p, q, r = (X @ directions).T
    return X, p**2 - r**2 + 2 * p * q + X[:, 0] + 0.5 * rng.normal(size=n)


def net():
    return GridSearchCV(
        MeanFieldTwoLayerNet(activation="square"), {"alpha": np.logspace(-3, 0, 10)}, cv=4
    )


def ridge():
    return make_pipeline(
        PolynomialFeatures(2, include_bias=False), StandardScaler(), RidgeCV(np.logspace(-3, 4, 22))
    )


X_new, y_new = rows(3000)
sizes, scores = (100, 200, 400, 800), {"quadratic net": [], "ridge on products": []}
for n in sizes:
    X, y = rows(n)
    for name, make in zip(scores, (net, ridge), strict=True):
        scores[name].append(1 - make().fit(X, y).score(X_new, y_new))

figure, ax = plt.subplots(figsize=(7, 4))
for name, errors in scores.items():
    ax.plot(sizes, errors, "o-", label=name)
ax.axhline(0.25 / y_new.var(), color="0.4", linestyle=":", label="noise")
ax.set(xscale="log", yscale="log", xlabel="rows", ylabel="unexplained variance of new rows")
ax.set_xticks(sizes, sizes)
ax.set_xticks([], minor=True)
ax.legend()
plt.show()

# %%
# The matrix
# ----------
# `interaction_matrix_` is what the net has learned. Its eigenvalues are few; the certificate is a
# duality gap that an eigenvalue proves.
fitted = net().fit(X, y).best_estimator_
print(f"{len(fitted.coefs_[1])} neurons, {fitted.certificate_}")
truth = directions @ np.array([[1, 1, 0], [1, 0, 0], [0, 0, -1]]) @ directions.T
found = fitted.interaction_matrix_.reshape(-1, *fitted.interaction_matrix_.shape[-2:])[0][:d, :d]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.3), width_ratios=(1, 1, 1.2))
for ax, matrix, name in zip(axes, (truth, found), ("truth", "quadratic net"), strict=False):
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-0.8, vmax=0.8)
    ax.set(title=name, xticks=[], yticks=[])
    ax.grid(False)
figure.colorbar(image, ax=axes[:2], shrink=0.8)
for matrix, name in ((truth, "truth"), (found, "quadratic net")):
    axes[2].plot(np.sort(np.linalg.eigvalsh(matrix))[::-1], "o", label=name, alpha=0.7)
axes[2].set(title="eigenvalues")
axes[2].legend()
plt.show()

# %%
# Real rows
# ---------
# Progression of diabetes from ten columns, 65 products. Where columns are few, and interactions
# weak, there is little to choose.
X, y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
print("R² of new rows, seconds")
for name, make in (("quadratic net", net), ("ridge on products", ridge)):
    results, start = [], time.perf_counter()
    for seed in range(4):
        A, B, a, b = train_test_split(X, (y - y.mean()) / y.std(), random_state=seed)
        results.append(make().fit(A, a).score(B, b))
    print(f"{name:18} {np.mean(results):.3f}  {(time.perf_counter() - start) / 4:.2f}")
