"""What the solvers share: the grid of iteration counts, one thread, quiet non-convergence."""

import sys
import warnings
from pathlib import Path

import numpy as np
from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[2]))  # of measure.py and public_data.py

TOL = 1e-14  # small enough that no solver ends by its own rule before max_iter does
MAX_HESSIAN_SIZE = 5_000  # rows of the largest Hessian that a solver may build: 200 MB

# max_iter ends every fit, or the last digit of the objective does.
warnings.filterwarnings("ignore", category=ConvergenceWarning)
warnings.filterwarnings("ignore", module="sklearn.utils.optimize")


class LinearSolver(BaseSolver):
    """A solver whose `solve(n_iter)` returns coefficients and intercept."""

    sampling_strategy = "iteration"

    def get_next(self, n_iter):
        return n_iter + max(1, n_iter // 8)

    def set_objective(self, X, y, C, fit_intercept):
        self.X, self.y, self.C, self.fit_intercept = X, y, C, fit_intercept
        threadpool_limits(1)  # here, because by now every solver's libraries are loaded

    def warm_up(self):
        self.run_once(2)

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

    def set_objective(self, X, y, C, fit_intercept):
        super().set_objective(X, y, C, fit_intercept)
        self.estimator = self.make_estimator().set_params(C=C, fit_intercept=fit_intercept, tol=TOL)

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
