from benchmark_utils import NetSolver
from sklearn.neural_network import MLPClassifier, MLPRegressor


class Solver(NetSolver):
    """scikit-learn's multi-layer perceptron, without a penalty."""

    name = "MLP"
    requirements = ["scikit-learn"]
    parameters = {"solver, learning_rate": [("lbfgs", 1e-3), ("adam", 1e-3), ("adam", 5e-3)]}

    def make_estimator(self, n_iter):
        MLP = MLPRegressor if self.task == "regression" else MLPClassifier
        return MLP(
            hidden_layer_sizes=self.layers,
            activation=self.activation,
            solver=self.solver,
            learning_rate_init=self.learning_rate,
            alpha=0,
            tol=0,
            n_iter_no_change=n_iter,
            max_iter=n_iter,
            max_fun=10**9,
            random_state=0,
        )
