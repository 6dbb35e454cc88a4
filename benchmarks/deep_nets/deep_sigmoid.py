"""Test accuracy of eight hidden sigmoid layers of 40: where stochastic gradients stall.

    OPTLAND_DATA=... python benchmarks/deep_nets/deep_sigmoid.py --results DIR
    OPTLAND_DATA=... python benchmarks/deep_nets/deep_sigmoid.py --results DIR --table

1500 training rows of pendigits and its own test part, five seeds, from scikit-learn's start and
from one of four times its size. scikit-learn's solvers get 400 iterations or epochs, and no rule
stops them before; ours stops by its own.
"""

from pathlib import Path

import numpy as np
from benchmark_utils import threadpool_limits
from benchopt.benchmark import Benchmark
from measure import Results, conditions, cpu_seconds, data_of, print_header, print_row, table_parser
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


def measure(data, make, seed, scale):
    model = make(seed, scale)
    with threadpool_limits(1):
        seconds = cpu_seconds(lambda: model.fit(data["X"], data["y"]))
    accuracy = np.mean(model.predict(data["X_test"]) == data["y_test"])
    return {"accuracy": float(accuracy), "seconds": seconds, "iterations": int(model.n_iter_)}


def main():
    parser = table_parser(__doc__)
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS), choices=list(LEARNERS))
    options = parser.parse_args()
    (dataset_class,) = Benchmark(Path(__file__).parent).get_datasets()
    data = data_of(dataset_class.get_instance(dataset="pendigits", n_rows=1500))
    results = Results(options.results, measuring=not options.table)
    print(conditions())
    print_header(
        "learner", *(f"{start}: {w}" for start in STARTS for w in ("accuracy by seed", "s"))
    )
    for name in options.learners:
        row = []
        for start, scale in STARTS.items():
            lines = []
            for seed in SEEDS:

                def run(name=name, seed=seed, scale=scale):
                    return measure(data, LEARNERS[name], seed, scale)

                lines.append(
                    results.cell("deep_sigmoid", run, learner=name, start=start, seed=seed)
                )
            lines = [line for line in lines if line is not None]
            row.append(", ".join(f"{line['accuracy']:.3f}" for line in lines))
            row.append(f"{np.median([line['seconds'] for line in lines]):.3g}" if lines else "")
        print_row(name, *row)


if __name__ == "__main__":
    main()
