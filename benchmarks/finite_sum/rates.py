"""The rate table as an experiment: passes to 1e-8 against the condition number, for all rows.

Ridge and logistic problems with n rows of the same length and kappa / n from 1e-2 to 1e3, where
kappa = L / mu, L the Lipschitz constant of a row's loss and mu = alpha. The optimum is that of a
direct solution; passes are counted, those for certificates not. Theory is the row's expression
times log(1e8), without its constant. Gradient descent, accelerated gradient descent with restarts
and SGD with steps 1 / (mu t) are a few lines of NumPy here.
"""

from dataclasses import dataclass

import numpy as np
from common.folder import Case
from scipy.special import expit

from sklearn_optland.linear_model import finite_sum

N, D = 1000, 100
LEVEL = 1e-8
MAX_PASSES = 30_000
RATIOS = 0.01, 0.1, 1, 10, 100, 1000  # kappa / n
ROWS = {
    "sgd": "κ/ε",
    "gd": "nκ",
    "agd": "n√κ",
    "sag": "n + κ",
    "saga": "n + κ",
    "svrg": "n + κ",
    "sdca": "n + κ",
    "miso": "n + κ",
    "katyusha": "n + √(nκ)",
    "point-saga": "n + √(nκ)",
    "catalyst": "n + √(nκ)",
}
EXPRESSIONS = {  # passes for a factor e
    "κ/ε": lambda n, kappa: np.nan,
    "nκ": lambda n, kappa: kappa,
    "n√κ": lambda n, kappa: np.sqrt(kappa),
    "n + κ": lambda n, kappa: 1 + kappa / n,
    "n + √(nκ)": lambda n, kappa: 1 + np.sqrt(kappa / n),
}


class Problem:
    """Mean loss plus alpha/2 |w|^2 on rows of length 1, with a spectrum that makes it hard."""

    def __init__(self, loss, ratio, seed=0):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((N, D)) * np.geomspace(1, 1e-3, D)
        self.X = X / np.linalg.norm(X, axis=1, keepdims=True)
        margin = self.X @ rng.standard_normal(D)
        margin *= 2 / margin.std()
        self.loss, self.curvature = loss, {"squared_error": 1.0, "log_loss": 0.25}[loss]
        if loss == "log_loss":
            self.y = np.where(rng.random(N) < expit(margin), 1.0, -1.0)
        else:
            self.y = margin + rng.standard_normal(N)
        self.kappa = ratio * N
        self.alpha = self.curvature / self.kappa
        self.L = self.curvature * np.linalg.norm(self.X, 2) ** 2 / N + self.alpha
        self.optimum = self._optimum()

    def pulls(self, f):
        if self.loss == "log_loss":
            return self.y * expit(-self.y * f)
        return self.y - f

    def objective(self, w):
        f = self.X @ w
        losses = (
            np.logaddexp(0, -self.y * f) if self.loss == "log_loss" else 0.5 * (self.y - f) ** 2
        )
        return losses.mean() + 0.5 * self.alpha * w @ w

    def gradient(self, w):
        return self.alpha * w - self.X.T @ self.pulls(self.X @ w) / N

    def gap(self, w):
        return (self.objective(w) - self.optimum) / self.optimum

    def _optimum(self):
        w = np.zeros(D)
        for _ in range(100):  # Newton, halved until the objective falls
            f = self.X @ w
            h = np.ones(N) if self.loss != "log_loss" else expit(f) * expit(-f)
            H = self.X.T @ (h[:, None] * self.X) / N + self.alpha * np.eye(D)
            step = np.linalg.solve(H, -self.gradient(w))
            t = 1.0
            while self.objective(w + t * step) > self.objective(w) and t > 1e-8:
                t /= 2
            w = w + t * step
        return self.objective(w)


def gradient_descent(problem):
    w = np.zeros(D)
    for passes in range(1, MAX_PASSES + 1):
        w = w - problem.gradient(w) / problem.L
        if passes % 10 == 0 and problem.gap(w) <= LEVEL:
            return passes
    return np.inf


def accelerated_gradient(problem):
    q = np.sqrt(problem.alpha / problem.L)
    beta = (1 - q) / (1 + q)
    w = ahead = np.zeros(D)
    for passes in range(1, MAX_PASSES + 1):
        gradient = problem.gradient(ahead)
        new = ahead - gradient / problem.L
        restart = gradient @ (new - w) > 0
        ahead = new if restart else new + beta * (new - w)
        w = new
        if passes % 5 == 0 and problem.gap(w) <= LEVEL:
            return passes
    return np.inf


def stochastic_gradient(problem, passes=20):
    """The gap after so many passes: to 1e-8 it would take a lifetime."""
    rng = np.random.default_rng(0)
    w, largest = np.zeros(D), problem.curvature + problem.alpha
    for t in range(passes * N):
        i = rng.integers(N)
        step = 1 / (problem.alpha * (t + 1) + largest)
        pull = problem.pulls(self_score(problem, i, w))[i]
        w = (1 - step * problem.alpha) * w + step * pull * problem.X[i]
    return problem.gap(w)


def self_score(problem, i, w):
    """Scores that are right at i, which is all that is asked of them."""
    f = np.zeros(N)
    f[i] = problem.X[i] @ w
    return f


def passes_of(problem, solver):
    """The first pass with a gap under the level: fits from scratch at a grid, then bisection."""

    def gap(max_iter):
        # one seed: the fit of k passes is the k-th iterate of a longer one
        result = finite_sum(
            problem.loss, "l2", problem.X, problem.y, alpha=problem.alpha, solver=solver,
            tol=0.0, max_iter=max_iter, random_state=0,
        )  # fmt: skip
        return problem.gap(result.coef), result.n_iter

    low, high = 0, 4
    while True:
        value, used = gap(high)
        if value <= LEVEL:
            break
        if high >= MAX_PASSES:
            return np.inf
        low, high = high, min(2 * high, MAX_PASSES)
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        value, n_iter = gap(middle)
        if value <= LEVEL:
            high, used = middle, n_iter
        else:
            low = middle
    return used


def measure(loss, ratio, solver):
    """Passes, None if they are too many; of SGD the gap."""
    problem = Problem(loss, ratio)
    own = {"sgd": stochastic_gradient, "gd": gradient_descent, "agd": accelerated_gradient}
    found = own[solver](problem) if solver in own else passes_of(problem, solver)
    return {"found": found if np.isfinite(found) else None}


@dataclass(frozen=True)
class Rates(Case):
    """Rows: solvers. Columns: condition numbers."""

    loss: str
    ratios: tuple = RATIOS
    smoke = {"ratios": RATIOS[:1]}

    @property
    def columns(self):
        forms = ["{:.0e}", "{:.0f} ({:.0f})", "{} {} ({:.0f})"]
        return {
            "solver": "{}",
            "row": "{}",
            **{f"κ/n = {ratio:g}": forms for ratio in self.ratios},
        }

    def rows(self, folder, cell):
        for solver, expression in ROWS.items():
            row = {"solver": solver, "row": expression}
            for ratio in self.ratios:
                theory = EXPRESSIONS[expression](N, ratio * N) * np.log(1 / LEVEL)
                key = {"loss": self.loss, "ratio": ratio, "solver": solver}
                line = cell("rates", measure, **key)
                if line is None:
                    continue
                passes = [">", MAX_PASSES] if line["found"] is None else [line["found"]]
                row[f"κ/n = {ratio:g}"] = passes if solver == "sgd" else [*passes, theory]
            yield row
