from benchmark_utils import MLPSolver


class Solver(MLPSolver):
    """scikit-learn's multi-layer perceptron with one hidden layer, trained by Adam."""

    name = "MLP adam"
    optimizer = "adam"
