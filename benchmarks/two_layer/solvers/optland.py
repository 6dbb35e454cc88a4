from benchmark_utils import NetSolver

from sklearn_optland.neural_network import MeanFieldTwoLayerNet


class Solver(NetSolver):
    """This package's estimator, the certificate at the end included."""

    name = "sklearn-optland"
    requirements = ["pip::sklearn-optland"]
    parameters = {"solver": ["particles", "flow"]}
    parameter_template = "{solver}"

    def make_estimator(self, n_iter):
        return MeanFieldTwoLayerNet(
            n_particles=self.n_neurons,
            solver=self.solver,
            alpha=0.0,
            fit_intercept=False,
            scale_inputs=False,
            tol=0.0,
            max_iter=n_iter,
            random_state=self.seed,
        )
