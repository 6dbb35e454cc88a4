"""
Double descent
==============

More parameters than rows, and no penalty: the test error of such models is not what the trade-off
of bias and variance foretells. It rises up to where the training error becomes zero, and then falls
again, often to below its first minimum (Belkin et al., 2019). There are then many models that fit,
and least squares of minimum norm, or descent from small weights, takes one of small norm.
"""

# %%
# Handwritten digits, few of them, with some labels drawn at random: noise makes the peak higher.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import ADMMNetRegressor

warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # near the threshold fits take thousands of steps
N, NOISY = 150, 0.1

X, y = load_digits(return_X_y=True)
rng = np.random.RandomState(0)
order = rng.permutation(len(X))
X, y = X[order] / 16 - 0.3, y[order]
labels = y[:N].copy()
is_noisy = rng.rand(N) < NOISY
labels[is_noisy] = rng.randint(10, size=is_noisy.sum())
Y, Y_test, X, X_test = np.eye(10)[labels], np.eye(10)[y[N:]], X[:N], X[N:]

# %%
# Random features
# ---------------
# The output weights of ReLU features, by least squares of minimum norm: the pseudo-inverse. The
# peak is where there are as many features as rows.
sizes = np.unique(np.geomspace(5, 3000, 20).astype(int))
sizes = np.unique(np.append(sizes, [120, 140, 150, 160, 180]))
errors, norms = {"train": [], "test": []}, []
for size in sizes:
    runs = []
    for seed in range(3):
        W = np.random.RandomState(seed).randn(64, size) / 8
        H, H_test = np.maximum(X @ W, 0), np.maximum(X_test @ W, 0)
        out = np.linalg.lstsq(H, Y, rcond=1e-10)[0]
        squares = [np.mean((V @ out - T) ** 2) for V, T in ((H, Y), (H_test, Y_test))]
        runs.append([*squares, np.linalg.norm(out)])
    train, test, norm = np.median(runs, axis=0)
    errors["train"].append(train)
    errors["test"].append(test)
    norms.append(norm)

# %%
# Trained nets
# ------------
# Here hidden weights are learned, too. A net with ten outputs fits n rows with about 10 n
# parameters.
widths = np.array([2, 4, 8, 12, 16, 20, 24, 32, 64, 192])
net_errors = {"train": [], "test": []}
settings = {"activation": "tanh", "alpha": 0, "tol": 1e-5, "max_iter": 500}
for width in widths:
    runs = []
    for seed in range(3):
        net = ADMMNetRegressor((int(width),), **settings, random_state=seed).fit(X, Y)
        runs.append([np.mean((net.predict(V) - T) ** 2) for V, T in ((X, Y), (X_test, Y_test))])
    for name, value in zip(net_errors, np.median(runs, axis=0), strict=True):
        net_errors[name].append(value)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
for name in errors:
    left.plot(sizes, errors[name], "-o", label=name)
    right.plot(75 * widths + 10, net_errors[name], "-o", label=name)
left.axvline(N, color="#999999", ls="--")
right.axvline(10 * N, color="#999999", ls="--")
left.set(xscale="log", xlabel="random features", title="least squares of minimum norm")
left.set(yscale="log", ylim=(1e-3, 20), ylabel="mean squared error")
right.set(xscale="log", xlabel="parameters", title="trained nets")
left.legend()
plt.show()

# %%
# The norm
# --------
# The norm of the output weights has the same peak: at the threshold there is one model that fits,
# however large its weights.
figure, ax = plt.subplots(figsize=(6, 3.6))
ax.loglog(sizes, norms, "-o")
ax.axvline(N, color="#999999", ls="--")
ax.set(xlabel="random features", ylabel="norm of the output weights")
plt.show()
for name, counts, found in (("features", sizes, errors), ("hidden units", widths, net_errors)):
    test = np.array(found["test"])
    worst = int(np.argmax(test))
    print(
        f"test error: largest at {counts[worst]} {name}, {test[worst]:.2g}; before that at least "
        f"{test[:worst].min():.3f}, at {counts[-1]} it is {test[-1]:.3f}"
    )
