"""
Smoothing a rugged function: Moreau envelope and local entropy
==============================================================

Two ways to smooth a loss f before one descends:

- the Moreau envelope, the least of f(y) + ½ γ (x - y)² over y;
- the local entropy, -ln ∫ exp(-f(y) - ½ γ (x - y)²) dy.

The envelope keeps the minima, and their order: its least value is that of f, however narrow the
valley. The local entropy weighs a valley by its width. That is what Entropy-SGD descends (Chaudhari
et al., 2017), with Langevin dynamics inside each step.
"""

# %%
# A function with a deep narrow valley, a wide one, and ripples.
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp

from sklearn_optland.langevin import sgld

GRID = np.linspace(-4.0, 4.0, 3201)
DX = GRID[1] - GRID[0]


def f(x):
    """The rugged function."""
    wide = -4.0 * np.exp(-0.5 * ((x - 1.5) / 0.8) ** 2)
    narrow = -5.0 * np.exp(-0.5 * ((x + 1.8) / 0.06) ** 2)
    return wide + narrow + 0.4 * np.cos(14 * x) + 0.05 * x**2


def slope(x, h=1e-4):
    """Its derivative."""
    return (f(x + h) - f(x - h)) / (2 * h)


def moreau(x, gamma):
    """The envelope at some points."""
    return (f(GRID) + 0.5 * gamma * (x[:, None] - GRID) ** 2).min(axis=1)


def local_entropy(x, gamma):
    """The local entropy at some points, less that of a constant."""
    inside = -f(GRID) - 0.5 * gamma * (x[:, None] - GRID) ** 2
    return -logsumexp(inside, axis=1) - np.log(DX * np.sqrt(gamma / (2 * np.pi)))


x = np.linspace(-3.2, 3.2, 801)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
for ax, function, name in zip(
    axes, (moreau, local_entropy), ("Moreau envelope", "local entropy"), strict=True
):
    ax.plot(x, f(x), color="#bbbbbb", label="f")
    for gamma in (100.0, 10.0, 2.0):
        smooth = function(x, gamma)
        ax.plot(x, smooth, label=f"γ = {gamma:g}")
        print(f"{name}, γ = {gamma:g}: least at {x[smooth.argmin()]:.2f}")
    ax.set(xlabel="x", title=name)
    ax.legend()
plt.show()

# %%
# On a quadratic they are the same
# --------------------------------
# Of ½ a x² both are ½ aγ / (a + γ) x², but for a constant.
a, gamma, f_rugged = 3.0, 2.0, f
f = lambda x: 0.5 * a * x**2  # noqa: E731
some = np.array([0.0, 0.5, 1.0])
for name, function in (("Moreau envelope", moreau), ("local entropy", local_entropy)):
    values = function(some, gamma)
    print(f"{name}: {values - values[0]}, formula {0.5 * a * gamma / (a + gamma) * some**2}")
f = f_rugged

# %%
# Descent by Langevin dynamics
# ----------------------------
# The local entropy's derivative is γ (x - E y), with y drawn from the density ∝ exp(-f(y) -
# ½ γ (x - y)²), around x. Some steps of `sgld` estimate the mean. Descents of f itself end in the
# next ripple, those of the local entropy in the wide valley, but for some that start next to the
# narrow one: at this γ the local entropy still has a shallow minimum there.
starts, gamma = np.linspace(-3.0, 3.0, 25), 4.0
plain = starts.copy()
for _ in range(500):
    plain -= 0.002 * slope(plain)

entropic, state = starts.copy(), np.random.RandomState(0)
for _ in range(60):
    center = entropic[:, None]
    draws = sgld(
        lambda y: slope(y) + gamma * (y - center),  # noqa: B023
        center,
        step_size=0.005,
        n_steps=400,
        burn_in=100,
        random_state=state,
    )
    entropic -= 0.5 * (entropic - draws.samples.mean(axis=(1, 2)))

figure, ax = plt.subplots(figsize=(8, 4.2))
ax.plot(x, f(x), color="#bbbbbb")
ax.plot(x, local_entropy(x, gamma), color="#D55E00", lw=1, label=f"local entropy, γ = {gamma:g}")
ax.plot(plain, f(plain), "o", label="ends of gradient descent")
ax.plot(entropic, f(entropic), "s", ms=6, mfc="none", label="ends of Entropy-SGD")
ax.set(xlabel="x", ylabel="f")
ax.legend()
plt.show()
print(f"mean f at the ends: descent {f(plain).mean():.2f}, Entropy-SGD {f(entropic).mean():.2f}")
