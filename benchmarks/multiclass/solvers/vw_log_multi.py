from benchmark_utils.vw import VowpalWabbitSolver


class Solver(VowpalWabbitSolver):
    """VW's LOMtree. Its node budget is --log_multi's number of classes less one."""

    name = "VW log_multi"
    parameters = {"nodes_per_class": [1, 4, 16], "learning_rate": [0.06, 0.25, 1.0, 4.0]}

    def n_weights(self):
        return self.nodes_per_class * self.n_classes

    def learner(self):
        classes = str(self.nodes_per_class * self.n_classes)
        return ["--log_multi", classes, "-l", str(self.learning_rate)]
