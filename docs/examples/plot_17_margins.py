"""
Margins of nets that fit true and random labels
===============================================

A net fits random labels as well as true ones, so its size cannot be why it generalises. What
differs is the product of its layers' norms, and with it the margins in units of that product:
Bartlett, Foster and Telgarsky (2017) bound the test error by these, up to constants.
"""

# %%
# Two nets of one size, both with a training error of zero.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklearn_optland.landscape import margin_rate, normalized_margins, spectral_complexity
from sklearn_optland.neural_network import ADMMNetClassifier
from sklearn_optland.plotting import MarginDisplay

X, y = load_digits(return_X_y=True)
X, y, X_test, y_test = X[:1000] / 16, y[:1000], X[1000:] / 16, y[1000:]
labels = {"true labels": y, "random labels": np.random.RandomState(0).permutation(y)}
nets = {
    name: ADMMNetClassifier((64,), alpha=1e-6, random_state=0).fit(X, some)
    for name, some in labels.items()
}
for name, net in nets.items():
    print(
        f"{name}: training accuracy {net.score(X, labels[name]):.3f}, test accuracy "
        f"{net.score(X_test, y_test):.3f}, spectral complexity {spectral_complexity(net):.0f}"
    )

# %%
# Distributions
# -------------
# A curve shows the share of training rows whose margin is at most that. In units of the scores the
# two nets are hardly told apart, in units of the complexity they are.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
margins = {name: normalized_margins(net, X, labels[name]) for name, net in nets.items()}
scores = {name: net.predict_log_proba(X) for name, net in nets.items()}
MarginDisplay(margins).plot(ax=right)
raw = {}
for name, log_proba in scores.items():
    is_own = labels[name][:, None] == np.arange(10)
    raw[name] = log_proba[is_own] - np.where(is_own, -np.inf, log_proba).max(axis=1)
MarginDisplay(raw).plot(ax=left)
left.set(xlabel="margin of the scores", title="in units of the scores")
right.set_title("in units of the complexity")
plt.show()

# %%
# A rate, and no bound
# --------------------
# The theorem's expression has a constant that it leaves open; at 1 it is far above 1, the error of
# any net. It orders the two nets, and that is all that is claimed.
for name, net in nets.items():
    gamma = np.quantile(raw[name], 0.1)
    rate = margin_rate(net, X, labels[name], gamma)
    print(f"{name}: {float(rate.rate):.0f}, at the margin that a tenth of the rows is below")
