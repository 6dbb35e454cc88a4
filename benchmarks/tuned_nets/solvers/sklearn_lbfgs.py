from benchmark_utils import MAX_ITER, NetSolver
from sklearn.neural_network import MLPClassifier, MLPRegressor


class Solver(NetSolver):
    """scikit-learn's multi-layer perceptron with one hidden layer, trained by L-BFGS."""

    name = "MLP lbfgs"
    requirements = ["scikit-learn"]

    def make_estimator(self, task, seed):
        MLP = MLPRegressor if task == "regression" else MLPClassifier
        return MLP(
            hidden_layer_sizes=(self.width,),
            solver="lbfgs",
            alpha=self.alpha,
            max_iter=MAX_ITER,
            random_state=seed,
        )
