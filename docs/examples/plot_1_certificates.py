"""
Certificates that hold
======================

A fit of this package ends with `certificate_`: a number, computed from the data and the
coefficients alone, that bounds how far the objective is above its optimum. Here the optimum is
computed to full precision, which a user never does, and the bound is laid beside the truth: it is
above it at every iteration, and not by much.
"""

# %%
# Logistic regression by the bound of Jebara and Choromanska; a squared hinge by SAGA and by SDCA;
# and log-loss with an L1 penalty by Catalyst. `tol=0` goes as far as float64 does: the optima.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import BoundMajorizationLogisticRegression, FiniteSumClassifier

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)

jc12 = BoundMajorizationLogisticRegression(curvature="jc12")
saga = FiniteSumClassifier("squared_hinge", solver="saga", alpha=0.1, random_state=0)
sdca = FiniteSumClassifier("squared_hinge", solver="sdca", alpha=0.1, random_state=0)
lasso = FiniteSumClassifier("log_loss", solver="catalyst", alpha=0.01, l1_ratio=1, random_state=0)
fits = {
    "logistic, JC12 bound": jc12,
    "squared hinge, SAGA": saga,
    "squared hinge, SDCA": sdca,
    "log-loss with L1, Catalyst": lasso,
}
exact = {
    "logistic, JC12 bound": BoundMajorizationLogisticRegression(tol=0),
    "squared hinge, SAGA": FiniteSumClassifier("squared_hinge", alpha=0.1, tol=0, random_state=0),
    "squared hinge, SDCA": FiniteSumClassifier("squared_hinge", alpha=0.1, tol=0, random_state=0),
    "log-loss with L1, Catalyst": clone(lasso).set_params(tol=0),
}
optima = {name: model.fit(X, y).history_["objective"].min() for name, model in exact.items()}

# %%
# Coloured: the certificate. Dashed: the true gap. Both are divided by the optimum.
figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), sharey=True)
for i, (ax, (name, model)) in enumerate(zip(axes, fits.items(), strict=True)):
    optimum = optima[name]
    history = model.set_params(tol=1e-9).fit(X, y).history_
    gap = history["objective"] - optimum
    assert (history["certificate"] >= gap - 1e-13 * optimum).all()  # it holds
    passes = history["passes"]
    ax.semilogy(passes, history["certificate"] / optimum, f"C{i}", label="certificate", linewidth=3)
    ax.semilogy(passes, np.maximum(gap / optimum, 1e-12), "k--", label="true gap")
    ax.set(title=name, xlabel="passes over the data", ylim=(1e-11, 1e2))
    ax.legend(loc="upper right")
axes[0].set_ylabel("relative to the optimum")
plt.show()

# %%
# What the last of them says of itself:
print(model.certificate_)

# %%
# Without a penalty there is a dual bound too, where the classes overlap: its dual point proves that
# there is an optimum.
unpenalised = BoundMajorizationLogisticRegression(C=np.inf, max_iter=5, tol=1e-1)
print(unpenalised.fit(X[:, :2], y).certificate_)
