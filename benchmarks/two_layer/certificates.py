"""The certificate of the sliding Frank-Wolfe method on 20 problems, and how true it is.

Inputs of one or two columns, with biases or without, and noise: the maximum over the sphere is
exact. The objective minus that of a lasso over a fine grid of directions, an upper bound of the
optimum, must not exceed the gap; a fit stopped after two rounds must have a large gap.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from common.folder import Case
from common.measure import cpu_seconds
from sklearn.linear_model import Lasso

from sklearn_optland.neural_network import MeanFieldTwoLayerNet

N_ROWS, NOISE, N_DIRECTIONS = 300, 0.1, 3000
ALPHAS = 1e-2, 1e-3
KINDS = {  # columns of X, fit_intercept
    "1 column": (1, True),
    "2 columns, no biases": (2, False),
    "2 columns": (2, True),
    "3 columns, no biases": (3, False),
}
SEEDS = range(20)


def problem(seed):
    """Name, X, y, fit_intercept and alpha of a problem."""
    rng = np.random.default_rng(seed)
    name = list(KINDS)[seed % len(KINDS)]
    n_columns, fit_intercept = KINDS[name]
    X = rng.uniform(-1, 1, (N_ROWS, n_columns))
    directions, offsets = rng.standard_normal((n_columns, 5)), rng.uniform(-0.5, 0.5, 5)
    y = np.maximum(X @ directions + fit_intercept * offsets, 0) @ rng.choice([-1.0, 1.0], 5)
    y = y / y.std() + NOISE * rng.standard_normal(N_ROWS)
    return name, X, y, fit_intercept, ALPHAS[seed // len(KINDS) % len(ALPHAS)]


def even_directions(n_dimensions):
    turns = (np.arange(N_DIRECTIONS) + 0.5) / N_DIRECTIONS
    if n_dimensions == 2:
        return np.column_stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)])
    height, angle = 2 * turns - 1, np.pi * (1 + 5**0.5) * np.arange(N_DIRECTIONS)
    radius = np.sqrt(1 - height**2)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])


def objective(model, X, y, alpha):
    """As the docstring of the estimator writes it, from its coefficients alone."""
    inner, outer = model.coefs_
    b = np.column_stack([inner.T, model.intercepts_[0]])
    norm = np.linalg.norm(b, axis=1) @ np.abs(outer[:, 0])
    return 0.5 * np.mean((y - model.predict(X)) ** 2) + alpha * norm


def lasso_objective(X, y, alpha, fit_intercept, model):
    """The least objective over a grid of directions, finer near the model's neurons.

    Of the grid only what the model's residual points at takes part: less than all is still an
    upper bound of the optimum.
    """
    rows = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    inner = np.column_stack([model.coefs_[0].T, model.intercepts_[0]])[:, : rows.shape[1]]
    inner /= np.linalg.norm(inner, axis=1)[:, None]
    near = np.repeat(inner, 100, axis=0)
    near += 0.02 * np.random.default_rng(0).standard_normal(near.shape)
    directions = np.concatenate([even_directions(rows.shape[1]), near])
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    features = np.maximum(rows @ directions.T, 0)
    pull = np.abs((y - model.predict(X)) @ features) / len(y)
    features = features[:, pull >= 0.99 * alpha]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A free output intercept, as the estimator has with biases.
        lasso = Lasso(alpha, fit_intercept=fit_intercept, tol=1e-8, max_iter=20_000)
        lasso.fit(features, y)
    residual = y - lasso.predict(features)
    return 0.5 * np.mean(residual**2) + alpha * np.abs(lasso.coef_).sum()


def measure(seed):
    _, X, y, fit_intercept, alpha = problem(seed)

    def fit(**parameters):
        model = MeanFieldTwoLayerNet(
            solver="sliding-frank-wolfe",
            alpha=alpha,
            fit_intercept=fit_intercept,
            scale_inputs=False,
            random_state=0,
            **parameters,
        )
        return model, cpu_seconds(lambda: model.fit(X, y))

    model, seconds = fit()
    stopped, _ = fit(max_iter=2)
    optimum = lasso_objective(X, y, alpha, fit_intercept, model)
    value = objective(model, X, y, alpha)
    return {  # in the order of the columns
        "gap": model.certificate_.value / value,
        "scope": model.certificate_.scope,
        "excess": (value - optimum) / value,  # at most the true suboptimality
        "neurons": int(model.n_particles_),
        "seconds": seconds,
        "stopped_gap": stopped.certificate_.value / objective(stopped, X, y, alpha),
        "stopped_excess": 1 - optimum / objective(stopped, X, y, alpha),
    }


@dataclass(frozen=True)
class Certificates(Case):
    """Rows: problems. Columns: the certificate, what a lasso proves, and both of a stopped fit."""

    seeds: tuple = tuple(SEEDS)
    smoke = {"seeds": SEEDS[:2]}

    @property
    def columns(self):
        return {
            "problem": "{}",
            "alpha": "{}",
            "relative gap": "{:.1e}",
            "scope": "{}",
            "above the lasso": "{:.1e}",
            "neurons": "{}",
            "s": "{:.2f}",
            "stopped: gap": "{:.1e}",
            "stopped: above the lasso": "{:.1e}",
        }

    def rows(self, folder, cell):
        lines = []
        for seed in self.seeds:
            line = cell("certificates", measure, seed=seed)
            if line is None:
                continue
            lines.append(line)
            name, *_, alpha = problem(seed)
            values = f"{name}, seed {seed}", alpha, *line.values()
            yield dict(zip(self.columns, values, strict=True))
        if lines:
            true = all(
                line["excess"] <= line["gap"] and line["stopped_excess"] <= line["stopped_gap"]
                for line in lines
            )
            yield (
                f"Largest gap {max(line['gap'] for line in lines):.1e}, longest fit "
                f"{max(line['seconds'] for line in lines):.2f} s; "
                f"every gap bounds what the lasso is below: {true}."
            )
