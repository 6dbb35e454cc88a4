r"""
Majorization: a monotone bound, and how many iterations it takes
================================================================

The log-partition function of a row lies under a quadratic that touches it at the current point.
Minimising the sum of the quadratics cannot raise the objective: no step size, no line search.
"""

# %%
# The bound itself
# ----------------
# :func:`~sklearn_optland.linear_model.partition_function_bound` bounds :math:`\log Z(\theta) =
# \log(e^{-\theta/2} + e^{\theta/2})` at four points. Böhning's bound has the same curvature
# everywhere, 1/4; that of Jebara and Choromanska (2012) is as wide as it can be.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklearn_optland.linear_model import (
    BoundMajorizationLogisticRegression,
    partition_function_bound,
)

features, weights = np.array([[-0.5], [0.5]]), np.ones(2)
theta = np.linspace(-9, 9, 400)
log_partition = np.logaddexp(-theta / 2, theta / 2)

figure, axes = plt.subplots(1, 4, figsize=(11, 3), sharey=True)
for ax, at in zip(axes, [0.0, 2.0, 4.0, 7.0], strict=True):
    log_z, mu, sigma = partition_function_bound(features, weights, [at])
    step = theta - at
    jc12 = log_z + mu[0] * step + 0.5 * sigma[0, 0] * step**2
    bohning = log_z + mu[0] * step + 0.5 * 0.25 * step**2
    assert (jc12 >= log_partition - 1e-12).all()
    assert (bohning >= log_partition - 1e-12).all()
    ax.plot(theta, log_partition, "k", label="log Z")
    ax.plot(theta, jc12, "C0", label="JC12")
    ax.plot(theta, bohning, "C1--", label="Böhning")
    ax.plot(at, log_z, "ko", markersize=6)
    ax.set(ylim=(0, 7), xlabel="θ", title=f"curvature {sigma[0, 0]:.3f} at {at:g}")
axes[0].legend(loc="upper center")
plt.show()

# sphinx_gallery_thumbnail_number = 2

# %%
# Iterations
# ----------
# The objective falls at each iteration, by each bound. How fast depends on how wide the quadratic
# is: `curvature="auto"` takes Newton's where it is safe and widens it where it is not.
X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)

optimum = BoundMajorizationLogisticRegression(tol=0).fit(X, y).history_["objective"].min()
figure, ax = plt.subplots(figsize=(8.5, 4.2))
for curvature, marker in zip(["bohning", "jc12", "bohning-nesterov", "auto"], "osD^", strict=True):
    model = BoundMajorizationLogisticRegression(
        curvature=curvature, tol=1e-9, max_iter=5000, random_state=0
    )
    objective = model.fit(X, y).history_["objective"]
    assert (np.diff(objective) <= 1e-12 * objective[0]).all()  # monotone
    iterations = np.arange(1, len(objective) + 1)
    gap = np.maximum(objective / optimum - 1, 1e-16)
    ax.loglog(iterations, gap, marker=marker, markevery=0.1, label=f'curvature="{curvature}"')
ax.set(xlabel="iteration", ylabel="(objective − optimum) / optimum", ylim=(1e-11, 1e2))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
