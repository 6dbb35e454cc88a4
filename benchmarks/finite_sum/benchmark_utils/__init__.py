"""What the solvers share: the grid of counts, one thread, quiet non-convergence."""

import sys
import warnings
from pathlib import Path

import numpy as np
from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[2]))  # of measure.py and public_data.py

TOL = 1e-14  # small enough that no solver ends by its own rule before max_iter does

# max_iter ends every fit.
warnings.filterwarnings("ignore", category=ConvergenceWarning)
warnings.filterwarnings("ignore", category=FutureWarning)


class LinearSolver(BaseSolver):
    """A solver whose `solve(n)` returns the coefficients after n passes, or at its n-th tolerance.

    `penalties` names those that it takes.
    """

    sampling_strategy = "iteration"
    penalties = ("l2", "l1")

    def get_next(self, n_iter):
        return n_iter + max(1, n_iter // 8)

    def skip(self, X, y, alpha, penalty):
        return penalty not in self.penalties, f"takes no {penalty} penalty"

    def set_objective(self, X, y, alpha, penalty):
        self.X, self.y, self.alpha, self.penalty = X, y, alpha, penalty
        self.C = 1 / (alpha * len(y))
        threadpool_limits(1)  # here, because by now every solver's libraries are loaded

    def warm_up(self):
        self.run_once(2)

    def run(self, n_iter):
        self.coef = self.solve(n_iter) if n_iter > 0 else np.zeros(self.X.shape[1])

    def get_result(self):
        return {"coef": self.coef}


class ToleranceSolver(LinearSolver):
    """One that is stopped by a tolerance: the n-th is half a decade below the one before."""

    def warm_up(self):
        self.run_once(8)  # far enough for all of a compiled solver's code

    def get_next(self, n_iter):
        return n_iter + 1

    def tolerance(self, n_iter):
        return 10.0 ** (-0.5 * n_iter)
