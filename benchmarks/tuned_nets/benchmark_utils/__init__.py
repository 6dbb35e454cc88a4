"""What the solvers share: a net whose fit is timed, and the grid of its settings."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # of `common`

from common.bases import TimedSolver
from sklearn.neural_network import MLPClassifier, MLPRegressor

# A search of every solver has so many settings: these penalties, or six others, times these widths.
ALPHAS = [0.001, 0.01, 0.1, 1.0, 10.0, 30.0]
WIDTHS = [50, 100]
MAX_ITER = 500


class NetSolver(TimedSolver):
    """`make_estimator(task, seed)` returns what is fitted."""

    parameters = {"alpha": ALPHAS, "width": WIDTHS}

    def set_objective(self, **problem):
        super().set_objective(**problem)
        self.model = self.make_estimator(self.task, self.seed)

    def fit(self):
        self.model.fit(self.X, self.y)

    def predict(self):
        return self.model.predict(self.X_test)


class MLPSolver(NetSolver):
    """scikit-learn's multi-layer perceptron with one hidden layer, trained by `optimizer`."""

    requirements = ["scikit-learn"]

    def make_estimator(self, task, seed):
        MLP = MLPRegressor if task == "regression" else MLPClassifier
        return MLP(
            hidden_layer_sizes=(self.width,),
            solver=self.optimizer,
            alpha=self.alpha,
            max_iter=MAX_ITER,
            random_state=seed,
        )
