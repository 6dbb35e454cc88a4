r"""
The rate table as an experiment
===============================

To reach a gap of ε, gradient descent needs a number of passes proportional to the condition number
κ, finite-sum solvers 1 + κ/n, accelerated ones 1 + √(κ/n), each times log(1/ε). Ridge regression
on n = 200 rows of length 1, κ/n from 0.01 to 1000. `python benchmarks/run.py finite_sum --what
rates-squared-error rates-log-loss` is the large version, with more solvers and the log-loss.
"""

# %%
# The problem: a spectrum that falls over three decades, and the optimum by a direct solution.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_optland.linear_model import finite_sum

n, d = 200, 40
LEVEL, MOST = 1e-6, 20_000
rng = np.random.default_rng(0)
X = rng.standard_normal((n, d)) * np.geomspace(1, 1e-3, d)
X /= np.linalg.norm(X, axis=1, keepdims=True)
y = X @ rng.standard_normal(d)
y = 2 * y / y.std() + rng.standard_normal(n)
warnings.simplefilter("ignore", ConvergenceWarning)


def gap(w, alpha):
    """Relative suboptimality of ridge regression."""
    best = np.linalg.solve(X.T @ X / n + alpha * np.eye(d), X.T @ y / n)

    def objective(w):
        return 0.5 * np.mean((y - X @ w) ** 2) + 0.5 * alpha * w @ w

    return objective(w) / objective(best) - 1


def passes(solver, alpha):
    """The first count of passes, on a grid, with a gap below the level."""
    for max_iter in np.unique(np.geomspace(2, MOST, 50).astype(int)):
        result = finite_sum(
            "squared_error", "l2", X, y, solver=solver, alpha=alpha, tol=0, max_iter=max_iter,
            random_state=0,
        )  # fmt: skip
        if gap(result.coef, alpha) <= LEVEL:
            return max_iter
    return np.nan


def gradient_descent(alpha):
    w, L = np.zeros(d), np.linalg.norm(X, 2) ** 2 / n + alpha
    for k in range(1, MOST + 1):
        w = w - (X.T @ (X @ w - y) / n + alpha * w) / L
        if k % 10 == 0 and gap(w, alpha) <= LEVEL:
            return k
    return np.nan


# %%
# Measured (lines) and the table's slopes (dotted, without their constants).
ratios = np.geomspace(1e-2, 1e3, 6)
solvers = {"saga": "C0o", "svrg": "C0^", "sdca": "C0s", "point-saga": "C1P", "catalyst": "C1X"}
figure, ax = plt.subplots(figsize=(7.5, 4.8))
ax.loglog(ratios, [gradient_descent(1 / (r * n)) for r in ratios], "C6v-", label="gradient descent")
for solver, (*colour, marker) in solvers.items():
    ax.loglog(
        ratios, [passes(solver, 1 / (r * n)) for r in ratios],
        color="".join(colour), marker=marker, markersize=6, linewidth=1, label=solver,
    )  # fmt: skip
rows = {"κ": (ratios * n, "C6"), "1 + κ/n": (1 + ratios, "C0"),
        "1 + √(κ/n)": (1 + np.sqrt(ratios), "C1")}  # fmt: skip
for text, (row, colour) in rows.items():
    theory = np.log(1 / LEVEL) * row
    ax.loglog(ratios, theory, ":", color=colour)
    last = np.flatnonzero(theory < MOST)[-1]
    ax.annotate(
        text, (ratios[last], theory[last]), xytext=(-4, 6), textcoords="offset points",
        color=colour, ha="right",
    )  # fmt: skip
ax.set(xlabel="κ / n", ylabel="passes to a gap of 1e-6", ylim=(2, MOST))
ax.legend(loc="upper left", fontsize="small")
plt.show()

# %%
# Up to κ = n the solvers need a handful of passes. From κ = 30 n on the accelerated ones are
# ahead. A stochastic solver knows its row:
print(finite_sum("squared_error", "l2", X, y, solver="catalyst", alpha=1e-4, random_state=0).rate)
