"""What the solvers share: a net with the layers of the problem, fitted for so many iterations."""

import sys
import warnings
from pathlib import Path

from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[2]))  # of measure.py and public_data.py

warnings.filterwarnings("ignore", category=ConvergenceWarning)


class NetSolver(BaseSolver):
    """`make_estimator(task, layers, activation, n_iter)` returns what is fitted."""

    sampling_strategy = "iteration"

    def set_objective(self, X, y, X_test, task, layers, activation):
        self.X, self.y, self.X_test = X, y, X_test
        self.net = task, layers, activation
        threadpool_limits(1)  # here, because by now the solver's libraries are loaded

    def run(self, n_iter):
        self.model = self.make_estimator(*self.net, max(n_iter, 1)).fit(self.X, self.y)

    def get_result(self):
        predict = self.model.predict
        fitted = predict if self.net[0] == "regression" else self.model.predict_proba
        return {"fitted": fitted(self.X), "predicted": predict(self.X_test)}
