"""
Sparse coding, and why its first step is a ReLU layer
=====================================================

A signal x = D γ with few non-negative entries in γ: the simplest way to find them is to keep the
large entries of Dᵀx, less a threshold. That is relu(Dᵀx - α), a layer of a net with biases of -α.
With a convolutional dictionary, and another one for the codes, the forward pass of a convolutional
net is layered thresholding, for signals x = D₁ γ₁, γ₁ = D₂ γ₂ (Papyan, Romano and Elad, 2017).
Basis pursuit, layer by layer, does the same better: scikit-learn's `SparseCoder` has both.
"""

# %%
# Soft thresholding is two ReLUs
# ------------------------------
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import SparseCoder
from sklearn.exceptions import ConvergenceWarning

warnings.simplefilter("ignore", ConvergenceWarning)  # supports are found before the last digits are

z = np.linspace(-2, 2, 401)
relu = lambda t: np.maximum(t, 0)  # noqa: E731
soft = np.sign(z) * relu(np.abs(z) - 0.7)
print("largest difference:", np.abs(soft - (relu(z - 0.7) - relu(-z - 0.7))).max())
figure, ax = plt.subplots(figsize=(5, 3.6))
ax.plot(z, soft, lw=3, alpha=0.4, label="soft thresholding")
ax.plot(z, relu(z - 0.7), "--", label="relu(z - β)")
ax.plot(z, -relu(-z - 0.7), ":", label="-relu(-z - β)")
ax.set_xlabel("z")
ax.legend()
plt.show()

# %%
# Two convolutional dictionaries
# ------------------------------
# The atoms of D₁ are all shifts of four short filters, those of D₂ all shifts, by the stride of
# four channels, of three filters over these channels; signals are periodic. Filters of D₂ are
# sparse and not negative, so that both codes can be.
N, CHANNELS, TOP = 128, 4, 3
rng = np.random.RandomState(0)
t = np.arange(12)
window = np.hanning(14)[1:-1]
filters = np.array([window * np.cos(2 * np.pi * f * (t - 5.5)) for f in (0.0, 0.12, 0.25, 0.4)])
filters /= np.linalg.norm(filters, axis=1, keepdims=True)
D1 = np.zeros((N * CHANNELS, N))  # an atom a row; channel the fastest
for shift in range(N):
    for channel in range(CHANNELS):
        D1[shift * CHANNELS + channel, (shift + t) % N] = filters[channel]
D2 = np.zeros((N * TOP, N * CHANNELS))
taps = np.array([[(0, 0), (40, 1)], [(0, 2), (36, 0)], [(0, 3), (48, 2)]])  # shift and channel
for shift in range(N):
    for kind, pair in enumerate(taps):
        for place, channel in pair:
            D2[shift * TOP + kind, (shift + place) % N * CHANNELS + channel] = np.sqrt(0.5)


def draw(n_atoms):
    """A code of the top, the code below, and the signal."""
    top = np.zeros(N * TOP)
    top[rng.choice(N * TOP, n_atoms, replace=False)] = rng.uniform(1, 2, n_atoms)
    return top, top @ D2, top @ D2 @ D1


# %%
# The forward pass is layered thresholding: a convolution with each filter, a bias, a ReLU, twice.
top, middle, signal = draw(3)
first = SparseCoder(D1, transform_algorithm="threshold", transform_alpha=0.3, positive_code=True)
second = SparseCoder(D2, transform_algorithm="threshold", transform_alpha=0.3, positive_code=True)
codes = first.transform(signal[None])
padded = np.concatenate([signal, signal[: len(t) - 1]])
layer = np.stack([np.correlate(padded, one, "valid") for one in filters], axis=1) - 0.3
print("first layer, largest difference:", np.abs(relu(layer).ravel() - codes[0]).max())
above = second.transform(codes)
print("second layer:", np.abs(relu(relu(layer).ravel() @ D2.T - 0.3) - above[0]).max())

# %%
# How well do they find the codes?
# --------------------------------
# Thresholds and penalties are chosen for each number of atoms, the same way for both: the best of
# a grid on other signals. What is shown is the share of the true support among as many of the
# largest entries.
GRID = (0.02, 0.05, 0.1, 0.2, 0.4)


def coders(algorithm, alphas):
    """Both layers."""
    settings = {"transform_algorithm": algorithm, "positive_code": True, "transform_max_iter": 2000}
    return [
        SparseCoder(D, transform_alpha=a, **settings) for D, a in zip((D1, D2), alphas, strict=True)
    ]


def recovery(pair, signals):
    """Mean share of the supports of both layers that is found."""
    X = np.array([signal for *_, signal in signals])
    below = pair[0].transform(X)
    found = below, pair[1].transform(below)
    shares = []
    for codes, number in zip(found, (1, 0), strict=True):
        for code, truth in zip(codes, signals, strict=True):
            support = np.flatnonzero(truth[number] > 1e-9)
            largest = np.argsort(code)[::-1][: len(support)]
            shares.append(np.isin(largest[code[largest] > 0], support).sum() / len(support))
    return np.mean(np.reshape(shares, (2, -1)), axis=1)


counts, names = (1, 2, 4, 6, 8), {"threshold": "thresholding", "lasso_cd": "basis pursuit"}
results = {name: [] for name in names}
for count in counts:
    tuning, signals = ([draw(count) for _ in range(n)] for n in (4, 12))
    for name in names:
        pairs = [(a, b) for a in GRID for b in GRID]
        best = max(pairs, key=lambda pair: recovery(coders(name, pair), tuning).sum())
        results[name].append(recovery(coders(name, best), signals))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
for number, ax in enumerate(axes):
    for name, label in names.items():
        ax.plot(counts, [found[number] for found in results[name]], "-o", label=label)
    ax.set(xlabel="atoms of the top layer", title=("first layer", "second layer")[number])
axes[0].set_ylabel("share of the support that is found")
axes[0].legend()
plt.show()
for name, label in names.items():
    print(f"{label}: second layer {[float(found[1].round(2)) for found in results[name]]}")
