"""Test accuracy of eight hidden sigmoid layers of 40: where stochastic gradients stall.

1500 training rows of pendigits and its own test part, five seeds, from scikit-learn's start and
from one of four times its size. scikit-learn's solvers get 400 iterations or epochs, and no rule
stops them before; ours stops by its own.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from common.folder import Case
from common.measure import cpu_seconds, median
from sklearn.neural_network import MLPClassifier

from sklearn_optland.neural_network import ADMMNetClassifier

LAYERS = (40,) * 8
SEEDS = range(5)
STARTS = {"scikit-learn's start": 1.0, "4 times that": 4.0}
MAX_ITER = 400


class ScaledMLPClassifier(MLPClassifier):
    """MLPClassifier from its own start times `start_scale`."""

    start_scale = 1.0

    def _init_coef(self, fan_in, fan_out, dtype):
        coef, intercept = super()._init_coef(fan_in, fan_out, dtype)
        return self.start_scale * coef, self.start_scale * intercept


def rival(solver, learning_rate=1e-3):
    def make(seed, scale):
        model = ScaledMLPClassifier(
            hidden_layer_sizes=LAYERS,
            activation="logistic",
            solver=solver,
            learning_rate_init=learning_rate,
            max_iter=MAX_ITER,
            n_iter_no_change=MAX_ITER,
            max_fun=10**9,
            tol=1e-10,
            random_state=seed,
        )
        model.start_scale = scale
        return model

    return make


def ours(seed, scale):
    return ADMMNetClassifier(
        hidden_layer_sizes=LAYERS,
        activation="logistic",
        init=scale,
        random_state=seed,
    )


LEARNERS = {
    "ADMMNetClassifier": ours,
    "MLP adam 1e-4": rival("adam", 1e-4),
    "MLP adam 1e-3": rival("adam", 1e-3),
    "MLP adam 1e-2": rival("adam", 1e-2),
    "MLP sgd": rival("sgd", 0.1),
    "MLP lbfgs": rival("lbfgs"),
}


@dataclass(frozen=True)
class Sigmoid(Case):
    """Rows: learners. Columns: accuracies and seconds by the start's size."""

    n_rows: int = 1500
    learners: tuple = tuple(LEARNERS)
    dataset: str = "pendigits"
    seeds: tuple = tuple(SEEDS)
    smoke = {
        "n_rows": 100,
        "dataset": "digits",
        "learners": ("ADMMNetClassifier", "MLP lbfgs"),
        "seeds": (0,),
    }

    @property
    def columns(self):
        columns, each = {"learner": "{}"}, ", ".join(["{:.3f}"] * len(self.seeds))
        for start in STARTS:
            columns |= {f"{start}: accuracy by seed": each, f"{start}: s": "{:.3g}"}
        return columns

    def rows(self, folder, cell):
        for name in self.learners:
            row = {"learner": name}
            for start, scale in STARTS.items():
                key = {"learner": [name], "scale": [scale], "seed": self.seeds}
                lines = cell.each("sigmoid", partial(self.measure, folder), **key)
                if lines is None:
                    continue
                row[f"{start}: accuracy by seed"] = [line["accuracy"] for line in lines]
                row[f"{start}: s"] = median(lines, "seconds")
            yield row

    def measure(self, folder, learner, scale, seed):
        data = folder.data("npz", dataset=self.dataset, n_rows=self.n_rows)
        model = LEARNERS[learner](seed, scale)
        seconds = cpu_seconds(lambda: model.fit(data["X"], data["y"]))
        accuracy = np.mean(model.predict(data["X_test"]) == data["y_test"])
        return {"accuracy": float(accuracy), "seconds": seconds}
