r"""
Particles find the teacher
==========================

A two-layer net is a cloud of particles, one a neuron. With few of them, gradient flow may end in a
local minimum; with enough, they cover all directions at the start, and those that point the right
way grow. Chizat and Bach (2018) prove it in the limit; some twenty are enough for a teacher of five.
"""

# %%
# A teacher of five neurons in the plane, without noise and without biases. Crosses are the start,
# dots the end, grey lines the way; black lines are the teacher's directions.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_optland.neural_network import MeanFieldTwoLayerNet
from sklearn_optland.plotting import CertificateDisplay, ParticlesDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((500, 2))
X /= np.linalg.norm(X, axis=1, keepdims=True)
angles = 2 * np.pi * (np.arange(5) + 0.3 * rng.random(5)) / 5
teacher = np.column_stack([np.cos(angles), np.sin(angles)])
signs = np.array([1, -1, 1, 1, -1])
y = np.maximum(X @ teacher.T, 0) @ signs


def flow(m):
    return MeanFieldTwoLayerNet(
        m, solver="flow", alpha=0, fit_intercept=False, tol=1e-7, max_iter=3000, random_state=0
    )


figure, axes = plt.subplots(1, 3, figsize=(11, 3.9))
for ax, m in zip(axes, [5, 20, 100], strict=True):
    ParticlesDisplay.from_fit(flow(m), X, y, ax=ax)
    risk = 0.5 * np.mean((flow(m).fit(X, y).predict(X) - y) ** 2)
    reach = 1.05 * max(*ax.get_xlim(), *ax.get_ylim())
    for direction in teacher:
        ax.plot(*np.array([0.9 * reach * direction, reach * direction]).T, "k", linewidth=3)
    ax.set(title=f"{m} neurons: risk {risk:.0e}", aspect="equal")
    ax.set(xlim=(-1.1 * reach, 1.1 * reach), ylim=(-1.1 * reach, 1.1 * reach))
    ax.grid(False)
plt.show()

# %%
# How many seeds of five reach a risk of 1e-4?
for m in (5, 10, 20):
    nets = [flow(m).set_params(random_state=seed).fit(X, y) for seed in range(5)]
    risks = [0.5 * np.mean((net.predict(X) - y) ** 2) for net in nets]
    print(f"{m} neurons: {sum(risk <= 1e-4 for risk in risks)} of 5")

# %%
# With a penalty: a proof
# -----------------------
# With the variation norm as penalty the problem is convex in the measure, and has a dual. The net is
# optimal if and only if the first variation stays below `alpha` in all directions, and touches it at
# the neurons. `solver="sliding-frank-wolfe"` adds a neuron where it does not.
net = MeanFieldTwoLayerNet(
    solver="sliding-frank-wolfe", alpha=0.01, fit_intercept=False, tol=1e-5, random_state=0
).fit(X, y)
figure, ax = plt.subplots(figsize=(8, 3.6))
CertificateDisplay.from_estimator(net, X, y, ax=ax)
plt.show()

# %%
print(net.n_particles_, "neurons;", net.certificate_)
