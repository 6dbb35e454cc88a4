from benchmark_utils import MAX_ITER, WIDTHS, NetSolver

from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor


class Solver(NetSolver):
    """This package's deep net by its default solver, with one hidden layer."""

    name = "ADMM net"
    requirements = ["pip::sklearn-optland"]
    parameters = {"alpha": [1e-6, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2], "width": WIDTHS}

    def make_estimator(self, task, seed):
        net = ADMMNetRegressor if task == "regression" else ADMMNetClassifier
        return net(
            hidden_layer_sizes=(self.width,),
            alpha=self.alpha,
            tol=1e-4,
            max_iter=MAX_ITER,
            random_state=seed,
        )
