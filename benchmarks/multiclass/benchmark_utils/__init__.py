"""What the data sets and the solvers share: splits, CPU time, sizes, one thread."""

import pickle
import sys
from pathlib import Path

import numpy as np
from scipy.sparse import issparse

sys.path.append(str(Path(__file__).parents[2]))  # of `common`

from common.bases import TimedSolver
from common.measure import cpu_seconds, quiet

VALIDATION = "validation"  # the fold on which hyperparameters are chosen; the others are 0, 1, …
MAX_TUNING_ROWS = 200_000
MAX_PRODUCTS = 5e9  # of a pass over all classes: a solver that needs more is skipped
TIMING_SECONDS = 0.3  # of predictions, at least, unless a single one takes longer


def problem(X, y, train, test, fold, n_passes):
    """What a data set returns: the rows, the training rows shuffled by the fold's seed."""
    seed = 0 if fold == VALIDATION else int(fold)
    train = np.random.default_rng([seed, 5]).permutation(train)
    return {
        "X": X[train],
        "y": y[train],
        "X_test": X[test],
        "y_test": y[test],
        "n_classes": int(y.max()) + 1,
        "n_passes": n_passes,
        "seed": seed,
    }


def validation_split(rows):
    """Nine tenths of the rows to fit and a tenth to choose by, of a draw if they are many."""
    rows = np.random.default_rng(7).permutation(rows)[:MAX_TUNING_ROWS]
    return np.split(rows, [len(rows) - len(rows) // 10])


def passes_for(n_rows):
    """20 passes, fewer over more than 50 000 rows, never less than 3."""
    return int(np.clip(1_000_000 // n_rows, 3, 20))


def median_cpu_seconds(call):
    """Of as many calls as TIMING_SECONDS hold, and at least three unless one takes longer."""
    call()  # warm
    seconds = [cpu_seconds(call)]
    while sum(seconds) < TIMING_SECONDS or (len(seconds) < 3 and seconds[0] < 2):
        seconds.append(cpu_seconds(call))
    return float(np.median(seconds))


def products_per_pass(X, n_classes):
    """Multiplications of all classes' scores of all rows."""
    return float(X.nnz if issparse(X) else X.size) * n_classes


class MulticlassSolver(TimedSolver):
    """A learner whose `fit` is timed, and whose `predict` is timed over all test rows.

    `parameters` is the grid: `cases.py` chooses of it on the fold for validation. `deterministic`
    says that neither seed nor order of the rows change a fit.
    """

    deterministic = False
    all_classes = False  # whether a pass costs a product for every class

    def skip(self, X, n_classes, **problem):
        products = products_per_pass(X, n_classes)
        too_long = self.all_classes and products > MAX_PRODUCTS
        return too_long, f"{products:.1e} products a pass over all classes"

    def set_objective(self, **problem):
        super().set_objective(**problem)
        if self.all_classes:  # 20 passes over all classes would be too long on the largest
            affordable = 2 * MAX_PRODUCTS / products_per_pass(self.X, self.n_classes)
            self.n_passes = int(min(self.n_passes, max(5, affordable)))

    def run(self, _):
        with quiet():
            super().run(None)

    def time_prediction(self):
        return median_cpu_seconds(self.predict)

    def model_megabytes(self):
        return len(pickle.dumps(self.model)) / 1e6

    def costs(self):
        """More columns of the result."""
        return {}

    def get_result(self):
        return {
            **super().get_result(),
            "predict_microseconds": 1e6 * self.time_prediction() / self.X_test.shape[0],
            "model_megabytes": self.model_megabytes(),
            **self.costs(),
        }


class EstimatorSolver(MulticlassSolver):
    """scikit-learn's interface: `make_estimator` returns what is fitted."""

    def fit(self):
        self.model = self.make_estimator().fit(self.X, self.y)

    def predict(self):
        return self.model.predict(self.X_test)
