"""
The landscape of a net
======================

Two fits of one net lie far apart, with a high wall on the straight line between them; a path of low
loss leads around it. Around a fit, the loss is flat in most directions.
"""

# %%
# Two ReLU nets on handwritten digits, from other random starts.
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sklearn_optland.landscape import LossSurface, connect, hessian_spectrum, loss_slice
from sklearn_optland.plotting import PathDisplay, SpectrumDisplay, SurfaceDisplay

X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]
a, b = (
    MLPClassifier((12,), alpha=0.1, solver="lbfgs", max_iter=1000, random_state=seed).fit(X, y)
    for seed in (0, 1)
)
surface = LossSurface(a, X, y)

# %%
# Paths
# -----
# A net does not know the order of its units. Aligned, the other net is nearer, and the wall lower.
# Strings stay below the level that they are given, here 1.1 times the loss of the higher end; a
# band makes the barrier small.
paths = {
    "straight": connect(surface, a, b, align=False, max_points=2),
    "straight, aligned": connect(surface, a, b, max_points=2),
    "string": connect(surface, a, b),
    "band": connect(surface, a, b, "neb", max_iter=200),
}
figure, ax = plt.subplots(figsize=(8, 4.2))
PathDisplay(paths).plot(ax=ax)
ax.set_yscale("log")
plt.show()
for name, path in paths.items():
    print(f"{name}: {path}")

# %%
# A plane
# -------
# Through both ends and the highest point of the string.
string = paths["string"]
points = [string.points_[0], string.points_[-1], string.points_[string.losses_.argmax()]]
if len(string.points_) > 2:
    points[2] = string.points_[1 + string.losses_[1:-1].argmax()]
plane = loss_slice(surface, through=points, extent=0.6, n_points=31)
figure, ax = plt.subplots(figsize=(7, 5))
SurfaceDisplay(plane, {"string": string}).plot(ax=ax)
plt.show()

# %%
# The spectrum
# ------------
# Most of the 910 eigenvalues of the Hessian are next to zero: the penalty alone curves the loss
# there.
figure, ax = plt.subplots(figsize=(8, 4))
SpectrumDisplay(hessian_spectrum(surface)).plot(ax=ax)
plt.show()
