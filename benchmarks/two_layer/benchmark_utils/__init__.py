"""What the solvers share: a net of one hidden layer, fitted for so many iterations."""

import sys
import warnings
from pathlib import Path

from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[2]))  # of measure.py and public_data.py

warnings.filterwarnings("ignore", category=ConvergenceWarning)


class NetSolver(BaseSolver):
    """A net of m ReLU neurons without a penalty, and without biases where that can be had."""

    sampling_strategy = "iteration"

    def set_objective(self, X, y, n_neurons, seed):
        self.X, self.y, self.n_neurons, self.seed = X, y, n_neurons, seed
        threadpool_limits(1)  # here, because by now the solver's libraries are loaded


class EstimatorSolver(NetSolver):
    """`make_estimator(n_iter)` returns what is fitted."""

    def run(self, n_iter):
        self.model = self.make_estimator(max(n_iter, 1)).fit(self.X, self.y)

    def get_result(self):
        return {"fitted": self.model.predict(self.X)}
