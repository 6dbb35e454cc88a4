r"""
Particles find the teacher
==========================

A two-layer net is a cloud of particles, one a neuron. With few of them, gradient flow may end in a
local minimum; with enough, they cover all directions at the start, and those that point the right
way grow. Chizat and Bach (2018) prove it in the limit; for a teacher of five, ten or twenty are
enough.
"""

# %%
# A teacher of five neurons in the plane, without noise and without biases, and a penalty that only
# decides between nets of the same outputs. (If the teacher's directions, times the signs of their
# outputs, lie in a half-plane, the teacher is the net of least norm.) Crosses are the start, dots
# the end, grey lines the way; black marks are the teacher's directions.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import MeanFieldTwoLayerNet
from sklearn_optland.plotting import CertificateDisplay, ParticlesDisplay

warnings.simplefilter("ignore", ConvergenceWarning)  # a flow is watched, not finished
rng = np.random.default_rng(0)
X = rng.standard_normal((500, 2))
X /= np.linalg.norm(X, axis=1, keepdims=True)
signs = np.array([1, -1, 1, -1, 1])
angles = np.deg2rad([20, 55, 90, 125, 160])
teacher = signs[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
y = np.maximum(X @ teacher.T, 0) @ signs


def flow(m, seed=0):
    return MeanFieldTwoLayerNet(
        m, solver="flow", alpha=1e-4, fit_intercept=False, tol=1e-7, max_iter=3000,
        scale_inputs=False, random_state=seed,
    )  # fmt: skip


def risk(net):
    return 0.5 * np.mean((net.predict(X) - y) ** 2)


figure, axes = plt.subplots(1, 3, figsize=(11, 3.9))
for ax, m in zip(axes, [5, 20, 100], strict=True):
    display = ParticlesDisplay.from_fit(flow(m), X, y, ax=ax)
    reach = 1.3 * np.abs(display.points_[-1]).max()
    for direction in teacher:
        ax.plot(*np.outer(direction, [0.92 * reach, reach]), "k", linewidth=4)
    ax.set(title=f"{m} neurons: risk {risk(flow(m).fit(X, y)):.0e}", aspect="equal")
    ax.set(xlim=(-1.05 * reach, 1.05 * reach), ylim=(-1.05 * reach, 1.05 * reach))
    ax.grid(False)
plt.show()

# %%
# How many seeds of five reach a risk of 1e-4?
for m in (5, 10, 20):
    risks = [risk(flow(m, seed).fit(X, y)) for seed in range(5)]
    print(f"{m} neurons: {sum(value <= 1e-4 for value in risks)} of 5")

# %%
# A proof
# -------
# With the variation norm as penalty the problem is convex in the measure, and has a dual. The net
# is optimal if and only if the first variation stays below `alpha` in all directions, and touches
# it at the neurons. `solver="sliding-frank-wolfe"` adds a neuron where it does not.
net = MeanFieldTwoLayerNet(
    solver="sliding-frank-wolfe",
    alpha=0.01,
    fit_intercept=False,
    scale_inputs=False,
    tol=1e-5,
    random_state=0,
).fit(X, y)
figure, ax = plt.subplots(figsize=(8, 3.6))
CertificateDisplay.from_estimator(net, X, y, ax=ax)
plt.show()

# %%
print(net.n_particles_, "neurons;", net.certificate_)
