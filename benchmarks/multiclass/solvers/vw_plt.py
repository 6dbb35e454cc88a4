from benchmark_utils.vw import VowpalWabbitSolver


class Solver(VowpalWabbitSolver):
    """VW's probabilistic label tree, for several labels a row, here with one."""

    name = "VW plt"
    parameters = {"learning_rate": [0.1, 0.3, 1.0, 3.0]}
    labels = "multilabel"
    prediction = ("--top_k", "1", "--loss_function", "logistic")

    def n_weights(self):
        return 2 * self.n_classes

    def cheapest(self):
        return self.learner()

    def learner(self):
        # The text's labels begin with 1, those of plt with 0: one more than there are classes.
        return [
            *("--plt", str(self.n_classes + 1), "-l", str(self.learning_rate)),
            *("--loss_function", "logistic"),
        ]
