"""The widest margin over masses on directions of the sphere: a linear program, whatever the net."""

import numpy as np
from scipy.optimize import linprog

from sklearn_optland.neural_network._mean_field.ascent import Inputs
from sklearn_optland.neural_network._mean_field.first_variation import maximum_over_sphere


def widest_margin(X, y, X_test, directions):
    """Labels of the test rows by the widest margin, found by column generation."""
    rows, test_rows = (np.column_stack([part, np.ones(len(part))]) for part in (X, X_test))
    inputs, signs, bound = Inputs.of_array(rows), 2.0 * y - 1.0, np.inf
    while True:
        features = signs[:, None] * np.maximum(rows @ directions.T, 0)
        n, k = features.shape
        program = linprog(
            np.append(np.zeros(2 * k), -1.0),  # masses of both signs, and the margin
            A_ub=np.column_stack([-features, features, np.ones(n)]),
            b_ub=np.zeros(n),
            A_eq=np.append(np.ones(2 * k), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0, None)] * (2 * k) + [(None, None)],
        )
        p = np.maximum(-program.ineqlin.marginals, 0)
        pull = (p / p.sum() * signs)[:, None]
        top = maximum_over_sphere(inputs, pull, 1, starts=directions, n_points=64, random_state=0)
        bound = min(bound, top.value)
        if -program.fun >= 0.95 * bound:
            masses = program.x[:k] - program.x[k:-1]
            return np.maximum(test_rows @ directions.T, 0) @ masses > 0
        directions = np.concatenate([directions, top.points])
