r"""
Weights by tensors
==================

Of normal inputs, the third moment of a net's output is a tensor with one term a neuron, and a
tensor of that form has one decomposition only. So the hidden weights are a matter of linear
algebra: no descent, no starts, no bad valleys (Janzamin, Sedghi and Anandkumar 2015).
"""

# %%
# Two neurons in the plane
# ------------------------
# The form :math:`T(v, v, v)` of the moment, in all directions v of the plane, has its extremes near
# the weights; if they are not orthogonal, not at them. The decomposition is.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPRegressor

from sklearn_optland.tensor import NNLiftRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(100_000, 2))
angles = np.deg2rad([20, 75])
B = np.array([np.cos(angles), np.sin(angles)])
y = np.tanh(1.5 * X @ B) @ [1.0, -1.0]

t = np.linspace(0, np.pi, 181)
v = np.array([np.cos(t), np.sin(t)])
hermite = (X @ v) ** 3 - 3 * (X @ v)
lift = NNLiftRegressor(2, polish=False, random_state=0).fit(X, y)
found = np.rad2deg(np.arctan2(lift.coefs_[0][1], lift.coefs_[0][0])) % 180
figure, ax = plt.subplots(figsize=(7, 3.8))
ax.plot(np.rad2deg(t), y @ hermite / len(X), label="T(v, v, v)")
for angle, label in zip(np.rad2deg(angles), ("true weights", None), strict=True):
    ax.axvline(angle, color="k", linewidth=1, label=label)
for angle, label in zip(found, ("decomposition", None), strict=True):
    ax.axvline(angle, color="C1", linestyle="--", label=label)
ax.set(xlabel="direction of v, degrees")
ax.legend()
plt.show()

# %%
# How many rows
# -------------
# Ten columns, three neurons. The moment has 220 entries that differ, each an average over rows: its
# error falls as :math:`1/\sqrt n`. From the weights that it finds, descent on all parameters goes
# on (`polish`).
d, k = 10, 3
W = rng.normal(size=(d, k))
W /= np.linalg.norm(W, axis=0)


def rows(n):
    X = rng.normal(size=(n, d))
    return X, np.tanh(X @ W + [0.3, -0.2, 0.1]) @ [1.0, -1.5, 2.0]


def least_cosine(coef):
    coef = coef / np.linalg.norm(coef, axis=0)
    return np.abs(W.T @ coef).max(axis=1).min()


sizes = (300, 1000, 3000, 10_000, 30_000)
curves = {"moments": [], "and descent": []}
warnings.simplefilter("ignore")  # MLPRegressor's, of fits that are not finished
for n in sizes:
    X, y = rows(n)
    for name, polish in zip(curves, (False, True), strict=True):
        model = NNLiftRegressor(k, polish=polish, random_state=0).fit(X, y)
        curves[name].append(1 - least_cosine(model.coefs_[0]))
figure, ax = plt.subplots(figsize=(7, 4))
for name, errors in curves.items():
    ax.loglog(sizes, errors, "o-", label=name)
ax.set(xlabel="rows", ylabel="1 − least |cosine|")
ax.legend()
plt.show()

# %%
# Beside random starts
# --------------------
# On this net L-BFGS finds the weights from any start: its landscape is easy, and noise there is
# none. The tensor needs no start, but it is a moment of 3000 rows, and the descent after it ends at
# its default tolerance.
X, y = rows(3000)
print("least |cosine|")
for seed in range(5):
    net = MLPRegressor(
        hidden_layer_sizes=(k,), activation="tanh", solver="lbfgs", alpha=1e-6, random_state=seed
    )
    net.fit(X, y)
    print(
        f"start {seed}: least |cosine| {least_cosine(net.coefs_[0]):.4f}, R² {net.score(X, y):.4f}"
    )
model = NNLiftRegressor(k, random_state=0).fit(X, y)
print(f"tensor:  least |cosine| {least_cosine(model.coefs_[0]):.4f}, R² {model.score(X, y):.4f}")

# %%
# Where it does not work
# ----------------------
# Inputs that are far from normal have third moments of their own. The fit says so.
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    skewed = np.sign(X) * X**2
    y = np.tanh(skewed @ W) @ [1.0, -1.5, 2.0]
    model = NNLiftRegressor(k, polish=False, random_state=0).fit(skewed, y)
print(caught[-1].message)
print(f"least |cosine| {least_cosine(model.coefs_[0]):.2f}")
