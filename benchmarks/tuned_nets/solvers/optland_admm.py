from benchmark_utils import MAX_ITER, WIDTHS, NetSolver

from sklearn_optland.neural_network import ADMMNetClassifier, ADMMNetRegressor


class Solver(NetSolver):
    """This package's deep net by its default solver, with one hidden layer; it stops early."""

    name = "ADMM net"
    requirements = ["pip::sklearn-optland"]
    parameters = {"alpha": [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2], "width": WIDTHS}

    def make_estimator(self, task, seed):
        net = ADMMNetRegressor if task == "regression" else ADMMNetClassifier
        return net(
            hidden_layer_sizes=(self.width,),
            alpha=self.alpha,
            early_stopping=True,
            tol=0.0,
            max_iter=MAX_ITER,
            random_state=seed,
        )
