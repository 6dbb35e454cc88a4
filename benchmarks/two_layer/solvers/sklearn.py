from benchmark_utils import NetSolver
from sklearn.neural_network import MLPRegressor


class Solver(NetSolver):
    """scikit-learn's L-BFGS; its net has biases."""

    name = "MLP lbfgs"
    requirements = ["scikit-learn"]

    def make_estimator(self, n_iter):
        return MLPRegressor(
            hidden_layer_sizes=(self.n_neurons,),
            solver="lbfgs",
            alpha=0.0,
            tol=0.0,
            max_iter=n_iter,
            max_fun=10**9,
            random_state=self.seed,
        )
