"""
Two players: gradient descent and its adjustment
================================================

Two players descend losses of their own, each in a variable of its own. In the bilinear game the
first wants x y to be small, the second to be large; neither can do better than 0, at the origin.
The simultaneous gradient is no gradient of any function: its field turns. Gradient descent turns
with it, and outwards. The symplectic adjustment of Balduzzi et al. (2018) adds the antisymmetric
part of the field's Jacobian, which points to where the field is small.
"""

# %%
# The field ξ(w) has the Jacobian J = S + A with the symmetric S and the antisymmetric A. The
# adjusted field is ξ + λ Aᵀξ. For a potential game A is 0, and nothing changes. Here ξ(w) = J w.
import matplotlib.pyplot as plt
import numpy as np

STEP, N_STEPS = 0.1, 120
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def descend(J, strength):
    """Points of a descent along the adjusted field."""
    points, A = [np.array([1.0, 0.4])], 0.5 * (J - J.T)
    for _ in range(N_STEPS):
        xi = J @ points[-1]
        points.append(points[-1] - STEP * (xi + strength * A.T @ xi))
    return np.array(points)


def draw(ax, J, runs):
    """A field and the descents in it."""
    grid = np.linspace(-2.2, 2.2, 15)
    U, V = -np.einsum("ij,jab->iab", J, np.array(np.meshgrid(grid, grid)))
    ax.quiver(grid, grid, U, V, color="#bbbbbb", width=0.003)
    for name, points in runs.items():
        ax.plot(*points.T, "-o", ms=2, label=name)
    ax.plot(0, 0, "k+", ms=12)
    ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), xlabel="first player", aspect="equal")


# %%
# The bilinear game
# -----------------
# ξ = (y, -x). The distance to the origin grows by √(1 + η²) a step in gradient descent, and falls
# by √((1 - ηλ)² + η²) with the adjustment: dashed.
strengths = {"gradient descent": 0.0, "adjusted, λ = 0.3": 0.3, "adjusted, λ = 1": 1.0}
runs = {name: descend(TURN, strength) for name, strength in strengths.items()}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
draw(left, TURN, runs)
left.set_ylabel("second player")
left.legend(loc="upper right", fontsize=8)
steps = np.arange(N_STEPS + 1)
for name, points in runs.items():
    right.plot(steps, np.linalg.norm(points, axis=1), label=name)
    factor = np.hypot(1 - STEP * strengths[name], STEP)
    right.plot(steps, np.hypot(1.0, 0.4) * factor**steps, "k--", lw=1)
    print(f"{name}: factor {factor:.4f} a step")
right.set(yscale="log", xlabel="step", ylabel="distance to the equilibrium")
right.legend()
plt.show()

# %%
# Players with a loss of their own
# --------------------------------
# Now each player also pays ½ a w² for its own variable w. Where a is 0.02 for both, the origin is
# an equilibrium: neither gains by leaving it, and the adjusted descent finds it. Where the second
# player has a = -0.05, it gains by leaving. The field is still zero at the origin, and the adjusted
# descent ends there all the same: it finds zeros of the field, equilibria or not. The sign of λ
# decides what attracts, and the paper has a rule for it.
strengths = {"gradient descent": 0.0, "adjusted, λ = 1": 1.0, "adjusted, λ = -1": -1.0}
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2))
for ax, second in zip(axes, (0.02, -0.05), strict=True):
    J = TURN + np.diag([0.02, second])
    runs = {name: descend(J, strength) for name, strength in strengths.items()}
    draw(ax, J, runs)
    ax.set_title(f"the second player's a = {second}")
    for name, points in runs.items():
        print(f"a = {second:5.2f}, {name}: distance at the end {np.linalg.norm(points[-1]):.3g}")
axes[0].set_ylabel("second player")
axes[0].legend(loc="upper right", fontsize=8)
plt.show()
