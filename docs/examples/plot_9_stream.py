"""
Streams: accuracy before a row is learned
=========================================

Each batch of a stream is predicted first, then learned. The share of right predictions so far is
the prequential accuracy: no row is held out, and none is judged by a model that has seen it.
"""

# %%
# Digits, ten rows at a time. The tree sees a row once; the trees of the forest weigh it at random,
# each on its own, and their mean is better than each. After 900 rows half of the pixels are
# inverted, as if a sensor were replaced: what was learned is wrong, and the models go on.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

from sklearn_optland.tree import LOMForestClassifier, LOMTreeClassifier

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
X, y = X[order], y[order]
change = 900
X[change:, ::2] = 16 - X[change:, ::2]

models = {
    "SGDClassifier": SGDClassifier(random_state=0),
    "LOMTreeClassifier": LOMTreeClassifier(),
    "LOMForestClassifier, 10 histograms": LOMForestClassifier(10, leaf="histogram", random_state=0),
}


def right_before_learned(model, batch=10):
    right = np.zeros(len(y))
    for start in range(0, len(y), batch):
        rows = slice(start, start + batch)
        if start:
            right[rows] = model.predict(X[rows]) == y[rows]
        model.partial_fit(X[rows], y[rows], classes=np.arange(10) if start == 0 else None)
    return right


window = np.ones(100) / 100
figure, ax = plt.subplots(figsize=(8, 4))
for name, model in models.items():
    right = right_before_learned(model)
    ax.plot(np.arange(100, len(y) + 1), np.convolve(right, window, "valid"), label=name)
    print(f"{name}: {right.mean():.3f}")
ax.axvline(change, color="0.6", linestyle=":", label="half of the pixels inverted")
ax.set(xlabel="rows", ylabel="accuracy on the last 100 rows", ylim=(0, 1))
ax.legend(loc="lower left")
plt.show()

# %%
# New labels may come at any time: `classes` names those that may ever come, and without it every
# batch may bring some. A label costs what any other row does.
tree = LOMTreeClassifier()
for start in range(0, change, 50):
    known = y[start : start + 50] <= start // 80
    if known.any():
        tree.partial_fit(X[start : start + 50][known], y[start : start + 50][known])
        if start % 200 == 0:
            print(f"{start + 50} rows: {len(tree.classes_)} classes, depth {tree.get_depth()}")
