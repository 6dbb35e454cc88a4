from benchmark_utils.vw import VowpalWabbitSolver


class Solver(VowpalWabbitSolver):
    """VW's one-against-all."""

    name = "VW oaa"
    parameters = {"learning_rate": [0.3, 1.0, 3.0]}
    all_classes = True

    def learner(self):
        return [
            *("--oaa", str(self.n_classes), "-l", str(self.learning_rate)),
            *("--loss_function", "logistic"),
        ]
