"""Base classes of the folders' objectives, data sets and solvers, for benchopt."""

import warnings

from benchopt import BaseDataset, BaseObjective, BaseSolver
from common.measure import cpu_seconds
from common.npz import load
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

TOL = 1e-14  # small enough that no solver ends by its own rule before max_iter does

# max_iter ends every fit, or the last digit of the objective does.
warnings.filterwarnings("ignore", category=ConvergenceWarning)
warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", module="sklearn.utils.optimize")


class DataObjective(BaseObjective):
    """It keeps what a data set returns. `seen` names what solvers see of that and of parameters."""

    min_benchopt_version = "1.10"
    requirements = ["numpy", "scipy", "scikit-learn", "threadpoolctl"]

    def skip(self, missing=None, **data):
        return missing is not None, missing

    def set_data(self, **data):
        vars(self).update(data)

    def get_objective(self):
        return {name: getattr(self, name) for name in self.seen}


class NpzDataset(BaseDataset):
    """A data set of `npz.py`: `prepare(X, y, n_train)` returns what the objective takes."""

    requirements = ["numpy", "scipy", "scikit-learn"]

    def get_data(self):
        try:
            X, y, n_train = load(self.dataset)
        except FileNotFoundError as error:
            return {"missing": str(error)}
        return self.prepare(X, y, n_train)


class OneThreadSolver(BaseSolver):
    """It keeps the problem, and runs on one thread."""

    def set_objective(self, **problem):
        vars(self).update(problem)
        threadpool_limits(1)  # here, because by now every solver's libraries are loaded


class CountedSolver(OneThreadSolver):
    """A solver that is fitted from scratch for each of a grid of counts."""

    sampling_strategy = "iteration"

    def get_next(self, n_iter):
        return n_iter + max(1, n_iter // 8)

    def warm_up(self):
        self.run_once(2)


class IteratedSolver(OneThreadSolver):
    """A solver that is fitted from scratch for so many iterations, at least one.

    `make_estimator(n_iter)` returns what is fitted.
    """

    sampling_strategy = "iteration"

    def run(self, n_iter):
        self.model = self.make_estimator(max(n_iter, 1)).fit(self.X, self.y)


class TimedSolver(OneThreadSolver):
    """A solver whose `fit` is timed, once. `parameters` is the grid that is searched."""

    sampling_strategy = "run_once"

    def run(self, _):
        self.train_seconds = cpu_seconds(self.fit)

    def get_result(self):
        return {"predicted": self.predict(), "train_seconds": self.train_seconds}
