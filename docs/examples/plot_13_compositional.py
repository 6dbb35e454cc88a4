"""
Compositional functions: a deep net that knows the tree, and a shallow one
==========================================================================

A function of eight variables that is a binary tree of functions of two,

    f(x) = h(h(h(x1, x2), h(x3, x4)), h(h(x5, x6), h(x7, x8))).

A shallow net needs a number of units that is exponential in the number of variables for a given
error; a deep one of the same tree needs a number that is exponential in two only, times the seven
nodes (Mhaskar and Poggio, 2016). That is a statement on approximation: descent still has to find
the weights.
"""

# %%
# The node function, and the tree of them.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.neural_network import ADMMNetRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # the fits have a budget of steps


def node(a, b):
    """A function of two variables with values in [-1, 1]."""
    return np.tanh(1.5 * a * b + a - b)


def tree_function(X):
    """The node function, level by level."""
    while X.shape[1] > 1:
        X = node(X[:, ::2], X[:, 1::2])
    return X[:, 0]


rng = np.random.RandomState(0)
X, X_test = rng.uniform(-1, 1, (2000, 8)), rng.uniform(-1, 1, (2000, 8))
y, y_test = tree_function(X), tree_function(X_test)


# %%
# A net with the tree
# -------------------
# Each node is a small net of its two inputs with m tanh units. Parameters of a level are one array
# of shape (nodes, 4, m): weights of both inputs, biases, and weights of the output; and a constant
# for each node. L-BFGS descends.
def unpack(theta, m):
    """Arrays of the levels."""
    levels, start = [], 0
    for n_nodes in (4, 2, 1):
        units = theta[start : start + 4 * m * n_nodes].reshape(n_nodes, 4, m)
        start += 4 * m * n_nodes
        levels.append((units, theta[start : start + n_nodes]))
        start += n_nodes
    return levels


def predict(theta, m, X):
    """The net's output, and what the gradient needs."""
    V, kept = X, []
    for units, constant in unpack(theta, m):
        A, B = V[:, ::2, None], V[:, 1::2, None]
        H = np.tanh(A * units[:, 0] + B * units[:, 1] + units[:, 2])
        kept.append((V, H))
        V = np.einsum("njm,jm->nj", H, units[:, 3]) + constant
    return V[:, 0], kept


def loss(theta, m):
    """Half the mean squared error, and its gradient."""
    f, kept = predict(theta, m, X)
    D = ((f - y) / len(y))[:, None]
    parts = []
    for (units, _), (V, H) in zip(unpack(theta, m)[::-1], kept[::-1], strict=True):
        slope = D[:, :, None] * units[:, 3] * (1 - H**2)
        gradient = np.stack(
            [
                np.einsum("njm,nj->jm", slope, V[:, ::2]),
                np.einsum("njm,nj->jm", slope, V[:, 1::2]),
                slope.sum(axis=0),
                np.einsum("njm,nj->jm", H, D),
            ],
            axis=1,
        )
        parts = [gradient.ravel(), D.sum(axis=0), *parts]
        below = np.empty_like(V)
        below[:, ::2] = (slope * units[:, 0]).sum(axis=2)
        below[:, 1::2] = (slope * units[:, 1]).sum(axis=2)
        D = below
    return 0.5 * np.mean((f - y) ** 2), np.concatenate(parts)


def fit_tree(m, seed):
    """Test error of a tree of nets, and its number of parameters."""
    theta = np.random.RandomState(seed).randn(7 * (4 * m + 1)) * 0.7
    end = minimize(loss, theta, (m,), jac=True, method="L-BFGS-B", options={"maxiter": 400})
    return np.sqrt(np.mean((predict(end.x, m, X_test)[0] - y_test) ** 2)), theta.size


def fit_net(hidden, seed):
    """The same of a net whose layers are all connected."""
    net = ADMMNetRegressor(hidden, "tanh", alpha=1e-6, max_iter=400, random_state=seed).fit(X, y)
    error = np.sqrt(np.mean((net.predict(X_test) - y_test) ** 2))
    return error, sum(W.size for W in net.coefs_ + net.intercepts_)


kinds = {
    "the tree": [lambda seed, m=m: fit_tree(m, seed) for m in (2, 4, 8)],
    "shallow": [lambda seed, m=m: fit_net((m,), seed) for m in (6, 12, 24, 48)],
    "three layers, all connected": [lambda seed, m=m: fit_net((m, m, m), seed) for m in (4, 7, 11)],
}
figure, ax = plt.subplots(figsize=(7, 4.5))
for name, fits in kinds.items():
    runs = np.array([[fit(seed) for seed in range(2)] for fit in fits])
    ax.plot(runs[:, 0, 1], runs[:, :, 0].mean(axis=1), "-o", label=name)
    errors = runs[:, :, 0].mean(axis=1).round(3).tolist()
    print(name, dict(zip(runs[:, 0, 1].astype(int).tolist(), errors, strict=True)))
ax.axhline(y_test.std(), color="#999999", ls="--", label="a constant")
ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel="root mean squared error, test rows")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
# Means of two starts. With as many parameters the tree is far more precise. A deep net whose layers
# are all connected may find the tree, but nothing makes it.
