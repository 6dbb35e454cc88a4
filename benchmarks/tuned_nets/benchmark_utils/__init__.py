"""What the data sets and the solvers share: a fit whose CPU seconds are measured."""

import sys
import warnings
from pathlib import Path

from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[2]))  # of measure.py and public_data.py

from measure import cpu_seconds

# A search of every solver has so many settings: these penalties, or six others, times these widths.
ALPHAS = [0.001, 0.01, 0.1, 1.0, 10.0, 30.0]
WIDTHS = [50, 100]
MAX_ITER = 500

warnings.filterwarnings("ignore", category=ConvergenceWarning)


class NetSolver(BaseSolver):
    """A net whose `fit` is timed. `parameters` is the grid that `run.py` searches.

    `make_estimator(task, seed)` returns what is fitted.
    """

    sampling_strategy = "run_once"
    parameters = {"alpha": ALPHAS, "width": WIDTHS}

    def set_objective(self, X_train, y_train, X_test, task, seed):
        self.X, self.y, self.X_test = X_train, y_train, X_test
        self.model = self.make_estimator(task, seed)
        threadpool_limits(1)  # here, because by now the solver's libraries are loaded

    def run(self, _):
        self.train_seconds = cpu_seconds(lambda: self.model.fit(self.X, self.y))

    def get_result(self):
        return {
            "predicted": self.model.predict(self.X_test),
            "train_seconds": self.train_seconds,
        }
