"""
A deep sigmoid net, and its KKT residuals
=========================================

Eight hidden layers of sigmoids: from the usual start, gradients of the first layers vanish, and
the stochastic solvers stay at a constant prediction. ADMM's metric on its feasible set moves all
layers.
"""

# %%
# Handwritten digits, eight hidden layers of 40 sigmoids; scikit-learn's solvers get 200 epochs,
# ours stops by its tolerance.
import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_optland.neural_network import ADMMNetClassifier
from sklearn_optland.plotting import KKTDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
layers = (40,) * 8
warnings.simplefilter("ignore", ConvergenceWarning)

net = ADMMNetClassifier(layers, "logistic", random_state=0).fit(X, y)
figure, ax = plt.subplots(figsize=(8, 4.2))
ax.plot(net.loss_curve_, label=f"ADMMNetClassifier, accuracy {net.score(X_test, y_test):.2f}")
for solver, rate in (("adam", 1e-3), ("adam", 1e-2), ("sgd", 0.1)):
    rival = MLPClassifier(
        layers, activation="logistic", solver=solver, learning_rate_init=rate, max_iter=200,
        n_iter_no_change=200, random_state=0,
    ).fit(X, y)  # fmt: skip
    name = f"MLPClassifier {solver} {rate:g}, accuracy {rival.score(X_test, y_test):.2f}"
    ax.plot(rival.loss_curve_, "--", label=name)
ax.set(xlabel="iteration or epoch", ylabel="objective", ylim=(0, None))
ax.legend(loc="center right")
plt.show()

# %%
# The lines of the KKT system
# ---------------------------
# On the feasible set the layers' outputs and the multipliers hold by construction; what is left
# are the lines of the weights. The splitting of the paper has all eight. It is fast for some
# sweeps, then it oscillates: :class:`~sklearn_optland.neural_network.ADMMNetClassifier` returns
# the best net on the way.
split = ADMMNetClassifier(
    (40, 40, 40), "logistic", solver="admm", max_iter=150, random_state=0
).fit(X, y)
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
KKTDisplay.from_estimator(net, ax=axes[0])
KKTDisplay.from_estimator(split, ax=axes[1])
axes[0].set_title("feasible, eight hidden layers")
axes[1].set_title("admm, three hidden layers")
axes[1].set(ylabel="", ylim=(1e-8, None))
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# The certificates are those of stationary points; nothing more is proven of a deep net.
print(net.certificate_)
print(split.certificate_)
