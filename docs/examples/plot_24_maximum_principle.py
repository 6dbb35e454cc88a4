"""
A net trained by the maximum principle
======================================

Pontryagin's maximum principle makes layers the times of a control problem: weights of a layer
maximise its Hamiltonian, given the states of a pass forward and the adjoints of a pass backward.
EMSA (Li, Chen, Tai and E 2017) adds terms that keep the new weights to these states and adjoints.
"""

# %%
# Handwritten digits, two hidden layers of 50 sigmoids, the same start and the same objective for
# all: the mean log-loss and α/2 times the squared weights. Adam's curve is that objective after
# each epoch, on all training rows.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_optland.neural_network import ADMMNetClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
warnings.simplefilter("ignore", ConvergenceWarning)
layers, alpha, batch = (50, 50), 1e-4, 200

# A layer's penalty is α/2 |W|² here, and there divided by the rows of a batch.
adam = MLPClassifier(
    layers, "logistic", alpha=alpha * batch, batch_size=batch, learning_rate_init=3e-3,
    random_state=0,
)  # fmt: skip
adam.partial_fit(X[:batch], y[:batch], classes=np.unique(y))
start = [W.copy() for W in adam.coefs_], [b.copy() for b in adam.intercepts_]

curve = []
for _ in range(300):
    adam.partial_fit(X, y)
    penalty = alpha / 2 * sum((W**2).sum() for W in adam.coefs_)
    curve.append(log_loss(y, adam.predict_proba(X)) + penalty)

# %%
# EMSA lowers the objective with each of its sweeps, whatever `rho` it starts with: where one would
# raise it, `rho` doubles. A sweep costs some twenty passes, since every layer takes ten steps of
# L-BFGS on its Hamiltonian. Algorithm 1 of ADMM gains most in its first sweeps, and the feasible
# form, one Gauss-Newton step on the same quadratic terms a pass, is ahead of both.
figure, ax = plt.subplots(figsize=(8, 4.6))
score = adam.score(X_test, y_test)
ax.plot(np.arange(1, 301), curve, "--", label=f"MLPClassifier, Adam: accuracy {score:.3f}")
names = {"emsa": "EMSA", "admm": "ADMM, Algorithm 1", "feasible": "ADMM on the feasible set"}
for solver, name in names.items():
    net = ADMMNetClassifier(
        layers, "logistic", solver=solver, alpha=alpha, init=start, scale_inputs=False,
        tol=1e-4, max_iter=40 if solver == "emsa" else 150,
    ).fit(X, y)  # fmt: skip
    history, score = net.history_, net.score(X_test, y_test)
    label = f"{name}: accuracy {score:.3f}"
    ax.plot(history["passes"], history["objective"], ".-", markersize=4, label=label)
    print(
        f"{name}: {net.n_iter_} iterations, {history['passes'][-1]:.0f} passes, {net.certificate_}"
    )
ax.set(xlabel="passes over the rows", ylabel="objective", xscale="log", yscale="log")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()
