from benchmark_utils.vw import VowpalWabbitSolver


class Solver(VowpalWabbitSolver):
    """VW's recall tree: logarithmic routing, then one-against-some within the leaf."""

    name = "VW recall_tree"
    parameters = {"learning_rate": [0.1, 0.3, 1.0, 3.0]}

    def n_weights(self):
        return 2 * self.n_classes

    def learner(self):
        return [
            *("--recall_tree", str(self.n_classes), "-l", str(self.learning_rate)),
            *("--loss_function", "logistic"),
        ]
