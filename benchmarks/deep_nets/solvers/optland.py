from benchmark_utils import NetSolver

from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor


class Solver(NetSolver):
    """This package's nets, without a penalty."""

    name = "sklearn-optland"
    requirements = ["pip::sklearn-optland"]
    parameters = {"solver": ["feasible"]}
    parameter_template = "{solver}"

    def make_estimator(self, n_iter):
        net = ADMMNetRegressor if self.task == "regression" else ADMMNetClassifier
        return net(
            hidden_layer_sizes=self.layers,
            activation=self.activation,
            solver=self.solver,
            alpha=0.0,
            tol=0.0,
            max_iter=n_iter,
            random_state=0,
        )
