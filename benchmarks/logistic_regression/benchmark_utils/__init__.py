"""What the solvers share: coefficients and intercept after so many iterations."""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # of `common`

from common.bases import TOL, CountedSolver

MAX_HESSIAN_SIZE = 5_000  # rows of the largest Hessian that a solver may build: 200 MB


class LinearSolver(CountedSolver):
    """A solver whose `solve(n_iter)` returns coefficients and intercept."""

    def run(self, n_iter):
        # benchopt begins with 0, which not every solver takes for "no step".
        self.coef, self.intercept = self.solve(n_iter) if n_iter > 0 else self._start()

    def _start(self):
        n_rows = n_coef_rows(self.y)
        return np.zeros((n_rows, self.X.shape[1])), np.zeros(n_rows)

    def get_result(self):
        return {"coef": self.coef, "intercept": self.intercept}


class EstimatorSolver(LinearSolver):
    """Times `fit` of the estimator that `make_estimator` returns, its validation included."""

    def set_objective(self, **problem):
        super().set_objective(**problem)
        self.estimator = self.make_estimator().set_params(
            C=self.C, fit_intercept=self.fit_intercept, tol=TOL
        )

    def solve(self, n_iter):
        model = self.estimator.set_params(max_iter=n_iter).fit(self.X, self.y)
        return model.coef_, model.intercept_


def n_coef_rows(y):
    """Rows of the coefficients for labels 0, 1, …: one for two classes, else one a class."""
    n_classes = y.max() + 1
    return 1 if n_classes == 2 else n_classes


def skip_large_hessian(X, y):
    """benchopt's answer for a solver with a matrix of all coefficients squared."""
    size = X.shape[1] * n_coef_rows(y)
    return size > MAX_HESSIAN_SIZE, f"its matrix would be {size} x {size}"


def skip_multinomial(y):
    """benchopt's answer for a solver of two classes."""
    return n_coef_rows(y) > 1, "takes two classes only"


def first_skip(*reasons):
    """The first of several (skip, reason) that says skip."""
    return next((reason for reason in reasons if reason[0]), (False, None))


def logistic_labels(margin, rng):
    """Labels 0 and 1 drawn from the logistic model, the margins scaled to deviation 2."""
    return (rng.random(len(margin)) < 1 / (1 + np.exp(-2 * margin / margin.std()))).astype(int)
