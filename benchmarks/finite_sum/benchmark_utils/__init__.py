"""What the solvers share: coefficients after so many passes, or at a tolerance."""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # of `common`

from common.bases import CountedSolver


class LinearSolver(CountedSolver):
    """A solver whose `solve(n)` returns the coefficients after n passes, or at its n-th tolerance.

    `penalties` names those that it takes.
    """

    penalties = ("l2", "l1")

    def skip(self, penalty, **problem):
        return penalty not in self.penalties, f"takes no {penalty} penalty"

    def set_objective(self, **problem):
        super().set_objective(**problem)
        self.C = 1 / (self.alpha * len(self.y))

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
