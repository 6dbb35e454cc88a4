"""
Many classes: microseconds against their number
===============================================

A score for every class takes time in proportion to the classes. A forest of label trees looks at
some dozens of them, which the trees name, however many there are.
"""

# %%
# Gaussian classes whose means form a hierarchy of ten branches, three rows each. The forest ranks
# its candidates by the discriminant, which needs no training; the rival is the nearest of the
# classes' means, which looks at all of them, by products of matrices.
from time import process_time

import matplotlib.pyplot as plt
import numpy as np

from sklearn_optland.tree import LOMForestClassifier

N_COLUMNS, N_TEST = 32, 1000
rng = np.random.default_rng(0)


def hierarchy(n_classes):
    means, scale = np.zeros((1, N_COLUMNS), dtype=np.float32), 1.0
    while len(means) < n_classes:
        offsets = scale * rng.standard_normal((len(means), 10, N_COLUMNS), dtype=np.float32)
        means, scale = (means[:, None] + offsets).reshape(-1, N_COLUMNS), 0.8 * scale
    return means[:n_classes]


def rows_of(means, y):
    return means[y] + 0.7 * rng.standard_normal((len(y), N_COLUMNS), dtype=np.float32)


def microseconds(predict):
    predict(), (start := process_time()), predict()
    return 1e6 * (process_time() - start) / N_TEST


numbers = [100, 1000, 10_000, 50_000]
found = {"nearest of all means": [], "LOMForestClassifier": []}
for n_classes in numbers:
    means = hierarchy(n_classes)
    y, y_test = np.repeat(np.arange(n_classes), 3), rng.integers(n_classes, size=N_TEST)
    X, X_test = rows_of(means, y), rows_of(means, y_test)
    forest = LOMForestClassifier(loss="discriminant", validation_fraction=0, random_state=0)
    forest.fit(X, y)
    estimates = X.reshape(n_classes, 3, N_COLUMNS).mean(axis=1)
    half_squares = (estimates**2).sum(axis=1) / 2

    def nearest(rows=X_test, means=estimates, half_squares=half_squares):
        parts = np.array_split(rows, 20)
        return np.concatenate([(p @ means.T - half_squares).argmax(axis=1) for p in parts])

    for name, predict in zip(
        found, [nearest, lambda forest=forest, rows=X_test: forest.predict(rows)], strict=True
    ):
        found[name].append((microseconds(predict), np.mean(predict() != y_test)))

# %%
# Both against the number of classes. The forest's time grows with the depth of its trees, and with
# what falls out of the processor's caches. It errs little more often than the rival: what its trees
# do not name. A wider beam, ``beam_width=4``, halves that.
figure, (ax, bx) = plt.subplots(1, 2, figsize=(10, 4))
for name, values in found.items():
    times, errors = np.transpose(values)
    ax.loglog(numbers, times, "o-", label=name)
    bx.semilogx(numbers, 100 * errors, "o-", label=name)
    print(f"{name}: {', '.join(f'{time:.1f} µs' for time in times)}")
ax.set(xlabel="classes", ylabel="µs a prediction")
bx.set(xlabel="classes", ylabel="errors, %")
ax.legend()
plt.show()
