from benchmark_utils import MAX_ITER, WIDTHS, NetSolver

from sklearn_optland.neural_network import MeanFieldTwoLayerNet, MeanFieldTwoLayerNetClassifier


class Solver(NetSolver):
    """This package's two-layer net by its default solver, L-BFGS on all particles."""

    name = "particles"
    requirements = ["pip::sklearn-optland"]
    parameters = {"alpha": [1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2], "width": WIDTHS}

    def make_estimator(self, task, seed):
        net = MeanFieldTwoLayerNet if task == "regression" else MeanFieldTwoLayerNetClassifier
        return net(n_particles=self.width, alpha=self.alpha, max_iter=MAX_ITER, random_state=seed)
