r"""
Nets beside a spin glass
========================

The loss of a ReLU net is a sum over its paths, from an input through a unit of each layer to the
output: the input, if the units are active, times the weights on the way. Take the inputs for
independent Gaussian noise, independent of what is active, and that is the energy of a spherical
spin glass, whose critical points can be counted (Choromanska et al., 2015). The theory says that
minima of large systems all are about as deep, close to an energy :math:`-E_\infty`, below which
the index of saddles is low. Here is the glass, nets of growing width beside it, and which of the
assumptions a trained net fulfils.
"""

# %%
# Index against energy
# --------------------
# Newton's method finds saddles of a glass of 40 spins at all energies. Each is a point; the curve
# is the share of negative eigenvalues that random matrices have there.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sklearn_optland.landscape import (
    SphericalSpinGlass,
    complexity,
    critical_energy,
    expected_index,
    loss_correlation,
    threshold_energy,
)
from sklearn_optland.plotting import SpinGlassDisplay

warnings.simplefilter("ignore", ConvergenceWarning)  # all nets have the same number of epochs

glass = SphericalSpinGlass(p=3, n=40, random_state=0)
saddles = glass.critical_points(80)
SpinGlassDisplay(saddles, p=3).plot()
plt.show()
law = expected_index(saddles.energies, 3)
print(f"{saddles!r}")
print(f"correlation of index and law: {np.corrcoef(saddles.indices, law)[0, 1]:.3f}")

# %%
# Of a large glass, the mean number of points of index k grows or falls exponentially in the number
# of spins, at the rate :func:`~sklearn_optland.landscape.complexity`. Where it is positive there
# are such points: the lower the energy, the lower the index.
u = np.linspace(critical_energy(3) - 0.004, threshold_energy(3) + 0.004, 400)
figure, ax = plt.subplots(figsize=(7, 4))
for k in range(4):
    ax.plot(u, complexity(u, 3, k), label=f"index {k}")
ax.axhline(0, color="black", lw=0.8)
ax.set(xlabel="energy per spin", ylabel="rate of the number of points", ylim=(-0.02, 0.02))
ax.grid(alpha=0.3)
ax.legend()
plt.show()

# %%
# Where descents end
# ------------------
# Left, descents in glasses with more and more spins; right, trainings of nets with more and more
# units, on 300 handwritten digits. Both narrow, and the mean goes to a limit: of the glass
# :math:`-E_\infty`, which few descents get below; of nets a loss that no theory of this kind knows.
energies = {}
for n, n_glasses in ((10, 8), (25, 8), (50, 6), (100, 2)):
    glasses = (SphericalSpinGlass(p=3, n=n, random_state=seed) for seed in range(n_glasses))
    energies[n] = np.concatenate([one.descend(20, tol=1e-3).energies for one in glasses])

X, y = load_digits(return_X_y=True)
train, test = (X[:300] / 16, y[:300]), (X[300:] / 16, y[300:])
settings = {"alpha": 0.0, "batch_size": 50, "learning_rate_init": 0.01, "max_iter": 60}
losses = {
    width: loss_correlation(
        MLPClassifier((width,), **settings), *train, *test, n_runs=20, random_state=0
    ).test_losses_
    for width in (4, 8, 16, 32)
}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, found, name in ((axes[0], energies, "spins"), (axes[1], losses, "units")):
    ax.boxplot(list(found.values()))
    ax.set_xticks(range(1, len(found) + 1), [f"{size} {name}" for size in found])
    ax.grid(alpha=0.3)
axes[0].axhline(threshold_energy(3), color="C1", label=r"$-E_\infty$")
axes[0].axhline(critical_energy(3), color="C2", label=r"$-E_0$, the ground state")
axes[0].set(ylabel="energy per spin")
axes[0].legend()
axes[1].set(ylabel="test loss", yscale="log")
plt.show()
for found, name in ((energies, "spins"), (losses, "units")):
    for size, values in found.items():
        print(f"{size:3} {name}: mean {values.mean():.3f}, deviation {values.std():.3f}")

# %%
# An external field
# -----------------
# A field h adds :math:`h^T s` to the energy. Above a standard deviation of :math:`\sqrt{p (p - 2)}`
# it leaves a large glass two critical points, one minimum and one maximum (Chaudhari and Soatto,
# 2015). Distinct minima of 40 descents, 30 spins:
for field in (0.0, 0.5, 1.0, np.sqrt(3), 2.5):
    glass = SphericalSpinGlass(p=3, n=30, field=field, random_state=0)
    ends = glass.descend(40, tol=1e-8)
    print(f"field {field:.2f}: {len(np.unique(ends.energies.round(6))):2} minima")

# %%
# What the theory assumes
# -----------------------
# A net of two hidden layers tells digits below 5 from the others. Of each assumption, what the
# trained net has.
WIDTH = 32
X = X / 16
net = MLPClassifier((WIDTH, WIDTH), alpha=0.0, max_iter=200, random_state=0).fit(X, y < 5)
first = np.maximum(X @ net.coefs_[0] + net.intercepts_[0], 0)
second = first @ net.coefs_[1] + net.intercepts_[1] > 0
paths = ((first > 0)[:, :, None] & second[:, None, :]).reshape(len(X), -1)  # by units


def correlations(A, B):
    """Magnitudes of the correlations of columns that vary."""
    A, B = (M[:, M.std(axis=0) > 0].astype(float) for M in (A, B))
    A, B = ((M - M.mean(axis=0)) / M.std(axis=0) for M in (A, B))
    return np.abs(A.T @ B) / len(A)


def agreement(n_values):
    """Share of predictions that stay when weights are rounded to a few distinct values."""
    weights = np.concatenate([W.ravel() for W in net.coefs_])
    grid = np.quantile(weights, (np.arange(n_values) + 0.5) / n_values)
    rounded = [grid[np.abs(W[..., None] - grid).argmin(axis=-1)] for W in net.coefs_]
    hidden = X
    for W, b in zip(rounded[:-1], net.intercepts_[:-1], strict=True):
        hidden = np.maximum(hidden @ W + b, 0)
    score = hidden @ rounded[-1] + net.intercepts_[-1]
    return np.mean((score[:, 0] > 0) == net.predict(X))


def size(seed):
    """Mean square of a trained net's weights."""
    other = MLPClassifier((WIDTH, WIDTH), alpha=0.0, max_iter=30, random_state=seed).fit(X, y < 5)
    return np.mean(np.concatenate([W.ravel() for W in other.coefs_]) ** 2)


active = paths.mean(axis=0)
pixels = X[:, X.std(axis=0) > 0]
kurtosis = np.mean(((pixels - pixels.mean(axis=0)) / pixels.std(axis=0)) ** 4, axis=0)
sizes = np.array([size(seed) for seed in range(6)])
layers = [np.quantile(np.abs(W), 0.5) for W in net.coefs_]
among = correlations(X, X)[~np.eye(pixels.shape[1], dtype=bool)]
noise = np.sqrt(2 / np.pi / len(X))
print(f"A1p, all paths are active equally often: {np.quantile(active, 0.05):.2f} to "
      f"{np.quantile(active, 0.95):.2f} of the rows (5 and 95 %).")  # fmt: skip
print(f"A2p, inputs are Gaussian: {np.mean(X == 0):.0%} of the pixels are 0, the median kurtosis "
      f"is {np.median(kurtosis):.1f} and not 3.")  # fmt: skip
print(f"A3p, few distinct weights would do: rounded to 8 values, {agreement(8):.1%} of predictions "
      f"stay, to 16 values {agreement(16):.1%}.")  # fmt: skip
print("A4p, they are spread evenly over the layers: the median magnitudes are "
      + ", ".join(f"{layer:.2f}" for layer in layers) + ".")  # fmt: skip
print(f"A5u, activity is independent of inputs: the mean correlation is "
      f"{correlations(X, paths).mean():.3f}, of independent ones {noise:.3f}.")  # fmt: skip
print(f"A6u, inputs of paths are independent: {X.shape[1]} pixels serve {X.shape[1] * WIDTH**2} "
      f"paths, and their mean correlation is {among.mean():.3f}.")  # fmt: skip
print(f"A7p, weights lie on a sphere: over six trainings the mean square varies by "
      f"{sizes.std() / sizes.mean():.1%}.")  # fmt: skip

# %%
# Redundancy (A3p) and the sphere (A7p) hold. Uniformity does not: some paths are active for no row,
# others for most (A1p), and layers differ in size (A4p). That inputs are Gaussian noise (A2p),
# independent of each other (A6u) and of what is active (A5u) fails by some seven times what chance
# does: it is what a net learns from. The likeness of the pictures is no proof that the theory
# applies.
